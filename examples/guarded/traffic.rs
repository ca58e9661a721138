//! Users who come, whatever the service does: real requests over loopback at a steady rate.
//!
//! They have a thread and a runtime of their own, so a service whose threads are all blocked does not keep them from coming.
//! Each waits two seconds for its answer. 256 may wait at a time; who would come then stays away and is counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{MissedTickBehavior, interval, timeout};

const PATIENCE: Duration = Duration::from_secs(2);
const AT_A_TIME: u32 = 256;
/// Servers close connections that are idle for long: a request on one of those would fail by itself.
const IDLE: Duration = Duration::from_secs(3);

/// What users have seen so far.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// Answers that came from the stable code, and how many of them were errors.
    pub stable: u64,
    pub stable_errors: u64,
    /// Answers that came from the gray code, and how many of them were errors.
    pub gray: u64,
    pub gray_errors: u64,
    /// Requests that got no answer.
    pub unanswered: u64,
    /// Users who did not come, since so many were waiting.
    pub away: u64,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    idle: Mutex<Vec<(TcpStream, Instant)>>,
    waiting: AtomicU32,
    /// When the last answer came, in milliseconds since the start.
    answered: AtomicU64,
    stop: AtomicBool,
}

pub struct Traffic {
    shared: Arc<Shared>,
    began: Instant,
}

impl Traffic {
    pub fn start(address: SocketAddr, rate: u32, users: u32) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // Other users come in another order at each start.
        let seed = getrandom::u64().context("no random number")?;
        let traffic = Self {
            shared: Arc::default(),
            began: Instant::now(),
        };
        let (shared, began) = (Arc::clone(&traffic.shared), traffic.began);
        thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || runtime.block_on(come(shared, began, address, rate, (users, seed))))
            .context("no thread for traffic")?;
        Ok(traffic)
    }

    pub fn seen(&self) -> Seen {
        *lock(&self.shared.seen)
    }

    /// For how long nobody has got an answer, though somebody waits for one.
    pub fn silence(&self) -> Duration {
        if self.shared.waiting.load(Ordering::Relaxed) == 0 {
            return Duration::ZERO;
        }
        let answered = Duration::from_millis(self.shared.answered.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(answered)
    }

    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

async fn come(
    shared: Arc<Shared>,
    began: Instant,
    address: SocketAddr,
    rate: u32,
    (users, seed): (u32, u64),
) {
    let mut turns = interval(Duration::from_millis(1));
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        turns.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        for number in sent..due {
            if shared.waiting.load(Ordering::Relaxed) >= AT_A_TIME {
                lock(&shared.seen).away += 1;
                continue;
            }
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(&shared);
            let user = scatter(seed.wrapping_add(number)) % u64::from(users);
            tokio::spawn(async move {
                let answer = timeout(PATIENCE, ask(&shared, address, user)).await;
                shared.waiting.fetch_sub(1, Ordering::Relaxed);
                shared.count(answer.ok().and_then(Result::ok).flatten(), began);
            });
        }
        sent = due;
    }
}

struct Answer {
    is_gray: bool,
    is_error: bool,
}

impl Shared {
    fn count(&self, answer: Option<Answer>, began: Instant) {
        let mut seen = lock(&self.seen);
        let Some(Answer { is_gray, is_error }) = answer else {
            seen.unanswered += 1;
            return;
        };
        if is_gray {
            seen.gray += 1;
            seen.gray_errors += u64::from(is_error);
        } else {
            seen.stable += 1;
            seen.stable_errors += u64::from(is_error);
        }
        let now = began.elapsed().as_millis() as u64;
        self.answered.store(now, Ordering::Relaxed);
    }
}

/// Sends a request, and reads its answer to the end.
async fn ask(shared: &Shared, address: SocketAddr, user: u64) -> std::io::Result<Option<Answer>> {
    let idle = lock(&shared.idle).pop();
    let mut stream = match idle {
        Some((stream, since)) if since.elapsed() < IDLE => stream,
        _ => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    let request = format!("GET /checkout HTTP/1.1\r\nhost: shop\r\nx-user-id: user-{user}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut received = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| {
            let length = line.strip_prefix("content-length:")?;
            length.trim().parse::<usize>().ok()
        });
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let answer = Answer {
            is_gray: head.contains("x-fader: new-checkout=gray"),
            is_error: !head.starts_with("http/1.1 2"),
        };
        lock(&shared.idle).push((stream, Instant::now()));
        return Ok(Some(answer));
    }
}

/// The number of a user, without any order in it (splitmix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
