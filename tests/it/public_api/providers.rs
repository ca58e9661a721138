//! The file provider.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fader::{CompileError, Delivery, Flags, FlagsBuilder, Source, Strictness};
use fader_providers::{ErrorKind, FileBuilder, FileContents, ProviderError, file, folder};

use super::{copied, error, is};

#[test]
fn file_builder() {
    fn path<P: Into<PathBuf>>() {
        let _: fn(P) -> FileBuilder = file;
        let _: fn(P) -> FileBuilder = folder;
        let _: fn(FileBuilder, P) -> FileBuilder = FileBuilder::overlay;
    }
    fn warning<F: Fn(&str) + Send + 'static>() {
        let _: fn(FileBuilder, F) -> FileBuilder = FileBuilder::on_warning;
    }
    fn sent<T: Debug + Send + 'static>() {}
    let _: fn(FileBuilder, Duration) -> FileBuilder = FileBuilder::poll_every;
    let _: fn(FileBuilder, Duration) -> FileBuilder = FileBuilder::debounce;
    let _: fn(FileBuilder, u64) -> FileBuilder = FileBuilder::max_bytes;
    let _: fn(FileBuilder, u64) -> FileBuilder = FileBuilder::max_list_bytes;
    let _: fn(FileBuilder, Strictness) -> FileBuilder = FileBuilder::strictness;
    let _: [fn(FileBuilder) -> FileBuilder; 2] =
        [FileBuilder::without_overlay, FileBuilder::as_overlay];
    let _: fn(FileBuilder, Vec<u8>) -> FileBuilder = FileBuilder::bootstrap;
    let _: fn(FileBuilder, &Flags) -> Result<(), ProviderError> = FileBuilder::follow;
    let _: fn(FileBuilder, bool) -> FileBuilder = FileBuilder::watch;
    let _: fn(FileBuilder, FlagsBuilder) -> FileBuilder = FileBuilder::flags;
    let _: fn(FileBuilder) -> Result<Flags, ProviderError> = FileBuilder::open;
    path::<&Path>();
    warning::<fn(&str)>();
    sent::<FileBuilder>();
}

#[test]
fn file_contents() {
    let _: fn(&FileBuilder) -> Result<FileContents, ProviderError> = FileBuilder::read;
    let _: fn(&FileContents) -> &Source = FileContents::source;
    let _ = |read: &FileContents| {
        FileContents::documents(read).for_each(|(name, bytes)| is::<(&str, &[u8])>((name, bytes)));
    };
    let _: fn(&FileContents) -> Option<&Source> = FileContents::overlay_source;
    let _: fn(&FileContents) -> Option<&[u8]> = FileContents::overlay;
    let _: fn(FileContents) -> Delivery = Delivery::from;
}

#[test]
fn provider_error() {
    let _: fn(&ProviderError) -> ErrorKind = ProviderError::kind;
    let _: fn(ErrorKind) -> &'static str = ErrorKind::as_str;
    let _: fn(&ProviderError) -> bool = ProviderError::is_transient;
    let _: fn(&ProviderError) -> Option<&CompileError> = ProviderError::compile_error;
    error::<ProviderError>();
    copied::<ErrorKind>();
    let _: fn(ErrorKind) = |kind| match kind {
        ErrorKind::NotFound | ErrorKind::NotAFile | ErrorKind::TooLarge | ErrorKind::Changing => {}
        ErrorKind::Unreadable | ErrorKind::Refused | ErrorKind::Thread => {}
        _ => {}
    };
}
