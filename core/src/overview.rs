//! What an ordinary user may see of the table: less than a listing, without any privilege. No I/O.

use std::net::SocketAddr;

use crate::{Forwarding, Protocol};

/// What names a service in the overview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OverviewId {
    /// A service at an address.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// Virtual address and port.
        address: SocketAddr,
    },
    /// A firewall mark. Of which address family it is, the overview does not say.
    Fwmark(u32),
}

/// A service as `/proc/net/ip_vs` shows it: without counters, persistence engine, scheduler flags.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OverviewService {
    /// What names it.
    pub id: OverviewId,
    /// How a destination is chosen for a new connection.
    pub scheduler: String,
    /// Whether clients come back to their server.
    pub persistent: bool,
    /// Whether each datagram is scheduled by itself.
    pub one_packet: bool,
    /// Its destinations.
    pub destinations: Vec<OverviewDestination>,
}

/// A destination as `/proc/net/ip_vs` shows it: without counters, thresholds, kind of tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OverviewDestination {
    /// Address and port.
    pub address: SocketAddr,
    /// How packets reach it. Every tunnel shows as an IPIP one.
    pub forwarding: Forwarding,
    /// Its share of new connections.
    pub weight: u32,
    /// Connections in an active state.
    pub active_connections: u32,
    /// All other connections.
    pub inactive_connections: u32,
}
