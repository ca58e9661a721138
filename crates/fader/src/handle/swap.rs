//! The one module that names `arc_swap`: a value that readers take without waiting and writers replace as a whole.
//!
//! `arc_swap` 1.9.3 or later: a reader never blocks, whatever writers do. Its issue 210, in which a reader saw freed
//! memory (reported for 1.9.1 on arm64), is open; the feature `rwlock-strategy` puts a `RwLock` in its place, for
//! whoever is struck (ADR 0004). Nothing outside this file would change.

use std::sync::Arc;

#[cfg(feature = "rwlock-strategy")]
type Strategy = std::sync::RwLock<()>;
#[cfg(not(feature = "rwlock-strategy"))]
type Strategy = arc_swap::DefaultStrategy;

/// An `Arc` that can be replaced while others read it.
#[derive(Debug)]
pub(crate) struct Swap<T>(arc_swap::ArcSwapAny<Arc<T>, Strategy>);

impl<T> Swap<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self(arc_swap::ArcSwapAny::with_strategy(
            value,
            Strategy::default(),
        ))
    }

    /// Runs `read` on the present value. Cheaper than [`load`](Self::load), and not to be held across anything slow.
    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(&Arc<T>) -> R) -> R {
        read(&self.0.load())
    }

    /// Returns the present value, counted, to be held for as long as needed.
    #[inline]
    pub(crate) fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces the value and returns the old one. Readers that hold it keep it.
    pub(crate) fn swap(&self, value: Arc<T>) -> Arc<T> {
        self.0.swap(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fewer under Miri, which takes a thousand times as long.
    const ROUNDS: u64 = if cfg!(miri) { 200 } else { 20_000 };

    #[test]
    fn readers_see_whole_values_in_order_while_a_writer_swaps() {
        let swap = Swap::new(Arc::new([0_u64; 8]));
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = 0;
                        while last < ROUNDS {
                            let now = swap.with(|value| {
                                assert!(value.iter().all(|part| *part == value[0]));
                                value[0]
                            });
                            assert!(now >= last, "a version went back");
                            last = now;
                        }
                    })
                })
                .collect();
            for number in 1..=ROUNDS {
                swap.swap(Arc::new([number; 8]));
            }
            readers
                .into_iter()
                .for_each(|reader| reader.join().unwrap());
        });
        assert_eq!(swap.load()[0], ROUNDS);
    }
}
