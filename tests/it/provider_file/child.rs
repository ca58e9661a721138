//! Tests that need a process of their own: as they change what holds for a whole process, or as it is stopped or killed.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::*;

/// Says in the child that it is one, and where it works.
const PLACE: &str = "FADER_TEST_PLACE";

/// Returns where to work, if this is the child.
pub(crate) fn place() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

/// Runs a test of this binary again, below a command that changes what a process may do, such as `["nice"]`.
pub(crate) fn again(module: &str, name: &str, below: &[&str], place: &Path) -> Child {
    let binary = std::env::current_exe().unwrap();
    let (_, module) = module.split_once("::").unwrap();
    let mut line = below.iter().map(AsRef::as_ref).chain([binary.as_os_str()]);
    Command::new(line.next().unwrap())
        .args(line)
        .args(["--exact", "--nocapture", &format!("{module}::{name}")])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a test in a child that may write no file of more than a few KiB, as on a disk that is full. Returns where to work,
/// in the child.
pub(crate) fn on_a_full_disk(module: &str, name: &str) -> Option<PathBuf> {
    let found = place();
    if found.is_none() {
        let place = Place::new();
        // The signal of the limit would end the process; without it the write fails.
        let limit = "trap '' XFSZ && ulimit -f 8 && exec \"$0\" \"$@\"";
        let child = again(module, name, &["sh", "-c", limit], place.root.path());
        assert_passes(child);
    }
    found
}

/// Counts the threads of this process that have a name.
#[cfg(target_os = "linux")]
pub(crate) fn threads(name: &str) -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    // One may end between being listed and being read.
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

/// Waits for a child that succeeds.
#[track_caller]
pub(crate) fn assert_passes(child: Child) {
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // A name that no test has would succeed as well.
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

/// Returns whether this machine lets us run below a command; says what is not tested otherwise.
pub(crate) fn can_run(below: &[&str], what: &str) -> bool {
    let ran = Command::new(below[0])
        .args(&below[1..])
        .arg("true")
        .output();
    let can = ran.is_ok_and(|ran| ran.status.success());
    if !can {
        // Not by `eprintln`, which is kept back where a test passes; `.config/nextest.toml` shows it as well.
        let line = format!("NOT TESTED: {what}, as `{}` fails here\n", below.join(" "));
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    can
}

#[test]
fn a_relative_path_outlives_a_change_of_the_working_directory() {
    let Some(root) = place() else {
        let place = Place::new();
        place.write("home/rules/flags.json", document(1));
        place.write("away/rules/flags.json", document(99));
        let name = "a_relative_path_outlives_a_change_of_the_working_directory";
        let child = again(module_path!(), name, &["env"], place.root.path());
        return assert_passes(child);
    };
    std::env::set_current_dir(root.join("home")).unwrap();
    let path = Path::new("rules/flags.json");
    let builders = [notified(path), polled(path)];
    for (follow, revision) in builders.into_iter().zip([2, 4]) {
        // It is the builder that is made at home: it may be opened elsewhere.
        std::env::set_current_dir(root.join("away")).unwrap();
        let flags = follow.open().unwrap();
        calm();
        fs::write(root.join("home").join(path), document(revision)).unwrap();
        until("an edit at home", || is_at(&flags, revision));
        let overlay = r#"{ "version": 7, "flags": {} }"#;
        fs::write(root.join("home/rules/flags.json.overlay.json"), overlay).unwrap();
        until("an overlay at home", || {
            flags.status().overlay_version() == 7
        });
        assert_eq!(flags.status().sources()[0].name(), "rules/flags.json");
    }
}

/// Nobody is kept out of a file while they may override its permissions, as root may: that is taken away.
#[test]
fn a_permission_lost_is_stale_until_it_is_given_back() {
    use std::os::unix::fs::PermissionsExt;

    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let Some(root) = place() else {
        let place = Place::new();
        place.write("rules/flags.json", document(1));
        allow(&place.at("rules/flags.json"), 0);
        let may_override = fs::File::open(place.at("rules/flags.json")).is_ok();
        allow(&place.at("rules/flags.json"), 0o600);
        let mut below = vec!["env"];
        if may_override {
            let capabilities = "--bounding-set=-dac_override,-dac_read_search";
            below = vec!["setpriv", capabilities];
            if !can_run(&below, "a permission that is lost") {
                return;
            }
        }
        let name = "a_permission_lost_is_stale_until_it_is_given_back";
        return assert_passes(again(module_path!(), name, &below, place.root.path()));
    };

    let path = root.join("rules/flags.json");
    let mut revision = 1;
    for follow in [notified, polled] {
        let flags = follow(&path).open().unwrap();
        for (what, denied, mode) in [
            ("the file", path.clone(), 0o600),
            ("its directory", root.join("rules"), 0o700),
        ] {
            calm();
            allow(&denied, 0);
            until(what, || flags.status().state() == State::Stale);
            assert_eq!(flags.status().version(), revision.to_string(), "{what}");
            assert_eq!(
                error_of(&flags, "flags.json"),
                format!("cannot read `{}`: permission denied", path.display())
            );
            calm();
            allow(&denied, mode);
            until("what is given back", || is_at(&flags, revision));
            calm();
            revision += 1;
            fs::write(&path, document(revision)).unwrap();
            until("an edit", || is_at(&flags, revision));
        }
    }
    allow(&path, 0);
    let error = notified(&path).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    allow(&path, 0o600);
}
