//! The lists that a document names.

use super::*;

#[test]
fn an_edited_list_goes_live() {
    let place = Place::new();
    with_list(&place.at("rules"), 1, "anna");
    let flags = notified(&place.at("rules/flags.json")).open().unwrap();
    assert!(admits(&flags, "anna") && !admits(&flags, "bo"));
    calm();
    place.write("rules/lists/vip.txt", "anna\nbo\n");
    until("the list written in place", || admits(&flags, "bo"));
    calm();
    place.replace("rules/lists/vip.txt", "cem\n");
    until("the list renamed over", || {
        admits(&flags, "cem") && !admits(&flags, "anna")
    });
}

#[test]
fn a_list_that_a_new_document_names_is_followed() {
    let place = Place::new();
    let path = place.write("rules/flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    with_list(&place.at("rules"), 2, "anna");
    until("the document with a list", || admits(&flags, "anna"));
    calm();
    place.write("rules/lists/vip.txt", "bo\n");
    until("its list", || admits(&flags, "bo"));
}

#[test]
fn a_deleted_list_leaves_the_last_good_one_until_it_is_there_again() {
    let place = Place::new();
    with_list(&place.at("rules"), 1, "anna");
    let flags = notified(&place.at("rules/flags.json")).open().unwrap();
    for (gone, guests) in [
        ("rules/lists/vip.txt", ["anna", "bo"]),
        ("rules/lists", ["bo", "cem"]),
    ] {
        calm();
        if gone.ends_with(".txt") {
            fs::remove_file(place.at(gone)).unwrap();
        } else {
            fs::remove_dir_all(place.at(gone)).unwrap();
        }
        until("what is gone", || flags.status().state() == State::Stale);
        let error = error_of(&flags, "flags.json");
        assert!(
            error.contains("lists/vip.txt") && error.contains("no such file"),
            "{error}"
        );
        // A document that is fine by itself does not go live without its list either.
        let document = fs::read_to_string(place.at("rules/flags.json")).unwrap();
        place.replace(
            "rules/flags.json",
            document.replace("\"revision\": 1", "\"revision\": 2"),
        );
        calm();
        assert!(admits(&flags, guests[0]), "the last good one stays");
        assert_eq!(flags.status().version(), "1");
        place.replace("rules/flags.json", document);
        calm();
        place.write("rules/lists/vip.txt", format!("{}\n", guests[1]));
        until("the list again", || {
            is_at(&flags, 1) && admits(&flags, guests[1])
        });
    }
}

#[test]
fn half_a_list_is_never_loaded() {
    let place = Place::new();
    with_list(&place.at("rules"), 1, "anna");
    let flags = notified(&place.at("rules/flags.json")).open().unwrap();

    place.write("rules/lists/vip.txt", "");
    until("the refusal", || {
        error_of(&flags, "flags.json").contains("became empty")
    });
    assert!(admits(&flags, "anna"), "an emptied list is half a write");
    place.write("rules/lists/vip.txt", "bo\n");
    until("the list", || {
        admits(&flags, "bo") && flags.status().state() == State::Ready
    });
    place.write("rules/lists/vip.txt", "# nobody\n");
    until("a list that is meant to be empty", || !admits(&flags, "bo"));
}

/// It is looked at meanwhile, since notifications don't cease, but no part of it goes live.
#[test]
fn a_list_written_line_by_line_is_loaded_once() {
    let place = Place::new();
    with_list(&place.at("rules"), 1, "anna");
    // Long beside the pause between two lines, also where the machine is busy.
    let debounce = Duration::from_secs(1);
    let flags = notified(&place.at("rules/flags.json"))
        .debounce(debounce)
        .open()
        .unwrap();
    let (_subscription, told) = record(&flags);
    let (start, mut ids, mut lines) = (Instant::now(), String::new(), 0);
    while start.elapsed() < 3 * debounce {
        lines += 1;
        ids.push_str(&format!("guest-{lines}\n"));
        place.write("rules/lists/vip.txt", &ids);
        thread::sleep(Duration::from_millis(20));
    }
    until("the last line", || {
        admits(&flags, &format!("guest-{lines}"))
    });
    // One load, of the whole.
    assert_told(&told, &["loaded 1"]);
}
