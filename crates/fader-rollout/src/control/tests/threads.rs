//! The thread, asked from many others.

use std::time::Instant;

use super::*;
use crate::control::{Refused, Rollouts};

fn flags(disk: &Disk) -> Flags {
    let flags = Flags::builder().build();
    let other = r#""search": { "rules": [ { "name": "ramp", "by": "user.id", "serve": "on", "ramp": {
        "stages": [ { "percent": 5, "bake": "1h" } ] } } ] }, "checkout""#;
    let begun = document(STAGES).replace("2026-12-01", "2020-12-01");
    let text = begun.replacen("\"checkout\"", other, 1);
    flags.load(text, &Source::new("flags.json")).unwrap();
    flags.set_store(disk.clone());
    flags
}

/// Whatever is asked by however many, it is answered, and dropping it takes a second at most.
#[test]
fn many_threads_ask_while_it_ticks_and_when_it_ends() {
    let (disk, state) = (Disk::new(), TempDir::new().unwrap());
    let flags = flags(&disk);
    let rollouts = Rollouts::start(&flags, state.path()).unwrap();
    let is_over = AtomicBool::new(false);
    let is_asking = || !is_over.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        for number in 0..6_u32 {
            let rollouts = &rollouts;
            scope.spawn(move || {
                while is_asking() {
                    let asked = Instant::now();
                    let answer = match number % 3 {
                        0 => rollouts
                            .pause(FLAG, "anna", "")
                            .and_then(|()| rollouts.resume(FLAG, "anna", "")),
                        1 => rollouts
                            .kill("search", "ben", "")
                            .and_then(|()| rollouts.unkill("search", "ben", "")),
                        _ => rollouts.roll_back("nobody", "carl", ""),
                    };
                    assert_ne!(answer, Err(Refused::Ended));
                    assert!(asked.elapsed() < Duration::from_secs(20));
                }
            });
        }
        // As long as several looks take.
        std::thread::sleep(Duration::from_secs(4));
        is_over.store(true, Ordering::SeqCst);
    });
    let began = Instant::now();
    drop(rollouts);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    let text = std::fs::read_to_string(state.path().join("audit.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<crate::control::AuditLine>(line).unwrap());
    let ids: Vec<u64> = lines.map(|line| line.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
}

/// Commands that come faster than they are done keep no ramp from being looked at.
#[test]
fn a_flood_of_commands_delays_no_look() {
    let (disk, state) = (Disk::new(), TempDir::new().unwrap());
    let flags = flags(&disk);
    let rollouts = Rollouts::start(&flags, state.path()).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let _ = rollouts.roll_back("nobody", "carl", "");
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(20);
        let mut is_cut = false;
        while !is_cut && Instant::now() < until {
            for user in 0..4000_i64 {
                let scope = flags.scope(Context::default().with("user.id", user));
                let is_gray = scope.variant(FLAG) == Some("on");
                let ending = if is_gray {
                    Ending::ServerError
                } else {
                    Ending::Success
                };
                scope.finish(Outcome::new(ending).took(Duration::from_millis(20)));
            }
            let status = rollouts.status();
            let phase = status.ramp(FLAG).unwrap().phase;
            is_cut = matches!(phase, Phase::RollingBack | Phase::RolledBack);
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(is_cut);
    });
}

/// A store that another process holds, as it may for seconds.
#[derive(Clone)]
struct Slow(Disk, Duration);

impl Store for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        std::thread::sleep(self.1);
        self.0.update(change)
    }
}

#[test]
fn a_kill_does_not_wait_for_the_store() {
    let state = TempDir::new().unwrap();
    let flags = flags(&Disk::new());
    // Where nothing runs it a plain flag is served as well.
    let plain = r#"{ "flags": { "plain": { "rules": [ { "serve": "on" } ] } } }"#;
    flags.load(plain, &Source::new("flags.json")).unwrap();
    let store = Slow(Disk::new(), Duration::from_secs(3));
    let rollouts = Rollouts::builder()
        .store(store)
        .start(&flags, state.path())
        .unwrap();
    let is_on = || flags.resolve("plain", &Context::default()).variant() == Some("on");
    assert!(is_on());
    std::thread::scope(|scope| {
        let began = Instant::now();
        let kill = scope.spawn(|| rollouts.kill("plain", "anna", "smoke"));
        while is_on() {
            assert!(began.elapsed() < Duration::from_secs(2), "served on");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(kill.join().unwrap(), Ok(()));
    });
    assert!(!is_on());
}

/// A kill that can't be written holds here, whatever is delivered, and is written once that can be.
#[test]
fn a_kill_on_a_full_disk_holds_and_is_written_later() {
    let (disk, state) = (Disk::new(), TempDir::new().unwrap());
    let flags = flags(&disk);
    let plain = r#"{ "flags": { "plain": { "rules": [ { "serve": "on" } ] } } }"#;
    flags.load(plain, &Source::new("flags.json")).unwrap();
    let rollouts = Rollouts::start(&flags, state.path()).unwrap();
    let is_on = || flags.resolve("plain", &Context::default()).variant() == Some("on");
    let within = |what: &str, holds: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let killed = || order::is_killed(&disk.overlay(), "plain");
    let full = |full| disk.is_full.store(full, Ordering::SeqCst);
    full(true);
    let refused = rollouts.kill("plain", "anna", "smoke").unwrap_err();
    assert!(matches!(refused, Refused::NotKept(_)), "{refused}");
    assert!(!is_on());
    // It can be taken off as well.
    assert_eq!(
        rollouts.unkill("plain", "anna", ""),
        Err(Refused::Refused(
            "it stays killed: no space left on device".to_owned()
        ))
    );
    assert!(!is_on());
    // Somebody else's overlay comes, which does not know of it.
    flags.apply(Overlay::new().with_version(90).kill("other"));
    within("killed again", &|| !is_on());
    within("told", &|| !rollouts.status().troubles.is_empty());
    assert!(!killed());
    full(false);
    within("written", &|| {
        killed() && rollouts.status().troubles.is_empty()
    });
    assert!(!is_on());
    assert_eq!(rollouts.unkill("plain", "anna", "mended"), Ok(()));
    assert!(is_on() && !killed());
    let again = rollouts.unkill("plain", "anna", "").unwrap_err();
    assert_eq!(again.to_string(), "`plain` is not killed");
    // One that was never written is taken off where the disk works again before the controller has looked.
    full(true);
    assert!(rollouts.kill("plain", "anna", "smoke").is_err());
    full(false);
    assert_eq!(rollouts.unkill("plain", "anna", ""), Ok(()));
    assert!(is_on());
    let next = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < next {
        assert!(is_on(), "it is not written any more");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The last handle goes while others ask: they are told, and nobody waits.
#[test]
fn without_its_handle_it_ends_and_says_so() {
    let (disk, state) = (Disk::new(), TempDir::new().unwrap());
    let flags = flags(&disk);
    let rollouts = Rollouts::start(&flags, state.path()).unwrap();
    drop(flags);
    let deadline = Instant::now() + Duration::from_secs(20);
    while rollouts.pause(FLAG, "anna", "") != Err(Refused::Ended) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(rollouts.kill(FLAG, "anna", ""), Err(Refused::Ended));
    assert!(!rollouts.status().runs);
    drop(rollouts);
}

/// A store that can't be written, and by which an overlay comes in that knows of no kill.
struct Meanwhile(Flags);

impl Store for Meanwhile {
    fn name(&self) -> &str {
        "meanwhile"
    }

    fn update(&self, _: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        let version = self.0.snapshot().overlay().version();
        self.0.apply_newer(Overlay::new().with_version(version + 1));
        Err(StoreError::new("no space left on device"))
    }
}

#[test]
fn a_kill_that_can_not_be_kept_holds_in_this_process() {
    let state = TempDir::new().unwrap();
    let flags = flags(&Disk::new());
    let plain = r#"{ "flags": { "plain": { "rules": [ { "serve": "on" } ] } } }"#;
    flags.load(plain, &Source::new("flags.json")).unwrap();
    let rollouts = Rollouts::builder()
        .store(Meanwhile(flags.clone()))
        .start(&flags, state.path())
        .unwrap();
    let is_on = || flags.resolve("plain", &Context::default()).variant() == Some("on");
    assert!(is_on());
    let refused = rollouts.kill("plain", "anna", "smoke");
    assert!(matches!(refused, Err(Refused::NotKept(_))), "{refused:?}");
    assert!(!is_on());
}
