//! How requests are routed over HTTP, on each framework: the behaviours of `tests/data/web` over real sockets, and what
//! takes more than one request to see.

mod any_bytes;
mod apps;
mod client;
mod data;
mod expect;
mod handlers;
mod in_process;
mod ramp;
mod runner;
mod service;
mod spans;
mod text;

use std::collections::BTreeSet;

use crate::data::Adapter;

/// A test for each file of behaviours and adapter.
macro_rules! behaviours {
    ($($module:ident: $file:literal),* $(,)?) => {
        $(mod $module {
            use super::*;

            #[test]
            fn on_axum() {
                runner::run($file, Adapter::Axum);
            }

            #[test]
            fn on_actix() {
                runner::run($file, Adapter::Actix);
            }
        })*

        const FILES: &[&str] = &[$($file),*];
    };
}

behaviours! {
    attributes: "attributes.json",
    cache: "cache.json",
    client_address: "client.json",
    decisions: "decisions.json",
    fall_back: "fall-back.json",
    hostile_requests: "hostile.json",
    limits: "limits.json",
    outcomes: "outcomes.json",
    visitors: "visitor.json",
}

#[test]
fn every_file_is_run_and_every_difference_has_a_reason() {
    let files: BTreeSet<_> = data::files().into_iter().collect();
    assert_eq!(files, FILES.iter().map(|file| (*file).to_owned()).collect());

    let cases: Vec<_> = FILES.iter().flat_map(|file| data::cases(file)).collect();
    let used = cases.iter().filter_map(|case| case.only.as_ref());
    let used: BTreeSet<_> = used.map(|only| only.difference.clone()).collect();
    let differences = data::differences();
    assert_eq!(used, differences.keys().cloned().collect());
    assert!(differences.values().all(|reason| !reason.is_empty()));
}
