//! An example as a process of its own, and a client that sends what it is told and retries nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take before a test gives up: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes a folder for the files of a test: in memory where the machine has a place for it, since a disk that still
/// writes what was just built may hold up a rename for a minute.
pub fn folder() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// The repository's root, where the example document is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Calls until there is an answer.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// One of the examples, by the name of its binary.
#[derive(Clone, Copy, PartialEq)]
pub struct Example(&'static str);

pub const AXUM: Example = Example("gray_axum");
pub const ACTIX: Example = Example("gray_actix");

impl Example {
    /// The example's binary. Cargo builds it before the package's tests, unless a test is named before `--`.
    fn command(self, arguments: &[&str]) -> Command {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let binary =
            profile
                .join("examples")
                .join(format!("{}{}", self.0, std::env::consts::EXE_SUFFIX));
        assert!(
            binary.exists(),
            "{} is not built: name tests behind `--`, as in `cargo test -p fader-examples -- under_load`",
            binary.display()
        );
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .env("FADER_VISITOR_KEY", "a key for the tests of 32 bytes.")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it where it is expected to fail.
    pub fn run(self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts on a copy of the example document.
    pub fn start(self) -> Service {
        let document = std::fs::read_to_string(root().join("flags.example.json")).unwrap();
        self.start_with(&document)
    }

    /// Starts on a document, beside a copy of the example's lists.
    pub fn start_with(self, document: &str) -> Service {
        self.start_as(document, &[], |_| ())
    }

    /// Starts on a document with further arguments, and whatever else is to be set.
    pub fn start_as(
        self,
        document: &str,
        arguments: &[&str],
        set: impl FnOnce(&mut Command),
    ) -> Service {
        let directory = folder();
        let path = directory.path().join("flags.json");
        std::fs::create_dir(directory.path().join("lists")).unwrap();
        std::fs::copy(
            root().join("lists/vip.txt"),
            directory.path().join("lists/vip.txt"),
        )
        .unwrap();
        std::fs::write(&path, document).unwrap();

        let flags = path.to_str().unwrap();
        let mut command = self.command(&["--addr", "127.0.0.1:0", "--flags", flags]);
        set(command.args(arguments));
        let mut child = command.spawn().unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let address = wait_for("the address that it listens on", || {
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "it ended: {}",
                stderr.lock().unwrap()
            );
            let said = stdout.lock().unwrap();
            let (_, rest) = said.split_once("listening on http://")?;
            rest.split_once(',')?.0.parse().ok()
        });
        Service {
            child,
            address,
            directory,
            stdout,
            stderr,
        }
    }
}

/// A running example with documents of its own.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
    directory: TempDir,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Service {
    pub fn document(&self) -> PathBuf {
        self.directory.path().join("flags.json")
    }

    /// Replaces the document by a rename, so that it is never there in part.
    pub fn replace(&self, content: impl AsRef<[u8]>) {
        let new = self.directory.path().join("flags.json.new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.document()).unwrap();
    }

    /// What is collected of standard output: whoever locks it leaves the rest unread.
    pub fn collected_stdout(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.stdout)
    }

    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn wait_until_it_says(&self, text: &str) {
        wait_for(&format!("`{text}` on standard output"), || {
            self.stdout().contains(text).then_some(())
        });
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address).unwrap()
    }

    /// Sends one request on a connection of its own.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().get(path, headers).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn wait_for_exit(&mut self) -> ExitStatus {
        wait_for("the end of the process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&said);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            sink.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
    said
}

/// A keep-alive connection. Whatever goes wrong on it is an error: nothing is sent twice.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.request("GET", path, headers)?;
        self.receive()
    }

    /// Sends a request without a body.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.send(&request)
    }

    /// Sends a part of a request.
    pub fn send(&mut self, part: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(part.as_ref())
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut answer = self.receive_head()?;
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse().ok());
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(answer)
    }

    /// Receives what stands before a body.
    pub fn receive_head(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line()?.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            headers,
            body: String::new(),
        })
    }

    /// Receives bytes up to a text.
    pub fn receive_until(&mut self, text: &str) -> Vec<u8> {
        let mut received = Vec::new();
        while !received.ends_with(text.as_bytes()) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            received.push(byte[0]);
        }
        received
    }

    /// Whether nothing comes for a while.
    pub fn is_silent(&mut self) -> bool {
        let within = |connection: &Self, patience| {
            let stream = connection.stream.get_ref();
            stream.set_read_timeout(Some(patience)).unwrap();
        };
        within(self, Duration::from_millis(300));
        let is_silent = self.stream.fill_buf().is_err();
        within(self, PATIENCE);
        is_silent
    }

    /// Sends until the other side takes no more.
    pub fn flood(&mut self, part: &[u8]) {
        let stream = self.stream.get_mut();
        let patience = Some(Duration::from_millis(500));
        stream.set_write_timeout(patience).unwrap();
        while stream.write_all(part).is_ok() {}
    }

    /// Whether the other side closes, without another byte.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
