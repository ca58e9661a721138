//! The example `guarded_rollout` as a process, at 1,000 requests/s, on both frameworks: gray code that goes bad in each of
//! the ways that there are, and what becomes of its ramp.
//!
//! Each run prints what it measured. `GUARDED_RUNS=10` runs each ten times, and prints the median and the largest.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fader_rollout::control::{RampStatus, Status};
use fader_rollout::machine::{Held, Phase};
use serde_json::Value;
use tempfile::TempDir;

const FLAG: &str = "new-checkout";
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a busy machine is given beyond what is promised.
const SLACK: Duration = Duration::from_secs(8);

macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod axum {
            $(#[test] fn $test() { super::$test("axum"); })*
        }
        mod actix {
            $(#[test] fn $test() { super::$test("actix"); })*
        }
    };
}

on_both! {
    a_total_failure_is_cut_within_seconds,
    a_handler_that_hangs_is_cut,
    a_handler_that_blocks_every_thread_is_cut_while_it_does,
    a_process_that_aborts_stays_at_nobody_and_is_rolled_back_at_the_second_time,
    without_another_word_a_restart_holds_for_a_minute,
}

fn a_total_failure_is_cut_within_seconds(framework: &str) {
    measure(
        &format!("{framework}, fail: from the first bad request to the last"),
        |after| {
            let service =
                Service::start(framework, &["--gray", "fail", "--after", after], folder());
            let cut = service.wait_until_cut();
            assert!(
                cut.took < Duration::from_millis(2500) + SLACK,
                "{}",
                service.said()
            );
            let evidence = service.rolled_back();
            assert!(evidence.contains("errors"), "{evidence}");
            service.answers_stable_to_all();
            cut.took
        },
    );
}

fn a_handler_that_hangs_is_cut(framework: &str) {
    measure(
        &format!("{framework}, hang: from the first bad request to the last"),
        |after| {
            let service =
                Service::start(framework, &["--gray", "hang", "--after", after], folder());
            let cut = service.wait_until_cut();
            // The limit of 800 ms, and 3 s.
            assert!(
                cut.took < Duration::from_millis(3800) + SLACK,
                "{}",
                service.said()
            );
            let evidence = service.rolled_back();
            assert!(
                evidence.contains("latency_p") || evidence.contains("silence"),
                "{evidence}"
            );
            service.answers_stable_to_all();
            cut.took
        },
    );
}

fn a_handler_that_blocks_every_thread_is_cut_while_it_does(framework: &str) {
    measure(
        &format!("{framework}, block: from the silence of the service to 0 % in the overlay"),
        |after| {
            let arguments = ["--gray", "block", "--after", after, "--workers", "2"];
            let service = Service::start(framework, &arguments, folder());
            wait_for("a service that is silent", || {
                service.is_silent().then_some(())
            });
            let began = Instant::now();
            wait_for("0 % in the overlay", || {
                (service.overlay_percent()? == 0.0).then_some(())
            });
            let took = began.elapsed();
            // A block lasts 10 s: nobody but the controller has run meanwhile.
            assert!(
                service.is_silent(),
                "the overlay was written once the service answered again"
            );
            assert!(took < SLACK, "{took:?}");
            wait_for("an answer", || service.get("user-1").ok());
            // Two blocked requests are fewer than any other guardrail asks for.
            let evidence = service.rolled_back();
            let expected = "gauge:silence below 2: the gauge has reached it";
            assert!(evidence.contains(expected), "{evidence}");
            service.answers_stable_to_all();
            took
        },
    );
}

fn a_process_that_aborts_stays_at_nobody_and_is_rolled_back_at_the_second_time(framework: &str) {
    let folder = folder();
    let arguments = ["--gray", "abort", "--after", "0s", "--restart-hold", "2s"];
    let folder = Service::start(framework, &arguments, folder).ends_uncleanly();

    let service = Service::start(framework, &arguments, folder);
    let ramp = service.first_status();
    assert_eq!((ramp.phase, ramp.held), (Phase::Held, Some(Held::Restart)));
    assert_eq!(service.overlay_percent(), Some(0.0), "{}", service.said());
    // Four tests share a false alarm of 0.01; the gauge is none.
    assert_eq!(ramp.alarm, 400.0);
    // It goes on by itself after 2 s, and the first gray request is the second crash of the stage.
    let folder = service.ends_uncleanly();

    let service = Service::start(framework, &arguments, folder);
    let evidence = service.rolled_back();
    assert!(
        evidence.contains("2 unclean ends or stalls in one stage"),
        "{evidence}"
    );
    assert_eq!(service.overlay_percent(), Some(0.0));
    service.answers_stable_to_all();
    println!("{framework}, abort: {evidence}");
}

fn without_another_word_a_restart_holds_for_a_minute(framework: &str) {
    let folder =
        Service::start(framework, &["--gray", "abort", "--after", "0s"], folder()).ends_uncleanly();
    let service = Service::start(framework, &["--gray", "abort", "--after", "0s"], folder);
    let began = Instant::now();
    service.first_status();
    while began.elapsed() < Duration::from_secs(4) {
        let ramp = service.ramp().expect("a ramp");
        assert_eq!((ramp.phase, ramp.held), (Phase::Held, Some(Held::Restart)));
        assert_eq!(ramp.percent, "0");
        assert_eq!(service.overlay_percent(), Some(0.0));
        thread::sleep(Duration::from_millis(100));
    }
    service.answers_stable_to_all();
}

/// Runs it as often as `GUARDED_RUNS` says, and prints the figures. It is told when the gray code is to go bad: from its
/// first request on or, of several runs, at any moment of a second in which 1 % have it.
fn measure(what: &str, mut run: impl FnMut(&str) -> Duration) {
    let runs = std::env::var("GUARDED_RUNS").map_or(1, |runs| runs.parse().expect("a number"));
    let after = || match runs {
        1 => "0s".to_owned(),
        _ => format!("{}ms", 7000 + getrandom::u32().expect("a number") % 1000),
    };
    let mut took: Vec<_> = (0..runs).map(|_| run(&after()).as_secs_f64()).collect();
    took.sort_by(f64::total_cmp);
    let (middle, largest) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{what}: median {middle:.2} s, largest {largest:.2} s of {runs}, in order {took:.2?}");
}

/// In memory where the machine has a place for it: a disk that still writes what was just built may hold up a write for
/// long.
fn folder() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}

fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A running example, and its folder.
struct Service {
    child: Mutex<Child>,
    address: SocketAddr,
    folder: Option<TempDir>,
    path: PathBuf,
    said: Arc<Mutex<String>>,
}

/// What the example says of the gray requests that came since the gray code is bad.
struct Cut {
    took: Duration,
}

impl Service {
    /// Starts it in a folder.
    fn start(framework: &str, arguments: &[&str], folder: TempDir) -> Self {
        let test = std::env::current_exe().expect("the test's path");
        let profile = test.ancestors().nth(2).expect("the profile's folder");
        let name = format!("guarded_rollout{}", std::env::consts::EXE_SUFFIX);
        let binary = profile.join("examples").join(name);
        assert!(
            binary.exists(),
            "{} is not built: name tests behind `--`, as in `cargo test -p fader-examples -- aborts`",
            binary.display()
        );
        let path = folder.path().to_owned();
        let mut child = Command::new(binary)
            .args(["--framework", framework, "--addr", "127.0.0.1:0"])
            .args(["--rate", "1000", "--folder"])
            .arg(&path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a process");
        let stdout = child.stdout.take().expect("standard output");
        let mut service = Self {
            child: Mutex::new(child),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: Some(folder),
            path,
            said: collect(stdout),
        };
        service.address = wait_for("the address that it listens on", || {
            let said = service.said();
            let (_, rest) = said.split_once("listening on http://")?;
            rest.split_once(',')?.0.parse().ok()
        });
        service
    }

    fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    fn wait_until_cut(&self) -> Cut {
        wait_for("the end of gray requests", || {
            let said = self.said();
            let (_, rest) = said.split_once("cut: ")?;
            let (seconds, _) = rest.split_once(" s from")?;
            let took = seconds.parse().map(Duration::from_secs_f64).ok()?;
            Some(Cut { took })
        })
    }

    /// What the controller says of the ramp to other processes; none while it has said nothing.
    fn ramp(&self) -> Option<RampStatus> {
        let status = Status::read(&self.path.join("state")).ok()?;
        let is_of_this = status.pid == self.child.lock().expect("no panic").id();
        status.ramp(FLAG).cloned().filter(|_| is_of_this)
    }

    fn first_status(&self) -> RampStatus {
        wait_for("a status", || self.ramp())
    }

    /// Waits until the ramp is rolled back, and returns why.
    fn rolled_back(&self) -> String {
        let ramp = wait_for("a ramp that is rolled back", || {
            self.ramp().filter(|ramp| ramp.phase == Phase::RolledBack)
        });
        assert_eq!(ramp.percent, "0");
        assert_eq!(self.overlay_percent(), Some(0.0));
        ramp.evidence.expect("evidence").to_string()
    }

    /// What the overlay's file says; none while it says nothing.
    fn overlay_percent(&self) -> Option<f64> {
        let text = std::fs::read_to_string(overlay(&self.path)).ok()?;
        let overlay: Value = serde_json::from_str(&text).expect("a whole overlay");
        overlay["flags"][FLAG]["rules"]["ramp"]["percent"].as_f64()
    }

    /// Whether several requests on connections of their own are all unanswered for 300 ms. So they are where not even a
    /// connection comes about, since nobody takes any from the queue.
    fn is_silent(&self) -> bool {
        let asked = (0..16).map(|_| self.ask("user-1"));
        let Ok(asked) = asked.collect::<std::io::Result<Vec<_>>>() else {
            return true;
        };
        thread::sleep(Duration::from_millis(300));
        asked.into_iter().all(|mut stream| {
            let patience = Some(Duration::from_millis(1));
            stream.set_read_timeout(patience).expect("a socket");
            stream.read(&mut [0]).is_err()
        })
    }

    fn ask(&self, user: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!(
            "GET /checkout HTTP/1.1\r\nhost: shop\r\nx-user-id: {user}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }

    fn get(&self, user: &str) -> std::io::Result<String> {
        let mut answer = String::new();
        self.ask(user)?.read_to_string(&mut answer)?;
        match answer.is_empty() {
            true => Err(std::io::ErrorKind::UnexpectedEof.into()),
            false => Ok(answer),
        }
    }

    /// Of 500 users some 5 had the gray code at 1 %.
    fn answers_stable_to_all(&self) {
        for user in 0..500 {
            let answer = self.get(&format!("user-{user}")).expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.ends_with("stable"), "{answer}");
        }
    }

    /// Waits until the process has died, and gives back its folder.
    fn ends_uncleanly(mut self) -> TempDir {
        let status: ExitStatus = wait_for("the end of the process", || {
            self.child
                .lock()
                .expect("no panic")
                .try_wait()
                .expect("a process")
        });
        assert!(
            !status.success() && status.code() != Some(1),
            "{status}, {}",
            self.said()
        );
        self.folder.take().expect("a folder")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn overlay(folder: &Path) -> PathBuf {
    folder.join("flags.json.overlay.json")
}

fn collect(stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&said);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut sink = sink.lock().expect("no panic");
            sink.push_str(&line);
            sink.push('\n');
        }
    });
    said
}
