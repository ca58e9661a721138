//! How the requests of a service are routed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fader::{FlagKey, Flags};

use crate::attributes::VISITOR;
use crate::caps::{Cap, CappedFlag, Grants};
use crate::capture::Capture;
use crate::client::TrustedProxies;
use crate::in_flight::InFlight;
use crate::scope::PinnedScope;
use crate::tracker::Tracker;
use crate::view::RequestView;
use crate::visitor::{Visitor, is_navigation};

/// How the requests of a service are routed: its flags, and what is to be known of requests beside them.
///
/// It is made once a process and handed to the layer of an adapter. A clone refers to the same counts and limits.
///
/// ```
/// use fader::Flags;
/// use fader_web::{Routing, Visitor};
///
/// # let flags = Flags::fixed([("new-checkout", true)]);
/// # let secret = [7; 32];
/// let routing = Routing::new(flags)
///     .trusted_proxies("10.0.0.0/8".parse()?)
///     .visitor(Visitor::new().key(secret)?)
///     .cache_headers(true);
/// # let _ = routing;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Routing(Arc<Shared>);

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) flags: Flags,
    proxies: TrustedProxies,
    visitor: Option<Visitor>,
    pub(crate) response_header: bool,
    pub(crate) cache_headers: bool,
    caps: Arc<[Arc<CappedFlag>]>,
    pub(crate) in_flight: InFlight,
}

impl Routing {
    /// Routes by these flags, with everything else off.
    pub fn new(flags: Flags) -> Self {
        let in_flight = InFlight::new(&flags);
        Self(Arc::new(Shared {
            flags,
            proxies: TrustedProxies::default(),
            visitor: None,
            response_header: false,
            cache_headers: false,
            caps: Arc::default(),
            in_flight,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns the flags.
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.0.flags
    }

    /// Sets the proxies whose word on the client's address counts. Default: none, and `client.ip` is the peer.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|shared| shared.proxies = proxies)
    }

    /// Knows visitors again by a cookie, so that rules can draw `by: "visitor"`. Default: off.
    ///
    /// The cookie is set on navigations only (`Sec-Fetch-Mode: navigate`), so that the parts of a page that are
    /// requested at once don't make several visitors of one; and not on a response that a shared cache may keep
    /// (`Cache-Control` with `public` or `s-maxage`), since the cache would hand one visitor to many. Any other response
    /// with the cookie is made `Cache-Control: private`.
    pub fn visitor(self, visitor: Visitor) -> Self {
        self.with(|shared| shared.visitor = Some(visitor))
    }

    /// Sets whether each response gets the header `x-fader`, such as `new-checkout=gray`, with the flags that were
    /// asked for until its head was made; see [`decisions`](crate::decisions). It replaces one that the handler has set.
    /// A response for which no flag was asked gets none. Default: `false`, since it tells a stranger which arm was
    /// served and how the flag is called.
    pub fn response_header(self, response_header: bool) -> Self {
        self.with(|shared| shared.response_header = response_header)
    }

    /// Sets whether responses tell caches what their decisions depend on, so that no cache mixes arms: `Vary` names the
    /// headers that rules have read, `Cookie` among them, and where they have read what is in no header, such as
    /// `client.ip`, what the service has set, or the id of a visitor who is new, `Cache-Control` becomes `private`. A response whose decisions have read nothing of the
    /// kind is left as it is. Default: `false`.
    pub fn cache_headers(self, cache_headers: bool) -> Self {
        self.with(|shared| shared.cache_headers = cache_headers)
    }

    /// Limits how many requests get a flag's `true`, see [`Cap`]. A later cap of the same flag replaces an earlier one.
    /// Default: no limit. Where there is a cap, a request takes an allocation more.
    pub fn cap(self, key: &'static FlagKey<bool>, cap: Cap) -> Self {
        self.with(|shared| {
            let others = shared.caps.iter().filter(|capped| !capped.is_of(key));
            let capped = Arc::new(CappedFlag::new(key, cap));
            shared.caps = others.cloned().chain([capped]).collect();
        })
    }

    /// Returns the requests in flight, by arm.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        self.0.in_flight.clone()
    }

    /// Pins a scope for a request: for adapters. `add` adds what the service knows of it.
    pub fn pin(&self, request: &dyn RequestView, add: impl FnOnce(&mut Capture<'_>)) -> Tracker {
        let shared = &*self.0;
        let snapshot = shared.flags.snapshot();
        let mut capture = Capture::new(&snapshot, request, &shared.proxies);
        let set_cookie = shared
            .visitor
            .as_ref()
            .and_then(|visitor| know(visitor, request, &mut capture));
        add(&mut capture);
        let mut attributes = capture.finish();
        if !shared.caps.is_empty() {
            attributes.grants = Some(Grants::new(&shared.caps));
        }
        let scope = snapshot.into_scope(attributes);
        let scope = PinnedScope::new(scope, &shared.flags, &shared.in_flight);
        Tracker::new(scope, shared.head(), set_cookie)
    }
}

impl Shared {
    fn head(&self) -> crate::tracker::Head {
        crate::tracker::Head {
            response_header: self.response_header,
            cache_headers: self.cache_headers,
        }
    }
}

/// Sets the visitor of a request. Returns the header `set-cookie` of a new one.
fn know(visitor: &Visitor, request: &dyn RequestView, capture: &mut Capture<'_>) -> Option<String> {
    let is_navigation = is_navigation(request);
    if !is_navigation && !capture.is_wanted(VISITOR) {
        return None;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    if let Some(known) = visitor.find(request, now) {
        let age = Duration::from_secs(now.saturating_sub(known.born));
        capture.attributes_mut().set_visitor(known.id, age);
        return None;
    }
    if !is_navigation {
        return None;
    }
    let issued = visitor.issue(now)?;
    capture
        .attributes_mut()
        .set_visitor(&issued.id, Duration::ZERO);
    Some(issued.set_cookie)
}

impl From<Flags> for Routing {
    fn from(flags: Flags) -> Self {
        Self::new(flags)
    }
}

impl fmt::Debug for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routing")
            .field("flags", &self.0.flags)
            .field("trusted_proxies", &self.0.proxies)
            .field("visitor", &self.0.visitor)
            .field("response_header", &self.0.response_header)
            .field("cache_headers", &self.0.cache_headers)
            .field("caps", &self.0.caps.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
