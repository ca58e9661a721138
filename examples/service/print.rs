//! What is to be printed, by a thread of its own: a terminal that nobody reads must hold up neither the following of
//! the file, nor requests, nor the end of the service.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

enum Line {
    Said(String),
    Warned(String),
    /// Asks to be told once all before it is printed.
    Flush(mpsc::Sender<()>),
}

static PRINTER: LazyLock<SyncSender<Line>> = LazyLock::new(|| {
    let (lines, to_print) = mpsc::sync_channel(1024);
    thread::spawn(move || {
        for line in to_print {
            // It does not mind either that nobody reads any more.
            let _ = match line {
                Line::Said(text) => writeln!(io::stdout(), "{text}"),
                Line::Warned(text) => writeln!(io::stderr(), "warning: {text}"),
                Line::Flush(done) => done.send(()).map_err(io::Error::other),
            };
        }
    });
    lines
});

pub fn say(line: impl Display) {
    let _ = PRINTER.try_send(Line::Said(line.to_string()));
}

pub fn warn(line: impl Display) {
    let _ = PRINTER.try_send(Line::Warned(line.to_string()));
}

/// Waits until what was said is printed, but not for long.
pub fn flush() {
    let (done, printed) = mpsc::channel();
    if PRINTER.try_send(Line::Flush(done)).is_ok() {
        let _ = printed.recv_timeout(Duration::from_millis(500));
    }
}
