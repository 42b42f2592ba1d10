//! Virtual services: what identifies one, how it is set up, and what a listing says of it. No I/O.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::{InvalidArgument, Stats};

/// The scheduler that a service has when none is named: weighted least-connection, as in ipvsadm.
pub const DEFAULT_SCHEDULER: &str = "wlc";

/// Longest name of a scheduler in bytes (the kernel's `IP_VS_SCHEDNAME_MAXLEN` less the closing NUL).
pub const SCHEDULER_NAME_MAX: usize = 15;

/// The transport protocol of a virtual service (`IPVS_SVC_ATTR_PROTOCOL`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, number 6.
    Tcp,
    /// UDP, number 17.
    Udp,
    /// SCTP, number 132.
    Sctp,
    /// A protocol that this library has no name for. A listing can show one; it cannot be sent.
    Other(u16),
}

impl From<u16> for Protocol {
    fn from(number: u16) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            132 => Self::Sctp,
            other => Self::Other(other),
        }
    }
}

impl From<Protocol> for u16 {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Other(number) => number,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Sctp => f.write_str("sctp"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

/// The address family of a service or a destination (`IPVS_SVC_ATTR_AF`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, the kernel's `AF_INET`.
    Ipv4,
    /// IPv6, the kernel's `AF_INET6`.
    Ipv6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

/// What names a virtual service: protocol, address and port, or a firewall mark and its address family.
///
/// Its text form is the same everywhere: `tcp://10.0.0.1:80`, `udp://[2001:db8::1]:53`, `sctp://10.0.0.1:36412`,
/// `fwmark:7`, `fwmark:7/ipv6`.
///
/// ```
/// use ipvs_core::ServiceId;
/// let id: ServiceId = "tcp://[2001:db8::1]:80".parse()?;
/// assert_eq!(id.to_string(), "tcp://[2001:db8::1]:80");
/// # Ok::<(), ipvs_core::InvalidArgument>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceId {
    /// A service at an address.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// Virtual address and port. Port 0 means every port.
        address: SocketAddr,
    },
    /// A service for packets that carry a firewall mark, whatever their address and port.
    Fwmark {
        /// The mark (`IPVS_SVC_ATTR_FWMARK`), 1 to 4294967295.
        mark: u32,
        /// Which packets with the mark are meant.
        family: Family,
    },
}

impl ServiceId {
    /// The address family of the service.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => address.ip().into(),
            Self::Fwmark { family, .. } => *family,
        }
    }

    /// Checks what the kernel would take without a word although it makes no sense.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        match self {
            Self::Address { protocol: Protocol::Other(number), .. } => {
                Err(InvalidArgument::new("protocol", format!("{number} is none of tcp, udp and sctp")))
            }
            Self::Address { address, .. } => check_scope("service", address),
            Self::Fwmark { mark: 0, .. } => {
                Err(InvalidArgument::new("fwmark", "0 marks no packet; use 1 to 4294967295"))
            }
            Self::Fwmark { .. } => Ok(()),
        }
    }
}

/// IPVS knows no interface with an address: what is listed would not be what was added.
pub(crate) fn check_scope(field: &'static str, address: &SocketAddr) -> Result<(), InvalidArgument> {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 || v6.flowinfo() != 0 => Err(InvalidArgument::new(
            field,
            format!("{address} has an interface or a flow label, which IPVS does not know; leave it out"),
        )),
        _ => Ok(()),
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol}://{address}"),
            Self::Fwmark { mark, family: Family::Ipv4 } => write!(f, "fwmark:{mark}"),
            Self::Fwmark { mark, family: Family::Ipv6 } => write!(f, "fwmark:{mark}/ipv6"),
        }
    }
}

impl FromStr for ServiceId {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            InvalidArgument::new(
                "service",
                format!(
                    "'{text}' is not an id; write tcp://10.0.0.1:80, udp://[2001:db8::1]:53, fwmark:7 or fwmark:7/ipv6"
                ),
            )
        };
        let id = if let Some(fwmark) = text.strip_prefix("fwmark:") {
            let (mark, family) = match fwmark.strip_suffix("/ipv6") {
                Some(mark) => (mark, Family::Ipv6),
                None => (fwmark, Family::Ipv4),
            };
            Self::Fwmark { mark: decimal(mark).ok_or_else(wrong)?, family }
        } else {
            let (protocol, address) = text.split_once("://").ok_or_else(wrong)?;
            let protocol = match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                "sctp" => Protocol::Sctp,
                _ => return Err(wrong()),
            };
            Self::Address { protocol, address: address.parse().map_err(|_| wrong())? }
        };
        id.check()?;
        Ok(id)
    }
}

/// Digits only: `str::parse` would take a sign too.
fn decimal(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A virtual service with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Service {
    /// What names the service.
    pub id: ServiceId,
    /// How a destination is chosen for a new connection (`IPVS_SVC_ATTR_SCHED_NAME`): the name of a kernel module
    /// without its `ip_vs_`, 1 to 15 bytes.
    pub scheduler: String,
}

impl Service {
    /// A service with the scheduler `wlc`.
    #[must_use]
    pub fn new(id: ServiceId) -> Self {
        Self { id, scheduler: DEFAULT_SCHEDULER.to_owned() }
    }

    /// The same service with another scheduler.
    #[must_use]
    pub fn with_scheduler(mut self, scheduler: impl Into<String>) -> Self {
        self.scheduler = scheduler.into();
        self
    }

    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        self.id.check()?;
        if let ServiceId::Address { address, .. } = self.id
            && address.port() == 0
        {
            return Err(InvalidArgument::new("port", "0 means every port, which only a persistent service can have"));
        }
        let wrong = |reason| Err(InvalidArgument::new("scheduler", reason));
        if self.scheduler.is_empty() {
            return wrong("the name is empty".to_owned());
        }
        if self.scheduler.len() > SCHEDULER_NAME_MAX {
            return wrong(format!("'{}' is longer than {SCHEDULER_NAME_MAX} bytes", self.scheduler));
        }
        if !self.scheduler.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong(format!("{:?} has a character that no module name has", self.scheduler));
        }
        Ok(())
    }
}

/// What a listing says of a virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceEntry {
    /// The service as the kernel has it.
    pub service: Service,
    /// Its counters.
    pub stats: Stats,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_prints() -> Result<(), InvalidArgument> {
        for text in [
            "tcp://10.0.0.1:80",
            "udp://[2001:db8::1]:53",
            "sctp://10.0.0.1:36412",
            "tcp://0.0.0.0:0",
            "fwmark:7",
            "fwmark:4294967295/ipv6",
        ] {
            assert_eq!(text.parse::<ServiceId>()?.to_string(), text);
        }
        Ok(())
    }

    #[test]
    fn a_wrong_id_is_refused_with_an_example() {
        for text in [
            "",
            "10.0.0.1:80",
            "tcp://",
            "tcp://10.0.0.1",
            "tcp://10.0.0.1:65536",
            "tcp://2001:db8::1:80",
            "icmp://10.0.0.1:80",
            "fwmark:",
            "fwmark:+7",
            "fwmark:4294967296",
            "fwmark:7/ipv4",
        ] {
            let error = text.parse::<ServiceId>().unwrap_err();
            assert_eq!(error.field, "service", "{text}");
            assert!(error.reason.contains("tcp://10.0.0.1:80"), "{error}");
        }
        assert_eq!("fwmark:0".parse::<ServiceId>().unwrap_err().field, "fwmark");
        let error = "tcp://[fe80::1%3]:80".parse::<ServiceId>().unwrap_err();
        assert!(error.reason.contains("has an interface"), "{error}");
    }

    #[test]
    fn a_scheduler_name_is_checked() -> Result<(), InvalidArgument> {
        let service = Service::new("tcp://10.0.0.1:80".parse()?);
        assert_eq!(service.scheduler, "wlc");
        assert!(service.clone().with_scheduler("fifteen-bytes-x").check().is_ok());
        for name in ["", "sixteen-bytes-xx", "w rr", "wrr\0"] {
            assert_eq!(service.clone().with_scheduler(name).check().unwrap_err().field, "scheduler");
        }
        Ok(())
    }
}
