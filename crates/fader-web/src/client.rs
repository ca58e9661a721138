//! The address of the client, where proxies stand between it and the service.
//!
//! A proxy appends whom it was reached from to `X-Forwarded-For` or `Forwarded` (RFC 7239) and keeps what the client
//! wrote there itself. So the right end is true as long as the proxies are known, and everything left of the first
//! stranger is worth nothing: the rightmost element that is no trusted proxy decides. Both headers are read from the
//! right for that, `Forwarded` with its quoted strings too, so that a quote which a client leaves open swallows nothing.
//! (The crate `rfc7239` splits at commas within quoted strings and takes the last of two `for`.)
//!
//! Lines of a header come first to last, and each may overrule those before it. So no line has to be kept: the work is
//! linear in the bytes of the headers, and nothing is allocated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::view::RequestView;

/// Proxies whose word on the client's address counts. By default there are none.
///
/// Name the proxies that stand right before the service and nothing wider: whoever sends from one of these addresses
/// can claim to be any client.
///
/// ```
/// use fader_web::TrustedProxies;
///
/// let proxies: TrustedProxies = "10.20.0.0/16, 2001:db8::/32, 192.0.2.7".parse()?;
/// assert!(!proxies.is_empty());
///
/// let error = TrustedProxies::parse(["10.20.1.0/16"]).unwrap_err();
/// assert_eq!(error.to_string(), "`10.20.1.0/16` has host bits set: did you mean `10.20.0.0/16`?");
/// # Ok::<(), fader_web::TrustedProxiesError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Box<[IpNet]>,
    /// None for both.
    believed: Option<Believed>,
}

/// The header that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Believed {
    XForwardedFor,
    Forwarded,
}

/// Tells why a text names no proxies: one clear line with the text and the cure.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TrustedProxiesError(Problem);

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(
        "`{0}` is no network: write one such as `10.20.0.0/16` or `2001:db8::/32`, or a single address"
    )]
    Form(String),
    #[error("`{0}` has host bits set: did you mean `{1}`?")]
    HostBits(String, IpNet),
}

impl TrustedProxies {
    /// Reads networks in CIDR form or single addresses, IPv4 and IPv6; spaces around them do not matter.
    ///
    /// An IPv6 network of 96 bits or more that maps IPv4 addresses is the network of these. Apart from that no IPv4
    /// address is in an IPv6 network.
    ///
    /// # Errors
    /// Where one is neither, or is a network with host bits set.
    pub fn parse<I, S>(networks: I) -> Result<Self, TrustedProxiesError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let networks = networks.into_iter().map(|text| network(text.as_ref()));
        Ok(Self {
            networks: networks
                .collect::<Result<_, _>>()
                .map_err(TrustedProxiesError)?,
            believed: None,
        })
    }

    /// Believes `X-Forwarded-For` alone, and leaves out what `Forwarded` says.
    ///
    /// By default either may say who the client is, and where both do they have to agree: a proxy writes one and may
    /// pass on a forged other one, which makes the client unknown. Name the one that your proxies write, and nobody can.
    #[must_use]
    pub fn x_forwarded_for(self) -> Self {
        Self {
            believed: Some(Believed::XForwardedFor),
            ..self
        }
    }

    /// Believes `Forwarded` alone, and leaves out what `X-Forwarded-For` says, see
    /// [`x_forwarded_for`](Self::x_forwarded_for).
    #[must_use]
    pub fn forwarded(self) -> Self {
        Self {
            believed: Some(Believed::Forwarded),
            ..self
        }
    }

    /// Tells whether there are none, so that the peer of each connection is the client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Tells whether an address, in canonical form, is a proxy's.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// Reads what [`TrustedProxies::parse`] reads, separated by commas; a blank text names no proxies.
impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Self::parse(text.split(','))
    }
}

/// Reads a network by hand as far as its parts: the parser of `ipnet` reads `010.0.0.0/08` too.
fn network(text: &str) -> Result<IpNet, Problem> {
    let text = text.trim();
    let form = || Problem::Form(text.to_owned());
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| form())?;
    let written = match prefix {
        None => IpNet::from(address),
        Some(digits) if digits != "0" && digits.starts_with(['0', '+']) => return Err(form()),
        Some(digits) => {
            let prefix = digits.parse().map_err(|_| form())?;
            IpNet::new(address, prefix).map_err(|_| form())?
        }
    };
    if written != written.trunc() {
        return Err(Problem::HostBits(text.to_owned(), written.trunc()));
    }
    Ok(unmapped(written).unwrap_or(written))
}

/// Returns the IPv4 network that an IPv6 network maps.
fn unmapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(network) = network else {
        return None;
    };
    let prefix = network.prefix_len().checked_sub(96)?;
    let address = network.addr().to_ipv4_mapped()?;
    Ipv4Net::new(address, prefix).ok().map(IpNet::V4)
}

/// Returns the address of the client, in canonical form; `None` where nobody knows it.
///
/// A peer that is no trusted proxy is the client, whatever the headers say. Else the rightmost element of
/// `X-Forwarded-For` or `Forwarded` that is none is the client, and nobody knows it if that is no address, such as
/// `unknown`. If all elements are trusted proxies it is the leftmost, and without elements it is the peer. If both
/// headers are there they have to name the same client: a proxy writes the one and may pass on a forged other.
pub(crate) fn client_address(
    request: &dyn RequestView,
    proxies: &TrustedProxies,
) -> Option<IpAddr> {
    let peer = request.peer()?.to_canonical();
    if !proxies.contains(peer) {
        return Some(peer);
    }
    let (mut by_list, mut by_pairs) = (Chain::Empty, Chain::Empty);
    let believes = |header| proxies.believed.is_none_or(|believed| believed == header);
    request.headers("x-forwarded-for", &mut |line| {
        if !believes(Believed::XForwardedFor) {
            return;
        }
        by_list.read(line.rsplit(|byte| *byte == b','), address, proxies);
    });
    request.headers("forwarded", &mut |line| {
        if !believes(Believed::Forwarded) {
            return;
        }
        by_pairs.read(RightSplit::new(line, b','), forwarded_for, proxies);
    });
    match (by_list, by_pairs) {
        (Chain::Empty, Chain::Empty) => Some(peer),
        (chain, Chain::Empty) | (Chain::Empty, chain) => chain.client(),
        (one, other) => one
            .client()
            .filter(|client| other.client() == Some(*client)),
    }
}

/// What the lines of one header say until now.
#[derive(Clone, Copy)]
enum Chain {
    Empty,
    /// Trusted proxies alone, of which this is the leftmost.
    Trusted(IpAddr),
    /// The rightmost element that is no trusted proxy.
    Stranger(Option<IpAddr>),
}

impl Chain {
    /// Reads one more line, whose elements come from the right. Empty ones do not count (RFC 9110, 5.6.1.2).
    fn read<'a>(
        &mut self,
        elements: impl Iterator<Item = &'a [u8]>,
        address: fn(&[u8]) -> Option<IpAddr>,
        proxies: &TrustedProxies,
    ) {
        let mut leftmost = None;
        for element in elements.map(<[u8]>::trim_ascii).filter(|it| !it.is_empty()) {
            match address(element) {
                Some(address) if proxies.contains(address) => leftmost = Some(address),
                stranger => {
                    *self = Self::Stranger(stranger);
                    return;
                }
            }
        }
        if let (Self::Empty, Some(address)) = (*self, leftmost) {
            *self = Self::Trusted(address);
        }
    }

    fn client(self) -> Option<IpAddr> {
        match self {
            Self::Empty => None,
            Self::Trusted(address) => Some(address),
            Self::Stranger(address) => address,
        }
    }
}

/// Returns the address that an element of `Forwarded` names by its only `for`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = RightSplit::new(element, b';').filter_map(|pair| {
        let (name, value) = pair.trim_ascii().split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let node = nodes.next()?;
    if nodes.next().is_some() {
        return None;
    }
    let unquoted = node
        .strip_prefix(b"\"")
        .map_or(Some(node), |rest| rest.strip_suffix(b"\""));
    // An address has nothing to escape, so a backslash makes it none.
    address(unquoted?)
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`. There are no zones: they
/// mean something on one machine alone.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
    if let Ok(bare) = node.parse::<IpAddr>() {
        return Some(bare.to_canonical());
    }
    let host = match node.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => node,
    };
    match host.strip_prefix('[') {
        Some(host) => {
            let address: Ipv6Addr = host.strip_suffix(']')?.parse().ok()?;
            Some(address.to_canonical())
        }
        // IPv6 without brackets has no port.
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Tells whether a text is a port: up to five digits, or a name that hides it (RFC 7239, 6.3).
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.bytes().all(is_name)
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Splits at a separator outside of quoted strings, from the right.
struct RightSplit<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> RightSplit<'a> {
    fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(text),
            separator,
        }
    }
}

impl<'a> Iterator for RightSplit<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.take()?;
        let mut is_quoted = false;
        for (at, byte) in text.iter().enumerate().rev() {
            let (before, from) = text.split_at_checked(at)?;
            if *byte == b'"' {
                // Before the quote that opens a string stands `=`, so what a backslash precedes lies within.
                is_quoted = !is_quoted || before.ends_with(b"\\");
            } else if *byte == self.separator && !is_quoted {
                self.rest = Some(before);
                return from.get(1..);
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests;
