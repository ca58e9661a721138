//! The file provider against real directories: each row of what goes wrong in the field.
//!
//! What is looked for is awaited with a generous deadline. Where notifications are meant to tell of a change the poll
//! is set to minutes, and where the poll is, they are off or can't be.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fader::{Context, Event, Flags, State};
use fader_providers::{ErrorKind, FileBuilder, file};

mod broken;
pub(crate) mod child;
mod folder;
mod layers;
mod lists;
mod overlay;
mod prompt;
mod read;
mod replace;
mod shortage;
mod store;

const NEVER: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_millis(50);

/// How long anything may take before a test gives up: far longer than it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until what was noticed so far has been answered, so that what comes next must be noticed by itself. Where the
/// machine is too slow for that, a test shows less, and fails no more.
pub(crate) fn calm() {
    thread::sleep(Duration::from_millis(400));
}

/// A document that is told by its revision.
pub(crate) fn document(revision: u32) -> String {
    format!(r#"{{ "revision": {revision}, "flags": {{ "new-checkout": true }} }}"#)
}

/// A document whose flag `lounge` is on for a list, and the list, which names one guest.
fn with_list(directory: &Path, revision: u32, guest: &str) {
    fs::create_dir_all(directory.join("lists")).unwrap();
    fs::write(directory.join("lists/vip.txt"), format!("{guest}\n")).unwrap();
    let document = format!(
        r#"{{ "revision": {revision}, "lists": {{ "vip": {{ "file": "lists/vip.txt" }} }},
              "flags": {{ "lounge": {{ "rules": [ {{ "if": {{ "attribute": "user.id", "in_list": "vip" }}, "serve": "on" }} ] }} }} }}"#
    );
    fs::write(directory.join("flags.json"), document).unwrap();
}

fn admits(flags: &Flags, guest: &str) -> bool {
    flags
        .resolve("lounge", &Context::anonymous().with("user.id", guest))
        .variant()
        == Some("on")
}

pub(crate) fn is_at(flags: &Flags, revision: u32) -> bool {
    let status = flags.status();
    status.version() == revision.to_string() && status.state() == State::Ready
}

/// The error of the source whose name ends so, or an empty text.
fn error_of(flags: &Flags, name: &str) -> String {
    let status = flags.status();
    let source = status
        .sources()
        .iter()
        .find(|source| source.name().ends_with(name));
    source
        .and_then(|source| source.error())
        .unwrap_or_default()
        .to_owned()
}

/// Linux tells which directories a process watches, by their inodes.
#[cfg(target_os = "linux")]
fn is_watched(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let inode = format!(" ino:{:x} ", fs::metadata(directory).unwrap().ino());
    let files = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .any(|info| info.contains(&inode))
}

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Waits until everything has been looked at once more: the overlay is read first and loaded with the document.
    fn look_again(&self, flags: &Flags) {
        let version = flags.status().overlay_version() + 1;
        let overlay = format!(r#"{{ "version": {version}, "flags": {{}} }}"#);
        self.replace("flags.json.overlay.json", overlay);
        until("another look", || {
            flags.status().overlay_version() == version
        });
    }

    /// Writes beside the path and renames over it, as editors and deploys do.
    fn replace(&self, path: &str, content: impl AsRef<[u8]>) {
        let next = self.write(&format!("{path}.next"), content);
        fs::rename(next, self.at(path)).unwrap();
    }
}

/// Follows by notifications alone.
fn notified(path: &Path) -> FileBuilder {
    file(path).poll_every(NEVER)
}

/// Follows by the poll alone.
fn polled(path: &Path) -> FileBuilder {
    file(path).watch(false).poll_every(SOON)
}

/// Notes what is told, one word each.
fn record(flags: &Flags) -> (fader::Subscription, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&told);
    let subscription = flags.subscribe(move |event| {
        note.lock().unwrap().push(match event {
            Event::Loaded(change) => format!("loaded {}", change.version()),
            Event::Overlaid(_) => "overlaid".to_owned(),
            Event::Refused(_) => "refused".to_owned(),
            Event::Stale { .. } => "stale".to_owned(),
            Event::Recovered { .. } => "recovered".to_owned(),
            // At each try; `stale` follows.
            Event::Failed { .. } => return,
            other => format!("{other:?}"),
        });
    });
    (subscription, told)
}

/// Compares what was told, which may be a moment after it can be seen.
#[track_caller]
fn assert_told(told: &Mutex<Vec<String>>, expected: &[&str]) {
    until("what is told", || {
        told.lock().unwrap().len() >= expected.len()
    });
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn an_edit_in_place_goes_live() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    assert!(is_at(&flags, 1), "open loads before it returns");
    for revision in 2..5 {
        calm();
        fs::write(&path, document(revision)).unwrap();
        until("the edit", || is_at(&flags, revision));
    }
}

#[test]
fn a_file_renamed_over_goes_live() {
    let place = Place::new();
    let flags = notified(&place.write("flags.json", document(1)))
        .open()
        .unwrap();
    for revision in 2..8 {
        let from = ["flags.json.next", "elsewhere/flags.json"][revision as usize % 2];
        let next = place.write(from, document(revision));
        // Written a while ago: only the rename tells of it.
        calm();
        fs::rename(next, place.at("flags.json")).unwrap();
        until("the new file", || is_at(&flags, revision));
    }
}

#[test]
fn a_truncated_write_seen_half_way_is_never_loaded() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    let whole = document(2);
    for half in ["", &whole[..whole.len() / 2], &whole[..whole.len() - 1]] {
        fs::write(&path, half).unwrap();
        until("the refusal", || flags.status().state() == State::Stale);
        assert_eq!(flags.status().version(), "1", "the last good one stays");
        assert!(!error_of(&flags, "flags.json").is_empty());
        fs::write(&path, document(1)).unwrap();
        until("what was live, whole again", || is_at(&flags, 1));
    }
    fs::write(&path, whole).unwrap();
    until("the whole", || is_at(&flags, 2));
    until("the word of it", || {
        told.lock()
            .unwrap()
            .last()
            .is_some_and(|told| told == "loaded 2")
    });
    let told = told.lock().unwrap();
    assert!(
        !told
            .iter()
            .any(|told| told.starts_with("loaded") && told != "loaded 2"),
        "{told:?}"
    );
}

/// What is written through another name of the same file, in a directory that is not watched, is told to nobody.
#[test]
fn half_a_file_is_looked_at_again_without_a_notification() {
    let place = Place::new();
    let path = place.write("rules/flags.json", document(1));
    let unseen = place.at("unseen.json");
    fs::hard_link(&path, &unseen).unwrap();
    let flags = notified(&path).open().unwrap();
    fs::write(&path, &document(2)[..20]).unwrap();
    until("the refusal", || flags.status().state() == State::Stale);
    calm();
    fs::write(&unseen, document(2)).unwrap();
    until("the retry", || is_at(&flags, 2));
}

/// `flags.json -> ..data/flags.json`, `..data -> ..2026_11_20`: only `..data` is renamed.
#[test]
fn a_config_map_swap_goes_live() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    let mount = place.at("mount");
    let version = |revision: u32, guest: &str| {
        let folder = format!("..2026_11_20_{revision}");
        with_list(&mount.join(&folder), revision, guest);
        symlink(&folder, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    version(1, "guest-1");
    symlink("..data/flags.json", mount.join("flags.json")).unwrap();
    symlink("..data/lists", mount.join("lists")).unwrap();

    let flags = notified(&mount.join("flags.json")).open().unwrap();
    for revision in 2..6 {
        calm();
        version(revision, &format!("guest-{revision}"));
        fs::remove_dir_all(mount.join(format!("..2026_11_20_{}", revision - 1))).unwrap();
        until("the swap", || {
            is_at(&flags, revision) && admits(&flags, &format!("guest-{revision}"))
        });
        assert!(!admits(&flags, &format!("guest-{}", revision - 1)));
    }
}

/// It may be optional: then the file is taken away, by `..data` leading to an empty folder, and comes back.
#[test]
fn a_config_map_that_is_removed_leaves_the_last_good_one_until_it_is_back() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    let mount = place.at("mount");
    let point = |folder: &str| {
        symlink(folder, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    place.write("mount/..1/flags.json", document(1));
    point("..1");
    symlink("..data/flags.json", mount.join("flags.json")).unwrap();
    let flags = notified(&mount.join("flags.json")).open().unwrap();
    for (revision, link_stays) in [(2, false), (3, true), (4, false)] {
        calm();
        fs::create_dir(mount.join("..empty")).unwrap();
        point("..empty");
        fs::remove_dir_all(mount.join(format!("..{}", revision - 1))).unwrap();
        if !link_stays {
            fs::remove_file(mount.join("flags.json")).unwrap();
        }
        until("what is gone", || flags.status().state() == State::Stale);
        assert!(error_of(&flags, "flags.json").ends_with("no such file"));
        assert_eq!(flags.status().version(), (revision - 1).to_string());
        calm();
        place.write(
            &format!("mount/..{revision}/flags.json"),
            document(revision),
        );
        point(&format!("..{revision}"));
        fs::remove_dir(mount.join("..empty")).unwrap();
        if !link_stays {
            symlink("..data/flags.json", mount.join("flags.json")).unwrap();
        }
        until("what is back", || is_at(&flags, revision));
    }
}

#[test]
fn a_switched_directory_symlink_goes_live_with_its_lists() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    with_list(&place.at("rules_1"), 1, "guest-1");
    symlink("rules_1", place.at("rules")).unwrap();
    let flags = notified(&place.at("rules/flags.json")).open().unwrap();
    let (_subscription, told) = record(&flags);
    for revision in 2..6 {
        with_list(
            &place.at(&format!("rules_{revision}")),
            revision,
            &format!("guest-{revision}"),
        );
        calm();
        symlink(format!("rules_{revision}"), place.at("next")).unwrap();
        fs::rename(place.at("next"), place.at("rules")).unwrap();
        until("the switch", || is_at(&flags, revision));
        assert!(
            admits(&flags, &format!("guest-{revision}")),
            "its lists come from the same directory"
        );
        assert!(!admits(&flags, &format!("guest-{}", revision - 1)));
    }
    // Back to a version that is still there: the same directory as before.
    calm();
    symlink("rules_2", place.at("next")).unwrap();
    fs::rename(place.at("next"), place.at("rules")).unwrap();
    until("the switch back", || {
        is_at(&flags, 2) && admits(&flags, "guest-2")
    });
    calm();
    place.replace("rules_2/flags.json", document(7));
    until("an edit there", || is_at(&flags, 7));
    assert!(
        told.lock()
            .unwrap()
            .iter()
            .all(|told| told.starts_with("loaded")),
        "{told:?}"
    );
}

#[test]
fn a_repointed_file_symlink_goes_live() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    for revision in 1..4 {
        with_list(
            &place.at(&format!("versions/{revision}")),
            revision,
            &format!("guest-{revision}"),
        );
    }
    symlink("versions/1/flags.json", place.at("flags.json")).unwrap();
    let flags = notified(&place.at("flags.json")).open().unwrap();
    assert!(
        admits(&flags, "guest-1"),
        "lists lie beside what the symlink leads to"
    );
    for revision in [2, 3, 1] {
        calm();
        symlink(format!("versions/{revision}/flags.json"), place.at("next")).unwrap();
        fs::rename(place.at("next"), place.at("flags.json")).unwrap();
        until("the new target", || {
            is_at(&flags, revision) && admits(&flags, &format!("guest-{revision}"))
        });
    }
    calm();
    fs::write(place.at("versions/1/flags.json"), document(9)).unwrap();
    until("an edit of the target", || is_at(&flags, 9));
}

#[test]
fn a_deleted_file_leaves_the_last_good_one_until_it_is_there_again() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    for revision in 2..4 {
        fs::remove_file(&path).unwrap();
        until("what is gone", || flags.status().state() == State::Stale);
        assert_eq!(flags.status().version(), (revision - 1).to_string());
        assert_eq!(
            error_of(&flags, "flags.json"),
            format!("cannot read `{}`: no such file", path.display())
        );
        fs::write(&path, document(revision)).unwrap();
        until("the new file", || is_at(&flags, revision));
    }
    assert_eq!(
        told.lock()
            .unwrap()
            .iter()
            .filter(|told| *told == "stale")
            .count(),
        2
    );
}

#[test]
fn a_deleted_directory_is_followed_when_it_is_there_again() {
    let place = Place::new();
    let path = place.write("etc/shop/flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    for revision in 2..6 {
        let gone = if revision % 2 == 0 { "etc" } else { "etc/shop" };
        fs::remove_dir_all(place.at(gone)).unwrap();
        until("what is gone", || flags.status().state() == State::Stale);
        assert_eq!(flags.status().version(), (revision - 1).to_string());
        calm();
        place.write("etc/shop/flags.json", document(revision));
        until("the new directory", || is_at(&flags, revision));
    }
    // The watches stand again: one edit more, which nothing but a notification can tell of.
    calm();
    place.replace("etc/shop/flags.json", document(9));
    until("an edit in it", || is_at(&flags, 9));
}

#[test]
fn a_renamed_directory_and_its_successor_are_told_apart() {
    let place = Place::new();
    place.write("rules/flags.json", document(1));
    let flags = notified(&place.at("rules/flags.json")).open().unwrap();
    for revision in 2..5 {
        place.write("next/flags.json", document(revision));
        calm();
        fs::rename(place.at("rules"), place.at(&format!("old-{revision}"))).unwrap();
        fs::rename(place.at("next"), place.at("rules")).unwrap();
        until("the successor", || is_at(&flags, revision));
        calm();
        place.write("rules/flags.json", document(revision + 10));
        until("an edit in it", || is_at(&flags, revision + 10));
    }
}

#[test]
fn the_poll_finds_changes_without_notifications() {
    let place = Place::new();
    with_list(&place.at("rules"), 1, "anna");
    let path = place.at("rules/flags.json");
    let flags = polled(&path).open().unwrap();
    place.write("rules/lists/vip.txt", "bo\n");
    until("a list", || admits(&flags, "bo"));
    fs::write(&path, document(2)).unwrap();
    until("an edit", || is_at(&flags, 2));
    fs::remove_file(&path).unwrap();
    until("what is gone", || flags.status().state() == State::Stale);
    fs::write(&path, document(3)).unwrap();
    until("what is back", || is_at(&flags, 3));
}

#[test]
fn the_poll_runs_beside_notifications() {
    let place = Place::new();
    let path = place.write("rules/flags.json", document(1));
    let unseen = place.at("unseen.json");
    fs::hard_link(&path, &unseen).unwrap();
    let flags = file(&path).poll_every(SOON).open().unwrap();
    calm();
    fs::write(&unseen, document(2)).unwrap();
    until("what nothing told of", || is_at(&flags, 2));
}

#[test]
fn content_decides_and_not_size_or_time() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let flags = polled(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    // Whole at once: a look at a file that is half written would rightly be refused.
    let other = place.write("other.json", document(2));
    let file = fs::File::options().write(true).open(&other).unwrap();
    file.set_modified(modified).unwrap();
    fs::rename(&other, &path).unwrap();
    until("other bytes of the same size and time", || is_at(&flags, 2));
    place.replace("flags.json", document(2));
    place.look_again(&flags);
    // The same bytes at another time are nothing new.
    assert_told(&told, &["loaded 2", "overlaid"]);
}

/// The same file as well, so that it has no other inode either.
#[test]
fn one_byte_written_in_place_with_the_time_set_back_is_found() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    // The poll is seldom beside the moment in which the time is another one.
    let flags = polled(&path)
        .poll_every(Duration::from_millis(500))
        .open()
        .unwrap();
    calm();
    for revision in 2..5 {
        let file = fs::File::options().write(true).open(&path).unwrap();
        (&file).write_all(document(revision).as_bytes()).unwrap();
        file.set_modified(modified).unwrap();
        until("another byte", || is_at(&flags, revision));
    }
}

/// They are loaded while they go on, and seldom: once in two debounces, which are 200 ms, and once more whenever the
/// machine is so busy that they pause.
#[test]
fn a_thousand_writes_are_few_loads() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    calm();
    let start = Instant::now();
    let loads = || {
        let told = told.lock().unwrap();
        told.iter()
            .filter(|told| told.starts_with("loaded"))
            .count()
    };
    let (mut revision, mut pauses, mut written) = (1, 0, start);
    while revision <= 1000 || loads() == 0 {
        assert!(start.elapsed() < PATIENCE, "no load while it is written");
        revision += 1;
        place.replace("flags.json", document(revision));
        pauses += u128::from(written.elapsed() > Duration::from_millis(50));
        written = Instant::now();
        thread::sleep(Duration::from_millis(1));
    }
    until("the last one", || is_at(&flags, revision));
    let (loads, steps) = (loads(), start.elapsed().as_millis() / 200);
    assert!(
        loads as u128 <= steps + pauses + 2,
        "{loads} loads in {steps} steps with {pauses} pauses"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_thread_stops_after_the_last_handle() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let watched = || is_watched(place.root.path());
    let flags = notified(&path).open().unwrap();
    let other = flags.clone();
    assert!(watched());
    drop(flags);
    fs::write(&path, document(2)).unwrap();
    until("a clone keeps it", || is_at(&other, 2));
    assert!(watched());
    drop(other);
    until("the end of the thread", || !watched());
}

#[test]
fn a_subscriber_that_panics_does_not_end_the_following() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let _subscription = flags.subscribe(|_| panic!("a subscriber's own trouble"));
    for revision in 2..5 {
        fs::write(&path, document(revision)).unwrap();
        until("the edit", || is_at(&flags, revision));
    }
}
