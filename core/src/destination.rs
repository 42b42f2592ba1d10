//! Destinations, the real servers of a virtual service: settings, checks, and what a listing says. No I/O.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::service::check_scope;
use crate::{InvalidArgument, Stats};

/// The weight that a destination has when none is given.
pub const DEFAULT_WEIGHT: u32 = 1;

/// Largest weight: the kernel keeps it in a signed 32-bit number and refuses what is negative there.
pub const WEIGHT_MAX: u32 = i32::MAX as u32;

/// How packets reach a destination (`IPVS_DEST_ATTR_FWD_METHOD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Forwarding {
    /// Addresses are rewritten both ways (NAT); the destination's port may differ from the service's.
    Masquerade,
    /// The destination is this machine itself. The kernel chooses it; it cannot be asked for.
    LocalNode,
    /// Packets are wrapped and sent to the destination, which answers the client itself.
    Tunnel,
    /// Packets go to the destination's hardware address, unchanged; it answers the client itself.
    DirectRoute,
    /// A method that this library has no name for. A listing can show one; it cannot be sent.
    Other(u32),
}

impl From<u32> for Forwarding {
    fn from(number: u32) -> Self {
        match number {
            0 => Self::Masquerade,
            1 => Self::LocalNode,
            2 => Self::Tunnel,
            3 => Self::DirectRoute,
            other => Self::Other(other),
        }
    }
}

impl From<Forwarding> for u32 {
    fn from(forwarding: Forwarding) -> Self {
        match forwarding {
            Forwarding::Masquerade => 0,
            Forwarding::LocalNode => 1,
            Forwarding::Tunnel => 2,
            Forwarding::DirectRoute => 3,
            Forwarding::Other(number) => number,
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masquerade => f.write_str("masquerade"),
            Self::LocalNode => f.write_str("local-node"),
            Self::Tunnel => f.write_str("tunnel"),
            Self::DirectRoute => f.write_str("direct-route"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for Forwarding {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "masquerade" => Ok(Self::Masquerade),
            "tunnel" => Ok(Self::Tunnel),
            "direct-route" => Ok(Self::DirectRoute),
            _ => Err(InvalidArgument::new(
                "forwarding",
                format!("'{text}' is none of masquerade, tunnel and direct-route"),
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
}

impl Destination {
    /// A destination with direct routing and weight 1, as in ipvsadm.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, forwarding: Forwarding::DirectRoute, weight: DEFAULT_WEIGHT }
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

    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        check_scope("destination", &self.address)?;
        if self.weight > WEIGHT_MAX {
            return Err(InvalidArgument::new("weight", format!("{} is above {WEIGHT_MAX}", self.weight)));
        }
        if let Forwarding::LocalNode | Forwarding::Other(_) = self.forwarding {
            return Err(InvalidArgument::new(
                "forwarding",
                format!("{} cannot be asked for; use masquerade, tunnel or direct-route", self.forwarding),
            ));
        }
        Ok(())
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

    #[test]
    fn a_forwarding_method_reads_what_it_prints() {
        for method in [Forwarding::Masquerade, Forwarding::Tunnel, Forwarding::DirectRoute] {
            assert_eq!(method.to_string().parse(), Ok(method));
            assert_eq!(Forwarding::from(u32::from(method)), method);
        }
        assert!("local-node".parse::<Forwarding>().is_err());
        assert_eq!(Forwarding::from(9).to_string(), "9");
    }

    #[test]
    fn what_the_kernel_would_not_check_is_checked() -> Result<(), InvalidArgument> {
        let destination = Destination::new(parse_destination_address("[2001:db8::a]:8080")?);
        assert!(destination.clone().with_weight(WEIGHT_MAX).check().is_ok());
        assert_eq!(destination.clone().with_weight(WEIGHT_MAX + 1).check().unwrap_err().field, "weight");
        for method in [Forwarding::LocalNode, Forwarding::Other(4)] {
            assert_eq!(destination.clone().with_forwarding(method).check().unwrap_err().field, "forwarding");
        }
        assert_eq!(parse_destination_address("2001:db8::a").unwrap_err().field, "destination");
        let scoped = Destination::new(parse_destination_address("[fe80::1%3]:80")?);
        assert_eq!(scoped.check().unwrap_err().field, "destination");
        Ok(())
    }
}
