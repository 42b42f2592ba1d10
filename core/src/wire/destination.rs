//! A destination as attributes (`IPVS_CMD_ATTR_DEST`).

use std::net::SocketAddr;

use netlink_packet_core::DecodeError;

use super::attribute::{Address, Port, attributes};
use super::stats::{StatsAttr, parse_stats};
use crate::destination::{Destination, DestinationEntry, Forwarding};
use crate::service::Family;

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
        Stats(Vec<StatsAttr>) = IPVS_DEST_ATTR_STATS,
        Family(Family) = IPVS_DEST_ATTR_ADDR_FAMILY,
        Stats64(Vec<StatsAttr>) = IPVS_DEST_ATTR_STATS64,
    }
}

/// What names a destination within its service.
pub(super) fn id_attributes(address: &SocketAddr) -> Vec<DestinationAttr> {
    vec![
        DestinationAttr::Family(address.ip().into()),
        DestinationAttr::Address(address.ip().into()),
        DestinationAttr::Port(Port(address.port())),
    ]
}

/// The whole destination. The kernel takes none without forwarding method, weight and thresholds.
pub(super) fn destination_attributes(destination: &Destination) -> Vec<DestinationAttr> {
    let mut attributes = id_attributes(&destination.address);
    attributes.extend([
        DestinationAttr::Forwarding(destination.forwarding.into()),
        DestinationAttr::Weight(destination.weight),
        DestinationAttr::UpperThreshold(0),
        DestinationAttr::LowerThreshold(0),
    ]);
    attributes
}

/// A destination from a listing of a service of the given family.
pub(super) fn parse_entry(
    attributes: Vec<DestinationAttr>,
    service_family: Family,
) -> Result<DestinationEntry, DecodeError> {
    // Kernels before 3.18 do not name the family: it is the service's.
    let mut family = service_family;
    let mut address = None;
    let mut port = None;
    let mut forwarding = None;
    let mut weight = None;
    let mut active_connections = 0;
    let mut inactive_connections = 0;
    let mut persistent_connections = 0;
    let mut stats = None;
    let mut stats64 = None;
    for attribute in attributes {
        match attribute {
            DestinationAttr::Address(value) => address = Some(value),
            DestinationAttr::Port(value) => port = Some(value.0),
            DestinationAttr::Forwarding(value) => forwarding = Some(Forwarding::from(value & FORWARDING_MASK)),
            DestinationAttr::Weight(value) => weight = Some(value),
            DestinationAttr::ActiveConnections(value) => active_connections = value,
            DestinationAttr::InactiveConnections(value) => inactive_connections = value,
            DestinationAttr::PersistentConnections(value) => persistent_connections = value,
            DestinationAttr::Stats(value) => stats = Some(value),
            DestinationAttr::Family(value) => family = value,
            DestinationAttr::Stats64(value) => stats64 = Some(value),
            DestinationAttr::UpperThreshold(_) | DestinationAttr::LowerThreshold(_) | DestinationAttr::Other(_) => {}
        }
    }
    let address = address.ok_or("a destination without IPVS_DEST_ATTR_ADDR")?.in_family(family);
    let port = port.ok_or("a destination without IPVS_DEST_ATTR_PORT")?;
    Ok(DestinationEntry {
        destination: Destination::new(SocketAddr::new(address, port))
            .with_forwarding(forwarding.ok_or("a destination without IPVS_DEST_ATTR_FWD_METHOD")?)
            .with_weight(weight.ok_or("a destination without IPVS_DEST_ATTR_WEIGHT")?),
        active_connections,
        inactive_connections,
        persistent_connections,
        // STATS64 since Linux 4.1; it and STATS carry the same counters.
        stats: parse_stats(&stats64.or(stats).unwrap_or_default()),
    })
}
