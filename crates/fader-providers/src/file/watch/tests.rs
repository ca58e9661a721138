use std::os::unix::fs::symlink;

use super::*;

/// The directories for `path` below `root`, without the root's own path.
fn below(root: &Path, path: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    walk(&root.join(path), &mut found);
    let shown = |path: &PathBuf| {
        path.strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    found.iter().map(shown).collect()
}

fn root() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    (directory, real)
}

#[test]
fn a_plain_file_is_told_of_by_its_directory() {
    let (_guard, root) = root();
    fs::create_dir(root.join("rules")).unwrap();
    fs::write(root.join("rules/flags.json"), "{}").unwrap();
    assert_eq!(below(&root, "rules/flags.json"), ["rules"]);
    assert_eq!(below(&root, "rules/./../rules/flags.json"), ["rules"]);
    assert_eq!(below(&root, "rules/not-yet.json"), ["rules"]);
}

#[test]
fn each_link_on_the_way_is_watched_where_it_stands() {
    let (_guard, root) = root();
    fs::create_dir_all(root.join("mount/..2026_11_20")).unwrap();
    fs::write(root.join("mount/..2026_11_20/flags.json"), "{}").unwrap();
    symlink("..2026_11_20", root.join("mount/..data")).unwrap();
    symlink("..data/flags.json", root.join("mount/flags.json")).unwrap();
    symlink(root.join("mount"), root.join("current")).unwrap();
    assert_eq!(
        below(&root, "mount/flags.json"),
        ["mount", "mount/..2026_11_20"]
    );
    assert_eq!(
        below(&root, "current/flags.json"),
        ["", "mount", "mount/..2026_11_20"]
    );
}

#[test]
fn a_path_that_ends_early_is_watched_where_it_ends() {
    let (_guard, root) = root();
    assert_eq!(below(&root, "a/b/c/flags.json"), [""]);
    fs::create_dir_all(root.join("a/b")).unwrap();
    assert_eq!(below(&root, "a/b/c/flags.json"), ["a/b"]);
    symlink("gone/flags.json", root.join("a/flags.json")).unwrap();
    assert_eq!(below(&root, "a/flags.json"), ["a"]);
}

#[test]
fn links_in_a_circle_end() {
    let (_guard, root) = root();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    assert_eq!(below(&root, "a/flags.json"), [""]);
}

#[test]
fn watches_follow_a_directory_that_is_replaced() {
    let (_guard, root) = root();
    let (rules, file) = (root.join("rules"), root.join("rules/flags.json"));
    fs::create_dir(&rules).unwrap();
    let (hints, inbox) = std::sync::mpsc::sync_channel(64);
    let mut watch = Watch::new(hints);
    watch.renew([file.as_path()].into_iter());
    assert_eq!(watch.trouble(), None);

    for _ in 0..3 {
        fs::remove_dir_all(&rules).unwrap();
        watch.renew([file.as_path()].into_iter());
        fs::create_dir(&rules).unwrap();
        watch.renew([file.as_path()].into_iter());
        while inbox
            .recv_timeout(std::time::Duration::from_millis(50))
            .is_ok()
        {}
        watch.renew([file.as_path()].into_iter());
        fs::write(&file, "{}").unwrap();
        assert!(
            inbox
                .recv_timeout(std::time::Duration::from_secs(10))
                .is_ok(),
            "a watch of the new directory"
        );
    }
}

/// Waits for a hint, and for the end of those that come with it.
fn hinted(inbox: &std::sync::mpsc::Receiver<Hint>) -> bool {
    let hinted = inbox
        .recv_timeout(std::time::Duration::from_secs(10))
        .is_ok();
    while inbox
        .recv_timeout(std::time::Duration::from_millis(50))
        .is_ok()
    {}
    hinted
}

/// The watcher forgets a directory that is renamed within one that it watches, and does not find it again.
#[test]
fn watches_follow_a_directory_that_is_renamed_and_back() {
    let (_guard, root) = root();
    let (beside, file) = (root.join("beside.json"), root.join("rules/flags.json"));
    fs::create_dir(root.join("rules")).unwrap();
    let (hints, inbox) = std::sync::mpsc::sync_channel(64);
    let mut watch = Watch::new(hints);
    let paths = [beside.as_path(), file.as_path()];
    watch.renew(paths.into_iter());
    fs::rename(root.join("rules"), root.join("aside")).unwrap();
    fs::rename(root.join("aside"), root.join("rules")).unwrap();
    assert!(hinted(&inbox));
    watch.renew(paths.into_iter());
    fs::write(&file, "{}").unwrap();
    assert!(hinted(&inbox), "a watch of the directory");
}

/// Nothing is heard when a directory further up is replaced; the next poll renews the watches all the same.
#[test]
fn watches_follow_a_directory_that_is_replaced_unheard() {
    let (_guard, root) = root();
    let file = root.join("etc/shop/flags.json");
    fs::create_dir_all(root.join("etc/shop")).unwrap();
    let (hints, inbox) = std::sync::mpsc::sync_channel(64);
    let mut watch = Watch::new(hints);
    watch.renew([file.as_path()].into_iter());
    fs::rename(root.join("etc"), root.join("old")).unwrap();
    fs::create_dir_all(root.join("etc/shop")).unwrap();
    watch.renew([file.as_path()].into_iter());
    while inbox.try_recv().is_ok() {}
    fs::write(&file, "{}").unwrap();
    assert!(hinted(&inbox), "a watch of the new directory");
}

#[test]
fn reading_is_no_hint() {
    let (_guard, root) = root();
    let file = root.join("flags.json");
    fs::write(&file, "{}").unwrap();
    let (hints, inbox) = std::sync::mpsc::sync_channel(64);
    let mut watch = Watch::new(hints);
    watch.renew([file.as_path()].into_iter());
    fs::read(&file).unwrap();
    assert!(
        inbox
            .recv_timeout(std::time::Duration::from_millis(200))
            .is_err()
    );
}

/// What was lost may have been anything, and where the watcher itself is in trouble it may have been as well.
#[test]
fn events_lost_are_a_hint_that_all_may_have_moved() {
    use notify::event::{AccessKind, CreateKind, DataChange, Flag, RemoveKind};

    let event = |kind| Ok(Event::new(kind));
    let read = EventKind::Access(AccessKind::Any);
    assert_eq!(has_moved(event(read)), None);
    let created = EventKind::Create(CreateKind::File);
    assert_eq!(has_moved(event(created)), Some(false));
    let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    assert_eq!(has_moved(event(written)), Some(false));
    let removed = EventKind::Remove(RemoveKind::Folder);
    assert_eq!(has_moved(event(removed)), Some(true));
    for kind in [read, created, written, EventKind::Other] {
        let lost = Ok(Event::new(kind).set_flag(Flag::Rescan));
        assert_eq!(has_moved(lost), Some(true), "{kind:?}");
    }
    let error = notify::Error::generic("no more events");
    assert_eq!(has_moved(Err(error)), Some(true));
}
