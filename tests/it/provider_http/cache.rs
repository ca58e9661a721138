//! The cache on disk: a restart while the server is down.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::lists::{DOCUMENT, admits};
use super::server::nobodys_address;
use super::*;

struct Cached {
    root: tempfile::TempDir,
    url: String,
}

impl Cached {
    /// Fetches a document and its list from a server, which is gone afterwards.
    fn new() -> Self {
        let server = Server::new(serve);
        let cached = Self {
            root: tempfile::tempdir().unwrap(),
            url: server.url("/shop.json?key=secret"),
        };
        let flags = polled(&cached.url)
            .cache(cached.path())
            .authorization(|| Some("Bearer secret".into()))
            .header("x-api-key", "secret")
            .open()
            .unwrap();
        assert!(admits(&flags, "anna"));
        cached
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("flags.cache")
    }

    /// Starts with the server down. The first fetch would be an hour away, as would be the end of waiting.
    fn restart(&self) -> HttpBuilder {
        polled(&self.url)
            .cache(self.path())
            .initial_spread(NEVER)
            .wait_ready(NEVER)
    }

    /// Starts with a cache that can't be used, and returns what is told of it.
    fn ignored(&self) -> String {
        let told = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&told);
        let flags = failing(&self.url)
            .cache(self.path())
            .on_warning(move |warning| note.lock().unwrap().push(warning.to_owned()))
            .open()
            .unwrap();
        assert_eq!(flags.status().state(), State::Failed);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].clone()
    }
}

fn serve(request: &Request) -> Answer {
    match &*request.path {
        "/shop.json?key=secret" => Answer::tagged(request, r#"W/"document""#, DOCUMENT),
        _ => Answer::tagged(request, r#""list""#, "anna\n"),
    }
}

#[test]
fn a_restart_while_offline_starts_from_the_cache() {
    let cached = Cached::new();
    let flags = Flags::builder().build();
    let (_subscription, told) = record(&flags);
    cached.restart().follow(&flags).unwrap();
    assert!(admits(&flags, "anna"), "its lists are in it");
    assert_eq!(flags.status().version(), "1");
    assert_eq!(flags.status().state(), State::Stale);
    let error = error_of(&flags, "");
    assert!(
        error.contains("has not been reached yet; what is live is from the cache, as it was at "),
        "{error}"
    );
    assert_eq!(
        *told.lock().unwrap(),
        ["loaded 1", "failed: cached", "stale"]
    );
}

#[test]
fn the_cache_comes_before_the_bootstrap_document() {
    let cached = Cached::new();
    let flags = cached.restart().bootstrap(document(900)).open().unwrap();
    assert_eq!(flags.status().version(), "1");
    let why = error_of(&flags, "");
    assert!(why.contains("what is live is from the cache"), "{why}");
    let error = cached.restart().bootstrap("{").open().unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Refused,
        "a mistake shows at each start"
    );
    fs::remove_file(cached.path()).unwrap();
    let flags = cached.restart().bootstrap(document(900)).open().unwrap();
    assert_eq!(flags.status().version(), "900");
}

#[test]
fn a_cached_document_stays_stale_until_the_server_has_answered() {
    let cached = Cached::new();
    let flags = polled(&cached.url)
        .cache(cached.path())
        .stale_after(NEVER)
        .open()
        .unwrap();
    until_error(&flags, "connection refused");
    assert_eq!(flags.status().state(), State::Stale);
    let address = cached.url["http://".len()..].split('/').next().unwrap();
    let server = Server::at(address.parse().unwrap(), serve);
    until("the server's word", || is_at(&flags, 1));
    let requests = server.requests();
    assert_eq!(
        requests[0].header("if-none-match"),
        r#"W/"document""#,
        "its tags are in the cache"
    );
    assert_eq!(requests[1].header("if-none-match"), r#""list""#);
}

#[test]
fn the_cache_is_its_owners_alone_and_holds_no_secret() {
    let cached = Cached::new();
    let mode = fs::metadata(cached.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let content = fs::read_to_string(cached.path()).unwrap();
    assert!(!content.contains("secret"), "{content}");
    let header = content.lines().next().unwrap();
    let header: serde_json::Value = serde_json::from_str(header).unwrap();
    assert_eq!(header["format"], 1);
    let bare = cached.url.split('?').next().unwrap();
    let url = header["url"].as_str().unwrap();
    assert!(url.starts_with(bare), "{url}");
    assert_eq!(header["document"]["etag"], r#"W/"document""#);
    assert_eq!(header["document"]["bytes"], DOCUMENT.len());
    assert_eq!(header["lists"][0]["path"], "lists/vip.txt");
    assert_eq!(
        fs::read_dir(cached.root.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

/// Wherever a file is cut or a byte of it flips, it is ignored or as good as before.
#[test]
fn a_damaged_cache_is_ignored() {
    let cached = Cached::new();
    let whole = fs::read(cached.path()).unwrap();
    let body = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for length in [0, 1, body / 2, body, body + 1, body + 30, whole.len() - 1] {
        fs::write(cached.path(), &whole[..length]).unwrap();
        let told = cached.ignored();
        assert!(told.contains("is ignored: "), "{told}");
    }
    // A byte of the tag is what no length and no hash of a body tells of.
    let text = String::from_utf8_lossy(&whole);
    let tag = text.find("document\\\"").unwrap();
    for at in [1, tag, body + 1, body + 80, whole.len() - 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x20;
        fs::write(cached.path(), &damaged).unwrap();
        let told = cached.ignored();
        assert!(told.contains("damaged"), "{told}");
    }
    fs::write(cached.path(), [&whole[..], b"more"].concat()).unwrap();
    assert!(
        cached
            .ignored()
            .ends_with("it has more in it than its first line says")
    );
    fs::write(cached.path(), &whole).unwrap();
    let flags = cached.restart().open().unwrap();
    assert!(admits(&flags, "anna"), "whole it was good");
}

#[test]
fn a_damaged_cache_is_written_anew() {
    let cached = Cached::new();
    fs::write(cached.path(), "nonsense").unwrap();
    let address = cached.url["http://".len()..].split('/').next().unwrap();
    let server = Server::at(address.parse().unwrap(), serve);
    let flags = polled(&cached.url).cache(cached.path()).open().unwrap();
    assert!(is_at(&flags, 1));
    drop((flags, server));
    assert!(admits(&cached.restart().open().unwrap(), "anna"));
}

#[test]
fn the_cache_of_another_address_is_ignored() {
    let mut cached = Cached::new();
    let url = cached.url.clone();
    for other in [
        url.replace("key=secret", "key=other"),
        url.replace("shop.json", "other.json"),
    ] {
        cached.url = other;
        assert!(
            cached
                .ignored()
                .contains("it is of another address, `http://"),
            "{}",
            cached.url
        );
    }
    cached.url = url;
    let flags = Flags::builder().build();
    failing(&cached.url)
        .cache(cached.path())
        .as_overlay()
        .follow(&flags)
        .unwrap();
    assert_eq!(
        flags.status().overlay_version(),
        0,
        "a document is no overlay"
    );
}

#[test]
fn a_cache_that_cannot_be_read_is_ignored() {
    let cached = Cached::new();
    fs::remove_file(cached.path()).unwrap();
    fs::create_dir(cached.path()).unwrap();
    assert!(cached.ignored().ends_with("it is no file"));
    fs::remove_dir(cached.path()).unwrap();
    std::os::unix::fs::symlink("flags.cache", cached.path()).unwrap();
    assert!(cached.ignored().contains("is ignored: "));
}

/// What it says of itself is not believed beyond the limits.
#[test]
fn a_cache_beyond_the_limits_is_ignored() {
    let cached = Cached::new();
    let told = Arc::new(Mutex::new(String::new()));
    let note = Arc::clone(&told);
    let flags = failing(&cached.url)
        .cache(cached.path())
        .max_bytes(10)
        .on_warning(move |warning| warning.clone_into(&mut note.lock().unwrap()))
        .open()
        .unwrap();
    assert_eq!(flags.status().state(), State::Failed);
    let told = told.lock().unwrap();
    assert!(
        told.ends_with("a part of it is larger than the limit of 10 bytes"),
        "{told}"
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_told_once() {
    let server = Server::new(|_| Answer::json(document(1)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&told);
    let path = Path::new("/no/such/folder/flags.cache");
    let flags = polled(&server.url("/shop.json"))
        .cache(path)
        .on_warning(move |warning| note.lock().unwrap().push(warning.to_owned()))
        .open()
        .unwrap();
    for revision in 2..5 {
        server.now(move |_| Answer::json(document(revision)));
        until("the next one, all the same", || is_at(&flags, revision));
    }
    assert_eq!(
        *told.lock().unwrap(),
        [
            "cannot write `/no/such/folder/flags.cache`: no such file or directory; \
          a restart while the server is down starts without it"
        ]
    );
}

#[test]
fn a_cache_is_written_when_it_can_be_again() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("later/flags.cache");
    let server = Server::new(|request| Answer::tagged(request, r#""a""#, document(1)));
    let flags = polled(&server.url("/shop.json"))
        .cache(&path)
        .open()
        .unwrap();
    assert!(is_at(&flags, 1) && !path.exists());
    fs::create_dir(path.parent().unwrap()).unwrap();
    until("the cache, although nothing is new", || path.exists());
}

/// The limit of a file's size stands for the end of the disk.
#[test]
fn a_full_disk_leaves_the_last_good_cache() {
    let name = "a_full_disk_leaves_the_last_good_cache";
    let Some(root) = child::on_a_full_disk(module_path!(), name) else {
        return;
    };
    let path = root.join("flags.cache");
    let server = Server::new(|_| Answer::json(document(1)));
    let url = server.url("/shop.json");
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&told);
    let flags = polled(&url)
        .cache(&path)
        .on_warning(move |warning| note.lock().unwrap().push(warning.to_owned()))
        .open()
        .unwrap();
    let small = fs::read(&path).unwrap();
    for revision in 2..4 {
        let long = document(revision) + &" ".repeat(100_000);
        server.now(move |_| Answer::json(&long));
        until("a long one, all the same", || is_at(&flags, revision));
    }
    let asked = server.count();
    until("a few polls", || server.count() > asked + 2);
    assert_eq!(
        fs::read(&path).unwrap(),
        small,
        "what a restart begins with"
    );
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "nothing beside it");
    let warning = format!(
        "cannot write `{}`: file too large; a restart while the server is down starts without it",
        path.display()
    );
    assert_eq!(*told.lock().unwrap(), [warning], "once");

    server.now(|_| Answer::json(document(4)));
    until("a short one", || is_at(&flags, 4));
    until("its cache", || fs::read(&path).unwrap() != small);
    drop((flags, server));
    let flags = polled(&url)
        .cache(&path)
        .initial_spread(NEVER)
        .wait_ready(NEVER)
        .open()
        .unwrap();
    assert_eq!(flags.status().version(), "4");
}

/// A server that gives no tags sends the same again and again.
#[test]
fn the_cache_is_written_only_when_something_is_new() {
    use std::os::unix::fs::MetadataExt;

    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("flags.cache");
    let server = Server::new(|_| Answer::json(document(1)));
    let _flags = polled(&server.url("/shop.json"))
        .cache(&path)
        .open()
        .unwrap();
    let written = fs::metadata(&path).unwrap();
    until("a few polls", || server.count() > 4);
    let now = fs::metadata(&path).unwrap();
    assert_eq!(
        (now.ino(), now.mtime_nsec()),
        (written.ino(), written.mtime_nsec())
    );
}

/// As after an update of the service: the next document that is good takes its place.
#[test]
fn a_cached_document_that_is_refused_is_ignored() {
    let cached = Cached::new();
    let told = Arc::new(Mutex::new(String::new()));
    let note = Arc::clone(&told);
    let flags = Flags::builder().build();
    flags
        .load(document(900), &fader::Source::new("newer"))
        .unwrap();
    failing(&cached.url)
        .cache(cached.path())
        .on_warning(move |warning| warning.clone_into(&mut note.lock().unwrap()))
        .follow(&flags)
        .unwrap();
    assert_eq!(flags.status().version(), "900");
    let told = told.lock().unwrap();
    assert!(
        told.contains("is ignored: ") && told.contains("revision 1 is below"),
        "{told}"
    );
}

#[test]
fn what_was_refused_is_not_cached() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("flags.cache");
    let server = Server::new(|_| Answer::json(document(7)));
    let flags = polled(&server.url("/shop.json"))
        .cache(&path)
        .open()
        .unwrap();
    let before = fs::read(&path).unwrap();
    server.now(|_| Answer::json(document(3)));
    until("the refusal", || flags.status().state() == State::Stale);
    let asked = server.count();
    until("a few polls", || server.count() > asked + 2);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_overlay_is_cached_too() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("overlay.cache");
    let killed = r#"{ "version": 7, "flags": { "new-checkout": { "killed": true } } }"#;
    let server = Server::at(nobodys_address(), move |_| Answer::json(killed));
    let url = server.url("/overlay.json");
    polled(&url)
        .as_overlay()
        .cache(&path)
        .follow(&Flags::builder().build())
        .unwrap();
    drop(server);
    let flags = Flags::builder().build();
    polled(&url)
        .as_overlay()
        .cache(&path)
        .initial_spread(NEVER)
        .wait_ready(NEVER)
        .follow(&flags)
        .unwrap();
    assert_eq!(flags.status().overlay_version(), 7);
}
