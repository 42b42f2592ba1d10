//! Destinations, the real servers of a virtual service: settings, checks, and what a listing says. No I/O.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::service::check_scope;
use crate::{Family, InvalidArgument, ServiceId, Stats};

/// The weight that a destination has when none is given.
pub const DEFAULT_WEIGHT: u32 = 1;

/// Largest weight: the kernel keeps it in a signed 32-bit number and refuses what is negative there.
pub const WEIGHT_MAX: u32 = i32::MAX as u32;

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
    /// From this many connections on it gets no new ones (`IPVS_DEST_ATTR_U_THRESH`); 0 is no limit.
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
        let wrong = |field, reason| Err(InvalidArgument::new(field, reason));
        check_scope("destination", &self.address)?;
        check_weight(self.weight)?;
        if self.lower_threshold > self.upper_threshold {
            return wrong(
                "lower_threshold",
                format!("{} is above the upper threshold {}", self.lower_threshold, self.upper_threshold),
            );
        }
        match self.forwarding {
            Forwarding::Other(number) => {
                return wrong("forwarding", format!("{number} is no method; use masquerade, tunnel or direct-route"));
            }
            Forwarding::Tunnel(tunnel) => tunnel.check()?,
            _ if Family::from(self.address.ip()) != service.family() => {
                return wrong(
                    "forwarding",
                    format!(
                        "{} and {service} are of different address families, which only a tunnel joins",
                        self.address
                    ),
                );
            }
            _ => {}
        }
        Ok(())
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
        assert_eq!(real.clone().with_thresholds(u32::MAX, u32::MAX).check(&service()), Ok(()));
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
    fn only_a_tunnel_joins_two_families() {
        for method in [Forwarding::Masquerade, Forwarding::DirectRoute, Forwarding::LocalNode] {
            assert_eq!(refused(&real("[2001:db8::a]:80").with_forwarding(method)), "forwarding");
        }
        assert_eq!(real("[2001:db8::a]:80").with_forwarding(Forwarding::TUNNEL).check(&service()), Ok(()));
    }
}
