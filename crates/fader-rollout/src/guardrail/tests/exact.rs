//! The claim E\[L\] ≤ 1, by enumeration in rational arithmetic, and that the code computes this L.

use num_bigint::BigInt;
use num_rational::BigRational;

use super::super::logs::costs;
use super::super::mixture::{ALTERNATIVES, Alternative, Mixture};

/// The alternatives of both directions, and some beyond.
const THETAS: [(u32, u32); 11] = [
    (1, 10),
    (1, 2),
    (5, 4),
    (3, 2),
    (2, 1),
    (3, 1),
    (5, 1),
    (10, 1),
    (30, 1),
    (100, 1),
    (1000, 1),
];

const LARGEST: u32 = 14;

fn ratio(of: u32, to: u32) -> BigRational {
    BigRational::new(BigInt::from(of), BigInt::from(to))
}

fn whole(n: u32) -> BigRational {
    ratio(n, 1)
}

fn power(base: &BigRational, exponent: u32) -> BigRational {
    base.pow(i32::try_from(exponent).unwrap())
}

fn choose(n: u32, k: u32) -> BigRational {
    (0..k).map(|i| ratio(n - i, i + 1)).product()
}

/// (θ/r)^x1 · ((1 − π + π·r)/(1 − π + π·θ))^x, as it is published.
fn likelihood_ratio(
    share: &BigRational,
    margin: &BigRational,
    theta: &BigRational,
    [x1, x0]: [u32; 2],
) -> BigRational {
    let one = whole(1);
    let under = |ratio: &BigRational| &one - share + share * ratio;
    power(&(theta / margin), x1) * power(&(under(margin) / under(theta)), x1 + x0)
}

/// What the code makes of the same stratum: it multiplies terms that were 1, without late starts.
fn computed(share: f64, margin: f64, theta: f64, [x1, x0]: [u32; 2]) -> f64 {
    let times = theta / margin;
    let alternatives: [Alternative; ALTERNATIVES] = [(times, times.ln()); ALTERNATIVES];
    let chance = share * margin / (1.0 - share + share * margin);
    let mut mixture = Mixture::new();
    let trials = f64::from(x1) + f64::from(x0);
    mixture.take(
        &alternatives,
        &costs(&alternatives, chance),
        (x1.into(), trials),
        0.0,
    );
    2.0 * mixture.evidence(0.0)
}

fn float(exact: &BigRational) -> f64 {
    // Digits enough for a double: numerator and denominator alone may be beyond its range.
    let scaled = (exact * BigRational::from_integer(BigInt::from(10).pow(30))).to_integer();
    scaled.to_string().parse::<f64>().unwrap() / 1e30
}

#[test]
fn given_the_bad_ones_of_a_stratum_the_expectation_is_at_most_one() {
    let one = whole(1);
    let mut cases = 0;
    for n in 2..=LARGEST {
        for n1 in 1..n {
            for x in 1..=n {
                cases += 1;
                for (of, to) in THETAS {
                    let theta = ratio(of, to);
                    let expectation: BigRational = (0..=x.min(n1))
                        .filter(|x1| x - x1 <= n - n1)
                        .map(|x1| {
                            let chance = choose(n1, x1) * choose(n - n1, x - x1) / choose(n, x);
                            chance * likelihood_ratio(&ratio(n1, n), &one, &theta, [x1, x - x1])
                        })
                        .sum();
                    assert!(expectation <= one, "n {n}, n1 {n1}, x {x}, θ {theta}");
                }
            }
        }
    }
    assert_eq!(cases, 910);
}

/// Returns the probability of x bad ones among n.
fn binomial(n: u32, x: u32, p: &BigRational) -> BigRational {
    choose(n, x) * power(p, x) * power(&(whole(1) - p), n - x)
}

#[test]
fn with_a_margin_the_expectation_over_all_counts_is_at_most_one() {
    let one = whole(1);
    for margin in [ratio(11, 10), ratio(6, 5), whole(2)] {
        for p0 in [ratio(1, 1000), ratio(1, 100), ratio(1, 10), ratio(3, 10)] {
            let p1 = &margin * &p0;
            for n in 2..=LARGEST {
                for n1 in 1..n {
                    let share = ratio(n1, n);
                    // The expectation factors: a product of one power for each bad event, by arm.
                    for (of, to) in THETAS {
                        let theta = &margin * ratio(of, to);
                        let of_arm = |bad: [u32; 2]| likelihood_ratio(&share, &margin, &theta, bad);
                        let mean = |n: u32, p: &BigRational, factor: BigRational| {
                            power(&(&one - p + p * factor), n)
                        };
                        let expectation =
                            mean(n1, &p1, of_arm([1, 0])) * mean(n - n1, &p0, of_arm([0, 1]));
                        assert!(expectation <= one, "r {margin}, p0 {p0}, n {n}, n1 {n1}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_expectation_factors() {
    let (margin, theta, p0) = (ratio(6, 5), whole(2), ratio(3, 10));
    let (n1, n0) = (3, 4);
    let (p1, share) = (&margin * &p0, ratio(n1, n1 + n0));
    let of = |bad: [u32; 2]| likelihood_ratio(&share, &margin, &theta, bad);
    let summed: BigRational = (0..=n1)
        .flat_map(|x1| (0..=n0).map(move |x0| [x1, x0]))
        .map(|[x1, x0]| binomial(n1, x1, &p1) * binomial(n0, x0, &p0) * of([x1, x0]))
        .sum();
    let one = whole(1);
    let arm = |n, p: &BigRational, factor: BigRational| power(&(&one - p + p * factor), n);
    assert_eq!(summed, arm(n1, &p1, of([1, 0])) * arm(n0, &p0, of([0, 1])));
}

/// With a margin above 1 the guarantee does *not* hold given x: one of two requests is bad, and it is the candidate's
/// more often than 2 : 1 if its rate is twice stable's. Whoever argues stratum by stratum given x argues wrongly.
#[test]
fn with_a_margin_the_expectation_given_the_bad_ones_exceeds_one() {
    let (margin, theta, p0) = (whole(2), whole(3), ratio(3, 10));
    let p1 = &margin * &p0;
    let chances = [
        binomial(1, 1, &p1) * binomial(1, 0, &p0),
        binomial(1, 0, &p1) * binomial(1, 1, &p0),
    ];
    let given: BigRational = chances.iter().sum();
    let of = |bad: [u32; 2]| likelihood_ratio(&ratio(1, 2), &margin, &theta, bad);
    let expectation = (&chances[0] * of([1, 0]) + &chances[1] * of([0, 1])) / given;
    assert!(expectation > whole(1), "{expectation}");
}

#[test]
fn the_code_computes_the_exact_ratio() {
    for (n1, n) in [(1, 2), (1, 100), (3, 7), (9, 10)] {
        for (r, of) in [(1, 1), (11, 10), (6, 5), (2, 1)] {
            for (theta, to) in THETAS {
                for bad in [[1, 0], [0, 1], [2, 5], [7, 0], [0, 7], [13, 1], [3, 60]] {
                    let (margin, theta) = (ratio(r, of), ratio(theta * r, to * of));
                    let exact = float(&likelihood_ratio(&ratio(n1, n), &margin, &theta, bad));
                    let share = f64::from(n1) / f64::from(n);
                    let found = computed(share, float(&margin), float(&theta), bad);
                    let off = (found - exact).abs();
                    assert!(off <= 1e-12 * exact + 1e-29, "{found} is not {exact}");
                }
            }
        }
    }
}
