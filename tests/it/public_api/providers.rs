//! The providers, the safe way to write a file, and telemetry.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fader::{CompileError, Delivery, Flags, FlagsBuilder, Overlay, Source, Store, Strictness};
use fader_providers::telemetry::{log, measure};
use fader_providers::{
    ErrorKind, FileBuilder, FileContents, HttpBuilder, HttpContents, OverlayFile, ProviderError,
    file, folder, http, replace_file,
};

use super::{cloned, error, is};

fn sent<T: Debug + Send + 'static>() {}

#[test]
fn file_builder() {
    fn path<P: Into<PathBuf>>() {
        let _: fn(P) -> FileBuilder = file;
        let _: fn(P) -> FileBuilder = folder;
        let _: fn(FileBuilder, P) -> FileBuilder = FileBuilder::overlay;
    }
    fn bytes<B: Into<Vec<u8>>>() {
        let _: fn(FileBuilder, B) -> FileBuilder = FileBuilder::bootstrap;
    }
    fn warning<F: Fn(&str) + Send + 'static>() {
        let _: fn(FileBuilder, F) -> FileBuilder = FileBuilder::on_warning;
    }
    let _: fn(FileBuilder, Duration) -> FileBuilder = FileBuilder::poll_every;
    let _: fn(FileBuilder, Duration) -> FileBuilder = FileBuilder::debounce;
    let _: fn(FileBuilder, u64) -> FileBuilder = FileBuilder::max_bytes;
    let _: fn(FileBuilder, u64) -> FileBuilder = FileBuilder::max_list_bytes;
    let _: fn(FileBuilder, Strictness) -> FileBuilder = FileBuilder::strictness;
    let _: [fn(FileBuilder) -> FileBuilder; 2] =
        [FileBuilder::without_overlay, FileBuilder::as_overlay];
    let _: fn(FileBuilder, &Flags) -> Result<(), ProviderError> = FileBuilder::follow;
    let _: fn(FileBuilder, bool) -> FileBuilder = FileBuilder::watch;
    let _: fn(FileBuilder, FlagsBuilder) -> FileBuilder = FileBuilder::flags;
    let _: fn(FileBuilder) -> Result<Flags, ProviderError> = FileBuilder::open;
    path::<&Path>();
    bytes::<&[u8]>();
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
fn overlay_file() {
    fn path<P: Into<PathBuf>>() {
        let _: [fn(P) -> OverlayFile; 2] = [OverlayFile::new, OverlayFile::beside];
    }
    fn store<S: Store>() {}
    let _: fn(&OverlayFile) -> &Path = OverlayFile::path;
    let _: fn(&OverlayFile) -> Result<Option<Overlay>, ProviderError> = OverlayFile::read;
    let _: fn(&OverlayFile) -> Result<Option<String>, ProviderError> = OverlayFile::controller;
    path::<&Path>();
    store::<OverlayFile>();
    cloned::<OverlayFile>();
}

#[test]
fn http_builder() {
    fn text<S: Into<String>>() {
        let _: fn(S) -> HttpBuilder = http;
        let _: fn(HttpBuilder, S) -> HttpBuilder = HttpBuilder::accept_content_type;
    }
    fn texts<N: Into<String>, V: Into<String>>() {
        let _: fn(HttpBuilder, N, V) -> HttpBuilder = HttpBuilder::header;
    }
    fn path<P: Into<PathBuf>>() {
        let _: fn(HttpBuilder, P) -> HttpBuilder = HttpBuilder::cache;
    }
    fn bytes<B: Into<Vec<u8>>>() {
        let _: [fn(HttpBuilder, B) -> HttpBuilder; 2] =
            [HttpBuilder::bootstrap, HttpBuilder::root_certificate];
    }
    fn asked<F: Fn() -> Option<String> + Send + Sync + 'static>() {
        let _: fn(HttpBuilder, F) -> HttpBuilder = HttpBuilder::authorization;
    }
    fn warning<F: Fn(&str) + Send + 'static>() {
        let _: fn(HttpBuilder, F) -> HttpBuilder = HttpBuilder::on_warning;
    }
    let _: [fn(HttpBuilder, Duration) -> HttpBuilder; 6] = [
        HttpBuilder::poll_every,
        HttpBuilder::initial_spread,
        HttpBuilder::stale_after,
        HttpBuilder::connect_timeout,
        HttpBuilder::timeout,
        HttpBuilder::wait_ready,
    ];
    let _: [fn(HttpBuilder, u64) -> HttpBuilder; 2] =
        [HttpBuilder::max_bytes, HttpBuilder::max_list_bytes];
    let _: [fn(HttpBuilder) -> HttpBuilder; 3] = [
        HttpBuilder::allow_empty,
        HttpBuilder::allow_downgrade,
        HttpBuilder::as_overlay,
    ];
    let _: fn(HttpBuilder, Strictness) -> HttpBuilder = HttpBuilder::strictness;
    let _: fn(HttpBuilder, FlagsBuilder) -> HttpBuilder = HttpBuilder::flags;
    let _: fn(HttpBuilder) -> Result<Flags, ProviderError> = HttpBuilder::open;
    let _: fn(HttpBuilder, &Flags) -> Result<(), ProviderError> = HttpBuilder::follow;
    let _: fn(&HttpBuilder) -> Result<HttpContents, ProviderError> = HttpBuilder::fetch;
    text::<&str>();
    texts::<&str, String>();
    path::<&Path>();
    bytes::<&[u8]>();
    asked::<fn() -> Option<String>>();
    warning::<fn(&str)>();
    sent::<HttpBuilder>();
}

#[test]
fn http_contents() {
    let _: fn(&HttpContents) -> &Source = HttpContents::source;
    let _: fn(&HttpContents) -> &[u8] = HttpContents::document;
    let _: fn(HttpContents) -> Delivery = Delivery::from;
}

#[test]
fn replacing() {
    fn path<P: AsRef<Path>, C: AsRef<[u8]>>() {
        let _: fn(P, C) -> Result<(), ProviderError> = replace_file;
    }
    path::<&Path, &str>();
}

#[test]
fn provider_error() {
    let _: fn(&ProviderError) -> ErrorKind = ProviderError::kind;
    let _: fn(&ProviderError) -> bool = ProviderError::is_transient;
    let _: fn(&ProviderError) -> Option<&CompileError> = ProviderError::compile_error;
    error::<ProviderError>();
}

#[test]
fn error_kind() {
    named! { ErrorKind::as_str:
        ErrorKind::NotFound = "not-found",
        ErrorKind::NotAFile = "not-a-file",
        ErrorKind::TooLarge = "too-large",
        ErrorKind::Changing = "changing",
        ErrorKind::Unreadable = "unreadable",
        ErrorKind::Unwritable = "unwritable",
        ErrorKind::Unreachable = "unreachable",
        ErrorKind::TimedOut = "timed-out",
        ErrorKind::Denied = "denied",
        ErrorKind::BadAnswer = "bad-answer",
        ErrorKind::Setting = "setting",
        ErrorKind::Refused = "refused",
        ErrorKind::Thread = "thread",
    }
}

#[test]
fn telling() {
    let _: [fn(&Flags); 2] = [log, measure];
}
