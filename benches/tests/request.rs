//! What a request and an evaluation allocate.

use axum::body::Body;
use axum::http::Request;
use fader::{FlagKey, FlagValue, Flags};
use fader_benches::counting::{Counting, counted};
use fader_benches::keys::{BY_RULES, CHAINED, IN_ROLLOUT, LISTED, PLAIN, keys};
use fader_benches::{User, documents, mixed, users};
use tower_service::Service;

#[path = "../benches/works/service.rs"]
mod service;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the users' requests allocate at most, with the answer and without the making of the request.
fn most<S: Service<Request<Body>>>(mut service: S, users: &'static [User]) -> u64 {
    let mut allocations = |user| {
        let request = service::request(user);
        let (_answer, counts) = counted(|| service::answer(&mut service, request));
        counts.allocations
    };
    // The first time may do what is done once.
    allocations(&users[0]);
    users.iter().map(allocations).max().unwrap_or(0)
}

#[test]
fn a_request_allocates_at_most_twice_more_behind_the_layer() {
    let users: &'static [User] = users().leak();
    let layered = most(service::layered(documents::flags(10_000)), users);
    let by_hand = most(service::ByHand::new(), users);
    println!("{layered} and {by_hand} allocations a request");
    assert!(layered <= by_hand + 2, "{layered} and {by_hand}");
}

#[test]
fn an_evaluation_allocates_nothing() {
    let few = documents::flags(10_000);
    let many = documents::flags_among(10_000, &mixed(993));
    for flags in [&few, &many] {
        nothing(flags, &PLAIN);
        nothing(flags, &IN_ROLLOUT);
        nothing(flags, &BY_RULES);
        nothing(flags, &LISTED);
        nothing(flags, &CHAINED);
    }
    nothing(&documents::load(documents::BESIDE_RAMP), &IN_ROLLOUT);
    nothing(&documents::flags(1_000_000), &LISTED);
}

/// Holds a flag to no allocation in all three ways to ask for it.
fn nothing<T: FlagValue + ?Sized>(flags: &Flags, key: &FlagKey<T>) {
    // The first time may do what is done once.
    for (round, user) in users().iter().enumerate() {
        let context = user.context();
        let scope = flags.scope(&context);
        let (_, counts) = counted(|| {
            let read = std::ptr::from_ref(scope.get(key)).cast::<u8>();
            let used = flags.with(key, &context, |value| {
                std::ptr::from_ref(value).cast::<u8>()
            });
            (read, used, flags.resolve(key.name(), &context))
        });
        assert!(
            round == 0 || counts.allocations == 0,
            "{} {user:?}",
            key.name()
        );
    }
}

#[test]
fn nor_do_those_of_a_thousand_flags() {
    let set = mixed(1_000);
    let (flags, keys) = (documents::load(&set.document()), keys(&set));
    for (round, user) in users().iter().step_by(16).enumerate() {
        let context = user.context();
        let scope = flags.scope(&context);
        let (_, counts) = counted(|| {
            for (key, flag) in keys.iter().zip(&set.flags) {
                key.read(&scope);
                key.read_once(&flags, &context);
                std::hint::black_box(flags.resolve(flag.key.as_str(), &context));
            }
        });
        assert!(round == 0 || counts.allocations == 0, "{user:?}");
    }
}
