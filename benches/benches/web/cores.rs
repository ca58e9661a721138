//! A core for the server and one for the client, where there are two and the system lets a process choose.
//!
//! Otherwise the kernel moves the two ends of a connection to one core and apart again, as it sees fit.

use std::sync::LazyLock;

/// The cores of the server and of the client: the first and the last that this process was given.
static CORES: LazyLock<Option<(usize, usize)>> = LazyLock::new(|| {
    let given = given();
    let (first, last) = (*given.first()?, *given.last()?);
    (first != last).then_some((first, last))
});

/// Holds this process to the core of the client.
pub fn hold_client() {
    if let Some((_, client)) = *CORES {
        hold(client);
    }
}

/// Returns what a server is to be [held to](hold_to).
pub fn of_server() -> String {
    CORES.map_or_else(String::new, |(server, _)| server.to_string())
}

/// Holds this process to a core; a text that names none leaves it free.
pub fn hold_to(core: &str) {
    if let Ok(core) = core.parse() {
        hold(core);
    }
}

#[cfg(target_os = "linux")]
fn given() -> Vec<usize> {
    use nix::sched::{CpuSet, sched_getaffinity};

    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap_or_default();
    let cores = 0..CpuSet::count();
    cores
        .filter(|core| set.is_set(*core).unwrap_or(false))
        .collect()
}

#[cfg(target_os = "linux")]
fn hold(core: usize) {
    use nix::sched::{CpuSet, sched_setaffinity};

    let mut set = CpuSet::new();
    let held = set
        .set(core)
        .and_then(|()| sched_setaffinity(nix::unistd::Pid::from_raw(0), &set));
    if let Err(error) = held {
        eprintln!("note: nobody is held to a core: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn given() -> Vec<usize> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
fn hold(_: usize) {}
