//! Readers at full speed, alone and while another thread swaps.
//!
//! What is swapped in are two small documents in turn. They are ready as bytes; each is compiled on the writer's core
//! before it is swapped in, as a provider would do it, and what it replaces is freed by whoever holds it last.
//!
//! A run alone and a run under swaps make a pair, and the pairs take turns at which of both comes first, so that a
//! machine that becomes slower meanwhile favours neither. The median of the pairs' ratios is reported, on top of the
//! median alone.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fader::{Delivery, FlagType, Flags, Source};
use fader_benches::counting::counts;
use fader_benches::documents;
use fader_benches::keys::InRollout;

use crate::evaluate::Asked;
use crate::report::Report;

const PAIRS: usize = 9;
const RUN: Duration = Duration::from_millis(250);
const SWAPS_A_SECOND: u32 = 100;
const IDS: usize = 10;

pub fn measure(report: &mut Report) {
    for threads in [1, 2, 4, 8] {
        let name = format!("swap/{threads}");
        if !report.wants(&name) {
            continue;
        }
        let readers = Readers {
            flags: documents::flags(IDS),
            asked: Asked::new(),
            threads,
            time: if report.is_test() { RUN / 10 } else { RUN },
        };
        let (mut alone, mut ratios, mut allocations) = (Vec::new(), Vec::new(), 0.0);
        let pairs = if report.is_test() { 1 } else { PAIRS };
        for pair in 0..pairs {
            let (by_themselves, swapped) = if pair % 2 == 0 {
                let by_themselves = readers.run(false);
                (by_themselves, readers.run(true))
            } else {
                let swapped = readers.run(true);
                (readers.run(false), swapped)
            };
            alone.push(by_themselves.nanos);
            ratios.push(swapped.nanos / by_themselves.nanos);
            allocations += swapped.allocations / pairs as f64;
        }
        let floor = median(alone);
        report.add(&name, floor * median(ratios), Some(floor), allocations);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Threads that ask as fast as they can.
struct Readers {
    flags: Flags,
    asked: Asked,
    threads: usize,
    time: Duration,
}

/// What an evaluation came to, on one thread of several.
struct Run {
    nanos: f64,
    allocations: f64,
}

impl Readers {
    fn run(&self, swap: bool) -> Run {
        let (start, stop) = (&Barrier::new(self.threads + 1), &AtomicBool::new(false));
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..self.threads)
                .map(|_| scope.spawn(move || self.read(start, stop)))
                .collect();
            let (deliveries, source) = (deliveries(), Source::new("small.json"));
            let load = |at: usize| {
                self.flags
                    .load(deliveries[at % 2].clone(), &source)
                    .expect("the document is good")
            };
            // So that the first swap is one, whatever the last run has left.
            load(1);
            start.wait();
            let (from, mut swaps, mut swapped) = (Instant::now(), 0, true);
            while from.elapsed() < self.time {
                let due = Duration::from_secs(1) / SWAPS_A_SECOND * (swaps + 1);
                std::thread::sleep(due.saturating_sub(from.elapsed()));
                if swap {
                    swapped &= load(swaps as usize).is_new();
                }
                swaps += 1;
            }
            stop.store(true, Ordering::Relaxed);
            // Not earlier: readers that nobody stops would be waited for.
            assert!(swapped, "what was to be swapped in was live already");
            let runs: Vec<Run> = readers
                .into_iter()
                .map(|reader| reader.join().expect("a reader that ends"))
                .collect();
            let mean = |of: fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
            Run {
                nanos: mean(|run| run.nanos),
                allocations: mean(|run| run.allocations),
            }
        })
    }

    fn read(&self, start: &Barrier, stop: &AtomicBool) -> Run {
        let ask_all = || {
            for context in &self.asked.contexts {
                black_box(self.flags.get(InRollout::key(), context));
            }
        };
        // The first time may do what is done once on a thread.
        ask_all();
        let (mut evaluations, mut spent) = (0.0, Duration::ZERO);
        start.wait();
        let before = counts();
        while !stop.load(Ordering::Relaxed) {
            let from = Instant::now();
            ask_all();
            spent += from.elapsed();
            evaluations += self.asked.contexts.len() as f64;
        }
        let counts = counts() - before;
        Run {
            nanos: spent.as_nanos() as f64 / evaluations,
            allocations: counts.allocations as f64 / evaluations,
        }
    }
}

/// Two documents that differ in a flag which nobody asks for.
fn deliveries() -> [Delivery; 2] {
    let on = documents::small();
    let off = on.replace(r#""plain": true"#, r#""plain": false"#);
    // The one that is not live yet comes first.
    [off, on].map(|document| Delivery::new(document).list("ids.txt", Ok(documents::list_file(IDS))))
}
