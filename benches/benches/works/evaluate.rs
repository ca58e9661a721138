//! Evaluations: by scope and key, by handle and key, by handle and string.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;
use fader::{Context, FlagKey, FlagValue, Flags};
use fader_benches::floor::{self, FiveRules, Flag, List, Rollout};
use fader_benches::keys::{BY_RULES, CHAINED, IN_ROLLOUT, LISTED, PLAIN, keys};
use fader_benches::{Rules, User, documents, mixed, users};
use xxhash_rust::xxh3::xxh3_64;

use crate::report::{Report, task};

/// Those who are asked about, in both forms.
pub struct Asked {
    pub users: Vec<User>,
    pub contexts: Vec<Context>,
}

impl Asked {
    pub fn new() -> Self {
        let users = users();
        let contexts = users.iter().map(User::context).collect();
        Self { users, contexts }
    }

    fn user(&self, at: usize) -> &User {
        &self.users[at % self.users.len()]
    }

    fn context(&self, at: usize) -> &Context {
        &self.contexts[at % self.contexts.len()]
    }
}

pub fn measure(report: &mut Report) {
    let asked = Asked::new();
    units(report, &asked);
    let small = Handles {
        scoped: documents::flags(10_000),
        by_name: documents::flags_among(10_000, &mixed(993)),
        asked: &asked,
    };
    let rollout = Rollout::new("rollout", 25);
    let rules = FiveRules::new("rules", &Rules::one());
    let list = List::new(documents::listed(10_000));
    let chain = Rollout::new("chain-3", 50);
    small.measure(report, "plain", &PLAIN, true, |on, _| *on);
    small.measure(report, "rollout", &IN_ROLLOUT, rollout, Rollout::holds);
    small.measure(report, "rules", &BY_RULES, rules, FiveRules::variant);
    hit_and_miss(report, "list", &small.scoped, &list, &asked);
    small.measure(report, "list", &LISTED, list, |list, user| {
        list.contains(&user.id)
    });
    small.measure(report, "chain", &CHAINED, chain, Rollout::holds);
    drop(small);

    let large = ["scope", "flags", "string"].map(|way| format!("{way}/list-1000000"));
    let halves = ["hit", "miss"].map(|outcome| format!("scope/list-1000000-{outcome}"));
    if large.iter().chain(&halves).any(|name| report.wants(name)) {
        let large = Handles {
            scoped: documents::flags(1_000_000),
            by_name: documents::flags_among(1_000_000, &mixed(993)),
            asked: &asked,
        };
        let list = List::new(documents::listed(1_000_000));
        hit_and_miss(report, "list-1000000", &large.scoped, &list, &asked);
        large.measure(report, "list-1000000", &LISTED, list, |list, user| {
            list.contains(&user.id)
        });
    }
    all(report, &asked);
    beside_ramp(report, &asked);
    let flags = documents::flags(10_000);
    report.measure_alone(
        "explain/rules",
        task(
            |at| asked.context(at),
            |context| flags.explain("rules", *context),
        ),
    );
}

/// What the parts cost that a handle adds to a scope.
fn units(report: &mut Report, asked: &Asked) {
    let swap = ArcSwap::from_pointee(7_u64);
    report.measure_alone("unit/arc-swap-load", task(|at| at, |_| **swap.load()));
    report.measure_alone(
        "unit/arc-swap-load-full",
        task(|at| at, |_| *swap.load_full()),
    );
    let names: Vec<String> = mixed(1_000)
        .flags
        .into_iter()
        .map(|flag| flag.key)
        .collect();
    let map = map(names.iter().map(String::as_str));
    report.measure_alone(
        "unit/map-look-up",
        task(
            |at| names[at % names.len()].as_str(),
            |name| map.get(*name).copied(),
        ),
    );
    let flags = documents::flags(10);
    report.measure_alone(
        "unit/scope",
        task(|at| asked.context(at), |context| flags.scope(*context)),
    );
    let flags = documents::load(&mixed(1_000).document());
    report.measure_alone(
        "unit/scope-of-1000",
        task(|at| asked.context(at), |context| flags.scope(*context)),
    );
}

/// Hashes the names of flags as a service would that is in a hurry.
#[derive(Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    fn write_u8(&mut self, _: u8) {}
}

type Map<'a> = HashMap<&'a str, usize, BuildHasherDefault<NameHasher>>;

fn map<'a>(names: impl Iterator<Item = &'a str>) -> Map<'a> {
    names.enumerate().map(|(at, name)| (name, at)).collect()
}

/// The flags that are measured by themselves.
struct Handles<'a> {
    /// A document of a few flags.
    scoped: Flags,
    /// The same flags among 1,000.
    by_name: Flags,
    asked: &'a Asked,
}

impl Handles<'_> {
    /// Measures a flag in all three ways beside its floor: behind an index; behind `arc_swap` too; behind a map too.
    fn measure<T: FlagValue + ?Sized, F, R>(
        &self,
        report: &mut Report,
        name: &str,
        key: &'static FlagKey<T>,
        floor: F,
        by_hand: impl Fn(&F, &User) -> R,
    ) {
        let asked = self.asked;
        let floors = [floor];
        report.measure(
            &format!("scope/{name}"),
            task(
                |at| self.scoped.scope(asked.context(at)),
                |scope| std::ptr::from_ref(scope.get(key)).cast::<u8>(),
            ),
            Some(task(
                |at| (asked.user(at), 0_usize),
                |(user, index)| by_hand(&floors[black_box(*index)], user),
            )),
        );
        let swap = ArcSwap::new(Arc::new(floors));
        report.measure(
            &format!("flags/{name}"),
            task(
                |at| asked.context(at),
                |context| {
                    self.by_name.with(key, *context, |value| {
                        std::ptr::from_ref(value).cast::<u8>()
                    })
                },
            ),
            Some(task(
                |at| (asked.user(at), 0_usize),
                |(user, index)| by_hand(&swap.load()[black_box(*index)], user),
            )),
        );
        let others = mixed(999);
        let names =
            std::iter::once(key.name()).chain(others.flags.iter().map(|flag| flag.key.as_str()));
        let map = map(names);
        let asked_name = key.name().to_owned();
        report.measure(
            &format!("string/{name}"),
            task(
                |at| asked.context(at),
                |context| self.by_name.resolve(asked_name.as_str(), *context),
            ),
            Some(task(
                |at| (asked.user(at), asked_name.as_str()),
                |(user, name)| by_hand(&swap.load()[map[*name]], user),
            )),
        );
    }
}

/// A list asked about those alone who are in it, then about those who are not.
fn hit_and_miss(report: &mut Report, name: &str, flags: &Flags, list: &List, asked: &Asked) {
    // Of the users, every second one is in the list, from the first on.
    for (outcome, first) in [("hit", 0), ("miss", 1)] {
        report.measure(
            &format!("scope/{name}-{outcome}"),
            task(
                |at| flags.scope(asked.context(2 * at + first)),
                |scope| *scope.get(&LISTED),
            ),
            Some(task(
                |at| asked.user(2 * at + first),
                |user| black_box(list).contains(&user.id),
            )),
        );
    }
}

/// A rollout in a document that has a flag which the time decides.
fn beside_ramp(report: &mut Report, asked: &Asked) {
    let flags = documents::load(documents::BESIDE_RAMP);
    let swap = ArcSwap::from_pointee([Rollout::new("rollout", 25)]);
    report.measure(
        "flags/rollout-beside-ramp",
        task(
            |at| asked.context(at),
            |context| flags.get(&IN_ROLLOUT, *context),
        ),
        Some(task(
            |at| (asked.user(at), 0_usize),
            |(user, index)| swap.load()[black_box(*index)].holds(user),
        )),
    );
}

/// All flags of a mixed set, one after the other; a flag's share of it is reported.
fn all(report: &mut Report, asked: &Asked) {
    let set = mixed(1_000);
    let flags = documents::load(&set.document());
    let (keys, floor): (_, Vec<Flag>) = (keys(&set), floor::mixed(&set));
    // By hand there is no handle to ask: scope and key alike have the flags at hand.
    let by_hand = || {
        let all = |user: &mut &User| {
            for flag in &floor {
                black_box(flag.variant(user));
            }
        };
        Some(task(|at| asked.user(at), all).per(1_000))
    };
    report.measure(
        "scope/all",
        task(
            |at| flags.scope(asked.context(at)),
            |scope| {
                for key in &keys {
                    key.read(scope);
                }
            },
        )
        .per(1_000),
        by_hand(),
    );
    report.measure(
        "flags/all",
        task(
            |at| asked.context(at),
            |context| {
                for key in &keys {
                    key.read_once(&flags, *context);
                }
            },
        )
        .per(1_000),
        by_hand(),
    );
    let names: Vec<&str> = set.flags.iter().map(|flag| flag.key.as_str()).collect();
    let map = map(names.iter().copied());
    report.measure(
        "string/all",
        task(
            |at| asked.context(at),
            |context| {
                for name in &names {
                    black_box(flags.resolve(*name, *context));
                }
            },
        )
        .per(1_000),
        Some(
            task(
                |at| asked.user(at),
                |user| {
                    for name in &names {
                        black_box(floor[map[*name]].variant(user));
                    }
                },
            )
            .per(1_000),
        ),
    );
}
