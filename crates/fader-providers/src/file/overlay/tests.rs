use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::*;

fn kill(overlay: &mut Overlay) -> bool {
    *overlay = std::mem::take(overlay).kill("new-checkout");
    true
}

#[test]
fn a_lock_that_is_held_is_waited_for_and_then_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overlay.json");
    let other = Turns::default();
    let lock = directory.path().join("overlay.json.lock");
    let held = Held::take(&lock, PATIENCE, &other).unwrap();

    let mut overlay = OverlayFile::new(&path);
    overlay.patience = Duration::from_millis(200);
    let began = Instant::now();
    let error = overlay.update(&mut kill).unwrap_err().to_string();
    assert!(began.elapsed() >= overlay.patience, "it waits");
    let (path, lock) = (path.display(), lock.display());
    assert!(
        error.starts_with(&format!(
            "another writer of the overlay `{path}` has held `{lock}` for 200ms: "
        )) && error.ends_with("nothing was written"),
        "{error}"
    );
    assert_eq!(overlay.read().unwrap(), None);

    overlay.patience = PATIENCE;
    let (began, release) = (Instant::now(), Duration::from_millis(100));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(release);
            drop(held);
        });
        overlay.update(&mut kill).unwrap();
    });
    assert!(began.elapsed() >= release);
    assert_eq!(overlay.read().unwrap().unwrap().version(), 1);
}

/// The one that was taken away is held in vain, as nobody else finds it.
#[test]
fn a_lock_file_that_is_taken_away_while_it_is_waited_for_is_not_taken_for_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    let turns = [(); 3].map(|()| Turns::default());
    let short = Duration::from_millis(100);
    let first = Held::take(&lock, short, &turns[0]).unwrap();
    let (waits, waiting) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            waits.send(()).unwrap();
            Held::take(&lock, PATIENCE, &turns[1]).unwrap()
        });
        waiting.recv().unwrap();
        // Time in which it opens the file.
        thread::sleep(short);
        fs::remove_file(&lock).unwrap();
        drop(first);
        let _held = waiter.join().unwrap();
        let third = Held::take(&lock, short, &turns[2]);
        assert!(matches!(third, Err(NoLock::Held)), "{third:?}");
    });
}

#[test]
fn who_wrote_just_now_lets_others_go_first() {
    let directory = tempfile::tempdir().unwrap();
    let overlay = OverlayFile::new(directory.path().join("overlay.json"));
    let began = Instant::now();
    for _ in 0..5 {
        overlay.update(&mut kill).unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(80), "it pauses");
}

#[test]
fn a_change_that_nobody_could_read_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overlay.json");
    let mut overlay = OverlayFile::new(&path);
    overlay.update(&mut kill).unwrap();
    let before = fs::read(&path).unwrap();
    overlay.max_bytes = before.len() as u64 + 10;
    let error = overlay.update(&mut |overlay| {
        *overlay = std::mem::take(overlay).kill("a-flag-with-a-long-name");
        true
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("it is larger than the limit of"), "{error}");

    let highest = format!(r#"{{ "version": {}, "flags": {{}} }}"#, u64::MAX);
    fs::write(&path, &highest).unwrap();
    let error = overlay.update(&mut kill).unwrap_err().to_string();
    assert!(
        error.contains("can't be raised above") || error.contains("version"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), highest);
}
