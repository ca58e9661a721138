//! Evaluations: how long they take, and what they allocate.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use fader_benches::User;
use fader_benches::counting::{Counts, counted};
use serde::{Deserialize, Serialize};

use crate::engine::{Ask, Engine, ask};
use crate::flags::{Flag, MIXED, ROLLOUT, list, many, small};
use crate::results::median;

/// How many evaluations are prepared before the clock starts: enough that reading the clock costs less than a nanosecond
/// of each, few enough that what was prepared is still in the first-level cache.
const CHUNK: usize = 64;
/// How long an engine is measured before it is the next one's turn.
const ROUND: Duration = Duration::from_millis(2);
/// How long it is asked before that: what was measured last left the caches and the branch predictor to others.
const WARM_UP: Duration = Duration::from_micros(500);

/// How often all users are copied.
const COPIES: usize = 41;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    Plain,
    Rollout,
    Rules,
    FourRules,
    List,
    All,
}

impl Work {
    pub const EACH: [Self; 6] = [
        Self::Plain,
        Self::Rollout,
        Self::Rules,
        Self::FourRules,
        Self::List,
        Self::All,
    ];

    /// Returns the flag's key; `None` for the mixed set.
    fn key(self) -> Option<&'static str> {
        match self {
            Self::Plain => Some("plain"),
            Self::Rollout => Some("rollout"),
            Self::Rules => Some("rules"),
            Self::FourRules => Some("four-rules"),
            Self::List => Some("list"),
            Self::All => None,
        }
    }
}

/// An engine with all its sets loaded.
pub struct Loaded<E: Engine> {
    users: Vec<E::User>,
    small: E,
    list: E,
    mixed: E,
    /// The flags that are measured one by one; none for the mixed set, and where the engine can't say what a flag means.
    flags: Vec<Option<Ask<E>>>,
    /// The flags of the mixed set.
    all: Vec<Ask<E>>,
    /// How many evaluations are prepared at once, by work: fewer of slow ones.
    chunks: [usize; Work::EACH.len()],
    /// The document of the mixed set.
    document: String,
    /// Where the next round goes on.
    turn: usize,
}

/// What the mixed set costs before it is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Built {
    /// Milliseconds from text to the first answer.
    pub millis: f64,
    /// Bytes a flag that stay allocated.
    pub bytes_a_flag: f64,
}

impl<E: Engine> Loaded<E> {
    /// Loads all sets.
    ///
    /// # Errors
    ///
    /// The engine refuses one.
    pub fn new(users: &[User]) -> Result<Self> {
        let load = |flags: &[Flag]| E::load(&E::document(flags));
        let (mixed, small, list) = (many(0, E::PATTERNS), small(ROLLOUT, E::PATTERNS), list());
        let named = |work: Work| {
            let flag = small
                .iter()
                .chain(&list)
                .find(|flag| Some(flag.key.as_str()) == work.key());
            flag.map(Ask::new)
        };
        let document = E::document(&mixed);
        Ok(Self {
            users: users.iter().map(E::user).collect(),
            small: load(&small)?,
            list: load(&list)?,
            mixed: E::load(&document)?,
            flags: Work::EACH.map(named).into(),
            chunks: [4; _],
            all: mixed.iter().map(Ask::new).collect(),
            document,
            turn: 0,
        })
    }

    /// Measures one work for a round; returns the nanoseconds an evaluation took, or `None` where the engine can't do it.
    pub fn round(&mut self, work: Work) -> Option<f64> {
        if !self.can(work) {
            return None;
        }
        self.ask_for(WARM_UP, work);
        let (spent, count) = self.ask_for(ROUND, work);
        let nanos = spent.as_nanos() as f64 / count as f64;
        let most = if work == Work::All { MIXED } else { CHUNK };
        self.chunks[work as usize] = ((ROUND.as_nanos() as f64 / nanos) as usize).clamp(2, most);
        Some(nanos)
    }

    /// Returns how often an evaluation asks for memory and how many bytes, on average.
    pub fn allocated(&self, work: Work) -> Option<(f64, f64)> {
        if !self.can(work) {
            return None;
        }
        let engine = self.engine(work);
        let asked = |turn: usize| {
            self.flags[work as usize]
                .as_ref()
                .unwrap_or(&self.all[turn % MIXED])
        };
        // First evaluations may set something up that stays, a pattern's cache for instance.
        for turn in 0..MIXED {
            ask(engine, &engine.asker(&self.users[turn]), asked(turn));
        }
        let mut sum = Counts::default();
        for turn in 0..MIXED {
            let asker = engine.asker(&self.users[turn]);
            let ((), counts) = counted(|| ask(engine, &asker, asked(turn)));
            sum.allocations += counts.allocations;
            sum.bytes += counts.bytes;
        }
        Some((
            sum.allocations as f64 / MIXED as f64,
            sum.bytes as f64 / MIXED as f64,
        ))
    }

    /// Makes an engine of the mixed set, once.
    ///
    /// # Errors
    ///
    /// The engine refuses it.
    pub fn build(&self) -> Result<Built> {
        let (result, counts) = counted(|| {
            let start = Instant::now();
            let engine = E::load(&self.document);
            let time = start.elapsed();
            engine.map(|engine| (engine, time))
        });
        let (engine, time) = result?;
        drop(engine);
        Ok(Built {
            millis: time.as_secs_f64() * 1e3,
            bytes_a_flag: counts.live as f64 / MIXED as f64,
        })
    }

    /// Returns the nanoseconds that a copy of a user takes, where each call wants one of its own.
    pub fn copies(&self) -> Option<f64> {
        E::copy_user(&self.users[0])?;
        let rounds = (0..COPIES).map(|_| {
            let start = Instant::now();
            for user in &self.users {
                drop(black_box(E::copy_user(user)));
            }
            start.elapsed().as_nanos() as f64 / self.users.len() as f64
        });
        Some(median(rounds.collect()))
    }

    fn engine(&self, work: Work) -> &E {
        match work {
            Work::Plain | Work::Rollout | Work::Rules | Work::FourRules => &self.small,
            Work::List => &self.list,
            Work::All => &self.mixed,
        }
    }

    /// Asks for so long; returns how long it took, and how many evaluations it came to.
    fn ask_for(&mut self, time: Duration, work: Work) -> (Duration, usize) {
        let (mut spent, mut count) = (Duration::ZERO, 0);
        while spent < time {
            let (time, evaluations) = self.chunk(work);
            spent += time;
            count += evaluations;
        }
        (spent, count)
    }

    /// Measures a few evaluations: of one flag by many users, or of many flags by one user.
    fn chunk(&mut self, work: Work) -> (Duration, usize) {
        let (turn, count, engine) = (self.turn, self.chunks[work as usize], self.engine(work));
        let user = |turn: usize| &self.users[turn % self.users.len()];
        let time = match &self.flags[work as usize] {
            Some(flag) => {
                let askers: Vec<E::Asker<'_>> = (turn..turn + count)
                    .map(|turn| engine.asker(user(turn)))
                    .collect();
                let start = Instant::now();
                for asker in &askers {
                    ask(engine, asker, flag);
                }
                start.elapsed()
            }
            None => {
                let asker = engine.asker(user(turn / count));
                let start = Instant::now();
                for turn in turn..turn + count {
                    ask(engine, &asker, &self.all[turn % MIXED]);
                }
                start.elapsed()
            }
        };
        self.turn = turn + count;
        (time, count)
    }

    fn can(&self, work: Work) -> bool {
        work == Work::All || self.flags[work as usize].is_some()
    }
}
