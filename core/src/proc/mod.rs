//! The kernel's text files below `/proc/net` as objects. Opens no files.

mod connection;
mod overview;
mod stats;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Protocol;

pub use connection::Connections;
#[cfg(any(test, fuzzing))]
pub(crate) use connection::parse_connection;
pub(crate) use overview::parse_overview;
pub(crate) use stats::parse_total_stats;

/// An address as eight hexadecimal digits or in IPv6 form, with or without brackets.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let bits = (text.len() == 8).then(|| u32::from_str_radix(text, 16).ok())??;
    Some(Ipv4Addr::from_bits(bits).into())
}

/// An address and a port of four hexadecimal digits.
fn parse_address(ip: &str, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(parse_ip(ip)?, u16::from_str_radix(port, 16).ok()?))
}

/// A protocol by the kernel's name for it (`ip_vs_proto_name`).
fn parse_protocol(name: &str) -> Option<Protocol> {
    match name {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        "IP" => Some(Protocol::Other(0)),
        "ICMP" => Some(Protocol::Other(1)),
        "ICMPv6" => Some(Protocol::Other(58)),
        "ESP" => Some(Protocol::Other(50)),
        "AH" => Some(Protocol::Other(51)),
        other => other.strip_prefix("IP_")?.parse().ok().map(Protocol::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_of_the_kernel_s_is_known() {
        // `ip_vs_proto_name` in ip_vs_core.c.
        for (name, protocol) in [
            ("TCP", Protocol::Tcp),
            ("UDP", Protocol::Udp),
            ("SCTP", Protocol::Sctp),
            ("IP", Protocol::Other(0)),
            ("ICMP", Protocol::Other(1)),
            ("ICMPv6", Protocol::Other(58)),
            ("ESP", Protocol::Other(50)),
            ("AH", Protocol::Other(51)),
            ("IP_47", Protocol::Other(47)),
        ] {
            assert_eq!(parse_protocol(name), Some(protocol));
        }
        assert_eq!(parse_protocol("GRE"), None);
        // That of a firewall mark's template.
        assert_eq!(Protocol::Other(0).to_string(), "ip");
    }
}
