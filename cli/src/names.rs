//! Names for numbers in listings, and numbers for names in arguments, both from the system's resolver.

use std::net::{IpAddr, SocketAddr};

use dns_lookup::{AddrInfoHints, getaddrinfo, getnameinfo, lookup_host};
use ipvs_core::Protocol;
use ipvs_core::rules::Resolver;

/// `10.0.0.1:80`, or with names `www.example.org:http`. Without a name the number stays.
pub(crate) fn show(address: SocketAddr, protocol: Protocol, numeric: bool) -> String {
    if numeric {
        return address.to_string();
    }
    // Two look-ups, since the port has a name even where the address has none.
    let port = match protocol {
        Protocol::Tcp => getnameinfo(&address, libc::NI_NUMERICHOST).ok(),
        Protocol::Udp => getnameinfo(&address, libc::NI_NUMERICHOST | libc::NI_DGRAM).ok(),
        Protocol::Sctp | Protocol::Other(_) => None,
    };
    let port = port.map_or_else(|| address.port().to_string(), |(_, port)| port);
    match (getnameinfo(&address, libc::NI_NAMEREQD), address.ip()) {
        (Ok((host, _)), _) => format!("{host}:{port}"),
        (Err(_), IpAddr::V4(host)) => format!("{host}:{port}"),
        (Err(_), IpAddr::V6(host)) => format!("[{host}]:{port}"),
    }
}

/// The system's resolver, for arguments.
pub(crate) struct Names;

impl Resolver for Names {
    /// The first address of the host, an IPv4 one if it has any.
    fn host(&self, name: &str) -> Option<IpAddr> {
        let addresses: Vec<IpAddr> = lookup_host(name).ok()?.collect();
        addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let hints = AddrInfoHints { protocol: u16::from(protocol).into(), ..AddrInfoHints::default() };
        let found = getaddrinfo(None, Some(name), Some(hints)).ok()?.next()?.ok()?;
        Some(found.sockaddr.port())
    }
}
