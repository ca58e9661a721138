//! The writer: a deploy's directory, and all that is done to it.
//!
//! `current` is a symlink to a release, in which the document and its list lie. At no instant does a good document
//! stand beside a list that does not name it: a list is written before the document that needs it, and goes on to name
//! the one that is still there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::documents::{MISTAKES, broken, broken_overlay, document, guests, list, overlay};
use super::random::Random;

/// How long the steps of one change may lie apart.
const STEP: Duration = Duration::from_millis(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    InPlace,
    RenamedOver,
    Broken,
    Truncated,
    Away,
    Deleted,
    Switched,
    ListRenamed,
    ListInPlace,
    Overlay,
    BrokenOverlay,
}

impl Kind {
    /// All kinds with their shares, in percent. A list that is written in place puts loads off, so it comes seldom.
    pub const ALL: [(Self, u64, &str); 11] = [
        (Self::InPlace, 20, "good, in place"),
        (Self::RenamedOver, 20, "good, renamed over"),
        (Self::Broken, 12, "broken"),
        (
            Self::Truncated,
            10,
            "half of it, then the whole of it or nothing",
        ),
        (Self::Away, 8, "renamed away and back"),
        (Self::Deleted, 6, "deleted and made again"),
        (Self::Switched, 8, "directory switched with its list"),
        (Self::ListRenamed, 5, "list renamed over, then good"),
        (Self::ListInPlace, 2, "list in place, then good"),
        (Self::Overlay, 6, "overlay"),
        (Self::BrokenOverlay, 3, "broken overlay"),
    ];

    pub fn at_random(random: &mut Random) -> Self {
        let mut chance = random.below(100);
        for (kind, share, _) in Self::ALL {
            if chance < share {
                return kind;
            }
            chance -= share;
        }
        unreachable!("the shares are of a hundred")
    }
}

pub struct Writer {
    root: TempDir,
    pub random: Random,
    /// The last good document's, and that of the one that lies there whole, or did last.
    revision: u64,
    whole: u64,
    /// The last one that the list names.
    listed: u64,
    overlay: u64,
    release: u64,
    /// A release that was switched away from and is still there.
    left: Option<PathBuf>,
    list_in_place: Instant,
}

impl Writer {
    pub fn new(seed: u64) -> Self {
        // In memory where the machine has a place for it: a disk under load holds up a rename for seconds.
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let mut new = Self {
            root: root.unwrap(),
            random: Random(seed),
            // All of them have the same number of digits, always.
            revision: 1_000_000,
            whole: 1_000_000,
            listed: 0,
            overlay: 1_000_000,
            release: 1_000_000,
            left: None,
            list_in_place: Instant::now(),
        };
        new.switch();
        new
    }

    pub fn document_path(&self) -> PathBuf {
        self.at("current/flags.json")
    }

    pub fn overlay_path(&self) -> PathBuf {
        self.at("overlay.json")
    }

    /// Whether a list was written in place so lately that it may put a load off.
    pub fn wrote_list_in_place(&self) -> bool {
        self.list_in_place.elapsed() < Duration::from_millis(500)
    }

    /// Makes a change. Returns the revision of the good document that lies there since, if it is a new one.
    pub fn change(&mut self, kind: Kind) -> Option<u64> {
        let path = self.document_path();
        match kind {
            Kind::InPlace => {
                let next = self.next();
                fs::write(&path, document(next)).unwrap();
            }
            Kind::RenamedOver => {
                let next = self.next();
                replace(&path, document(next));
            }
            Kind::Broken => {
                let mistake = self.random.below(MISTAKES);
                self.write_broken(mistake);
                return None;
            }
            Kind::Truncated => {
                let whole = document(self.next());
                let half = self.random.below(whole.len() as u64) as usize;
                fs::write(&path, &whole[..half]).unwrap();
                if self.random.one_in(3) {
                    return None;
                }
                self.step();
                fs::write(&path, whole).unwrap();
            }
            Kind::Away => {
                let away = path.with_extension("away");
                fs::rename(&path, &away).unwrap();
                self.step();
                fs::rename(&away, &path).unwrap();
                return None;
            }
            Kind::Deleted => {
                let next = self.next();
                fs::remove_file(&path).unwrap();
                self.step();
                fs::write(&path, document(next)).unwrap();
            }
            Kind::Switched => self.switch(),
            Kind::ListRenamed => {
                self.renew_list();
                self.step();
                let next = self.next();
                replace(&path, document(next));
            }
            Kind::ListInPlace => {
                self.extend_list();
                self.step();
                let next = self.next();
                fs::write(&path, document(next)).unwrap();
            }
            Kind::Overlay => {
                let next = self.overlay + 1 + self.random.below(4);
                self.write_overlay(next);
                return None;
            }
            Kind::BrokenOverlay => {
                replace(&self.overlay_path(), broken_overlay(&mut self.random));
                return None;
            }
        }
        self.whole = self.revision;
        Some(self.whole)
    }

    pub fn write_broken(&mut self, mistake: u64) {
        let (path, broken) = (self.document_path(), broken(mistake, &mut self.random));
        if self.random.one_in(2) {
            replace(&path, broken);
        } else {
            fs::write(path, broken).unwrap();
        }
    }

    /// Writes an overlay that kills nothing, whatever was there before. Returns its version.
    pub fn settle_overlay(&mut self) -> u64 {
        self.write_overlay((self.overlay + 1).next_multiple_of(4));
        self.overlay
    }

    /// Switches to documents that are, this many times in a row, the same at each settling but for the digits of their
    /// revisions. Returns the revisions one by one, each when the one before is to be replaced.
    pub fn settle(&mut self, times: usize) -> impl Iterator<Item = u64> + '_ {
        self.revision = (self.revision + 1).next_multiple_of(1000) - 1;
        (0..times).map(|_| {
            self.switch();
            self.clear();
            self.revision
        })
    }

    /// The next revision, which the list names already.
    fn next(&mut self) -> u64 {
        self.revision += 1;
        if self.revision > self.listed {
            self.renew_list();
        }
        self.revision
    }

    /// Renames a list over the old one: from the document that lies there to some that come.
    fn renew_list(&mut self) {
        self.listed = self.revision + 1 + self.random.below(20);
        replace(&self.list(), list(self.whole..=self.listed));
    }

    fn extend_list(&mut self) {
        let first = self.listed + 1;
        self.listed = self.revision.max(self.listed) + 1 + self.random.below(20);
        let file = fs::File::options().append(true).open(self.list());
        let more = guests(first..=self.listed);
        file.unwrap().write_all(more.as_bytes()).unwrap();
        self.list_in_place = Instant::now();
    }

    /// Makes a release whose list names its document and no other one, and switches to it.
    fn switch(&mut self) {
        (self.revision, self.release) = (self.revision + 1, self.release + 1);
        (self.whole, self.listed) = (self.revision, self.revision);
        let name = format!("releases/{}", self.release);
        let release = self.at(&name);
        fs::create_dir_all(&release).unwrap();
        fs::write(release.join("flags.json"), document(self.revision)).unwrap();
        fs::write(release.join("vip.txt"), list(self.revision..=self.revision)).unwrap();
        let before = fs::read_link(self.at("current"));
        symlink(&name, self.at("next")).unwrap();
        fs::rename(self.at("next"), self.at("current")).unwrap();
        self.clear();
        self.left = before.ok().map(|before| self.at(before));
        if self.random.one_in(2) {
            self.clear();
        }
    }

    /// Removes the release that was switched away from.
    fn clear(&mut self) {
        if let Some(left) = self.left.take() {
            fs::remove_dir_all(left).unwrap();
        }
    }

    fn write_overlay(&mut self, version: u64) {
        self.overlay = version;
        let (path, content) = (self.overlay_path(), overlay(version));
        if self.random.one_in(2) {
            replace(&path, content);
        } else {
            fs::write(path, content).unwrap();
        }
    }

    fn step(&mut self) {
        thread::sleep(self.random.up_to(STEP));
    }

    fn list(&self) -> PathBuf {
        self.at("current/vip.txt")
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }
}

/// Writes beside the path and renames over it.
fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let next = path.with_extension("next");
    fs::write(&next, content).unwrap();
    fs::rename(next, path).unwrap();
}
