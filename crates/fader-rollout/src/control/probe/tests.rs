use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;

const SHORT: Duration = Duration::from_millis(20);

/// Waits until something holds; that it does is what is tested.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn started(probes: Vec<Probe>) -> (Probes, Signals) {
    let signals = Signals::default();
    let probes = Probes::start(probes, &signals).unwrap().unwrap();
    (probes, signals)
}

/// A probe that fails while it is told to, and counts its tries.
fn told(name: &str) -> (Probe, Arc<AtomicBool>, Arc<AtomicU32>) {
    let (fails, tries) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let (told, counted) = (Arc::clone(&fails), Arc::clone(&tries));
    let probe = Probe::new(name, move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let fails = told.load(Ordering::SeqCst);
        async move {
            match fails {
                true => Err("no stock".into()),
                false => Ok(()),
            }
        }
    });
    (probe.every(SHORT), fails, tries)
}

#[test]
fn is_red_until_it_has_answered_and_green_from_then_on() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let gate = Probe::new("gate", move || {
        let opened = Arc::clone(&opened);
        async move {
            while !opened.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        }
    });
    let (_probes, signals) = started(vec![gate.every(SHORT)]);
    assert_eq!(
        signals.ill(Some("checkout")),
        ["gate: it has not answered yet"]
    );
    assert_eq!(signals.gauge("gate"), None);
    open.store(true, Ordering::SeqCst);
    eventually("green", || signals.ill(None).is_empty());
    assert_eq!(signals.gauge("gate"), Some(0.0));
}

#[test]
fn counts_failures_in_a_row_and_is_red_from_the_given_one_on() {
    let (probe, fails, tries) = told("check-out");
    let probe = probe.failures(3).every(Duration::from_millis(100));
    let (_probes, signals) = started(vec![probe]);
    eventually("green", || signals.ill(None).is_empty());
    fails.store(true, Ordering::SeqCst);
    eventually("a failure", || signals.gauge("check-out") > Some(0.0));
    // Nobody sets it back, so that what is read first holds no less for what is read behind it.
    let ill = signals.ill(None);
    let failed = signals.gauge("check-out").unwrap();
    assert!(ill.is_empty() || failed >= 3.0, "{ill:?} at {failed}");
    eventually("red", || signals.ill(None) == ["check-out: no stock"]);
    assert!(signals.gauge("check-out") >= Some(2.0));
    let before = tries.load(Ordering::SeqCst);
    eventually("more tries", || tries.load(Ordering::SeqCst) > before + 2);
    fails.store(false, Ordering::SeqCst);
    eventually("green again", || signals.ill(None).is_empty());
    eventually("no failure", || signals.gauge("check-out") == Some(0.0));
}

/// One that has never succeeded is no pre-check that was passed, however many failures it is allowed.
#[test]
fn a_first_failure_is_red() {
    let (probe, fails, _) = told("check-out");
    fails.store(true, Ordering::SeqCst);
    let (_probes, signals) = started(vec![probe.failures(1000)]);
    eventually("a failure", || signals.gauge("check-out") > Some(1.0));
    assert_eq!(signals.ill(None), ["check-out: no stock"]);
}

#[test]
fn a_panic_and_a_time_out_are_failures_and_it_is_asked_again() {
    let panics = Probe::new("panics", || async { panic!("a test's panic") });
    let hangs = Probe::new("hangs", || async {
        pending::<()>().await;
        Ok(())
    });
    let early = Probe::new("panics early", || -> Asked { panic!("a test's panic") });
    let (_probes, signals) = started(vec![
        panics.every(SHORT),
        hangs.every(SHORT).time_out(SHORT),
        early.every(SHORT),
    ]);
    for name in ["panics", "panics early", "hangs"] {
        eventually(name, || signals.gauge(name) > Some(1.0));
    }
    assert_eq!(
        signals.ill(None),
        [
            "hangs: no answer within 20ms",
            "panics: it panicked",
            "panics early: it panicked"
        ]
    );
}

#[test]
fn one_that_blocks_is_red_itself_and_harms_the_other_ones_alone() {
    let free = Arc::new(AtomicBool::new(false));
    let (freed, blocked) = (Arc::clone(&free), Arc::new(AtomicBool::new(false)));
    let blocks = Arc::clone(&blocked);
    let blocks = Probe::new("blocks", move || {
        let (freed, blocks) = (Arc::clone(&freed), Arc::clone(&blocks));
        async move {
            while blocks.load(Ordering::SeqCst) && !freed.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    });
    let mut blocks = blocks.every(SHORT).time_out(SHORT);
    blocks.slack = SHORT;
    let (mut other, _, _) = told("other");
    other.slack = SHORT;
    let (probes, signals) = started(vec![blocks, other.time_out(SHORT)]);
    eventually("both green", || signals.ill(None).is_empty());
    blocked.store(true, Ordering::SeqCst);
    eventually("both red", || signals.ill(None).len() == 2);
    assert_eq!(
        signals.ill(None)[0],
        "blocks: nothing has been heard of it for too long"
    );
    assert_eq!(signals.gauge("other"), None);
    // Nobody waits for it.
    drop(probes);
    free.store(true, Ordering::SeqCst);
}

/// It could not be stopped, since it had the thread: late is late.
#[test]
fn an_answer_behind_the_time_out_is_a_failure() {
    let blocks = Probe::new("blocks", || async {
        thread::sleep(Duration::from_millis(60));
        Ok(())
    });
    let (_probes, signals) = started(vec![blocks.every(SHORT).time_out(SHORT)]);
    eventually("failures", || signals.gauge("blocks") > Some(1.0));
    assert_eq!(signals.ill(None), ["blocks: no answer within 20ms"]);
}

#[test]
fn is_for_its_flag_alone() {
    let (probe, fails, _) = told("stock");
    fails.store(true, Ordering::SeqCst);
    let (_probes, signals) = started(vec![probe.of_flag("checkout")]);
    assert_eq!(signals.ill(Some("checkout")).len(), 1);
    assert!(signals.ill(Some("search")).is_empty());
}

#[test]
fn ends_when_it_is_dropped() {
    let (probe, _, tries) = told("check-out");
    let held = Arc::downgrade(&tries);
    let (probes, _signals) = started(vec![probe]);
    eventually("tries", || tries.load(Ordering::SeqCst) > 1);
    drop((probes, tries));
    eventually("the end of its task", || held.upgrade().is_none());
}

#[test]
fn two_of_one_name_are_refused() {
    let probe = || Probe::new("stock", || async { Ok(()) });
    let refused = Probes::start(vec![probe(), probe().of_flag("b")], &Signals::default());
    assert_eq!(
        refused.unwrap_err().to_string(),
        "two probes are named `stock`"
    );
}
