//! What a live ruleset takes of the memory.

use fader::{Delivery, Flags, Source};
use fader_benches::counting::{Counting, counted};
use fader_benches::{documents, mixed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes that a delivery leaves behind on a new handle.
fn live(delivery: impl Into<Delivery>) -> i64 {
    let (delivery, flags) = (delivery.into(), Flags::builder().build());
    let (_, counts) = counted(|| {
        flags
            .load(delivery.clone(), &Source::new("document"))
            .expect("the document is good");
    });
    counts.live
}

#[test]
fn a_flag_takes_at_most_600_bytes_beside_what_it_says_of_itself() {
    let bytes = live(mixed(10_000).bare_document()) / 10_000;
    println!("{bytes} bytes a flag");
    assert!(bytes <= 600, "{bytes} bytes a flag");
}

#[test]
fn a_million_ids_take_at_most_12_megabytes() {
    let delivery = Delivery::new(documents::small());
    let without = live(delivery.clone().list("ids.txt", Ok(Vec::new())));
    let ids = documents::list_file(1_000_000);
    let bytes = live(delivery.list("ids.txt", Ok(ids))) - without;
    println!("{bytes} bytes a list");
    assert!(bytes <= 12_000_000, "{bytes} bytes a list");
}
