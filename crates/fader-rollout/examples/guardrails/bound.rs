//! How often something happens, as far as some runs tell.

/// The chance with which the bound is above the truth.
const ERROR: f64 = 0.001;

/// Returns the lower bound of a probability that was met `hits` times in `runs`, at 99.9 % (Clopper & Pearson 1934).
pub(crate) fn lower_bound(hits: u32, runs: u32) -> f64 {
    if hits == 0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if at_least(hits, runs, middle) < ERROR {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Returns the probability of at least so many hits.
pub(crate) fn at_least(hits: u32, runs: u32, p: f64) -> f64 {
    let (odds, n) = ((p / (1.0 - p)).ln(), f64::from(runs));
    let mut log = n * (1.0 - p).ln();
    let mut sum = 0.0;
    for k in 1..=runs {
        let k_ = f64::from(k);
        log += ((n - k_ + 1.0) / k_).ln() + odds;
        if k >= hits {
            sum += log.exp();
        }
    }
    sum
}

/// Returns the value that a part of some sorted ones does not exceed (nearest rank).
pub(crate) fn quantile<T: Copy>(sorted: &[T], tenths: usize) -> Option<T> {
    let rank = (sorted.len() * tenths).div_ceil(10);
    sorted.get(rank.saturating_sub(1)).copied()
}
