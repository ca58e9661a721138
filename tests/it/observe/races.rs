//! One unit of work, many threads: whatever they do at once, each flag counts once or is late.
//!
//! The words of a scope have one order (`Scope::finish`): either the end sees a decision and settles it, or the decision
//! sees the end and is late. So for each flag there is a begin with one end, or a late one alone, or nothing.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use fader::{
    AttributeName, Attributes, DrawnFlag, ExposureSink, FlagKey, Outcome, OutcomeSink, Scope,
    ValueRef, Watch,
};

use super::{at, failure, handle, success};

const THREADS: usize = 8;
const ROUNDS: usize = 20_000;
const FLAGS: [&str; 4] = ["f", "one", "rules", "plain"];

static ONE: FlagKey<bool> = FlagKey::new("one", &false);

/// `f` is guarded, `one` takes the short way, `rules` the long one; `dependent` reads two of them.
const DOCUMENT: &str = r#""f": { "rules": [ STAGED ] },
    "one": { "rules": [ { "percent": 50, "serve": "on" } ] },
    "rules": { "rules": [ { "if": { "attribute": "targetingKey", "is": "nobody" }, "serve": "on" }, { "percent": 50, "serve": "on" } ] },
    "plain": { "rules": [ { "serve": "on" } ] },
    "dependent": { "rules": [ { "if": { "any": [ { "flag": "f", "is": "off" }, { "flag": "one", "is": "on" } ] }, "serve": "on" } ] }"#;

/// A unit that carries its number as its age, so that a sink knows its scope.
struct Numbered(usize);

impl Attributes for Numbered {
    fn get(&self, _: AttributeName<'_>) -> Option<ValueRef<'_>> {
        // Between a look at what is kept and the decision, another thread may decide.
        thread::yield_now();
        i64::try_from(self.0).ok().map(ValueRef::Integer)
    }

    fn age(&self, _: AttributeName<'_>) -> Option<Duration> {
        Some(Duration::from_secs(self.0 as u64))
    }
}

/// How often each scope was told what, by flag: began, ended, late, exposed.
struct Counts(Vec<[[AtomicU8; 4]; FLAGS.len()]>);

impl Counts {
    fn new() -> Self {
        Self((0..ROUNDS).map(|_| Default::default()).collect())
    }

    fn count(&self, drawn: &DrawnFlag<'_>, what: usize) {
        let flag = FLAGS.iter().position(|flag| *flag == drawn.flag());
        let round = drawn.unit_age().unwrap().as_secs() as usize;
        self.0[round][flag.unwrap()][what].fetch_add(1, Ordering::Relaxed);
        // An end goes from flag to flag: others get a chance to step in between.
        thread::yield_now();
    }

    fn of(&self, round: usize, flag: usize) -> [u8; 4] {
        self.0[round][flag]
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed))
    }
}

impl OutcomeSink for Counts {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        self.count(drawn, 0);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
        self.count(drawn, 1);
    }

    fn late(&self, drawn: &DrawnFlag<'_>) {
        self.count(drawn, 2);
    }
}

impl ExposureSink for Counts {
    fn exposed(&self, drawn: &DrawnFlag<'_>) {
        self.count(drawn, 3);
    }
}

/// Numbers that look random: `xorshift64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Lets eight threads act on each scope at once, and returns what the sink was told, and how often a scope ended.
fn race(act: impl Fn(&Scope<Numbered>, &mut Random) -> bool + Sync) -> (Arc<Counts>, Vec<usize>) {
    let handle = handle(DOCUMENT);
    let _control = handle.control_ramps();
    handle.apply(at("50"));
    let counts = Arc::new(Counts::new());
    handle.add_outcome_sink(Arc::clone(&counts), Watch::Drawn);
    handle.add_exposure_sink(Arc::clone(&counts));
    let scopes: Vec<_> = (0..ROUNDS)
        .map(|round| handle.scope(Numbered(round)))
        .collect();
    let ends: Vec<_> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    let barrier = Barrier::new(THREADS);
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (scopes, ends, barrier, act) = (&scopes, &ends, &barrier, &act);
            threads.spawn(move || {
                let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ (thread as u64 + 1));
                for (scope, ends) in scopes.iter().zip(ends) {
                    barrier.wait();
                    for _ in 0..random.below(4) + 1 {
                        ends.fetch_add(act(scope, &mut random).into(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for (scope, ends) in scopes.iter().zip(&ends) {
        ends.fetch_add(scope.finish(success()).into(), Ordering::Relaxed);
    }
    (
        counts,
        ends.into_iter().map(AtomicUsize::into_inner).collect(),
    )
}

/// Reads a flag, its own or one that depends on others.
fn read(scope: &Scope<Numbered>, random: &mut Random) {
    match random.below(5) {
        0 => drop(scope.resolve("f")),
        1 => drop(scope.resolve("rules")),
        2 => drop(scope.resolve("dependent")),
        3 => drop(scope.resolve("plain")),
        _ => _ = scope.get(&ONE),
    }
}

/// Asserts that what was told is one of three, and that each of them came up.
fn assert_whole(counts: &Counts, ends: &[usize]) {
    assert!(ends.iter().all(|ends| *ends == 1), "one end each");
    let [mut unread, mut whole, mut late] = [0; 3];
    for round in 0..ROUNDS {
        for (flag, name) in FLAGS.iter().enumerate() {
            match counts.of(round, flag) {
                [0, 0, 0, 0] => unread += 1,
                [1, 1, 0, 0 | 1] => whole += 1,
                [0, 0, 1, 0 | 1] => late += 1,
                told => panic!("{name} in round {round}: {told:?}"),
            }
            let draws = *name != "plain";
            assert!(draws || counts.of(round, flag) == [0; 4]);
        }
    }
    assert!(
        unread >= ROUNDS && whole > 100 && late > 100,
        "{unread} unread, {whole} whole, {late} late"
    );
}

#[test]
fn reads_and_ends_at_once_leave_each_flag_whole_or_late() {
    let (counts, ends) = race(|scope, random| {
        let ends = random.below(8) == 0 && scope.finish(success());
        read(scope, random);
        ends
    });
    assert_whole(&counts, &ends);
}

#[test]
fn falling_back_in_between_leaves_them_so() {
    let (counts, ends) = race(|scope, random| {
        let ends = random.below(12) == 0 && scope.finish(success());
        if random.below(4) == 0 {
            scope.fall_back(FLAGS[random.below(4) as usize], failure());
        }
        read(scope, random);
        ends
    });
    assert_whole(&counts, &ends);
}
