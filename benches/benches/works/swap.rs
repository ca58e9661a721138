//! Readers at full speed, alone and while another thread swaps.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fader::{FlagType, Flags, Overlay};
use fader_benches::documents;

use crate::evaluate::{Asked, InRollout};
use crate::report::Report;

/// Pairs of a run alone and a run under swaps, one after the other; the median of each is reported.
const PAIRS: usize = 9;
const RUN: Duration = Duration::from_millis(250);
const SWAPS_A_SECOND: u32 = 100;

pub fn measure(report: &mut Report) {
    for threads in [1, 2, 4, 8] {
        let name = format!("swap/{threads}");
        if !report.wants(&name) {
            continue;
        }
        let (flags, asked) = (documents::flags(10), Asked::new());
        let pairs = (0..PAIRS).map(|_| {
            (
                run(&flags, &asked, threads, false),
                run(&flags, &asked, threads, true),
            )
        });
        let (alone, swapped): (Vec<_>, Vec<_>) = pairs.unzip();
        report.add(&name, median(swapped), Some(median(alone)), 0.0);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the nanoseconds an evaluation takes on one thread of several.
fn run(flags: &Flags, asked: &Asked, threads: usize, swap: bool) -> f64 {
    let (start, stop) = (&Barrier::new(threads + 1), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(move || {
                    let (mut count, mut spent) = (0_u64, Duration::ZERO);
                    start.wait();
                    while !stop.load(Ordering::Relaxed) {
                        let from = Instant::now();
                        for context in &asked.contexts {
                            black_box(flags.get(InRollout::key(), context));
                        }
                        spent += from.elapsed();
                        count += asked.contexts.len() as u64;
                    }
                    spent.as_nanos() as f64 / count as f64
                })
            })
            .collect();
        // Two overlays ready beforehand: what is swapped is the whole of document, overlay and lists.
        let overlays = [Overlay::new().kill("plain"), Overlay::new()];
        start.wait();
        let (from, mut swaps) = (Instant::now(), 0_u32);
        while from.elapsed() < RUN {
            std::thread::sleep(Duration::from_secs(1) / SWAPS_A_SECOND);
            if swap {
                flags.apply(overlays[swaps as usize % 2].clone());
                swaps += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
        let times = readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader that ends"));
        times.sum::<f64>() / threads as f64
    })
}
