//! The expectation of a stratum at r = 1, in rational arithmetic.

use num_bigint::BigInt;
use num_rational::BigRational;

/// The ratios that are tried.
const RATIOS: [(i32, i32); 11] = [
    (101, 100),
    (11, 10),
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

/// Enumerates every count of n ≤ 14 requests, n1 of them the candidate's, x of them bad, and returns how many there
/// are, how many expectations were computed, and how many of these exceed 1.
pub(crate) fn enumerate() -> (u32, u32, u32) {
    let (mut counts, mut computed, mut above) = (0, 0, 0);
    let one = rational(1, 1);
    for n in 2..=14 {
        for n1 in 1..n {
            for x in 1..=n {
                counts += 1;
                for theta in RATIOS {
                    computed += 1;
                    above += u32::from(expectation(n, n1, x, theta) > one);
                }
            }
        }
    }
    (counts, computed, above)
}

/// Returns E[L | n, n1, x]: of n requests x are bad, and each choice of which is as likely as any other.
fn expectation(n: i32, n1: i32, x: i32, (of, to): (i32, i32)) -> BigRational {
    let (theta, share) = (rational(of, to), rational(n1, n));
    let each = (rational(1, 1) - share.clone() + share * theta.clone()).recip();
    let sum = ((x - (n - n1)).max(0)..=x.min(n1)).map(|x1| {
        let ways = choose(n1, x1) * choose(n - n1, x - x1);
        BigRational::from(ways) * theta.pow(x1)
    });
    sum.sum::<BigRational>() * each.pow(x) / BigRational::from(choose(n, x))
}

fn rational(of: i32, to: i32) -> BigRational {
    BigRational::new(of.into(), to.into())
}

fn choose(n: i32, k: i32) -> BigInt {
    (0..k).fold(BigInt::from(1), |ways, at| ways * (n - at) / (at + 1))
}
