//! Exposures told once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::observe::{DrawnFlag, ExposureSink};

/// Passes on only exposures that are news: the first of a unit to a flag, and each change of its variant, also back to
/// an earlier one.
///
/// It remembers the latest variant of as many units and flags as it has places, eight bytes each, without lock or
/// allocation. Two that share a place forget one another, so that an exposure may be told again; none is left out, but
/// for one in 2⁶⁴.
///
/// ```
/// use std::sync::Arc;
///
/// use fader::{Context, Deduplicated, Flags, MemoryExposures, Source};
///
/// let flags = Flags::builder().build();
/// let seen = Arc::new(MemoryExposures::new());
/// flags.add_exposure_sink(Arc::new(Deduplicated::new(Arc::clone(&seen))));
/// let document = r#"{ "flags": { "ranker": { "rules": [ { "percent": 50, "serve": "on" } ] } } }"#;
/// flags.load(document, &Source::new("flags.json"))?;
/// for _ in 0..3 {
///     let _ = flags.scope(Context::new("user-42")).resolve("ranker");
/// }
/// assert_eq!(seen.records().len(), 1);
/// # Ok::<(), fader::CompileError>(())
/// ```
pub struct Deduplicated<S> {
    sink: S,
    /// By a hash of unit and flag: a hash of both and the variant. Their number is a power of two.
    latest: Box<[AtomicU64]>,
}

impl<S: ExposureSink> Deduplicated<S> {
    /// Makes one with 65,536 places, which take 512 KiB.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self::with_places(sink, 1 << 16)
    }

    /// Makes one with at least so many places, eight bytes each; the next power of two is taken, up to 2²⁸.
    #[must_use]
    pub fn with_places(sink: S, places: usize) -> Self {
        let places = places.clamp(1, 1 << 28).next_power_of_two();
        Self {
            sink,
            latest: (0..places).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl<S: ExposureSink> ExposureSink for Deduplicated<S> {
    fn exposed(&self, drawn: &DrawnFlag<'_>) {
        let (who, what) = drawn.exposure_hashes();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let place = who as usize & (self.latest.len() - 1);
        // 0 is an empty place.
        let what = what.max(1);
        let is_news = self
            .latest
            .get(place)
            .is_none_or(|latest| latest.swap(what, Ordering::Relaxed) != what);
        if is_news {
            self.sink.exposed(drawn);
        }
    }
}

impl<S> fmt::Debug for Deduplicated<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicated")
            .field("places", &self.latest.len())
            .finish_non_exhaustive()
    }
}
