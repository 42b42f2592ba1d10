//! Which services are ours: what a scope names may be changed, and nothing else. No I/O.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::{InvalidArgument, ServiceId};

/// One part of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ScopePart {
    /// One service: `tcp://10.0.0.1:80`, `fwmark:7/ipv6`.
    Service(ServiceId),
    /// All services at the addresses of a network: `10.0.0.0/24`, `2001:db8::/64`, `10.0.0.1`.
    Network {
        /// Its first address.
        address: IpAddr,
        /// How many of the first bits an address has to share with it: 0 to 32 for IPv4, to 128 for IPv6.
        prefix: u8,
    },
    /// All services of these firewall marks, of both families: `fwmark:1-99`.
    Fwmarks(RangeInclusive<u32>),
}

impl ScopePart {
    /// Whether it names this service.
    #[must_use]
    pub fn contains(&self, id: &ServiceId) -> bool {
        match (self, id) {
            (Self::Service(service), id) => service == id,
            (Self::Network { address: network, prefix }, ServiceId::Address { address, .. }) => {
                match (bits(*network), bits(address.ip())) {
                    ((network, length), (address, other)) if length == other => {
                        shifted(network ^ address, length.saturating_sub((*prefix).into())) == 0
                    }
                    _ => false,
                }
            }
            (Self::Fwmarks(marks), ServiceId::Fwmark { mark, .. }) => marks.contains(mark),
            _ => false,
        }
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn shifted(number: u128, places: u32) -> u128 {
    number.checked_shr(places).unwrap_or_default()
}

impl fmt::Display for ScopePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(id) => write!(f, "{id}"),
            Self::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            Self::Fwmarks(marks) => write!(f, "fwmark:{}-{}", marks.start(), marks.end()),
        }
    }
}

/// Reads what it prints, and an address alone for a network of one.
impl FromStr for ScopePart {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            let reason = format!(
                "'{text}' names no services; write an id (tcp://10.0.0.1:80, fwmark:7), a network (10.0.0.0/24) or marks \
                 (fwmark:1-99)"
            );
            InvalidArgument::new("scope", reason)
        };
        if let Some((first, last)) = text.strip_prefix("fwmark:").and_then(|marks| marks.split_once('-')) {
            let (first, last): (u32, u32) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
            return if first > 0 && first <= last { Ok(Self::Fwmarks(first..=last)) } else { Err(wrong()) };
        }
        if text.contains("://") || text.starts_with("fwmark:") {
            return text.parse().map(Self::Service).map_err(|_| wrong());
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (number, length) = bits(address);
        let prefix = prefix.unwrap_or(if length == 32 { 32 } else { 128 });
        let rest = length.checked_sub(prefix.into()).ok_or_else(wrong)?;
        // The bits behind the prefix: an address in the middle of the network is a mistake more often than not.
        if shifted(number, rest).checked_shl(rest).unwrap_or_default() != number {
            return Err(InvalidArgument::new("scope", format!("'{text}' is not the first address of its network")));
        }
        Ok(Self::Network { address, prefix })
    }
}

/// The services that are ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// All of the network namespace.
    #[default]
    All,
    /// What any of these names.
    Only(Vec<ScopePart>),
}

impl Scope {
    /// Whether this service is ours.
    #[must_use]
    pub fn contains(&self, id: &ServiceId) -> bool {
        match self {
            Self::All => true,
            Self::Only(parts) => parts.iter().any(|part| part.contains(id)),
        }
    }

    /// The same scope with more parts.
    pub(crate) fn with(mut self, more: impl IntoIterator<Item = ScopePart>) -> Self {
        if let Self::Only(parts) = &mut self {
            parts.extend(more);
        }
        self
    }

    /// The ids that it is made of; nothing where it names more than single services.
    pub(crate) fn ids(&self) -> Option<BTreeSet<ServiceId>> {
        let Self::Only(parts) = self else { return None };
        let id = |part: &ScopePart| match part {
            ScopePart::Service(id) => Some(*id),
            _ => None,
        };
        parts.iter().map(id).collect()
    }
}

/// Of their ids.
impl FromIterator<ServiceId> for Scope {
    fn from_iter<T: IntoIterator<Item = ServiceId>>(ids: T) -> Self {
        Self::Only(ids.into_iter().map(ScopePart::Service).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> ScopePart {
        text.parse().unwrap()
    }

    fn contains(part: &str, id: &str) -> bool {
        self::part(part).contains(&id.parse().unwrap())
    }

    #[test]
    fn a_part_reads_what_it_prints() {
        for text in ["tcp://10.0.0.1:80", "fwmark:7/ipv6", "10.0.0.0/24", "0.0.0.0/0", "2001:db8::/64", "fwmark:1-99"] {
            assert_eq!(part(text).to_string(), text);
        }
        assert_eq!(part("10.0.0.1"), part("10.0.0.1/32"));
        assert_eq!(part("::1"), part("::1/128"));
        for wrong in [
            "",
            "tcp",
            "tcp://10.0.0.1",
            "10.0.0.1/24",
            "10.0.0.0/33",
            "::/129",
            "fwmark:0-9",
            "fwmark:9-1",
            "fwmark:-",
        ] {
            assert_eq!(wrong.parse::<ScopePart>().unwrap_err().field, "scope", "{wrong}");
        }
    }

    #[test]
    fn a_scope_contains_what_it_names() {
        assert!(contains("tcp://10.0.0.1:80", "tcp://10.0.0.1:80"));
        assert!(!contains("tcp://10.0.0.1:80", "udp://10.0.0.1:80"));
        assert!(contains("10.0.0.0/24", "udp://10.0.0.255:1"));
        assert!(!contains("10.0.0.0/24", "udp://10.0.1.0:1"));
        assert!(contains("0.0.0.0/0", "sctp://255.0.0.1:1"));
        assert!(!contains("0.0.0.0/0", "tcp://[::1]:1") && !contains("0.0.0.0/0", "fwmark:1"));
        assert!(contains("::/0", "tcp://[ff::1]:1") && !contains("::/0", "tcp://1.1.1.1:1"));
        assert!(contains("2001:db8::/33", "tcp://[2001:db8:7fff::1]:1"));
        assert!(!contains("2001:db8::/33", "tcp://[2001:db8:8000::1]:1"));
        assert!(contains("fwmark:1-99", "fwmark:99/ipv6") && !contains("fwmark:1-99", "fwmark:100"));
        assert!(contains("fwmark:7", "fwmark:7") && !contains("fwmark:7", "fwmark:7/ipv6"));
        let scope = Scope::Only(vec![part("fwmark:7"), part("10.0.0.0/8")]);
        let id = |text: &str| text.parse().unwrap();
        assert!(scope.contains(&id("fwmark:7")) && scope.contains(&id("tcp://10.9.9.9:9")));
        assert!(!scope.contains(&id("fwmark:8")) && Scope::All.contains(&id("fwmark:8")));
        assert!(!Scope::Only(Vec::new()).contains(&id("fwmark:8")));
    }
}
