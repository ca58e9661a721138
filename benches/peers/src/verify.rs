//! Nobody is measured on wrong work: every engine has to answer what the flags mean, or nothing is measured.

use anyhow::{Context, Result, ensure};
use fader_benches::{Rules, User, floor};

use crate::engine::{Ask, Engine};
use crate::flags::{Asked, Flag, Logic, Meaning, ROLLOUT, list, many, small};

/// In the mixed set, every so-manieth user is asked about each flag.
const STEP: usize = 64;
/// How many standard deviations a share may be off: one engine in millions is off by more when all is well.
const DEVIATIONS: f64 = 5.0;

/// Asks an engine everything.
///
/// # Errors
///
/// An answer is not what the flag means.
pub fn verify<E: Engine>(users: &[User]) -> Result<()> {
    let few: Vec<&User> = users.iter().collect();
    let some: Vec<&User> = users.iter().step_by(STEP).collect();
    let flags = small(ROLLOUT, E::PATTERNS);
    let answers = check::<E>(&flags, &few).context("small set")?;
    ensure!(
        answers == check::<E>(&flags, &few)?,
        "answers change from one load to the next"
    );
    check::<E>(&list(), &few).context("list")?;
    check::<E>(&many(0, E::PATTERNS), &some).context("mixed set")?;

    // More percent: whoever was in stays in.
    let wider = check::<E>(&small(2 * ROLLOUT, E::PATTERNS), &few).context("small set, 50 %")?;
    let at = position(&flags, "rollout")?;
    let (before, after) = (&answers[at], &wider[at]);
    let lost = before
        .iter()
        .zip(after)
        .filter(|(before, after)| *before == "on" && *after != "on");
    ensure!(lost.count() == 0, "a raised percent loses users");
    Ok(())
}

/// Holds the library itself to its hand-written floor, user by user, hashes and all.
///
/// # Errors
///
/// An answer differs.
pub fn verify_against_floor<E: Engine>(users: &[User]) -> Result<()> {
    let flags = small(ROLLOUT, true);
    let everybody: Vec<&User> = users.iter().collect();
    let answers = check::<E>(&flags, &everybody)?;
    let (rollout, rules) = (
        floor::Rollout::new("rollout", ROLLOUT),
        floor::FiveRules::new("rules", &Rules::one()),
    );
    let (by_rollout, by_rules) = (
        &answers[position(&flags, "rollout")?],
        &answers[position(&flags, "rules")?],
    );
    for (at, user) in users.iter().enumerate() {
        let on = if rollout.holds(user) { "on" } else { "off" };
        ensure!(by_rollout[at] == on, "rollout: {user:?}");
        let variant = ["old", "a", "b", "c"][usize::from(rules.variant(user))];
        ensure!(by_rules[at] == variant, "rules: {user:?}");
    }
    Ok(())
}

fn position(flags: &[Flag], key: &str) -> Result<usize> {
    flags
        .iter()
        .position(|flag| flag.key == key)
        .with_context(|| format!("no flag `{key}`"))
}

/// Checks each flag with each user; returns the answers.
fn check<E: Engine>(flags: &[Flag], users: &[&User]) -> Result<Vec<Vec<String>>> {
    let engine = E::load(&E::document(flags))?;
    let told: Vec<E::User> = users.iter().map(|user| E::user(user)).collect();
    let mut all = Vec::with_capacity(flags.len());
    // The shares of a set are summed up: one flag is asked about few users.
    let (mut on, mut expected, mut variance) = (0.0, 0.0, 0.0);
    let (mut split, mut counts) = (0.0, [0.0; 3]);
    for flag in flags {
        let (asked, ask) = (Asked::new(flag)?, Ask::<E>::new(flag));
        let mut answers = Vec::with_capacity(users.len());
        for (user, told) in users.iter().zip(&told) {
            let answer = answer(&engine, told, &ask);
            ensure!(
                answer == self::answer(&engine, told, &ask),
                "{}: two answers",
                flag.key
            );
            let right = match asked.meaning(user) {
                Meaning::On(on) => answer == if on { "on" } else { "off" },
                Meaning::Variant(variant) => answer == variant,
                Meaning::Share(percent) => {
                    let share = f64::from(percent) / 100.0;
                    expected += share;
                    variance += share * (1.0 - share);
                    on += f64::from(u8::from(answer == "on"));
                    answer == "on" || answer == "off"
                }
                Meaning::Split => {
                    let at = Rules::SPLIT
                        .iter()
                        .position(|(variant, _)| *variant == answer);
                    split += 1.0;
                    at.inspect(|at| counts[*at] += 1.0).is_some()
                }
            };
            ensure!(right, "{}: `{answer}` for {user:?}", flag.key);
            answers.push(answer);
        }
        all.push(answers);
    }
    let has = |logic: fn(&Logic) -> bool| flags.iter().any(|flag| logic(&flag.logic));
    if has(|logic| matches!(logic, Logic::Rollout(_))) {
        let off = (on - expected).abs() / variance.sqrt();
        ensure!(
            off < DEVIATIONS,
            "{on} users are in, {expected} are expected"
        );
    }
    if has(|logic| matches!(logic, Logic::Rules { .. })) {
        for ((variant, weight), count) in Rules::SPLIT.iter().zip(counts) {
            let share = f64::from(*weight) / 100.0;
            let off = (count - split * share).abs() / (split * share * (1.0 - share)).sqrt();
            ensure!(off < DEVIATIONS, "{count} of {split} users get `{variant}`");
        }
    }
    Ok(all)
}

fn answer<E: Engine>(engine: &E, user: &E::User, ask: &Ask<E>) -> String {
    let asker = engine.asker(user);
    match ask {
        Ask::On(key) => if engine.is_on(&asker, key) {
            "on"
        } else {
            "off"
        }
        .to_owned(),
        Ask::Variant(key) => engine.variant(&asker, key).as_ref().to_owned(),
    }
}

#[cfg(test)]
mod tests;
