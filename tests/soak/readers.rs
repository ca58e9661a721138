//! The readers: threads that evaluate as fast as they can, and check each answer.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fader::{AttributeName, Attributes, Context, FlagKey, Flags, Reason, Scope, ValueRef};

use super::documents::{guest, overlaid};

static EDITION: FlagKey<i64> = FlagKey::new("edition", &0);
static IMPRINT: FlagKey<i64> = FlagKey::new("imprint", &0);

const THREADS: usize = 2;

/// How long a scope is kept, to be asked again after others went live.
const KEPT: Duration = Duration::from_millis(500);

/// A caller that says who it is once it knows which version it is asked by.
#[derive(Default)]
struct Guest(OnceCell<String>);

impl Attributes for Guest {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        let id = self.0.get().filter(|_| name.as_str() == "user.id")?;
        Some(ValueRef::Text(id))
    }
}

/// What a reader did, and the latest that it saw.
#[derive(Clone, Copy, Default)]
pub struct Read {
    pub scopes: u64,
    pub evaluations: u64,
    pub longest: Duration,
    revision: u64,
    overlay: u64,
}

impl Read {
    /// Asks one scope everything.
    fn scope(&mut self, flags: &Flags) -> Scope<Guest> {
        let scope = flags.scope(Guest::default());
        let revision = scope.version().parse().unwrap();
        self.never_back(revision);
        let version = scope.snapshot().overlay().version();
        assert!(version >= self.overlay, "{version} after {}", self.overlay);
        self.overlay = version;

        let _ = scope.attributes().0.set(guest(revision));
        assert_eq!(
            *scope.get(&EDITION) as u64,
            revision,
            "two versions in a scope"
        );
        assert_eq!(
            scope.resolve("lounge").variant(),
            Some("on"),
            "the list does not go with revision {revision}"
        );
        let (killed, everybody) = overlaid(version);
        let answer = scope.resolve("killable");
        assert_eq!(
            answer.reason() == Reason::Disabled,
            killed,
            "overlay {version}: {answer:?}"
        );
        let answer = Context::new("anybody");
        let answer = scope.snapshot().scope(&answer).resolve("ramped");
        assert_eq!(
            answer.variant() == Some("on"),
            everybody,
            "overlay {version}: {answer:?}"
        );
        self.scopes += 1;
        self.evaluations += 4;
        scope
    }

    /// Asks a scope for what it was not asked before.
    fn again(&mut self, scope: &Scope<Guest>) {
        let revision: u64 = scope.version().parse().unwrap();
        for key in [&IMPRINT, &EDITION] {
            assert_eq!(*scope.get(key) as u64, revision, "two versions in a scope");
        }
        self.evaluations += 2;
    }

    fn once(&mut self, flags: &Flags, context: &Context) {
        let start = Instant::now();
        let edition = flags.get(&EDITION, context);
        self.longest = self.longest.max(start.elapsed());
        self.never_back(edition as u64);

        let start = Instant::now();
        let answer = flags.resolve("imprint", context);
        self.longest = self.longest.max(start.elapsed());
        let revision = answer.version().parse().unwrap();
        assert_eq!(
            answer.value().and_then(serde_json::Value::as_u64),
            Some(revision)
        );
        self.never_back(revision);
        self.evaluations += 2;
    }

    fn never_back(&mut self, revision: u64) {
        assert!(
            revision >= self.revision,
            "revision {revision} after {}",
            self.revision
        );
        self.revision = revision;
    }
}

pub struct Readers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Read>>,
}

impl Readers {
    pub fn start(flags: &Flags) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..THREADS).map(|_| {
            let (flags, stop) = (flags.clone(), Arc::clone(&stop));
            thread::spawn(move || read(&flags, &stop))
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }

    /// Whether all of them still read: one that saw something wrong does not.
    pub fn are_well(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Returns what they did together, or panics where one saw something wrong.
    pub fn stop(self) -> Read {
        self.stop.store(true, Ordering::Relaxed);
        let reads = self.threads.into_iter().map(|thread| {
            thread
                .join()
                .expect("a reader saw something wrong, see above")
        });
        reads.fold(Read::default(), |all, read| Read {
            scopes: all.scopes + read.scopes,
            evaluations: all.evaluations + read.evaluations,
            longest: all.longest.max(read.longest),
            ..all
        })
    }
}

fn read(flags: &Flags, stop: &AtomicBool) -> Read {
    let mut read = Read::default();
    let anybody = Context::new("anybody");
    let mut kept = (read.scope(flags), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let scope = read.scope(flags);
        read.again(&scope);
        for _ in 0..4 {
            read.once(flags, &anybody);
        }
        if kept.1.elapsed() >= KEPT {
            read.again(&kept.0);
            kept = (read.scope(flags), Instant::now());
        }
    }
    read.again(&kept.0);
    read
}
