//! `fader position`: where does a unit stand?

use std::io::Write as _;

use fader::hash;

use crate::Outcome;
use crate::output;

/// Prints a unit's position (for `percent` and `ramp`) and place (for weights) under a salt.
///
/// A unit is enrolled at every percent above its position; weights give it the variant whose share holds its place.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The salt: by default a flag's key.
    #[arg(long, allow_hyphen_values = true)]
    salt: String,
    /// The unit as text, such as a user's id; it may be empty.
    #[arg(long, allow_hyphen_values = true)]
    unit: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    for (name, point) in [
        ("position", hash::position(&args.salt, &args.unit)),
        ("place", hash::place(&args.salt, &args.unit)),
    ] {
        writeln!(out, "{name:<8}  {point:>20}  {} %", percent(point)).map_err(output::failed)?;
    }
    Ok(Outcome::Fine)
}

/// Writes n · 100 / 2^64, cut after six decimals: the finest step that a percent has.
fn percent(point: u64) -> String {
    let micros = (u128::from(point) * 100_000_000) >> 64;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_is_cut_never_rounded_up() {
        assert_eq!(percent(0), "0.000000");
        assert_eq!(percent(1 << 63), "50.000000");
        assert_eq!(percent((1 << 62) - 1), "24.999999");
        assert_eq!(percent(u64::MAX), "99.999999");
    }
}
