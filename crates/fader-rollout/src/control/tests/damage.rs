//! A journal that is damaged: nothing is raised by it, and what was rolled back does not come back.

use proptest::prelude::*;

use super::*;

/// What a process has left.
struct Left {
    journal: Vec<u8>,
    audit: Vec<u8>,
    overlay: Overlay,
    second: i64,
    /// What it served last.
    last: Percent,
    is_rolled_back: bool,
}

/// What is there after so many seconds, the last ones of them sick, of a process that then ended in order or died.
fn left(seconds: usize, sick: usize, ends: bool) -> Left {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(seconds);
    process.is_sick = true;
    process.seconds(sick);
    let (second, last) = (process.second, process.told());
    let is_rolled_back = process.phase() == Phase::RolledBack;
    if ends {
        process.controller_ends();
    } else {
        drop(process);
    }
    let read = |name: &str| std::fs::read(machine.path().join(name)).unwrap();
    Left {
        journal: read("journal.jsonl"),
        audit: read("audit.jsonl"),
        overlay: machine.disk.overlay(),
        second,
        last,
        is_rolled_back,
    }
}

fn all_that_is_left() -> Vec<Left> {
    let all = vec![
        left(20, 0, true),
        left(20, 0, false),
        left(70, 0, true),
        left(70, 0, false),
        left(10, 10, true),
        left(70, 10, false),
    ];
    assert_eq!(all.iter().filter(|left| left.is_rolled_back).count(), 2);
    all
}

/// Something that happens to a file, by parts of its length.
#[derive(Clone, Debug)]
enum Damage {
    Flip(f64, u8),
    Cut(f64, usize),
    Truncate(f64),
    TruncateAtLine(f64),
    Insert(f64, Vec<u8>),
    Digit(f64, u8),
    Empty,
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        // Most of the time what was written last.
        let place = prop_oneof![0.0..1.0_f64, 0.95..1.0_f64];
        prop_oneof![
            4 => (place.clone(), 1_u8..).prop_map(|(at, by)| Self::Flip(at, by)),
            4 => (place.clone(), b'0'..=b'9').prop_map(|(at, to)| Self::Digit(at, to)),
            2 => (place.clone(), 1..4000_usize).prop_map(|(at, count)| Self::Cut(at, count)),
            2 => place.clone().prop_map(Self::Truncate),
            2 => place.clone().prop_map(Self::TruncateAtLine),
            1 => (place, proptest::collection::vec(any::<u8>(), 1..40))
                .prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            1 => Just(Self::Empty),
        ]
    }

    fn happens_to(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a file"
        )]
        let place = |at: &f64| ((at * length as f64) as usize).min(length - 1);
        match self {
            Self::Flip(at, by) => bytes[place(at)] ^= by,
            Self::Digit(at, to) => {
                let from = place(at);
                let digit = (from..length).find(|at| bytes[*at].is_ascii_digit());
                if let Some(digit) = digit {
                    bytes[digit] = *to;
                }
            }
            Self::Cut(at, count) => {
                let from = place(at);
                bytes.drain(from..(from + count).min(length));
            }
            Self::Truncate(at) => bytes.truncate(place(at)),
            Self::TruncateAtLine(at) => {
                let from = place(at);
                let end = bytes[..from].iter().rposition(|byte| *byte == b'\n');
                bytes.truncate(end.map_or(0, |end| end + 1));
            }
            Self::Insert(at, inserted) => {
                let from = place(at);
                bytes.splice(from..from, inserted.iter().copied());
            }
            Self::Empty => bytes.clear(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_journal_raises_nothing(
        damages in proptest::collection::vec(Damage::any(), 1..4),
        which in 0..6_usize,
        holds in any::<bool>(),
    ) {
        static LEFT: std::sync::OnceLock<Vec<Left>> = std::sync::OnceLock::new();
        let left = &LEFT.get_or_init(all_that_is_left)[which];
        let mut machine = Machine::new();
        if !holds {
            machine.settings = || Settings {
                restart_hold: Duration::ZERO,
                max_crashes: u32::MAX,
                ..Settings::default()
            };
        }
        let mut journal = left.journal.clone();
        damages.iter().for_each(|damage| damage.happens_to(&mut journal));
        std::fs::write(machine.path().join("journal.jsonl"), &journal).unwrap();
        std::fs::write(machine.path().join("audit.jsonl"), &left.audit).unwrap();
        *machine.disk.overlay.lock().unwrap() = left.overlay.clone();
        let mut process = machine.boot(&document(STAGES), left.second + 1);
        let served = |process: &Process| {
            let users = (0..4000_i64).map(|user| Context::default().with("user.id", user));
            users.filter(|user| process.flags.resolve(FLAG, user).variant() == Some("on")).count()
        };
        // A share of 4,000 that is drawn by chance.
        let most = |percent: Percent| (percent.micros() as usize * 4000 / 100_000_000) * 5 / 4;
        let may = left.last;
        for _ in 0..5 {
            prop_assert!(process.told() <= may, "{} above {may}", process.told());
            prop_assert!(served(&process) <= most(may), "{} users at {may}", served(&process));
            process.look();
        }
        if left.is_rolled_back {
            for _ in 0..90 {
                process.look();
            }
            prop_assert_eq!(served(&process), 0);
            prop_assert_eq!(process.told(), Percent::ZERO);
        }
        let mut ids: Vec<u64> = audit(&machine).iter().map(|line| line.0).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count);
    }
}

/// The journal could not be written when it was rolled back, and the overlay could: the overlay knows better.
#[test]
fn a_roll_back_that_the_overlay_alone_knows_of_stays() {
    let machine = Machine {
        settings: || Settings {
            restart_hold: Duration::ZERO,
            max_crashes: u32::MAX,
            ..Settings::default()
        },
        ..Machine::new()
    };
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    let (path, aside) = (
        machine.path().join("journal.jsonl"),
        machine.path().join("aside"),
    );
    std::fs::rename(&path, &aside).unwrap();
    process.is_sick = true;
    process.seconds(4);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::RolledBack, Percent::ZERO)
    );
    drop(process);
    std::fs::rename(&aside, &path).unwrap();
    let mut process = machine.boot(&document(STAGES), 20);
    process.seconds(100);
    assert_eq!((process.gray, process.told()), (0, Percent::ZERO));
    assert_eq!(process.phase(), Phase::Paused);
}

/// All of the directory is gone, and the overlay too, but for the journal that can't be read.
#[test]
fn a_ramp_that_a_damaged_journal_does_not_know_is_not_begun_anew() {
    let left = left(70, 10, true);
    let machine = Machine::new();
    let mut noise = left.journal;
    noise.iter_mut().step_by(50).for_each(|byte| *byte = b'#');
    std::fs::write(machine.path().join("journal.jsonl"), noise).unwrap();
    let mut process = machine.boot(&document(STAGES), 100);
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Paused, Percent::ZERO)
    );
}

/// A journal is none at all where its audit log has lines.
#[test]
fn a_journal_that_was_emptied_is_a_damaged_one() {
    let left = left(70, 10, true);
    let machine = Machine::new();
    std::fs::write(machine.path().join("audit.jsonl"), &left.audit).unwrap();
    let mut process = machine.boot(&document(STAGES), 100);
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Paused, Percent::ZERO)
    );
    let status = process.controller.status(&process.flags, at(200), true);
    assert_eq!(status.ramps.len(), 1);
}

/// What comes next must not stand behind half a record.
#[test]
fn what_follows_a_record_that_was_cut_off_can_be_read() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    process.controller_ends();
    let path = machine.path().join("journal.jsonl");
    let mut journal = std::fs::read(&path).unwrap();
    let half = journal.len() - journal.len() / 10;
    journal.truncate(half);
    assert_ne!(journal.last(), Some(&b'\n'));
    std::fs::write(&path, journal).unwrap();
    machine.boot(&document(STAGES), 21).controller_ends();
    let process = machine.boot(&document(STAGES), 22);
    assert_eq!(process.ramp().paused, None);
}

/// It can be read, and is not what was written.
#[test]
fn a_record_in_which_a_digit_was_changed_is_not_believed() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    process.controller_ends();
    let path = machine.path().join("journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    let changed = journal.replacen(r#""run":1"#, r#""run":3"#, 1);
    assert_ne!(changed, journal);
    std::fs::write(&path, changed).unwrap();
    let paused = machine.boot(&document(STAGES), 21).ramp().paused.unwrap();
    assert!(
        paused.reason.contains("is not what was written"),
        "{paused:?}"
    );
}
