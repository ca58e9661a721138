//! A soak of the file provider: its files are changed a hundred times a second in all the ways that it meets in the
//! field, while readers check every answer; and afterwards nothing is left of it.
//!
//! `SOAK_SECONDS` says how long, by default 20, and `SOAK_SEED` which changes. What was found in ten minutes of it
//! stands in `docs/RELIABILITY.md`.
//!
//! Some memory is kept by design, and is there before the first measuring already: the names of flags, segments and
//! lists that were ever live (here they are always the same), the last rulesets, for a roll-back (the same ones go
//! live before each measuring), some hundred bytes for each thread that ever read at the same time as others, and
//! tables, which grow to the size that they need at worst. So there is a warm-up: each kind of change and of mistake
//! once, and three seconds at random.
#![cfg(target_os = "linux")]

mod allocator;
mod documents;
mod figures;
mod random;
mod readers;
mod writer;

use std::env;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fader::{Flags, State};
use fader_providers::file;

use allocator::Live;
use documents::MISTAKES;
use figures::{Figures, Told};
use readers::Readers;
use writer::{Kind, Writer};

/// How long anything may take before the test gives up: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(60);

/// From one change to the next.
const PACE: Duration = Duration::from_millis(10);

/// How long the writer rests now and then, so that what it wrote last goes live before anything else is written.
const REST: Duration = Duration::from_millis(400);

/// Documents that go live before each measuring: the live one, the two that are kept for a roll-back, and two because
/// what a document shares with the next one is forgotten a load after it is gone itself.
const SETTLING: usize = 5;

#[test]
fn after_a_storm_of_changes_the_last_good_document_is_live_and_nothing_else_is_left() {
    let length = Duration::from_secs(setting("SOAK_SECONDS", 20));
    let seed = setting("SOAK_SEED", 1);
    println!("SOAK_SECONDS={} SOAK_SEED={seed}", length.as_secs());

    let mut writer = Writer::new(seed);
    let source = file(writer.document_path()).overlay(writer.overlay_path());
    let flags = source.open().unwrap();
    let told = Arc::new(Told::default());
    let _subscription = flags.subscribe({
        let told = Arc::clone(&told);
        move |event| told.note(event)
    });

    let mut figures = Figures::new(length);
    warm_up(&flags, &mut writer, &told);
    settle(&flags, &mut writer);
    let before = measure(&flags);
    told.reset();
    soak(&flags, &mut writer, &told, &mut figures);
    settle(&flags, &mut writer);
    let after = measure(&flags);

    figures.print(&told, before, after);
    assert!(told.has_both(), "nothing was loaded, or nothing refused");
    assert!(
        after.bytes.abs_diff(before.bytes) <= before.bytes / 1000,
        "{before:?} became {after:?}: something is kept that should not be"
    );
    figures.resident.assert_flat(length);
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Makes each change and each mistake once, with the time to be seen, then some at random.
fn warm_up(flags: &Flags, writer: &mut Writer, told: &Told) {
    let readers = Readers::start(flags);
    for (kind, _, _) in Kind::ALL {
        writer.change(kind);
        thread::sleep(REST);
    }
    // All names are known by then, and those in a document that is refused are new.
    settle(flags, writer);
    for mistake in 0..MISTAKES {
        writer.write_broken(mistake);
        thread::sleep(REST);
    }
    readers.stop();
    soak(
        flags,
        writer,
        told,
        &mut Figures::new(Duration::from_secs(3)),
    );
}

/// Makes changes at random, under readers.
fn soak(flags: &Flags, writer: &mut Writer, told: &Told, figures: &mut Figures) {
    let readers = Readers::start(flags);
    let start = Instant::now();
    // A rest is made up for: what follows it comes as fast as can be.
    let mut due = start;
    while start.elapsed() < figures.length && readers.are_well() {
        let kind = Kind::at_random(&mut writer.random);
        let beside_list = writer.wrote_list_in_place();
        let good = writer.change(kind);
        let written = Instant::now();
        figures.count(kind);
        if writer.random.one_in(150) {
            thread::sleep(REST);
            if let Some(revision) = good {
                until("the last document", || told.live().0 >= revision);
                let delay = told.live().1.saturating_duration_since(written);
                figures.went_live(delay, beside_list || kind == Kind::ListInPlace);
            }
        }
        figures.resident.sample(start.elapsed());
        due += PACE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    figures.length = start.elapsed();
    figures.read = readers.stop();
}

/// Ends with documents and an overlay that are the same each time but for the digits of their versions.
fn settle(flags: &Flags, writer: &mut Writer) {
    let overlay = writer.settle_overlay();
    until("the overlay", || {
        flags.status().overlay_version() == overlay
    });
    for revision in writer.settle(SETTLING) {
        until("the last good document", || {
            flags.status().version() == revision.to_string()
        });
    }
    until("that all is well", || {
        flags.status().state() == State::Ready
    });
}

/// Tells what is allocated while nothing happens. The looks that the last change made due are over then. One that the
/// poll makes due may be under way, so that the least is what stays.
fn measure(flags: &Flags) -> Live {
    thread::sleep(REST);
    flags.reclaim();
    let samples = (0..50).map(|_| {
        thread::sleep(Duration::from_millis(20));
        Live::now()
    });
    samples.min().unwrap()
}

/// Waits for a condition.
#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}
