//! Counts of durations: 32 steps an octave, so a value is known to 3 %.

const STEPS: u32 = 5;

/// A histogram of nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    longest: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self {
            counts: vec![0; (64 << STEPS) as usize],
            longest: 0,
        }
    }

    #[inline]
    pub fn add(&mut self, nanos: u64) {
        self.counts[Self::step(nanos)] += 1;
        self.longest = self.longest.max(nanos);
    }

    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// Returns what so large a share of the values, at most 1, does not exceed.
    pub fn quantile(&self, share: f64) -> u64 {
        let all: u64 = self.counts.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut sum = 0;
        for (step, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return Self::end(step).min(self.longest);
            }
        }
        self.longest
    }

    #[inline]
    fn step(nanos: u64) -> usize {
        let octave = nanos.max(1).ilog2();
        if octave < STEPS {
            return nanos as usize;
        }
        let within = (nanos >> (octave - STEPS)) & ((1 << STEPS) - 1);
        (u64::from(octave - STEPS + 1) << STEPS | within) as usize
    }

    /// Returns the largest value of a step.
    fn end(step: usize) -> u64 {
        let (octave, within) = ((step >> STEPS) as u32, (step & ((1 << STEPS) - 1)) as u64);
        if octave == 0 {
            return within;
        }
        let width = 1_u64 << (octave - 1);
        ((1 << STEPS) + within) * width + (width - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_step() {
        for nanos in (0..100_000).chain([1 << 20, (1 << 40) + 12_345]) {
            let step = Histogram::step(nanos);
            assert!(nanos <= Histogram::end(step), "{nanos}");
            assert!(step == 0 || nanos > Histogram::end(step - 1), "{nanos}");
        }
    }

    #[test]
    fn a_quantile_is_exact_to_three_percent() {
        let mut histogram = Histogram::new();
        (1..=1_000).for_each(|nanos| histogram.add(nanos));
        assert!((990..=1_000).contains(&histogram.quantile(0.999)));
        assert!((485..=517).contains(&histogram.quantile(0.5)));
        assert_eq!(histogram.longest(), 1_000);
    }
}
