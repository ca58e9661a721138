//! Measures every work beside its hand-written floor, in one run.
//!
//! Criterion does the timing and keeps its samples; what it found, the median of each work and floor, is written as
//! JSON to the file that `FADER_BENCH_REPORT` names, and as a table to standard error.
//!
//! `cargo bench -p fader-benches` with a filter measures the works whose names contain it.

mod evaluate;
mod load;
mod report;
mod request;
mod service;
mod swap;

use fader_benches::counting::Counting;
use report::Report;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut report = Report::from_arguments();
    evaluate::measure(&mut report);
    request::measure(&mut report);
    load::measure(&mut report);
    swap::measure(&mut report);
    report.finish();
}
