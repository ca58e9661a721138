//! What an engine has to offer to be measured.

use std::time::Duration;

use anyhow::Result;
use fader_benches::User;

use crate::flags::Flag;

/// An engine with a set of flags, in one way of asking it.
pub trait Engine: Sized + Send + Sync + 'static {
    /// Its name in the tables.
    const NAME: &'static str;
    /// The package whose version the report states.
    const PACKAGE: &'static str;
    /// How it is asked.
    const CALL: &'static str;
    /// Whether it can ask for a pattern.
    const PATTERNS: bool = true;

    /// How code names a flag that is on or off.
    type OnKey: Send + Sync;
    /// How code names a flag of several variants.
    type VariantKey: Send + Sync;
    /// A user, as the engine wants to be told of him.
    type User: Send + Sync;
    /// What asks for one user: made before the clock starts.
    type Asker<'a>;

    /// Writes flags in the engine's own format.
    fn document(flags: &[Flag]) -> String;

    /// Makes an engine of its document: from text to the first answer.
    ///
    /// # Errors
    ///
    /// The engine refuses the document.
    fn load(document: &str) -> Result<Self>;

    fn on_key(flag: &Flag) -> Self::OnKey;
    fn variant_key(flag: &Flag) -> Self::VariantKey;
    fn user(user: &User) -> Self::User;
    fn asker<'a>(&'a self, user: &'a Self::User) -> Self::Asker<'a>;

    /// Asks a flag that is on or off.
    fn is_on(&self, asker: &Self::Asker<'_>, key: &Self::OnKey) -> bool;

    /// Asks a flag of several variants.
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a Self::VariantKey) -> impl AsRef<str> + 'a;

    /// Makes an engine whose rules are replaced while it is asked, in its own way; `None` where another way of asking
    /// the same engine stands for it.
    ///
    /// # Errors
    ///
    /// The engine refuses the first document.
    fn live(_documents: [String; 2], _asks: Asks<Self>) -> Option<Result<Live>> {
        None
    }

    /// Copies a user, where each call wants one of its own.
    fn copy_user(_user: &Self::User) -> Option<Self::User> {
        None
    }
}

/// A flag, as code names it.
pub enum Ask<E: Engine> {
    On(E::OnKey),
    Variant(E::VariantKey),
}

impl<E: Engine> Ask<E> {
    pub fn new(flag: &Flag) -> Self {
        if flag.is_boolean() {
            Self::On(E::on_key(flag))
        } else {
            Self::Variant(E::variant_key(flag))
        }
    }
}

/// Who asks for what, in turn.
pub struct Asks<E: Engine> {
    pub users: Vec<E::User>,
    pub flags: Vec<Ask<E>>,
}

impl<E: Engine> Asks<E> {
    /// Returns the user and the flag of a turn: all flags come to be asked, and all users.
    #[inline]
    pub fn turn(&self, turn: usize) -> (&E::User, &Ask<E>) {
        (
            &self.users[turn % self.users.len()],
            &self.flags[turn % self.flags.len()],
        )
    }
}

/// An engine whose rules are replaced while it is asked.
pub struct Live {
    /// How, in words.
    pub how: &'static str,
    pub reader: Box<dyn Reader>,
    /// Brings in one of two documents, the first or the second, and returns once it is live.
    pub swap: Box<dyn FnMut(usize) -> Result<()> + Send>,
}

/// One evaluation after the other.
pub trait Reader: Send + Sync {
    /// Evaluates for so long; returns how many evaluations that came to.
    fn count(&self, time: Duration) -> u64;

    /// Evaluates for so long, each evaluation by its own clock.
    fn clock(&self, time: Duration, histogram: &mut crate::histogram::Histogram);
}

impl<F: Fn(usize) + Send + Sync> Reader for F {
    fn count(&self, time: Duration) -> u64 {
        let start = std::time::Instant::now();
        let mut turn = 0;
        while start.elapsed() < time {
            // Looked at seldom, so that the clock is not what is measured.
            for _ in 0..32 {
                self(turn);
                turn += 1;
            }
        }
        let rate = turn as f64 / start.elapsed().as_secs_f64();
        (rate * time.as_secs_f64()) as u64
    }

    fn clock(&self, time: Duration, histogram: &mut crate::histogram::Histogram) {
        let start = std::time::Instant::now();
        let (mut before, mut turn) = (start, 0);
        while before - start < time {
            self(turn);
            let after = std::time::Instant::now();
            histogram.add(u64::try_from((after - before).as_nanos()).unwrap_or(u64::MAX));
            before = after;
            turn += 1;
        }
    }
}
