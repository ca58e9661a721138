//! An address as the source of flags.
//!
//! A fetch finds what is new by the tags that the server gave, and content decides what changes. Whatever goes wrong on
//! the way, what is live stays, and the next fetch is due after a while that keeps many clients apart.
//!
//! - [`settings`] checks what the builder was told, before anything is asked;
//! - [`client`] sends one request and says what counts as an answer, [`body`] takes it in;
//! - [`fetch`] gets a document and the lists that it names;
//! - [`cache`] keeps them on disk, [`contents`] is for those who load them themselves;
//! - [`schedule`] decides when the next fetch is due, without a clock of its own;
//! - [`run`] is the thread, and what it does with what it fetches.
//!
//! The client is asynchronous inside, so that a fetch can be dropped at any moment: with a blocking one the thread would
//! outlive the handle by as long as a server keeps it waiting.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fader::{Flags, FlagsBuilder, Source, Strictness};
use tokio::sync::oneshot;

use crate::bootstrap::Bootstrap;
use crate::error::ProviderError;

mod body;
mod cache;
mod client;
mod contents;
mod error;
mod fetch;
mod run;
mod schedule;
mod settings;

use self::cache::Cache;
pub use self::contents::HttpContents;
pub(crate) use self::error::FetchError;
use self::fetch::{Fetched, Fetcher, Set};
use self::run::{Follower, Told};
use self::schedule::Schedule;
use self::settings::{Authorization, Settings};

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Names an address as the source of flags: `fader_providers::http("https://flags.example.com/shop.json").open()?`.
pub fn http(url: impl Into<String>) -> HttpBuilder {
    HttpBuilder {
        url: url.into(),
        headers: Vec::new(),
        authorization: None,
        roots: Vec::new(),
        content_types: Vec::new(),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(10),
        max_bytes: 16 << 20,
        max_list_bytes: 256 << 20,
        overlay: false,
        cache: None,
        bootstrap: None,
        poll_every: Duration::from_secs(30),
        initial_spread: Duration::from_secs(2),
        stale_after: Duration::from_secs(5 * 60),
        wait_ready: Duration::from_secs(5),
        strictness: Strictness::Quarantine,
        allow_empty: false,
        allow_downgrade: false,
        flags: Flags::builder(),
        warn: Box::new(|_| {}),
    }
}

/// Settings of an address; [`open`](Self::open) loads and follows it, [`fetch`](Self::fetch) only fetches it.
///
/// # What is fetched
///
/// The document, and the list files that it names: each from its path relative to where the document was found, on the
/// same origin. Each is asked for by the tag (`ETag`) that it had when it was last taken, so that a poll of what has not
/// changed costs a few short answers. What was taken last is kept in memory for that, beside the compiled form. A tag
/// counts at the address where it was found, after redirects, and one above 1 KiB is none.
///
/// The source is named by its address. A query may hold a secret, and stands there as the first four digits of its
/// SHA-256: `https://flags.example.com/get?…3f2a`.
///
/// At most five redirects are followed, all within the origin (scheme, host and port) that was configured, so that
/// no credential leaves it. No proxy is used, whatever the environment says. An address that redirects into a folder
/// for each version is never seen half deployed, as the lists are looked for in that folder.
///
/// # When
///
/// | what | default | set by |
/// |---|---|---|
/// | the first fetch, with a document from the cache or a bootstrap document live | anywhere in 2 s | [`initial_spread`](Self::initial_spread) |
/// | the first fetch otherwise | at once | |
/// | the polls | every 30 s, a fifth more or less, at a place in the interval that is this instance's own | [`poll_every`](Self::poll_every) |
/// | after a failure | anywhere in the next second, then 2 s, 4 s … 5 min | |
/// | after 429 or 503 with `Retry-After` | that long, but 1 s to 1 h, and some of the above | |
///
/// # What happens when it fails
///
/// What is live stays live, and [`Flags::status`] says what is wrong. A server that can't be reached, answers with an
/// error, too slowly, too much, or with what is no JSON by its content type (a login page) is given
/// [`stale_after`](Self::stale_after) before what is live counts as stale. A document that is refused for what it says
/// makes it stale at once: one without any flag, with a revision below the live one's, or with errors outside of single
/// flags. A list that can't be fetched refuses the whole; so does one that *became* empty, which is how one looks while it
/// is being written: a list that is meant to be empty holds a comment line.
///
/// A list needs an answer with a length or in chunks: half a list would be taken for a whole one. No user may be in its
/// path.
///
/// # At the start
///
/// First the [`cache`](Self::cache) is looked into, then the [`bootstrap`](Self::bootstrap) document is taken; with either,
/// [`open`](Self::open) returns at once, and the status is stale until the server has answered. Without, it waits for
/// the server, up to [`wait_ready`](Self::wait_ready). A server that is down or answers rubbish is no error of it: the
/// state is failed, and turns ready as soon as something was fetched.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// # fn token() -> String { String::new() }
/// let flags = fader_providers::http("https://flags.example.com/shop.json")
///     .cache("/var/cache/shop/flags.cache")
///     .authorization(|| Some(format!("Bearer {}", token())))
///     .poll_every(Duration::from_secs(10))
///     .flags(fader::Flags::builder().ambient("env", "prod"))
///     .open()?;
/// # Ok::<(), fader_providers::ProviderError>(())
/// ```
#[must_use = "nothing is fetched until `open`, `follow` or `fetch` is called"]
pub struct HttpBuilder {
    url: String,
    headers: Vec<(String, String)>,
    authorization: Option<Arc<Authorization>>,
    roots: Vec<Vec<u8>>,
    content_types: Vec<String>,
    connect_timeout: Duration,
    timeout: Duration,
    max_bytes: u64,
    max_list_bytes: u64,
    overlay: bool,
    cache: Option<PathBuf>,
    bootstrap: Option<Bootstrap>,
    poll_every: Duration,
    initial_spread: Duration,
    stale_after: Duration,
    wait_ready: Duration,
    strictness: Strictness,
    allow_empty: bool,
    allow_downgrade: bool,
    flags: FlagsBuilder,
    warn: Box<dyn Fn(&str) + Send>,
}

impl HttpBuilder {
    /// Keeps what was taken last in a file, for a start while the server is down; by default there is none. Its directory
    /// has to be there and be writable, and should not be open to others: what the file says is live before the server
    /// is asked.
    ///
    /// It is written as a whole, readable by its owner alone, and ignored with a [warning](Self::on_warning) where it is
    /// damaged or of another address. No header and no query of the address is in it, but for hashes; the paths of lists
    /// are, as the document has them.
    pub fn cache(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache = Some(path.into());
        self
    }

    /// Sets a document that stands in until a better one is there, such as one that is compiled in with
    /// `include_bytes!`; by default there is none. Mistakes in it are errors of [`open`](Self::open).
    ///
    /// No revision is compared with its own, and its lists are those that stand in it.
    pub fn bootstrap(mut self, document: impl Into<Vec<u8>>) -> Self {
        self.bootstrap = Some(Bootstrap::new(document));
        self
    }

    /// Sets who is asked for the header `authorization`, at each request; `None` sends none. Where the server answers 401,
    /// it is asked once more and the request repeated once.
    ///
    /// It runs on a thread where it may block, within the [`timeout`](Self::timeout) of the request. One that takes longer
    /// is a failure like others; it is waited for again at the next try, and not asked a second time meanwhile. A thread
    /// can't be ended from outside: where it never returns, its own stays after the last handle is dropped.
    pub fn authorization(
        mut self,
        ask: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.authorization = Some(Arc::new(ask));
        self
    }

    /// Adds a header to each request. Its value appears in no message.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Trusts further root certificates, in PEM form, beside those of the machine. There is no way to trust any server.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Takes documents of one content type more. Without it those are taken that say nothing, or `application/json`,
    /// `application/jsonc`, `text/json`, or anything that ends in `+json`.
    pub fn accept_content_type(mut self, name: impl Into<String>) -> Self {
        self.content_types
            .push(name.into().trim().to_ascii_lowercase());
        self
    }

    /// Sets how often the server is asked, give or take a fifth: from 10 ms to a day, by default 30 s.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval;
        self
    }

    /// Sets over how long the first fetches of many instances spread that start with something live, by default 2 s.
    pub fn initial_spread(mut self, spread: Duration) -> Self {
        self.initial_spread = spread;
        self
    }

    /// Sets how long the server may fail before what is live counts as stale, by default 5 min: as long as the longest
    /// pause between two tries, so that a server that is deployed, or a network that is cut for a minute, wakes nobody.
    /// The failures themselves are told at once. It counts from the last answer, also while a fetch is under way for longer
    /// than one request may take.
    pub fn stale_after(mut self, patience: Duration) -> Self {
        self.stale_after = patience;
        self
    }

    /// Limits how long a connection may take, by default 2 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Limits how long a request may take until the whole answer is there, by default 10 s. Each list has as long, and
    /// asking for the [`authorization`](Self::authorization) is part of it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Limits the size of the document, or of the overlay, in bytes after decompression: by default 16 MiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Limits the size of each list file, in bytes after decompression: by default 256 MiB.
    pub fn max_list_bytes(mut self, bytes: u64) -> Self {
        self.max_list_bytes = bytes;
        self
    }

    /// Sets how a document with errors is taken, by default by quarantine: a server serves many versions of a service,
    /// and a flag that is too new for one of them should not keep it from all others.
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// Takes a document without flags although flags are live. By default it is refused: a server that lost its data.
    pub fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Takes a document whose revision is below the live one's. By default it is refused: an older answer that came
    /// late, from a replica that lags behind.
    pub fn allow_downgrade(mut self) -> Self {
        self.allow_downgrade = true;
        self
    }

    /// Takes what is fetched for an overlay, which is put on top of what another provider delivers to the same handle:
    /// see [`follow`](Self::follow). It names no lists. A server without an overlay answers `{}`; an overlay that is gone
    /// stays in force, since it may hold a kill.
    pub fn as_overlay(mut self) -> Self {
        self.overlay = true;
        self
    }

    /// Sets how long [`open`](Self::open) waits for the server where neither the cache nor a bootstrap document gave
    /// anything, by default 5 s.
    pub fn wait_ready(mut self, limit: Duration) -> Self {
        self.wait_ready = limit;
        self
    }

    /// Sets how the handle itself is built: its clock, its ambient attributes, the keys that it decodes. The default
    /// is `Flags::builder()`.
    pub fn flags(mut self, builder: FlagsBuilder) -> Self {
        self.flags = builder;
        self
    }

    /// Sets who is told what does no harm to what is live but should be known, a line each: that the cache is ignored,
    /// and why; that it can't be written, once. The default is nobody.
    pub fn on_warning(mut self, told: impl Fn(&str) + Send + 'static) -> Self {
        self.warn = Box::new(told);
        self
    }

    /// Loads what is at hand and follows the address, on a thread of its own, until the last clone of the returned handle
    /// is dropped. The thread ends soon after that, also in the middle of a fetch.
    ///
    /// It may wait for the server, at most for [`wait_ready`](Self::wait_ready), on the thread that calls.
    ///
    /// # Errors
    ///
    /// Only what no waiting mends: an address that is none, is neither `http` nor `https` or has a user in it; a bad
    /// header or certificate; a bootstrap document with errors; and if the system refuses a thread.
    pub fn open(mut self) -> Result<Flags, ProviderError> {
        let flags = std::mem::take(&mut self.flags).build();
        self.follow(&flags)?;
        Ok(flags)
    }

    /// Does what [`open`](Self::open) does with a handle that there is already, so that its document can come from one
    /// provider and its overlay from another. [`flags`](Self::flags) is without effect then.
    ///
    /// ```no_run
    /// # use fader_providers::http;
    /// let flags = http("https://flags.example.com/shop.json").open()?;
    /// http("https://flags.example.com/shop.overlay.json").as_overlay().follow(&flags)?;
    /// # Ok::<(), fader_providers::ProviderError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub fn follow(self, flags: &Flags) -> Result<(), ProviderError> {
        let settings = Arc::new(self.settings()?);
        let source = self.source(&settings);
        let name = source.name().to_owned();
        let wait_ready = self.wait_ready;

        let mut follower = Follower {
            settings,
            source,
            schedule: Schedule::new(self.poll_every, self.initial_spread),
            cache: self.cache.as_deref().map(Cache::new),
            // Longer than that is never, and not beyond what the system can count.
            stale_after: self.stale_after.min(CENTURY),
            warn: self.warn,
            hand: None,
            live: false,
            fresh_until: None,
            trouble: None,
            unwritten: false,
        };
        follower.load_cache(flags);
        if let Some(bootstrap) = &self.bootstrap {
            bootstrap.check()?;
            follower.stand_in(flags, bootstrap)?;
        }

        let deadline = Instant::now().checked_add(wait_ready);
        let waits = !follower.live;
        let (alive, stop) = oneshot::channel();
        flags.attach(alive);
        let (tell, told) = mpsc::sync_channel(2);
        let weak = flags.downgrade();
        thread::Builder::new()
            .name("fader-http".to_owned())
            .spawn(move || run::run(follower, weak, stop, &tell))
            .map_err(|error| ProviderError::thread(&name, error))?;
        if let Ok(Told::Started(Err(error))) = told.recv() {
            return Err(ProviderError::thread(&name, error));
        }
        if waits {
            // Whether it came in time is what the status says.
            let _ = match deadline {
                Some(deadline) => told
                    .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                    .ok(),
                None => told.recv().ok(),
            };
        }
        Ok(())
    }

    /// Fetches the document and its lists once, as [`open`](Self::open) does, and neither loads nor follows them: for a
    /// tool that checks what a service would be given. Cache and bootstrap document are left alone.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open), and if the document or one of its lists can't be fetched. That what was fetched is
    /// refused is an error of loading it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let fetched = fader_providers::http("https://flags.example.com/shop.json").fetch()?;
    /// let source = fetched.source().clone();
    /// fader::Flags::builder().build().load(fetched, &source)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch(&self) -> Result<HttpContents, ProviderError> {
        let settings = Arc::new(self.settings()?);
        let source = self.source(&settings);
        let set = fetch_once(settings, source.name())?;
        Ok(HttpContents { source, set })
    }

    fn settings(&self) -> Result<Settings, ProviderError> {
        let settings = || {
            if self.overlay && self.bootstrap.is_some() {
                return Err("no bootstrap document stands in for an overlay".to_owned());
            }
            Ok(Settings {
                url: settings::url(&self.url)?,
                headers: settings::headers(&self.headers)?,
                authorization: self.authorization.clone(),
                roots: settings::roots(&self.roots)?,
                content_types: self.content_types.clone(),
                connect_timeout: self.connect_timeout,
                timeout: self.timeout,
                max_bytes: self.max_bytes,
                max_list_bytes: self.max_list_bytes,
                overlay: self.overlay,
            })
        };
        settings().map_err(ProviderError::setting)
    }

    fn source(&self, settings: &Settings) -> Source {
        let name = settings::name_of(&settings.url);
        let mut source = Source::new(name).network().strictness(self.strictness);
        if self.allow_empty {
            source = source.allow_empty();
        }
        if self.allow_downgrade {
            source = source.allow_downgrade();
        }
        source
    }
}

/// Fetches on a thread of its own: the caller's may be one of an asynchronous runtime, in which no other can run.
fn fetch_once(settings: Arc<Settings>, name: &str) -> Result<Set, ProviderError> {
    let refused = |error| ProviderError::thread(name, error);
    thread::scope(|scope| {
        let fetch = move || {
            let runtime = client::runtime().map_err(refused)?;
            let fetched = runtime.block_on(Fetcher::new(settings).fetch(None));
            runtime.shutdown_background();
            match fetched {
                Ok(Fetched::Set(set)) => Ok(set),
                Ok(Fetched::Unchanged) => Err(FetchError::UnmodifiedNothing),
                Err(error) => Err(error),
            }
            .map_err(|error| ProviderError::fetch(name, error))
        };
        let fetching = thread::Builder::new()
            .name("fader-http".to_owned())
            .spawn_scoped(scope, fetch)
            .map_err(refused)?;
        match fetching.join() {
            Ok(fetched) => fetched,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder")
            .field("url", &format_args!("{}", settings::shown(&self.url)))
            .finish_non_exhaustive()
    }
}
