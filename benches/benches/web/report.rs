//! From pairs to medians and quartiles.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::servers::{Framework, Variant};

/// What is measured, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// CPU time a request while requests come as fast as they are answered.
    CpuFlooded,
    /// What of it is in user mode, as the kernel guesses by looking 100 to 1,000 times a second.
    UserFlooded,
    /// CPU time a request while they come half as fast.
    CpuAtHalf,
    /// The latency at half load that half of the requests stay below.
    Median,
    /// The one that 99 % stay below, all requests of a pair taken together. A machine that stands still for ten
    /// milliseconds in a second decides it alone.
    P99,
    /// The one that 99 % stay below in a twentieth of a second: the median of all of a pair.
    P99OfSlice,
}

impl Measure {
    const ALL: [Self; 6] = [
        Self::CpuFlooded,
        Self::UserFlooded,
        Self::CpuAtHalf,
        Self::Median,
        Self::P99,
        Self::P99OfSlice,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::CpuFlooded => "cpu",
            Self::UserFlooded => "cpu, user mode",
            Self::CpuAtHalf => "cpu, half load",
            Self::Median => "p50, half load",
            Self::P99 => "p99, half load",
            Self::P99OfSlice => "p99 of 50 ms, half load",
        }
    }
}

/// One variant beside another, in one measure, over all pairs.
pub struct Row {
    framework: Framework,
    pub measure: Measure,
    pub base: Variant,
    pub other: Variant,
    pairs: Vec<(f64, f64)>,
}

/// The median, and the quartiles around it.
struct Spread([f64; 3]);

impl Row {
    /// Returns the rows of a framework: the layer beside the bare server, and outcomes and a
    /// controller beside the layer.
    pub fn all(framework: Framework) -> Vec<Self> {
        let variants = [
            (Variant::Bare, Variant::Layer),
            (Variant::Layer, Variant::Outcomes),
            (Variant::Layer, Variant::Controller),
        ];
        let row = |measure, (base, other)| Self {
            framework,
            measure,
            base,
            other,
            pairs: Vec::new(),
        };
        let of_variants = |variants| Measure::ALL.map(|measure| row(measure, variants));
        variants.into_iter().flat_map(of_variants).collect()
    }

    /// Adds what a pair came to.
    pub fn add(&mut self, base: f64, other: f64) {
        self.pairs.push((base, other));
    }

    fn spread(&self, of: impl Fn(f64, f64) -> f64) -> Spread {
        let mut values: Vec<f64> = self
            .pairs
            .iter()
            .map(|(base, other)| of(*base, *other))
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        Spread([0.25, 0.5, 0.75].map(|share| quantile(&values, share)))
    }

    fn base_us(&self) -> Spread {
        self.spread(|base, _| base)
    }

    fn other_us(&self) -> Spread {
        self.spread(|_, other| other)
    }

    fn more_us(&self) -> Spread {
        self.spread(|base, other| other - base)
    }

    fn ratio(&self) -> Spread {
        self.spread(|base, other| other / base)
    }
}

/// Interpolates between the two values that are nearest.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * share;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

impl Spread {
    fn json(&self) -> Value {
        let [lower, median, upper] = self.0.map(|value| (value * 1_000.0).round() / 1_000.0);
        json!({ "q1": lower, "median": median, "q3": upper })
    }

    fn cell(&self, decimals: usize) -> String {
        let [lower, median, upper] = self.0;
        format!("{median:.decimals$} ({lower:.decimals$}–{upper:.decimals$})")
    }
}

/// Writes the rows as an array.
pub fn json(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        json!({
            "framework": row.framework.as_str(),
            "measure": row.measure.as_str(),
            "base": row.base.as_str(),
            "other": row.other.as_str(),
            "pairs": row.pairs.len(),
            "base_us": row.base_us().json(),
            "other_us": row.other_us().json(),
            "more_us": row.more_us().json(),
            "ratio": row.ratio().json(),
        })
    });
    let rows: Value = rows.collect();
    format!("{rows:#}")
}

/// Writes the rows for people: medians, with the quartiles in brackets.
pub fn table(rows: &[Row]) -> String {
    let head = [
        "",
        "",
        "the first, µs",
        "the second, µs",
        "more, µs",
        "ratio",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let (base, other) = (row.base.as_str(), row.other.as_str());
        lines.push([
            format!("{}: {base}, {other}", row.framework.as_str()),
            row.measure.as_str().to_owned(),
            row.base_us().cell(2),
            row.other_us().cell(2),
            row.more_us().cell(2),
            row.ratio().cell(3),
        ]);
    }
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    });
    let mut text = String::new();
    for [variants, measure, figures @ ..] in &lines {
        let _ = write!(text, "{variants:<0$}  {measure:<1$}", widths[0], widths[1]);
        for (figure, width) in figures.iter().zip(&widths[2..]) {
            let _ = write!(text, "  {figure:>width$}");
        }
        text.push('\n');
    }
    text
}
