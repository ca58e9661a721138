//! The examples, run as processes and used over real sockets: each test on both.

mod alike;
mod answers;
mod following;
mod load;
mod outcomes;
mod service;
mod stopping;
mod streams;
mod visitors;

/// `new-checkout` alone, on or off, beside what else the code asks for.
fn document(revision: u32, on: bool) -> String {
    format!(
        r#"{{ "revision": {revision}, "flags": {{
            "new-checkout": {on}, "new-landing": false,
            "search-ranker": {{ "variants": {{ "old": "bm25" }}, "default": "old" }} }} }}"#
    )
}

macro_rules! on_both {
    ($($module:ident::{$($test:ident),* $(,)?})*) => {
        mod axum {
            $($(
                #[test]
                fn $test() {
                    crate::$module::$test(crate::service::AXUM);
                }
            )*)*
        }

        mod actix {
            $($(
                #[test]
                fn $test() {
                    crate::$module::$test(crate::service::ACTIX);
                }
            )*)*
        }
    };
}

on_both! {
    answers::{
        each_kind_of_targeting_of_the_example_document,
        every_decision_of_a_caller_in_the_order_of_the_document,
        empty_headers_are_missing,
        the_client_behind_a_trusted_proxy,
        one_process_by_its_address,
        caches_are_told,
    }
    following::{
        says_what_to_try,
        follows_edits_and_refuses_broken_ones,
        a_document_without_the_flags_is_a_warning_and_serves_the_defaults,
        what_keeps_it_from_starting_is_one_line,
        a_terminal_that_nobody_reads_holds_up_nothing,
    }
    load::{under_load}
    outcomes::{both_arms_are_told, a_disk_that_takes_nothing_holds_up_nothing}
    stopping::{
        sigterm_finishes_requests_in_hand_and_closes_idle_connections,
        sigterm_ends_it_within_five_seconds,
        a_client_that_never_ends_its_request_does_not_keep_it,
        what_does_not_retire_is_left_after_the_grace_and_the_probe_says_so,
    }
    streams::{
        events_end_once_the_arm_is_another_one,
        sockets_echo_until_the_arm_is_another_one,
        sigterm_ends_streams_and_sockets_at_once,
    }
    visitors::{
        a_visitor_keeps_an_arm,
        a_share_of_visitors,
        without_a_key_it_says_so,
    }
}
