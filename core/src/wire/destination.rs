//! A destination as attributes (`IPVS_CMD_ATTR_DEST`).

use std::net::SocketAddr;

use netlink_packet_core::DecodeError;

use super::attribute::{Address, Attribute, Attributes, Port, attributes, read};
use super::stats::parse_stats;
use crate::destination::{Destination, DestinationEntry, Forwarding, Tunnel, TunnelChecksum};
use crate::service::Family;
use crate::stats::Stats;

const IPVS_DEST_ATTR_ADDR: u16 = 1;
const IPVS_DEST_ATTR_PORT: u16 = 2;
const IPVS_DEST_ATTR_FWD_METHOD: u16 = 3;
const IPVS_DEST_ATTR_WEIGHT: u16 = 4;
const IPVS_DEST_ATTR_U_THRESH: u16 = 5;
const IPVS_DEST_ATTR_L_THRESH: u16 = 6;
const IPVS_DEST_ATTR_ACTIVE_CONNS: u16 = 7;
const IPVS_DEST_ATTR_INACT_CONNS: u16 = 8;
const IPVS_DEST_ATTR_PERSIST_CONNS: u16 = 9;
const IPVS_DEST_ATTR_STATS: u16 = 10;
const IPVS_DEST_ATTR_ADDR_FAMILY: u16 = 11;
const IPVS_DEST_ATTR_STATS64: u16 = 12;
const IPVS_DEST_ATTR_TUN_TYPE: u16 = 13;
const IPVS_DEST_ATTR_TUN_PORT: u16 = 14;
const IPVS_DEST_ATTR_TUN_FLAGS: u16 = 15;

const IP_VS_CONN_F_MASQ: u32 = 0;
const IP_VS_CONN_F_LOCALNODE: u32 = 1;
const IP_VS_CONN_F_TUNNEL: u32 = 2;
const IP_VS_CONN_F_DROUTE: u32 = 3;

const IP_VS_CONN_F_TUNNEL_TYPE_IPIP: u8 = 0;
const IP_VS_CONN_F_TUNNEL_TYPE_GUE: u8 = 1;
const IP_VS_CONN_F_TUNNEL_TYPE_GRE: u8 = 2;

const IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM: u16 = 0;
const IP_VS_TUNNEL_ENCAP_FLAG_CSUM: u16 = 1;
const IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM: u16 = 2;

/// The forwarding method is in these bits of `IPVS_DEST_ATTR_FWD_METHOD` (the kernel's `IP_VS_CONN_F_FWD_MASK`).
const FORWARDING_MASK: u32 = 7;

attributes! {
    enum DestinationAttr {
        Address(Address) = IPVS_DEST_ATTR_ADDR,
        Port(Port) = IPVS_DEST_ATTR_PORT,
        Forwarding(u32) = IPVS_DEST_ATTR_FWD_METHOD,
        Weight(u32) = IPVS_DEST_ATTR_WEIGHT,
        UpperThreshold(u32) = IPVS_DEST_ATTR_U_THRESH,
        LowerThreshold(u32) = IPVS_DEST_ATTR_L_THRESH,
        ActiveConnections(u32) = IPVS_DEST_ATTR_ACTIVE_CONNS,
        InactiveConnections(u32) = IPVS_DEST_ATTR_INACT_CONNS,
        PersistentConnections(u32) = IPVS_DEST_ATTR_PERSIST_CONNS,
        Family(Family) = IPVS_DEST_ATTR_ADDR_FAMILY,
        TunnelType(u8) = IPVS_DEST_ATTR_TUN_TYPE,
        TunnelPort(Port) = IPVS_DEST_ATTR_TUN_PORT,
        TunnelFlags(u16) = IPVS_DEST_ATTR_TUN_FLAGS,
    }
}

/// What names a destination within its service.
pub(super) fn append_id(address: &SocketAddr, out: &mut Vec<u8>) {
    DestinationAttr::Family(address.ip().into()).append(out);
    DestinationAttr::Address(address.ip().into()).append(out);
    DestinationAttr::Port(Port(address.port())).append(out);
}

/// The whole destination. The kernel takes none without forwarding method, weight and thresholds.
pub(super) fn append_destination(destination: &Destination, out: &mut Vec<u8>) {
    append_id(&destination.address, out);
    let (forwarding, tunnel) = match destination.forwarding {
        Forwarding::Masquerade => (IP_VS_CONN_F_MASQ, None),
        Forwarding::LocalNode => (IP_VS_CONN_F_LOCALNODE, None),
        Forwarding::Tunnel(tunnel) => (IP_VS_CONN_F_TUNNEL, Some(tunnel)),
        Forwarding::DirectRoute => (IP_VS_CONN_F_DROUTE, None),
        Forwarding::Other(number) => (number, None),
    };
    DestinationAttr::Forwarding(forwarding).append(out);
    DestinationAttr::Weight(destination.weight).append(out);
    if let Some(tunnel) = tunnel {
        append_tunnel(tunnel, out);
    }
    DestinationAttr::UpperThreshold(destination.upper_threshold).append(out);
    DestinationAttr::LowerThreshold(destination.lower_threshold).append(out);
}

/// The tunnel goes along only where it is no IPIP one, as kernels before 5.3 do not know these attributes.
fn append_tunnel(tunnel: Tunnel, out: &mut Vec<u8>) {
    let (number, port, flags) = match tunnel {
        Tunnel::Ipip => return,
        Tunnel::Gue { port, checksum } => (IP_VS_CONN_F_TUNNEL_TYPE_GUE, port, checksum_flags(checksum)),
        Tunnel::Gre { checksum } => (IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, checksum_flags(checksum)),
        Tunnel::Other { number, port, flags } => (number, port, flags),
    };
    DestinationAttr::TunnelType(number).append(out);
    DestinationAttr::TunnelPort(Port(port)).append(out);
    DestinationAttr::TunnelFlags(flags).append(out);
}

fn checksum_flags(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::Off => IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM,
        TunnelChecksum::On => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
        TunnelChecksum::Remote => IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
    }
}

fn parse_tunnel(number: u8, port: u16, flags: u16) -> Tunnel {
    let checksum = match flags {
        IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM => Some(TunnelChecksum::Off),
        IP_VS_TUNNEL_ENCAP_FLAG_CSUM => Some(TunnelChecksum::On),
        IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM => Some(TunnelChecksum::Remote),
        _ => None,
    };
    match (number, checksum) {
        (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, _) => Tunnel::Ipip,
        (IP_VS_CONN_F_TUNNEL_TYPE_GUE, Some(checksum)) => Tunnel::Gue { port, checksum },
        (IP_VS_CONN_F_TUNNEL_TYPE_GRE, Some(checksum)) => Tunnel::Gre { checksum },
        _ => Tunnel::Other { number, port, flags },
    }
}

/// Whether the kernel says what kind of tunnel it is.
pub(super) fn names_tunnel_type(attributes: &[u8]) -> Result<bool, DecodeError> {
    for attribute in read(attributes) {
        if let DestinationAttr::TunnelType(_) = attribute? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A destination from a listing of a service of the given family.
pub(super) fn parse_entry(attributes: &[u8], service_family: Family) -> Result<DestinationEntry, DecodeError> {
    // Kernels before 3.18 do not name the family: it is the service's.
    let mut family = service_family;
    let mut address = None;
    let mut port = None;
    let mut forwarding = None;
    let mut weight = None;
    let mut upper_threshold = 0;
    let mut lower_threshold = 0;
    // Absent before 5.3: every tunnel is IPIP.
    let mut tunnel_type = IP_VS_CONN_F_TUNNEL_TYPE_IPIP;
    let mut tunnel_port = 0;
    let mut tunnel_flags = 0;
    let mut active_connections = 0;
    let mut inactive_connections = 0;
    let mut persistent_connections = 0;
    let mut stats = None;
    let mut stats64 = None;
    for attribute in Attributes(attributes) {
        let (number, value) = attribute?;
        let Some(attribute) = DestinationAttr::parse(number, value)? else {
            match number {
                IPVS_DEST_ATTR_STATS => stats = Some(value),
                IPVS_DEST_ATTR_STATS64 => stats64 = Some(value),
                _ => {}
            }
            continue;
        };
        match attribute {
            DestinationAttr::Address(value) => address = Some(value),
            DestinationAttr::Port(value) => port = Some(value.0),
            DestinationAttr::Forwarding(value) => forwarding = Some(value & FORWARDING_MASK),
            DestinationAttr::Weight(value) => weight = Some(value),
            DestinationAttr::ActiveConnections(value) => active_connections = value,
            DestinationAttr::InactiveConnections(value) => inactive_connections = value,
            DestinationAttr::PersistentConnections(value) => persistent_connections = value,
            DestinationAttr::Family(value) => family = value,
            DestinationAttr::UpperThreshold(value) => upper_threshold = value,
            DestinationAttr::LowerThreshold(value) => lower_threshold = value,
            DestinationAttr::TunnelType(value) => tunnel_type = value,
            DestinationAttr::TunnelPort(value) => tunnel_port = value.0,
            DestinationAttr::TunnelFlags(value) => tunnel_flags = value,
        }
    }
    let address = address.ok_or("a destination without IPVS_DEST_ATTR_ADDR")?.in_family(family);
    let port = port.ok_or("a destination without IPVS_DEST_ATTR_PORT")?;
    let forwarding = match forwarding.ok_or("a destination without IPVS_DEST_ATTR_FWD_METHOD")? {
        IP_VS_CONN_F_MASQ => Forwarding::Masquerade,
        IP_VS_CONN_F_LOCALNODE => Forwarding::LocalNode,
        IP_VS_CONN_F_TUNNEL => Forwarding::Tunnel(parse_tunnel(tunnel_type, tunnel_port, tunnel_flags)),
        IP_VS_CONN_F_DROUTE => Forwarding::DirectRoute,
        other => Forwarding::Other(other),
    };
    Ok(DestinationEntry {
        destination: Destination::new(SocketAddr::new(address, port))
            .with_forwarding(forwarding)
            .with_weight(weight.ok_or("a destination without IPVS_DEST_ATTR_WEIGHT")?)
            .with_thresholds(upper_threshold, lower_threshold),
        active_connections,
        inactive_connections,
        persistent_connections,
        // STATS64 since Linux 4.1; it and STATS carry the same counters.
        stats: stats64.or(stats).map_or(Ok(Stats::default()), parse_stats)?,
    })
}
