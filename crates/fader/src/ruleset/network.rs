//! Networks: CIDR blocks as written, and sets of them compiled to ranges.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One CIDR block; an IPv4-mapped block of /96 and longer is its IPv4 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    V4 { base: u32, prefix: u8 },
    V6 { base: u128, prefix: u8 },
}

/// Why a text is no network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NetworkError {
    Form,
    /// It has host bits set; the block that was probably meant.
    HostBits(String),
}

impl Network {
    pub(crate) fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => {
                let canonical = digits == "0" || !digits.starts_with(['0', '+']);
                digits
                    .parse()
                    .ok()
                    .filter(|prefix| canonical && *prefix <= longest)
                    .ok_or(NetworkError::Form)?
            }
        };
        let written = match address {
            IpAddr::V4(address) => Self::V4 {
                base: address.to_bits(),
                prefix,
            },
            IpAddr::V6(address) => Self::V6 {
                base: address.to_bits(),
                prefix,
            },
        };
        let block = written.without_host_bits();
        if block != written {
            return Err(NetworkError::HostBits(block.to_string()));
        }
        Ok(match block {
            Self::V6 { base, prefix: 96.. } => match Ipv6Addr::from_bits(base).to_ipv4_mapped() {
                Some(mapped) => Self::V4 {
                    base: mapped.to_bits(),
                    prefix: prefix - 96,
                },
                None => block,
            },
            _ => block,
        })
    }

    fn without_host_bits(self) -> Self {
        match self {
            Self::V4 { base, prefix } => Self::V4 {
                base: base & !self.host_mask_v4(),
                prefix,
            },
            Self::V6 { base, prefix } => Self::V6 {
                base: base & !self.host_mask_v6(),
                prefix,
            },
        }
    }

    fn host_mask_v4(self) -> u32 {
        match self {
            Self::V4 { prefix, .. } => u32::MAX.checked_shr(prefix.into()).unwrap_or(0),
            Self::V6 { .. } => 0,
        }
    }

    fn host_mask_v6(self) -> u128 {
        match self {
            Self::V6 { prefix, .. } => u128::MAX.checked_shr(prefix.into()).unwrap_or(0),
            Self::V4 { .. } => 0,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4 { base, prefix } => write!(f, "{}/{prefix}", Ipv4Addr::from_bits(*base)),
            Self::V6 { base, prefix } => write!(f, "{}/{prefix}", Ipv6Addr::from_bits(*base)),
        }
    }
}

/// A set of addresses as sorted ranges that do not touch: a look-up is one binary search.
#[derive(Debug)]
pub(crate) struct NetworkSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
    written: Box<[Network]>,
}

impl NetworkSet {
    pub(crate) fn new(networks: &[Network]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                Network::V4 { base, .. } => v4.push((*base, base | network.host_mask_v4())),
                Network::V6 { base, .. } => v6.push((*base, base | network.host_mask_v6())),
            }
        }
        Self {
            v4: merge(v4),
            v6: merge(v6),
            written: networks.into(),
        }
    }

    /// Tests an address; `None` where the text is no bare address.
    pub(crate) fn contains(&self, text: &str) -> Option<bool> {
        Some(match text.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => find(&self.v4, address.to_bits()),
            IpAddr::V6(address) => find(&self.v6, address.to_bits()),
        })
    }

    pub(crate) fn networks(&self) -> &[Network] {
        &self.written
    }
}

fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged.into()
}

fn find<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(low, _)| *low <= address);
    after
        .checked_sub(1)
        .and_then(|at| ranges.get(at))
        .is_some_and(|(_, high)| address <= *high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &[&str], address: &str) -> Option<bool> {
        let networks: Vec<_> = networks
            .iter()
            .map(|text| Network::parse(text).unwrap())
            .collect();
        NetworkSet::new(&networks).contains(address)
    }

    #[test]
    fn addresses_fall_in_blocks() {
        let blocks = [
            "10.20.0.0/16",
            "10.20.5.0/24",
            "192.0.2.1",
            "2001:db8::/32",
            "::ffff:172.16.0.0/108",
        ];
        for (address, inside) in [
            ("10.20.255.255", Some(true)),
            ("10.21.0.0", Some(false)),
            ("::ffff:10.20.0.1", Some(true)),
            ("192.0.2.1", Some(true)),
            ("192.0.2.2", Some(false)),
            ("2001:db8:ffff::1", Some(true)),
            ("2001:db9::", Some(false)),
            ("172.16.9.9", Some(true)),
            ("10.20.0.1:80", None),
            ("[2001:db8::1]", None),
            ("fe80::1%eth0", None),
            ("10.20.0.01", None),
            ("10.20.0.0/16", None),
            ("host", None),
        ] {
            assert_eq!(contains(&blocks, address), inside, "{address}");
        }
        assert_eq!(contains(&["::/0"], "10.0.0.1"), Some(false));
        assert_eq!(contains(&["0.0.0.0/0"], "::1"), Some(false));
        assert_eq!(contains(&["0.0.0.0/0"], "255.255.255.255"), Some(true));
        assert_eq!(contains(&[], "::1"), Some(false));
    }

    #[test]
    fn host_bits_are_refused_with_the_right_block() {
        assert_eq!(
            Network::parse("10.20.1.0/16"),
            Err(NetworkError::HostBits("10.20.0.0/16".into()))
        );
        assert_eq!(
            Network::parse("2001:db8::1/32"),
            Err(NetworkError::HostBits("2001:db8::/32".into()))
        );
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "x/8",
        ] {
            assert_eq!(Network::parse(text), Err(NetworkError::Form), "{text}");
        }
    }
}
