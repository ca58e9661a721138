//! Real processes that are killed: the file provider and the controller in a child, on a real disk, in virtual time.
//!
//! The child serves a recorded log of requests, second by second, as fast as it can. How far it is stands in the length
//! of a file, so that the next child goes on there.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use fader_providers::{OverlayFile, file};

use super::*;
use crate::control::Status;

/// Says in the child that it is one, and where it works.
const PLACE: &str = "FADER_TEST_PLACE";
/// How the child is set up.
const HOLDS: &str = "FADER_TEST_HOLDS";

const SECONDS: u64 = 130;
const SICK: u64 = 90;
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test of this binary again, below a command that changes what a process may do.
fn again(name: &str, below: &[&str], place: &Path, holds: bool) -> Child {
    let binary = std::env::current_exe().unwrap();
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut line = below.iter().map(AsRef::as_ref).chain([binary.as_os_str()]);
    let mut command = Command::new(line.next().unwrap());
    if holds {
        command.env(HOLDS, "1");
    }
    command
        .args(line)
        .args(["--exact", "--nocapture", &format!("{module}::{name}")])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn assert_passes(child: Child) {
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // A name that no test has would succeed as well.
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

fn place() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

fn settings() -> Settings {
    if std::env::var_os(HOLDS).is_some() {
        return Settings::default();
    }
    Settings {
        restart_hold: Duration::ZERO,
        max_crashes: u32::MAX,
        ..Settings::default()
    }
}

/// Serves one second of the log: the same requests, whoever serves them.
fn serve(flags: &Flags, second: u64) {
    for request in second * 300..(second + 1) * 300 {
        let user = i64::try_from(request.wrapping_mul(2_654_435_761) % 4000).unwrap();
        let scope = flags.scope(Context::default().with("user.id", user));
        let is_gray = scope.variant(FLAG) == Some("on");
        let fails = request % 100 == 7 || (is_gray && second >= SICK);
        let ending = if fails {
            Ending::ServerError
        } else {
            Ending::Success
        };
        scope.finish(Outcome::new(ending).took(Duration::from_millis(20)));
    }
}

/// The seconds that were begun.
fn begun(place: &Path) -> u64 {
    fs::metadata(place.join("progress")).map_or(0, |progress| progress.len())
}

fn begin(place: &Path) {
    let mut options = fs::OpenOptions::new();
    let progress = options
        .create(true)
        .append(true)
        .open(place.join("progress"));
    progress.unwrap().write_all(b".").unwrap();
}

/// The second in which the process is to stand still, where there is one.
fn halts_at(place: &Path) -> Option<u64> {
    let text = fs::read_to_string(place.join("halt")).ok()?;
    text.parse().ok()
}

/// Serves the rest of the log.
fn work(place: &Path, idle: Option<u64>) {
    let flags = file(place.join("flags.json")).open().unwrap();
    let mut second = begun(place);
    let wall = |second: u64| at(i64::try_from(second).unwrap());
    let (state, signals) = (place.join("state"), Signals::default());
    let mut controller =
        Controller::open(&flags, &state, settings(), signals, wall(second)).unwrap();
    let first = Now {
        wall: wall(second),
        since_last: None,
    };
    assert!(controller.tick(first));
    while second < SECONDS {
        begin(place);
        while halts_at(place) == Some(second) {
            // Until it is killed.
            std::thread::sleep(Duration::from_millis(1));
        }
        if idle != Some(second) {
            serve(&flags, second);
        }
        second += 1;
        assert!(controller.tick(Now {
            wall: wall(second),
            since_last: Some(Duration::from_secs(1)),
        }));
    }
    controller.end(wall(second));
}

#[derive(Debug, PartialEq)]
struct Ended {
    phase: Phase,
    guardrails: Vec<crate::judge::Finding>,
    evidence: Option<crate::machine::Evidence>,
    units: crate::judge::Totals,
    told: Percent,
    audit: Vec<(u64, String, String)>,
}

impl Ended {
    fn of(place: &Path) -> Self {
        let ramp = Status::read(&place.join("state")).unwrap().ramps.remove(0);
        let text = fs::read_to_string(place.join("state/audit.jsonl")).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<crate::control::AuditLine>(line).unwrap());
        let audit: Vec<_> = lines.map(|line| (line.id, line.by, line.what)).collect();
        let ids: Vec<u64> = audit.iter().map(|line| line.0).collect();
        assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
        Self {
            phase: ramp.phase,
            guardrails: ramp.guardrails,
            evidence: ramp.evidence,
            units: ramp.units,
            told: told(place),
            audit,
        }
    }

    /// What can't be another whenever it was killed.
    fn gist(&self) -> (Phase, Option<usize>, Percent) {
        let stage = self.evidence.as_ref().and_then(|evidence| evidence.stage);
        (self.phase, stage, self.told)
    }
}

fn told(place: &Path) -> Percent {
    let overlay = OverlayFile::beside(place.join("flags.json"))
        .read()
        .unwrap();
    let overlay = overlay.unwrap_or_default();
    let mut flags = overlay.flags();
    let entry = flags.find(|(flag, _)| *flag == FLAG);
    let percent = entry.and_then(|(_, entry)| entry.percents().next().map(|found| found.1));
    percent.unwrap_or(Percent::ZERO)
}

fn fresh() -> TempDir {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("flags.json"), document(STAGES)).unwrap();
    place
}

/// Looks at the overlay until a condition holds, and notes each percent that it sees.
#[track_caller]
fn watch(place: &Path, trace: &mut Vec<Percent>, mut is_over: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let over = is_over();
        let told = told(place);
        if trace.last() != Some(&told) {
            trace.push(told);
        }
        if over {
            return;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// Kills a child when so many seconds have begun, and as many microseconds later.
fn kill_at(mut child: Child, place: &Path, second: u64, micros: u64, trace: &mut Vec<Percent>) {
    watch(place, trace, || {
        begun(place) >= second || child.try_wait().unwrap().is_some()
    });
    std::thread::sleep(Duration::from_micros(micros));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn fifty_processes_that_are_killed_end_as_one_that_lived() {
    const NAME: &str = "fifty_processes_that_are_killed_end_as_one_that_lived";
    if let Some(place) = place() {
        return work(&place, None);
    }
    let lived = |idle: Option<u64>| {
        let place = fresh();
        work(place.path(), idle);
        Ended::of(place.path())
    };
    let whole = lived(None);
    assert_eq!(whole.gist(), (Phase::RolledBack, Some(2), Percent::ZERO));
    let mut exact = 0;
    for run in 0..50_u64 {
        let place = fresh();
        let place = place.path();
        // Spread over all of the log, and more where something is decided.
        let random = run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let second = match run % 5 {
            0 => 62 + random % 3,
            1 => SICK + random % 5,
            _ => 1 + random % (SECONDS - 2),
        };
        let mut trace = Vec::new();
        let child = again(NAME, &["env"], place, false);
        kill_at(child, place, second, random % 4000, &mut trace);
        let killed_in = begun(place).saturating_sub(1);
        let mut child = again(NAME, &["env"], place, false);
        watch(place, &mut trace, || child.try_wait().unwrap().is_some());
        assert_passes(child);
        let ended = Ended::of(place);
        assert_eq!(ended.gist(), whole.gist(), "killed in {killed_in}");
        let steps = ["0", "5", "50", "0"].map(percent);
        let mut steps = steps.iter();
        assert!(
            trace.iter().all(|seen| steps.any(|step| step == seen)),
            "killed in {killed_in}: {trace:?}"
        );
        exact += u32::from(ended == whole || ended == lived(Some(killed_in)));
    }
    // Killed between the journal and the overlay, it takes that step a second sooner or later than one that lived.
    assert!(exact >= 35, "{exact} of 50 are the same in each number");
}

/// With the usual settings: nobody for a minute after the first unclean end, and rolled back at the second.
#[test]
fn a_process_that_is_killed_twice_in_a_stage_is_rolled_back() {
    const NAME: &str = "a_process_that_is_killed_twice_in_a_stage_is_rolled_back";
    if let Some(place) = place() {
        return work(&place, None);
    }
    let place = fresh();
    let place = place.path();
    let mut trace = Vec::new();
    let status = || Status::read(&place.join("state")).unwrap().ramps.remove(0);
    let mut killed_in = |second: u64| {
        fs::write(place.join("halt"), second.to_string()).unwrap();
        let child = again(NAME, &["env"], place, true);
        kill_at(child, place, second + 1, 0, &mut trace);
    };
    killed_in(8);
    assert_eq!(told(place), percent("5"));
    killed_in(8 + 65);
    let second = begun(place);
    assert_eq!(
        (told(place), status().stage),
        (percent("5"), Some(1)),
        "killed at {second}"
    );
    let mut child = again(NAME, &["env"], place, true);
    watch(place, &mut trace, || child.try_wait().unwrap().is_some());
    assert_passes(child);
    assert_eq!(status().phase, Phase::RolledBack);
    let steps = ["0", "5", "0", "5", "0"].map(percent);
    assert!(steps.ends_with(&trace), "{trace:?}");
    let text = fs::read_to_string(place.join("state/audit.jsonl")).unwrap();
    assert!(
        text.contains("2 unclean ends or stalls in one stage"),
        "{text}"
    );
    // It was back at 5 % only when the minute was over.
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<crate::control::AuditLine>(line).unwrap());
    let exposed: Vec<_> = lines
        .filter(|line| line.what == "expose")
        .map(|line| line.at)
        .collect();
    let at = |index: usize| Timestamp::parse(&exposed[index]).unwrap().as_nanos();
    assert!(at(2) - at(1) >= 60_000_000_000, "{exposed:?}");
}

/// Nobody is raised on a disk that is full, and who fails is lowered all the same.
#[test]
fn on_a_full_disk_nothing_is_raised_and_all_is_lowered() {
    const NAME: &str = "on_a_full_disk_nothing_is_raised_and_all_is_lowered";
    let Some(place) = place() else {
        let place = fresh();
        // The signal of the limit would end the process; without it the write fails.
        let limit = "trap '' XFSZ && ulimit -f 64 && exec \"$0\" \"$@\"";
        return assert_passes(again(NAME, &["sh", "-c", limit], place.path(), false));
    };
    let flags = file(place.join("flags.json")).open().unwrap();
    let (state, signals) = (place.join("state"), Signals::default());
    let mut controller = Controller::open(&flags, &state, settings(), signals, at(0)).unwrap();
    let users = || {
        let users = (0..4000_i64).map(|user| Context::default().with("user.id", user));
        users
            .filter(|user| flags.resolve(FLAG, user).variant() == Some("on"))
            .count()
    };
    let mut tick = |second: i64, since_last| {
        assert!(controller.tick(Now {
            wall: at(second),
            since_last
        }));
        controller.status(&flags, at(second), true)
    };
    tick(0, None);
    let mut second = 0;
    // The journal grows until it is full.
    let status = loop {
        serve(&flags, 0);
        second += 1;
        let status = tick(second, Some(Duration::from_millis(1)));
        if !status.troubles.is_empty() {
            break status;
        }
        assert!(second < 2000);
    };
    assert!(status.troubles[0].contains("the journal in"), "{status:?}");
    assert!((100..300).contains(&users()), "{}", users());
    for _ in 0..100 {
        serve(&flags, 0);
        second += 1;
        tick(second, Some(Duration::from_secs(1)));
    }
    assert!((100..300).contains(&users()), "{}", users());
    for _ in 0..3 {
        serve(&flags, SICK);
        second += 1;
        tick(second, Some(Duration::from_secs(1)));
    }
    assert_eq!(users(), 0);
    assert_eq!(told(&place), Percent::ZERO, "the overlay is short enough");
}

/// A state directory that can't be written is refused at the start, in words.
#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    const NAME: &str = "a_directory_that_cannot_be_written_is_refused";
    let Some(place) = place() else {
        let place = fresh();
        let state = place.path().join("state");
        fs::create_dir(&state).unwrap();
        let allow = |mode| fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
        allow(0o500);
        // Root is kept out by nothing: that is taken away.
        let may_override = fs::write(state.join("probe"), "").is_ok();
        let capabilities = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        let below: &[&str] = if may_override {
            &capabilities
        } else {
            &["env"]
        };
        let can_run = Command::new(below[0])
            .args(&below[1..])
            .arg("true")
            .status();
        if !can_run.is_ok_and(|status| status.success()) {
            eprintln!("NOT TESTED: a directory that can't be written, as `setpriv` fails here");
            return;
        }
        let child = again(NAME, below, place.path(), false);
        assert_passes(child);
        allow(0o700);
        return;
    };
    let flags = file(place.join("flags.json")).open().unwrap();
    let refused = Controller::open(
        &flags,
        &place.join("state"),
        settings(),
        Signals::default(),
        at(0),
    );
    let error = refused.err().unwrap().to_string();
    assert!(
        error.contains("the state directory") && error.contains("ermission denied"),
        "{error}"
    );
    let user = Context::default().with("user.id", 7);
    assert_ne!(flags.resolve(FLAG, &user).variant(), Some("on"));
}

/// What becomes of the overlay's file: deleted, broken, read-only, or locked by another process.
#[test]
fn whatever_becomes_of_the_overlay_a_sick_candidate_is_lowered() {
    type Happens = fn(&Path);
    let cases: [(&str, Happens, &str); 3] = [
        (
            "broken",
            |overlay| fs::write(overlay, "{ \"version\": 1, ").unwrap(),
            "can't be written",
        ),
        (
            "a directory",
            |overlay| {
                fs::remove_file(overlay).unwrap();
                fs::create_dir(overlay).unwrap();
            },
            "can't be written",
        ),
        ("deleted", |overlay| fs::remove_file(overlay).unwrap(), ""),
    ];
    for (what, happens, trouble) in cases {
        let place = fresh();
        let place = place.path();
        let flags = file(place.join("flags.json")).open().unwrap();
        let (state, signals) = (place.join("state"), Signals::default());
        let mut controller = Controller::open(&flags, &state, settings(), signals, at(0)).unwrap();
        let mut tick = |second: u64| {
            serve(&flags, second);
            let now = Now {
                wall: at(i64::try_from(second).unwrap()),
                since_last: Some(Duration::from_secs(1)),
            };
            assert!(controller.tick(now));
            controller.status(&flags, now.wall, true)
        };
        (0..10).for_each(|second| {
            tick(second);
        });
        assert_eq!(told(place), percent("5"));
        // A flag of somebody else's that is killed stays so.
        let store = OverlayFile::beside(place.join("flags.json"));
        let killed = order::kill(&store, "other", "ben", "smoke", at(10)).unwrap();
        flags.apply_newer(killed);
        happens(&place.join("flags.json.overlay.json"));
        let status = (SICK..SICK + 4).map(&mut tick).last().unwrap();
        let troubles = status.troubles.join("; ");
        assert!(troubles.contains(trouble), "{what}: {troubles}");
        let users = (0..4000_i64).map(|user| Context::default().with("user.id", user));
        let served = users.filter(|user| flags.resolve(FLAG, user).variant() == Some("on"));
        assert_eq!(served.count(), 0, "{what}");
        assert_eq!(
            status.ramps[0].phase == Phase::RolledBack,
            trouble.is_empty(),
            "{what}"
        );
        if trouble.is_empty() {
            let overlay = store.read().unwrap().unwrap();
            let mut killed = overlay.flags().filter(|(_, entry)| entry.killed());
            assert!(
                killed.any(|(flag, _)| flag == "other"),
                "{what}: its kills are kept"
            );
        }
    }
}
