//! One reader at full speed while another thread replaces the rules.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use fader_benches::User;
use serde::{Deserialize, Serialize};

use crate::engine::{Ask, Engine, Live, Swap, ask};
use crate::flags::{Flag, SWAPPED, many};
use crate::histogram::Histogram;

const SWAPS_A_SECOND: u32 = 100;
/// How long a run takes; a round has three, and every engine has its turn in each round.
const RUN: Duration = Duration::from_millis(400);

/// What a reader came to in a round.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Swapped {
    /// Evaluations a second, nothing being replaced.
    pub alone: f64,
    /// Evaluations a second under swaps.
    pub swapped: f64,
    /// The share of evaluations a second that is left under swaps.
    pub kept: f64,
    /// Swaps a second that the writer came to.
    pub swaps: f64,
    /// Nanoseconds that 99.9 % of evaluations under swaps did not exceed, the clock's own reading included.
    pub p999: f64,
    /// Nanoseconds of the longest evaluation under swaps.
    pub longest: f64,
}

/// An engine under swaps, whatever its type.
pub trait Runs {
    fn how(&self) -> &'static str;

    /// Runs a round.
    ///
    /// # Errors
    ///
    /// A swap fails.
    fn round(&mut self) -> Result<Swapped>;
}

struct Running<E: Engine> {
    live: Live<E>,
    users: Vec<E::User>,
    flags: Vec<Ask<E>>,
}

/// Makes an engine ready to be swapped; `None` where another way of asking it stands for it.
///
/// # Errors
///
/// The engine refuses its documents.
pub fn prepare<E: Engine>(users: &[User]) -> Result<Option<Box<dyn Runs>>> {
    // The second set has every rollout one percent higher.
    let sets = [0, 1].map(|more| {
        let mut flags = many(more, E::PATTERNS);
        flags.truncate(SWAPPED);
        flags
    });
    let Some(live) = E::live(sets.each_ref().map(|flags| E::document(flags)))? else {
        return Ok(None);
    };
    let [flags, _]: &[Vec<Flag>; 2] = &sets;
    Ok(Some(Box::new(Running {
        live,
        users: users.iter().map(E::user).collect(),
        flags: flags.iter().map(Ask::new).collect(),
    })))
}

impl<E: Engine> Runs for Running<E> {
    fn how(&self) -> &'static str {
        self.live.how
    }

    fn round(&mut self) -> Result<Swapped> {
        let (engine, users, flags) = (&*self.live.engine, &self.users, &self.flags);
        let once = |turn: usize| {
            let user = &users[turn % users.len()];
            ask(engine, &engine.asker(user), &flags[turn % flags.len()]);
        };
        let alone = count(once);
        let (swapped, swaps) = beside(&mut self.live.swap, || count(once))?;
        let (histogram, _) = beside(&mut self.live.swap, || clock(once))?;
        Ok(Swapped {
            alone,
            swapped,
            kept: swapped / alone,
            swaps,
            p999: histogram.quantile(0.999) as f64,
            longest: histogram.longest() as f64,
        })
    }
}

/// Runs beside swaps; returns how many a second there were too.
fn beside<R>(swap: &mut Swap, run: impl FnOnce() -> R) -> Result<(R, f64)> {
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(move || -> Result<f64> {
            let (start, every) = (Instant::now(), Duration::from_secs(1) / SWAPS_A_SECOND);
            let (mut swaps, mut next) = (0_usize, start);
            while !stop.load(Ordering::Relaxed) {
                swap(swaps % 2)?;
                swaps += 1;
                next += every;
                // A writer that can't keep up does not catch up.
                match next.checked_duration_since(Instant::now()) {
                    Some(left) => thread::sleep(left),
                    None => next = Instant::now(),
                }
            }
            Ok(swaps as f64 / start.elapsed().as_secs_f64())
        });
        let result = run();
        stop.store(true, Ordering::Relaxed);
        let swaps = writer
            .join()
            .map_err(|_| anyhow!("the writer panicked"))??;
        Ok((result, swaps))
    })
}

/// Evaluates for the time of a run; returns evaluations a second.
fn count(once: impl Fn(usize)) -> f64 {
    let start = Instant::now();
    let mut turn = 0;
    while start.elapsed() < RUN {
        // The clock is read seldom, so that it is not what is measured.
        for _ in 0..32 {
            once(turn);
            turn += 1;
        }
    }
    turn as f64 / start.elapsed().as_secs_f64()
}

/// Evaluates for the time of a run, each evaluation by its own clock.
fn clock(once: impl Fn(usize)) -> Histogram {
    let mut histogram = Histogram::new();
    let start = Instant::now();
    let (mut before, mut turn) = (start, 0);
    while before - start < RUN {
        once(turn);
        let after = Instant::now();
        histogram.add(u64::try_from((after - before).as_nanos()).unwrap_or(u64::MAX));
        before = after;
        turn += 1;
    }
    histogram
}
