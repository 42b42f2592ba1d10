//! Addresses and ports as a listing shows them: numbers, or names where there are some.

use std::net::{IpAddr, SocketAddr};

use dns_lookup::getnameinfo;
use ipvs_core::Protocol;

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
