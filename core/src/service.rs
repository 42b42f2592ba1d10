//! Virtual services: what identifies one, how it is set up, and what a listing says of it. No I/O.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::{InvalidArgument, Stats};

/// The scheduler that a service has when none is named: weighted least-connection, as in ipvsadm.
pub const DEFAULT_SCHEDULER: &str = "wlc";

/// Longest name of a scheduler or a persistence engine in bytes (the kernel's `IP_VS_SCHEDNAME_MAXLEN` and
/// `IP_VS_PENAME_MAXLEN` less the closing NUL).
pub const MODULE_NAME_MAX: usize = 15;

/// Longest persistence in seconds: the kernel counts it in ticks of 32 bits, up to 1000 a second, without a check.
pub const PERSISTENCE_TIMEOUT_MAX: u32 = u32::MAX / 1000;

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
            // The kernel's name for that of a firewall mark's persistence template.
            Self::Other(0) => f.write_str("ip"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

/// Reads the name of a protocol that can be sent.
impl FromStr for Protocol {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(InvalidArgument::new("protocol", format!("'{text}' is none of tcp, udp and sctp"))),
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

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

impl FromStr for Family {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ipv4" => Ok(Self::Ipv4),
            "ipv6" => Ok(Self::Ipv6),
            _ => Err(InvalidArgument::new("family", format!("'{text}' is neither ipv4 nor ipv6"))),
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

    /// The port of a service at an address; 0 means every port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Address { address, .. } => Some(address.port()),
            Self::Fwmark { .. } => None,
        }
    }

    /// The protocol of a service at an address.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Address { protocol, .. } => Some(*protocol),
            Self::Fwmark { .. } => None,
        }
    }

    /// Checks what the kernel would take without a word although it makes no sense.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        match self {
            Self::Address { protocol: Protocol::Other(number), .. } => {
                Err(InvalidArgument::new("protocol", format!("{number} is none of tcp, udp and sctp")))
            }
            _ => self.check_to_read(),
        }
    }

    /// The same for what is only read: a service that somebody else made with another protocol is listed, too.
    pub(crate) fn check_to_read(&self) -> Result<(), InvalidArgument> {
        match self {
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
            let protocol = protocol.parse().map_err(|_| wrong())?;
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

/// The known schedulers: kernel modules `ip_vs_NAME`. Any other name may be used too.
pub mod scheduler {
    /// Round robin: one after the other.
    pub const RR: &str = "rr";
    /// Weighted round robin: one after the other, as often as its weight says.
    pub const WRR: &str = "wrr";
    /// Least connections.
    pub const LC: &str = "lc";
    /// Weighted least connections: fewest for its weight.
    pub const WLC: &str = "wlc";
    /// Locality-based least connections: one address, one server, until that has too many (for caches).
    pub const LBLC: &str = "lblc";
    /// Locality-based least connections with replication: one address, a set of servers.
    pub const LBLCR: &str = "lblcr";
    /// Destination hashing: the address asked for chooses.
    pub const DH: &str = "dh";
    /// Source hashing: the client's address chooses.
    pub const SH: &str = "sh";
    /// Shortest expected delay: fewest connections for its weight, the new one counted.
    pub const SED: &str = "sed";
    /// Never queue: an idle server if there is one, else shortest expected delay.
    pub const NQ: &str = "nq";
    /// Weighted failover: the available server with the highest weight.
    pub const FO: &str = "fo";
    /// Weighted overflow: the highest weight, and on to the next once it has as many connections as weight.
    pub const OVF: &str = "ovf";
    /// Maglev hashing: the client's address chooses, and changes of servers move few clients.
    pub const MH: &str = "mh";
    /// The better of two random choices, since Linux 6.0.
    pub const TWOS: &str = "twos";

    /// All of them, each with what it does.
    pub const ALL: &[(&str, &str)] = &[
        (RR, "round robin: one after the other"),
        (WRR, "weighted round robin: one after the other, as often as its weight says"),
        (LC, "least connections"),
        (WLC, "weighted least connections: fewest for its weight"),
        (LBLC, "locality-based least connections: one address, one server, until that has too many (for caches)"),
        (LBLCR, "locality-based least connections with replication: one address, a set of servers"),
        (DH, "destination hashing: the address asked for chooses"),
        (SH, "source hashing: the client's address chooses"),
        (SED, "shortest expected delay: fewest connections for its weight, the new one counted"),
        (NQ, "never queue: an idle server if there is one, else shortest expected delay"),
        (FO, "weighted failover: the available server with the highest weight"),
        (OVF, "weighted overflow: the highest weight, and on to the next once it has as many connections as weight"),
        (MH, "Maglev hashing: the client's address chooses, and changes of servers move few clients"),
        (TWOS, "the better of two random choices, since Linux 6.0"),
    ];
}

/// Flags whose meaning each scheduler gives (`IP_VS_SVC_F_SCHED1` to `3` in `IPVS_SVC_ATTR_FLAGS`).
///
/// | flag | with `sh` | with `mh` |
/// | --- | --- | --- |
/// | `flag-1` | `sh-fallback`: another server when the chosen one is not available | `mh-fallback`: likewise |
/// | `flag-2` | `sh-port`: the client's port is hashed too | `mh-port`: likewise |
/// | `flag-3` | - | - |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SchedulerFlags(u8);

/// Name, scheduler (empty: every one) and bit; where two names have one bit, the scheduler's own comes first.
const SCHEDULER_FLAGS: [(&str, &str, u8); 7] = [
    ("sh-fallback", scheduler::SH, 1),
    ("sh-port", scheduler::SH, 2),
    ("mh-fallback", scheduler::MH, 1),
    ("mh-port", scheduler::MH, 2),
    ("flag-1", "", 1),
    ("flag-2", "", 2),
    ("flag-3", "", 4),
];

impl SchedulerFlags {
    /// `flag-1`.
    pub const FLAG_1: Self = Self(1);
    /// `flag-2`.
    pub const FLAG_2: Self = Self(2);
    /// `flag-3`.
    pub const FLAG_3: Self = Self(4);

    /// The flags of these names; a name that belongs to another scheduler is refused.
    pub fn from_names<'a>(scheduler: &str, names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidArgument> {
        names.into_iter().try_fold(Self::default(), |flags, name| {
            let (_, owner, bit) = SCHEDULER_FLAGS.into_iter().find(|(known, ..)| *known == name).ok_or_else(|| {
                let known = SCHEDULER_FLAGS.map(|(known, ..)| known).join(", ");
                InvalidArgument::new("scheduler_flags", format!("'{name}' is none of {known}"))
            })?;
            if !owner.is_empty() && owner != scheduler {
                return Err(InvalidArgument::new(
                    "scheduler_flags",
                    format!("'{name}' belongs to the scheduler '{owner}', not to '{scheduler}'"),
                ));
            }
            Ok(Self(flags.0 | bit))
        })
    }

    /// The names of the flags for this scheduler.
    pub fn names(self, scheduler: &str) -> impl Iterator<Item = &'static str> {
        [1, 2, 4].into_iter().filter(move |bit| self.0 & bit != 0).filter_map(move |bit| {
            SCHEDULER_FLAGS
                .into_iter()
                .find_map(|(name, owner, of)| (of == bit && (owner.is_empty() || owner == scheduler)).then_some(name))
        })
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }
}

/// Which clients are one client to a persistent service: those with the same network (`IPVS_SVC_ATTR_NETMASK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Netmask {
    /// The length of the network prefix: 0 to 32 for IPv4, 1 to 128 for IPv6. Every single client is 32 or 128.
    Prefix(u8),
    /// An IPv4 mask with holes. A listing can show one; it cannot be sent.
    Irregular(Ipv4Addr),
}

impl Netmask {
    /// The text form of ipvsadm in a service of this family: `255.255.255.0`, or a prefix length for IPv6.
    #[must_use]
    pub fn text(self, family: Family) -> String {
        match (self, family) {
            (Self::Prefix(length), Family::Ipv4) => {
                let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or_default();
                Ipv4Addr::from_bits(bits).to_string()
            }
            (Self::Prefix(length), Family::Ipv6) => length.to_string(),
            (Self::Irregular(mask), _) => mask.to_string(),
        }
    }

    /// Reads the text form of ipvsadm in a service of this family.
    pub fn parse(text: &str, family: Family) -> Result<Self, InvalidArgument> {
        let wrong = |reason| InvalidArgument::new("netmask", format!("'{text}' is not {reason}"));
        match family {
            Family::Ipv4 => {
                let mask: Result<Ipv4Addr, _> = text.parse();
                mask.map(Self::from).map_err(|_| wrong("a mask; write 255.255.255.0"))
            }
            Family::Ipv6 => {
                let length = decimal(text).and_then(|length| u8::try_from(length).ok());
                length.map(Self::Prefix).ok_or_else(|| wrong("a prefix length from 1 to 128"))
            }
        }
    }

    /// Every client for itself.
    #[must_use]
    pub fn host(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Prefix(32),
            Family::Ipv6 => Self::Prefix(128),
        }
    }
}

impl From<Ipv4Addr> for Netmask {
    fn from(mask: Ipv4Addr) -> Self {
        let ones = mask.to_bits().leading_ones();
        match u8::try_from(ones) {
            Ok(length) if ones == mask.to_bits().count_ones() => Self::Prefix(length),
            _ => Self::Irregular(mask),
        }
    }
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
    /// Flags of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// With a time in seconds, 1 to 4294967, a client comes back to its server until it has been away that long
    /// (`IP_VS_SVC_F_PERSISTENT` and `IPVS_SVC_ATTR_TIMEOUT`).
    pub persistence_timeout: Option<u32>,
    /// Which clients are one client to a persistent service.
    pub netmask: Netmask,
    /// What names a client instead of its address (`IPVS_SVC_ATTR_PE_NAME`): the name of a kernel module without its
    /// `ip_vs_pe_`, 1 to 15 bytes. The kernel has `sip`.
    pub persistence_engine: Option<String>,
    /// One-packet scheduling (`IP_VS_SVC_F_ONEPACKET`): each datagram is scheduled by itself. For UDP and marks only.
    pub one_packet: bool,
}

impl Service {
    /// A service with the scheduler `wlc` and nothing else.
    #[must_use]
    pub fn new(id: ServiceId) -> Self {
        Self {
            id,
            scheduler: DEFAULT_SCHEDULER.to_owned(),
            scheduler_flags: SchedulerFlags::default(),
            persistence_timeout: None,
            netmask: Netmask::host(id.family()),
            persistence_engine: None,
            one_packet: false,
        }
    }

    /// The same service with another scheduler.
    #[must_use]
    pub fn with_scheduler(mut self, scheduler: impl Into<String>) -> Self {
        self.scheduler = scheduler.into();
        self
    }

    /// The same service with other flags for its scheduler.
    #[must_use]
    pub fn with_scheduler_flags(mut self, flags: SchedulerFlags) -> Self {
        self.scheduler_flags = flags;
        self
    }

    /// The same service, persistent for this many seconds.
    #[must_use]
    pub fn with_persistence(mut self, timeout: u32) -> Self {
        self.persistence_timeout = Some(timeout);
        self
    }

    /// The same service with another netmask for persistence.
    #[must_use]
    pub fn with_netmask(mut self, netmask: Netmask) -> Self {
        self.netmask = netmask;
        self
    }

    /// The same service with a persistence engine.
    #[must_use]
    pub fn with_persistence_engine(mut self, engine: impl Into<String>) -> Self {
        self.persistence_engine = Some(engine.into());
        self
    }

    /// The same service with one-packet scheduling.
    #[must_use]
    pub fn with_one_packet(mut self) -> Self {
        self.one_packet = true;
        self
    }

    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        self.id.check()?;
        check_module_name("scheduler", &self.scheduler)?;
        if let Some(engine) = &self.persistence_engine {
            check_module_name("persistence_engine", engine)?;
        }
        match self.persistence_timeout {
            None if self.id.port() == Some(0) => {
                // `2001:db8::1:80` is an address.
                let brackets = match self.id.family() {
                    Family::Ipv4 => "",
                    Family::Ipv6 => "; the port stands behind the address in brackets: [2001:db8::1]:80",
                };
                return Err(InvalidArgument::new(
                    "port",
                    format!("0 means every port, which only a service with persistence can have{brackets}"),
                ));
            }
            Some(seconds) if !(1..=PERSISTENCE_TIMEOUT_MAX).contains(&seconds) => {
                return Err(InvalidArgument::new(
                    "persistence_timeout",
                    format!("{seconds} is not within 1 to {PERSISTENCE_TIMEOUT_MAX} seconds"),
                ));
            }
            _ => {}
        }
        let netmask_is_right = match (self.netmask, self.id.family()) {
            (Netmask::Prefix(length), Family::Ipv4) => length <= 32,
            (Netmask::Prefix(length), Family::Ipv6) => (1..=128).contains(&length),
            (Netmask::Irregular(_), _) => false,
        };
        if !netmask_is_right {
            return Err(InvalidArgument::new(
                "netmask",
                match self.netmask {
                    Netmask::Prefix(length) => {
                        format!("the prefix length {length} is not within 0 to 32 for IPv4 or 1 to 128 for IPv6")
                    }
                    Netmask::Irregular(mask) => format!("{mask} has holes; the set bits have to be the first ones"),
                },
            ));
        }
        if self.one_packet
            && !matches!(self.id, ServiceId::Fwmark { .. } | ServiceId::Address { protocol: Protocol::Udp, .. })
        {
            return Err(InvalidArgument::new(
                "one_packet",
                "only a UDP service or a firewall mark can have one-packet scheduling",
            ));
        }
        Ok(())
    }
}

/// A name that the kernel makes a module's name of.
fn check_module_name(field: &'static str, name: &str) -> Result<(), InvalidArgument> {
    let wrong = |reason| Err(InvalidArgument::new(field, reason));
    if name.is_empty() {
        return wrong("the name is empty".to_owned());
    }
    if name.len() > MODULE_NAME_MAX {
        return wrong(format!("'{name}' is longer than {MODULE_NAME_MAX} bytes"));
    }
    // Where rules are written down, a word that begins with # is a comment.
    if name.starts_with('#') || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong(format!("{name:?} has a character that no module name has"));
    }
    Ok(())
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

impl ServiceEntry {
    /// A service with these counters.
    #[must_use]
    pub fn new(service: Service, stats: Stats) -> Self {
        Self { service, stats }
    }
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

    fn web() -> Service {
        Service::new("tcp://10.0.0.1:80".parse().unwrap())
    }

    /// The field that is refused.
    fn refused(service: &Service) -> &'static str {
        service.check().unwrap_err().field
    }

    #[test]
    fn names_of_modules_are_checked() {
        assert_eq!(web().scheduler, "wlc");
        assert_eq!(web().with_scheduler("fifteen-bytes-x").check(), Ok(()));
        for name in ["", "sixteen-bytes-xx", "w rr", "wrr\0"] {
            assert_eq!(refused(&web().with_scheduler(name)), "scheduler");
            assert_eq!(refused(&web().with_persistence_engine(name)), "persistence_engine");
        }
    }

    #[test]
    fn port_0_needs_persistence() {
        let every_port = Service::new("tcp://10.0.0.1:0".parse().unwrap());
        assert_eq!(refused(&every_port), "port");
        assert_eq!(every_port.with_persistence(1).check(), Ok(()));
    }

    #[test]
    fn persistence_is_within_its_range() {
        for (seconds, right) in [(0, false), (1, true), (4_294_967, true), (4_294_968, false)] {
            assert_eq!(web().with_persistence(seconds).check().is_ok(), right, "{seconds}");
        }
    }

    #[test]
    fn a_netmask_belongs_to_its_family() {
        let ipv6 = Service::new("tcp://[2001:db8::1]:80".parse().unwrap());
        for (length, ipv4_right, ipv6_right) in [
            (0, true, false),
            (1, true, true),
            (32, true, true),
            (33, false, true),
            (128, false, true),
            (129, false, false),
        ] {
            assert_eq!(web().with_netmask(Netmask::Prefix(length)).check().is_ok(), ipv4_right, "{length}");
            assert_eq!(ipv6.clone().with_netmask(Netmask::Prefix(length)).check().is_ok(), ipv6_right, "{length}");
        }
        let mask = |text: &str| Netmask::from(text.parse::<Ipv4Addr>().unwrap());
        assert_eq!(mask("255.255.240.0"), Netmask::Prefix(20));
        assert_eq!(mask("0.0.0.0"), Netmask::Prefix(0));
        assert_eq!(refused(&web().with_netmask(mask("255.255.0.255"))), "netmask");
    }

    #[test]
    fn one_packet_scheduling_is_for_datagrams() {
        for (id, right) in [
            ("udp://10.0.0.1:53", true),
            ("fwmark:1", true),
            ("tcp://10.0.0.1:80", false),
            ("sctp://10.0.0.1:80", false),
        ] {
            assert_eq!(Service::new(id.parse().unwrap()).with_one_packet().check().is_ok(), right, "{id}");
        }
    }

    #[test]
    fn scheduler_flags_belong_to_their_scheduler() {
        let flags = SchedulerFlags::from_names("sh", ["sh-port", "flag-3"]).unwrap();
        assert_eq!(flags, SchedulerFlags::FLAG_2.union(SchedulerFlags::FLAG_3));
        assert_eq!(flags.names("sh").collect::<Vec<_>>(), ["sh-port", "flag-3"]);
        assert_eq!(flags.names("mh").collect::<Vec<_>>(), ["mh-port", "flag-3"]);
        assert_eq!(flags.names("rr").collect::<Vec<_>>(), ["flag-2", "flag-3"]);
        for (scheduler, name) in [("mh", "sh-port"), ("rr", "mh-fallback"), ("sh", "port"), ("sh", "")] {
            assert_eq!(SchedulerFlags::from_names(scheduler, [name]).unwrap_err().field, "scheduler_flags");
        }
    }
}
