//! Does one work many times, for its instructions to be counted.
//!
//! `instructions WORK COUNT` prepares a work COUNT times, or its floor as `floor/WORK`, and then does it so often in
//! [`counted_evaluations`]: valgrind counts between the entry and the exit of that function and nowhere else. Each time
//! it has a scope of its own, since a scope keeps its first answer; the users take turns. Without arguments it lists the
//! works, each with the number of flags that it evaluates.
//!
//! `cargo xtask bench --instructions` runs it and compares what it counts.

use std::hint::black_box;
use std::process::ExitCode;
use std::ptr;

use fader::{Context, Delivery, FlagKey, FlagValue, Flags, Source};
use fader_benches::floor::{self, FiveRules, Flag, List, Rollout};
use fader_benches::keys::{BY_RULES, IN_ROLLOUT, LISTED, PLAIN, keys};
use fader_benches::{Rules, User, documents, mixed, users};

/// The works, and how many flags each evaluates.
const WORKS: [(&str, usize); 5] = [
    ("scope/plain", 1),
    ("scope/rollout", 1),
    ("scope/rules", 1),
    ("scope/list", 1),
    ("scope/all", FLAGS),
];

const FLAGS: usize = 1_000;
const LISTED_IDS: usize = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => {
            for (work, flags) in WORKS {
                println!("{work} {flags}");
            }
            true
        }
        [work, count] => count.parse().is_ok_and(|count| run(work, count)),
        _ => false,
    };
    if done {
        return ExitCode::SUCCESS;
    }
    eprintln!("usage: instructions [WORK COUNT]");
    ExitCode::FAILURE
}

/// Does the work, or says that there is none of that name.
fn run(work: &str, count: usize) -> bool {
    let people = People::new(count);
    match work {
        "scope/plain" => people.ask(&PLAIN),
        "scope/rollout" => people.ask(&IN_ROLLOUT),
        "scope/rules" => people.ask(&BY_RULES),
        "scope/list" => people.ask(&LISTED),
        "scope/all" => people.ask_all(),
        "floor/scope/plain" => people.by_hand(true, |on, _| *on),
        "floor/scope/rollout" => people.by_hand(Rollout::new("rollout", 25), Rollout::holds),
        "floor/scope/rules" => {
            people.by_hand(FiveRules::new("rules", &Rules::one()), FiveRules::variant);
        }
        "floor/scope/list" => {
            let list = List::new(documents::listed(LISTED_IDS));
            people.by_hand(list, |list, user| list.contains(&user.id));
        }
        "floor/scope/all" => people.all_by_hand(),
        _ => return false,
    }
    true
}

/// The one function in which instructions are counted.
///
/// Its name must not turn up within itself, not even as that of a closure: valgrind would stop counting there. A
/// closure is to be called here and nowhere else, so that it is inlined. The first evaluation, which also binds the
/// key, is counted like the others.
#[inline(never)]
fn counted_evaluations<T, R>(prepared: &mut [T], evaluate: impl Fn(&mut T) -> R) {
    for item in prepared {
        black_box(evaluate(black_box(item)));
    }
}

/// Those who are asked about, in both forms, and how often all in all.
struct People {
    users: Vec<User>,
    contexts: Vec<Context>,
    count: usize,
}

impl People {
    fn new(count: usize) -> Self {
        let users = users();
        let contexts = users.iter().map(User::context).collect();
        Self {
            users,
            contexts,
            count,
        }
    }

    /// Makes something of each user in turn.
    fn prepare<'p, P, T>(&self, people: &'p [P], make: impl FnMut(&'p P) -> T) -> Vec<T> {
        people.iter().cycle().take(self.count).map(make).collect()
    }

    fn ask<T: FlagValue + ?Sized>(&self, key: &'static FlagKey<T>) {
        let flags = handle();
        let mut scopes = self.prepare(&self.contexts, |context| flags.scope(context));
        counted_evaluations(&mut scopes, |scope| {
            ptr::from_ref(scope.get(key)).cast::<u8>()
        });
    }

    fn by_hand<F, R>(&self, floor: F, answer: impl Fn(&F, &User) -> R) {
        let floors = [floor];
        let mut asked = self.prepare(&self.users, |user| (user, 0_usize));
        counted_evaluations(&mut asked, |(user, index)| {
            answer(&floors[black_box(*index)], user)
        });
    }

    fn ask_all(&self) {
        let set = mixed(FLAGS);
        let (flags, keys) = (documents::load(&set.document()), keys(&set));
        let mut scopes = self.prepare(&self.contexts, |context| flags.scope(context));
        counted_evaluations(&mut scopes, |scope| {
            for key in &keys {
                key.read(scope);
            }
        });
    }

    fn all_by_hand(&self) {
        let floor: Vec<Flag> = floor::mixed(&mixed(FLAGS));
        let mut asked = self.prepare(&self.users, |user| user);
        counted_evaluations(&mut asked, |user| {
            for flag in &floor {
                black_box(flag.variant(user));
            }
        });
    }
}

/// Makes the handle of the works that are counted by themselves. A seed that were drawn at random would put the ids of
/// the list into other places in each process.
fn handle() -> Flags {
    let flags = Flags::builder().list_seed(1).build();
    let file = documents::list_file(LISTED_IDS);
    let delivery = Delivery::new(documents::small()).list("ids.txt", Ok(file));
    flags
        .load(delivery, &Source::new("small.json"))
        .expect("the document is good");
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_and_its_floor_are_done() {
        for (work, _) in WORKS {
            assert!(run(work, 3), "{work}");
            assert!(run(&format!("floor/{work}"), 3), "{work}");
        }
        assert!(!run("scope/none", 3));
    }
}
