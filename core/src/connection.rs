//! One connection that the kernel balances, as `/proc/net/ip_vs_conn` shows it. No I/O.

use std::net::SocketAddr;

use crate::Protocol;

/// One connection, or a persistence template: an entry with client port 0 that sends a client to its server again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Connection {
    /// The transport protocol. The template of a firewall mark has protocol 0, `ip`.
    pub protocol: Protocol,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The virtual address and port. The template of a firewall mark has the mark as its address.
    pub virtual_address: SocketAddr,
    /// The destination's address and port.
    pub destination: SocketAddr,
    /// The state by its name in the kernel, such as `ESTABLISHED`, `FIN_WAIT`, `UDP` or `NONE`.
    pub state: String,
    /// In how many seconds it is forgotten if nothing comes.
    pub expires: u64,
    /// What a persistence engine knows of it.
    pub persistence: Option<PersistenceData>,
}

/// What a persistence engine knows of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PersistenceData {
    /// The engine's name, such as `sip`.
    pub engine: String,
    /// What names the client, such as a SIP call's id. It comes from the client; what is not UTF-8 is replaced.
    pub data: String,
}
