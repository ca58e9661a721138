//! A whole run: every engine held to its answers, then measured in turns with the others.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use fader_benches::{User, users};

use crate::engine::Engine;
use crate::engines::{
    configcat, eppo, fader, feature_probe, flagd, growthbook, launchdarkly, yggdrasil,
};
use crate::machine;
use crate::measure::{Built, Loaded, Work};
use crate::results::{self, Evaluation, Results, median};
use crate::swap::{self, Runs, Swapped};
use crate::verify;

/// How often each engine has its turn, work by work.
const ROUNDS: usize = 101;
/// How often each engine's mixed set is built.
const BUILDS: usize = 11;
/// How often each engine is swapped.
const SWAPS: usize = 9;

/// An engine, whatever its type.
trait Subject {
    fn round(&mut self, work: Work) -> Option<f64>;
    fn build(&self) -> Result<Built>;
    fn swap(&self, users: &[User]) -> Result<Option<Box<dyn Runs>>>;
    fn describe(&self) -> Result<results::Engine>;
}

impl<E: Engine> Subject for Loaded<E> {
    fn round(&mut self, work: Work) -> Option<f64> {
        Self::round(self, work)
    }

    fn build(&self) -> Result<Built> {
        Self::build(self)
    }

    fn swap(&self, users: &[User]) -> Result<Option<Box<dyn Runs>>> {
        swap::prepare::<E>(users)
    }

    fn describe(&self) -> Result<results::Engine> {
        let evaluation = |work| {
            let (allocations, bytes) = self.allocated(work)?;
            Some((
                work,
                Evaluation {
                    nanos: 0.0,
                    allocations,
                    bytes,
                },
            ))
        };
        Ok(results::Engine {
            name: E::NAME.to_owned(),
            package: E::PACKAGE.to_owned(),
            version: machine::version(E::PACKAGE)?,
            call: E::CALL.to_owned(),
            patterns: E::PATTERNS,
            works: Work::EACH.into_iter().filter_map(evaluation).collect(),
            built: self.build()?,
            copy: self.copies(),
            swap: None,
        })
    }
}

/// Does the same with each engine.
macro_rules! each {
    ($with:ident) => {
        $with!(
            fader::ByScope,
            fader::ByKey,
            fader::ByString,
            yggdrasil::Yggdrasil,
            eppo::Function,
            eppo::ByEvaluator,
            launchdarkly::LaunchDarkly,
            feature_probe::Probe,
            growthbook::Below,
            growthbook::Client,
            configcat::ConfigCat,
            flagd::Flagd,
        )
    };
}

/// Holds every engine to what the flags mean.
///
/// # Errors
///
/// One answers otherwise.
pub fn verify() -> Result<()> {
    let users = users();
    macro_rules! with {
        ($($engine:ty),+ $(,)?) => {$(
            verify::verify::<$engine>(&users).context(<$engine>::NAME)?;
            eprintln!("answers as it should: {}", <$engine>::NAME);
        )+};
    }
    each!(with);
    verify::verify_against_floor::<fader::ByScope>(&users).context(fader::ByScope::NAME)?;
    verify::verify_against_floor::<fader::ByKey>(&users).context(fader::ByKey::NAME)?;
    verify::verify_against_floor::<fader::ByString>(&users).context(fader::ByString::NAME)
}

/// Measures everything.
///
/// # Errors
///
/// An engine refuses its documents, or answers what it should not.
pub fn measure() -> Result<Results> {
    let machine = machine::machine()?;
    verify()?;
    let users = users();
    macro_rules! with {
        ($($engine:ty),+ $(,)?) => {
            vec![$(Box::new(Loaded::<$engine>::new(&users).context(<$engine>::NAME)?) as Box<dyn Subject>),+]
        };
    }
    let mut subjects: Vec<Box<dyn Subject>> = each!(with);
    let described: Result<Vec<_>> = subjects.iter().map(|subject| subject.describe()).collect();
    let mut engines = described?;

    let mut nanos: Vec<BTreeMap<Work, Vec<f64>>> = vec![BTreeMap::new(); engines.len()];
    for round in 0..=ROUNDS {
        eprintln!("evaluations: round {round} of {ROUNDS}");
        for work in Work::EACH {
            for (subject, nanos) in subjects.iter_mut().zip(&mut nanos) {
                let taken = subject.round(work);
                // The first round finds out how slow an engine is.
                if round > 0 {
                    nanos.entry(work).or_default().extend(taken);
                }
            }
        }
    }
    let mut builds: Vec<Vec<f64>> = vec![Vec::new(); engines.len()];
    for round in 1..=BUILDS {
        eprintln!("builds: round {round} of {BUILDS}");
        for (subject, builds) in subjects.iter().zip(&mut builds) {
            builds.push(subject.build()?.millis);
        }
    }
    for ((engine, nanos), builds) in engines.iter_mut().zip(nanos).zip(builds) {
        for (work, nanos) in nanos {
            if let Some(evaluation) = engine.works.get_mut(&work) {
                evaluation.nanos = median(nanos);
            }
        }
        engine.built.millis = median(builds);
    }
    let runs: Result<Vec<_>> = subjects
        .iter()
        .map(|subject| subject.swap(&users))
        .collect();
    drop(subjects);
    swaps(&mut engines, runs?)?;
    Ok(Results {
        machine,
        rounds: ROUNDS,
        block_on: block_on()?,
        engines,
    })
}

/// Returns the nanoseconds that a current-thread runtime adds to a future that is ready at once.
fn block_on() -> Result<f64> {
    const TIMES: u32 = 100_000;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        for turn in 0..TIMES {
            black_box(runtime.block_on(async { black_box(turn) }));
        }
        start.elapsed().as_nanos() as f64 / f64::from(TIMES)
    });
    Ok(median(rounds.collect()))
}

fn swaps(engines: &mut [results::Engine], mut runs: Vec<Option<Box<dyn Runs>>>) -> Result<()> {
    let mut rounds: Vec<Vec<Swapped>> = vec![Vec::new(); engines.len()];
    for round in 0..=SWAPS {
        eprintln!("swaps: round {round} of {SWAPS}");
        for ((engine, runs), rounds) in engines.iter().zip(&mut runs).zip(&mut rounds) {
            let Some(runs) = runs else { continue };
            let swapped = runs.round().with_context(|| engine.name.clone())?;
            if round > 0 {
                rounds.push(swapped);
            }
        }
    }
    for ((engine, runs), rounds) in engines.iter_mut().zip(runs).zip(rounds) {
        let of = |figure: fn(&Swapped) -> f64| median(rounds.iter().map(figure).collect());
        engine.swap = runs.map(|runs| results::Swap {
            how: runs.how().to_owned(),
            figures: Swapped {
                alone: of(|swapped| swapped.alone),
                swapped: of(|swapped| swapped.swapped),
                kept: of(|swapped| swapped.kept),
                swaps: of(|swapped| swapped.swaps),
                p999: of(|swapped| swapped.p999),
                longest: of(|swapped| swapped.longest),
            },
        });
    }
    Ok(())
}
