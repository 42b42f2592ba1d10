//! Destinations, the real servers of a virtual service: settings, checks, and what a listing says. No I/O.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::service::check_scope;
use crate::{Family, InvalidArgument, ServiceId, Stats};

/// The weight that a destination has when none is given.
pub const DEFAULT_WEIGHT: u32 = 1;

/// Largest weight: the kernel keeps it in a signed 32-bit number and refuses what is negative there.
pub const WEIGHT_MAX: u32 = i32::MAX as u32;

/// The largest threshold. Linux 6.1.192 refuses a larger one with `EINVAL`, which 6.1.176 takes.
pub const THRESHOLD_MAX: u32 = i32::MAX as u32;

/// How packets reach a destination (`IPVS_DEST_ATTR_FWD_METHOD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Forwarding {
    /// Addresses are rewritten both ways (NAT); the destination's port may differ from the service's.
    Masquerade,
    /// The destination is this machine itself. The kernel takes this way for every local address anyhow.
    LocalNode,
    /// Packets are wrapped and sent to the destination, which answers the client itself.
    Tunnel(Tunnel),
    /// Packets go to the destination's hardware address, unchanged; it answers the client itself.
    DirectRoute,
    /// A method that this library has no name for. A listing can show one; it cannot be sent.
    Other(u32),
}

/// How packets are wrapped on their way to a destination (`IPVS_DEST_ATTR_TUN_TYPE`, since Linux 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Tunnel {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// The UDP port at the destination (`IPVS_DEST_ATTR_TUN_PORT`), 1 to 65535.
        port: u16,
        /// How the wrapped packet is protected (`IPVS_DEST_ATTR_TUN_FLAGS`).
        checksum: TunnelChecksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// How the wrapped packet is protected; a remote checksum is not for GRE.
        checksum: TunnelChecksum,
    },
    /// A tunnel that this library has no name for. A listing can show one; it cannot be sent.
    Other {
        /// `IPVS_DEST_ATTR_TUN_TYPE`.
        number: u8,
        /// `IPVS_DEST_ATTR_TUN_PORT`.
        port: u16,
        /// `IPVS_DEST_ATTR_TUN_FLAGS`.
        flags: u16,
    },
}

/// The checksum of a tunnel (`IPVS_DEST_ATTR_TUN_FLAGS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum TunnelChecksum {
    /// None (`IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM`).
    #[default]
    Off,
    /// Computed (`IP_VS_TUNNEL_ENCAP_FLAG_CSUM`).
    On,
    /// Remote checksum offload (`IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM`).
    Remote,
}

impl fmt::Display for TunnelChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Remote => "remote",
        })
    }
}

impl FromStr for TunnelChecksum {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            "remote" => Ok(Self::Remote),
            _ => Err(InvalidArgument::new("checksum", format!("'{text}' is none of off, on and remote"))),
        }
    }
}

/// A tunnel in parts, as languages without sum types have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TunnelParts {
    /// `ipip`, `gue`, `gre`, or the number of a type without a name.
    pub kind: Cow<'static, str>,
    /// The UDP port, where the type has one.
    pub port: Option<u16>,
    /// The checksum, where the type has one.
    pub checksum: Option<TunnelChecksum>,
}

impl From<Tunnel> for TunnelParts {
    fn from(tunnel: Tunnel) -> Self {
        let (kind, port, checksum) = match tunnel {
            Tunnel::Ipip => ("ipip".into(), None, None),
            Tunnel::Gue { port, checksum } => ("gue".into(), Some(port), Some(checksum)),
            Tunnel::Gre { checksum } => ("gre".into(), None, Some(checksum)),
            Tunnel::Other { number, port, .. } => (number.to_string().into(), Some(port), None),
        };
        Self { kind, port, checksum }
    }
}

/// Puts a tunnel together: what its type does not have must not be given, and a checksum that is not given is off.
impl TryFrom<TunnelParts> for Tunnel {
    type Error = InvalidArgument;

    fn try_from(parts: TunnelParts) -> Result<Self, Self::Error> {
        let wrong = |reason: String| Err(InvalidArgument::new("tunnel", reason));
        let TunnelParts { kind, port, checksum } = parts;
        let tunnel = match (kind.as_ref(), port) {
            ("ipip", None) if checksum.is_some() => return wrong("an IPIP tunnel has no checksum".to_owned()),
            ("ipip", None) => Self::Ipip,
            ("gue", port) => Self::Gue { port: port.unwrap_or_default(), checksum: checksum.unwrap_or_default() },
            ("gre", None) => Self::Gre { checksum: checksum.unwrap_or_default() },
            ("ipip" | "gre", Some(_)) => return wrong("only a GUE tunnel has a port".to_owned()),
            _ => return wrong(format!("'{kind}' is none of ipip, gue and gre")),
        };
        tunnel.check()?;
        Ok(tunnel)
    }
}

impl Forwarding {
    /// Through an IP-in-IP tunnel, which every kernel has.
    pub const TUNNEL: Self = Self::Tunnel(Tunnel::Ipip);
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masquerade => f.write_str("masquerade"),
            Self::LocalNode => f.write_str("local-node"),
            Self::Tunnel(_) => f.write_str("tunnel"),
            Self::DirectRoute => f.write_str("direct-route"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

/// Reads the method's name; a tunnel is an IP-in-IP one.
impl FromStr for Forwarding {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "masquerade" => Ok(Self::Masquerade),
            "local-node" => Ok(Self::LocalNode),
            "tunnel" => Ok(Self::TUNNEL),
            "direct-route" => Ok(Self::DirectRoute),
            _ => Err(InvalidArgument::new(
                "forwarding",
                format!("'{text}' is none of masquerade, tunnel, direct-route and local-node"),
            )),
        }
    }
}

/// A destination with its settings. Its address names it within its service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Destination {
    /// Address and port of the real server. With tunnel and direct routing the kernel sends to the service's port
    /// whatever stands here.
    pub address: SocketAddr,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its share of new connections relative to the other destinations (`IPVS_DEST_ATTR_WEIGHT`), 0 to 2147483647.
    /// With 0 it keeps its connections and gets no new ones.
    pub weight: u32,
    /// From this many connections on it gets no new ones (`IPVS_DEST_ATTR_U_THRESH`), 0 to 2147483647; 0 is no
    /// limit.
    pub upper_threshold: u32,
    /// Below this many connections it gets new ones again (`IPVS_DEST_ATTR_L_THRESH`), up to the upper threshold; 0 is
    /// three quarters of that.
    pub lower_threshold: u32,
}

impl Destination {
    /// A destination with direct routing and weight 1, as in ipvsadm.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            forwarding: Forwarding::DirectRoute,
            weight: DEFAULT_WEIGHT,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// The same destination with another forwarding method.
    #[must_use]
    pub fn with_forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = forwarding;
        self
    }

    /// The same destination with another weight.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The same destination with other thresholds.
    #[must_use]
    pub fn with_thresholds(mut self, upper: u32, lower: u32) -> Self {
        self.upper_threshold = upper;
        self.lower_threshold = lower;
        self
    }

    /// Checks everything that can be known before the kernel is asked for this destination of `service`.
    pub fn check(&self, service: &ServiceId) -> Result<(), InvalidArgument> {
        self.check_settings()?;
        if !matches!(self.forwarding, Forwarding::Tunnel(_)) && Family::from(self.address.ip()) != service.family() {
            let reason =
                format!("{} and {service} are of different address families, which only a tunnel joins", self.address);
            return Err(InvalidArgument::new("forwarding", reason));
        }
        Ok(())
    }

    /// Checks what can be known without a service.
    pub fn check_settings(&self) -> Result<(), InvalidArgument> {
        let wrong = |field, reason| Err(InvalidArgument::new(field, reason));
        check_scope("destination", &self.address)?;
        check_weight(self.weight)?;
        if self.upper_threshold > THRESHOLD_MAX {
            return wrong("upper_threshold", format!("{} is above {THRESHOLD_MAX}", self.upper_threshold));
        }
        if self.lower_threshold > self.upper_threshold {
            return wrong(
                "lower_threshold",
                format!("{} is above the upper threshold {}", self.lower_threshold, self.upper_threshold),
            );
        }
        match self.forwarding {
            Forwarding::Other(number) => {
                wrong("forwarding", format!("{number} is no method; use masquerade, tunnel or direct-route"))
            }
            Forwarding::Tunnel(tunnel) => tunnel.check(),
            _ => Ok(()),
        }
    }
}

/// The kernel takes a larger weight for a negative one.
pub(crate) fn check_weight(weight: u32) -> Result<(), InvalidArgument> {
    if weight > WEIGHT_MAX {
        return Err(InvalidArgument::new("weight", format!("{weight} is above {WEIGHT_MAX}")));
    }
    Ok(())
}

impl Tunnel {
    fn check(self) -> Result<(), InvalidArgument> {
        let wrong = |reason: String| Err(InvalidArgument::new("tunnel", reason));
        match self {
            Self::Gue { port: 0, .. } => wrong("a GUE tunnel needs a port, 1 to 65535".to_owned()),
            Self::Gre { checksum: TunnelChecksum::Remote } => {
                wrong("a remote checksum is for GUE tunnels only".to_owned())
            }
            Self::Other { number, .. } => wrong(format!("the type {number} is none of IPIP, GUE and GRE")),
            _ => Ok(()),
        }
    }
}

/// Reads the text form of a destination's address, `192.168.1.10:8080` or `[2001:db8::a]:8080`.
pub fn parse_destination_address(text: &str) -> Result<SocketAddr, InvalidArgument> {
    text.parse().map_err(|_| {
        InvalidArgument::new(
            "destination",
            format!("'{text}' is not an address; write 192.168.1.10:8080 or [2001:db8::a]:8080"),
        )
    })
}

/// What a listing says of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationEntry {
    /// The destination as the kernel has it.
    pub destination: Destination,
    /// Connections in an active state (`IPVS_DEST_ATTR_ACTIVE_CONNS`): for TCP the established ones. UDP has none.
    pub active_connections: u32,
    /// All other connections (`IPVS_DEST_ATTR_INACT_CONNS`).
    pub inactive_connections: u32,
    /// Persistence templates (`IPVS_DEST_ATTR_PERSIST_CONNS`).
    pub persistent_connections: u32,
    /// Its counters.
    pub stats: Stats,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServiceId {
        "tcp://10.0.0.1:80".parse().unwrap()
    }

    fn real(address: &str) -> Destination {
        Destination::new(parse_destination_address(address).unwrap())
    }

    /// The field that is refused.
    fn refused(destination: &Destination) -> &'static str {
        destination.check(&service()).unwrap_err().field
    }

    #[test]
    fn a_forwarding_method_reads_what_it_prints() {
        for method in [Forwarding::Masquerade, Forwarding::LocalNode, Forwarding::TUNNEL, Forwarding::DirectRoute] {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        assert!("nat".parse::<Forwarding>().is_err());
        assert_eq!(Forwarding::Other(9).to_string(), "9");
    }

    #[test]
    fn numbers_are_within_their_ranges() {
        let real = real("192.168.1.10:80");
        assert_eq!(real.clone().with_weight(WEIGHT_MAX).check(&service()), Ok(()));
        assert_eq!(refused(&real.clone().with_weight(WEIGHT_MAX + 1)), "weight");
        assert_eq!(real.clone().with_thresholds(THRESHOLD_MAX, THRESHOLD_MAX).check(&service()), Ok(()));
        assert_eq!(refused(&real.clone().with_thresholds(THRESHOLD_MAX + 1, 0)), "upper_threshold");
        assert_eq!(refused(&real.clone().with_thresholds(4, 5)), "lower_threshold");
        assert_eq!(refused(&real.with_thresholds(0, 1)), "lower_threshold");
        assert_eq!(parse_destination_address("2001:db8::a").unwrap_err().field, "destination");
        assert_eq!(refused(&self::real("[fe80::1%3]:80")), "destination");
    }

    #[test]
    fn tunnels_have_what_they_need() {
        let through = |tunnel| real("192.168.1.10:80").with_forwarding(Forwarding::Tunnel(tunnel));
        let (off, on, remote) = (TunnelChecksum::Off, TunnelChecksum::On, TunnelChecksum::Remote);
        for tunnel in [
            Tunnel::Ipip,
            Tunnel::Gue { port: 1, checksum: off },
            Tunnel::Gue { port: 65535, checksum: remote },
            Tunnel::Gre { checksum: on },
        ] {
            assert_eq!(through(tunnel).check(&service()), Ok(()));
        }
        for tunnel in [
            Tunnel::Gue { port: 0, checksum: on },
            Tunnel::Gre { checksum: remote },
            Tunnel::Other { number: 7, port: 0, flags: 0 },
        ] {
            assert_eq!(refused(&through(tunnel)), "tunnel");
        }
        assert_eq!(refused(&real("192.168.1.10:80").with_forwarding(Forwarding::Other(4))), "forwarding");
    }

    #[test]
    fn a_tunnel_is_what_its_parts_make() {
        let parts = |kind: &'static str, port, checksum| TunnelParts { kind: kind.into(), port, checksum };
        let (on, remote) = (TunnelChecksum::On, TunnelChecksum::Remote);
        for tunnel in [Tunnel::Ipip, Tunnel::Gue { port: 1, checksum: remote }, Tunnel::Gre { checksum: on }] {
            assert_eq!(Tunnel::try_from(TunnelParts::from(tunnel)), Ok(tunnel));
        }
        assert_eq!(Tunnel::try_from(parts("gre", None, None)), Ok(Tunnel::Gre { checksum: TunnelChecksum::Off }));
        for wrong in [
            parts("ipip", Some(1), None),
            parts("ipip", None, Some(on)),
            parts("gue", None, None),
            parts("gre", Some(1), None),
            parts("gre", None, Some(remote)),
            Tunnel::Other { number: 7, port: 0, flags: 0 }.into(),
        ] {
            assert_eq!(Tunnel::try_from(wrong).map_err(|error| error.field), Err("tunnel"));
        }
        for checksum in [TunnelChecksum::Off, on, remote] {
            assert_eq!(checksum.to_string().parse(), Ok(checksum));
            assert!(format!("{checksum} ").parse::<TunnelChecksum>().is_err());
        }
    }

    #[test]
    fn only_a_tunnel_joins_two_families() {
        for method in [Forwarding::Masquerade, Forwarding::DirectRoute, Forwarding::LocalNode] {
            assert_eq!(refused(&real("[2001:db8::a]:80").with_forwarding(method)), "forwarding");
        }
        assert_eq!(real("[2001:db8::a]:80").with_forwarding(Forwarding::TUNNEL).check(&service()), Ok(()));
    }
}
