//! Replacing a file as a whole: who reads it sees the old content or the new one, and never a part of either.
//!
//! The content is written to a temporary file beside the path, brought to the disk, and renamed over it; then the
//! directory is brought to the disk, so that the name lasts through a power cut too. A process that dies half-way leaves
//! the old file, and perhaps a hidden temporary one beside it.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::ProviderError;

/// Replaces a file as a whole, or makes it: the way for a deploy tool or a script to write a document, a list or an
/// overlay that a running service follows.
///
/// A file that was there keeps its mode and, where this process may give files away, its owner; a new one gets those of
/// any new file. Where the path is a symlink it stays one, and what it leads to is replaced.
///
/// When it returns, the content is on the disk. Its directory has to be writable.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("fader-replace-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("flags.json");
/// fader_providers::replace_file(&path, r#"{ "flags": { "new-checkout": true } }"#)?;
/// # assert!(std::fs::read_to_string(&path)?.contains("new-checkout"));
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the system refuses any step, and if the path is a directory, a device, or a symlink that leads nowhere. The old file
/// is as it was then; only where bringing the directory to the disk is what failed, the new one is there already.
pub fn replace_file(
    path: impl AsRef<Path>,
    content: impl AsRef<[u8]>,
) -> Result<(), ProviderError> {
    let path = path.as_ref();
    replace(path, content.as_ref(), Access::AsBefore)
        .map_err(|error| ProviderError::write(&path.display().to_string(), error))
}

/// Who may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever could before.
    AsBefore,
    /// The owner alone.
    #[cfg(feature = "http")]
    OwnerOnly,
}

pub(crate) fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let path = target(path)?;
    let before = match fs::metadata(&path) {
        Ok(found) if found.is_file() => Some(found),
        Ok(_) => {
            let message = "it is a directory or a device, not a file";
            return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A path of one part lies in the working directory.
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };

    let mut builder = tempfile::Builder::new();
    builder.prefix(".fader-").suffix(".tmp");
    // It begins as the owner's alone, unless it is to have what any new file has: that without the process's mask.
    if let (Access::AsBefore, None, Some(new)) = (access, &before, new_permissions()) {
        builder.permissions(new);
    }
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(content)?;
    if let (Access::AsBefore, Some(before)) = (access, before) {
        keep_access(file.as_file(), &before)?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    sync(directory)
}

/// Returns where the content goes: what a symlink leads to, as a path that is switched is meant to stay one.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                io::Error::new(error.kind(), "it is a symlink that leads nowhere")
            } else {
                error
            }
        }),
        _ => Ok(path.to_owned()),
    }
}

#[cfg(unix)]
fn new_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;

    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_permissions() -> Option<Permissions> {
    None
}

/// Gives a file the owner and the mode of another. Only a privileged process may give files away: for any other the file
/// is its own from now on, as with every tool that renames.
#[cfg(unix)]
fn keep_access(file: &File, before: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};

    if fchown(file, Some(before.uid()), Some(before.gid())).is_err() {
        let _ = fchown(file, None, Some(before.gid()));
    }
    // After the owner, as a change of that takes bits away.
    file.set_permissions(before.permissions())
}

#[cfg(not(unix))]
fn keep_access(_file: &File, _before: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory can't be opened as a file is.
#[cfg(not(unix))]
fn sync(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::error::ErrorKind;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn it_makes_a_file_and_replaces_it_leaving_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.json");
        for content in ["one", "two", ""] {
            replace_file(&path, content).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(names(directory.path()), ["flags.json"]);
    }

    #[test]
    fn a_new_file_is_another_one_so_that_a_reader_keeps_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.json");
        replace_file(&path, "one").unwrap();
        let mut old = File::open(&path).unwrap();
        replace_file(&path, "two").unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut old, &mut text).unwrap();
        assert_eq!(text, "one");
        assert_ne!(
            old.metadata().unwrap().ino(),
            fs::metadata(&path).unwrap().ino()
        );
    }

    #[test]
    fn the_mode_is_kept_and_a_new_file_has_the_usual_one() {
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (path, usual) = (
            directory.path().join("flags.json"),
            directory.path().join("usual"),
        );
        fs::write(&usual, "").unwrap();
        replace_file(&path, "one").unwrap();
        assert_eq!(mode(&path), mode(&usual));
        for kept in [0o600, 0o640, 0o666, 0o444] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            replace_file(&path, "two").unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn what_is_for_the_owner_alone_becomes_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        for _ in 0..2 {
            replace(&path, b"one", Access::OwnerOnly).unwrap();
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        }
    }

    #[test]
    fn a_symlink_stays_and_what_it_leads_to_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (link, real) = (
            directory.path().join("flags.json"),
            directory.path().join("v1/flags.json"),
        );
        fs::create_dir(directory.path().join("v1")).unwrap();
        symlink("v1/flags.json", &link).unwrap();
        let error = replace_file(&link, "one").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("it is a symlink that leads nowhere"),
            "{error}"
        );
        fs::write(&real, "").unwrap();
        replace_file(&link, "one").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "one");
        assert_eq!(names(directory.path()), ["flags.json", "v1"]);
    }

    #[test]
    fn what_is_no_file_or_nowhere_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = replace_file(directory.path(), "one").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAFile);
        let error = replace_file(directory.path().join("no/such/flags.json"), "one").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().ends_with("no such file or directory"),
            "{error}"
        );
    }
}
