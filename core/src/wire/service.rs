//! A virtual service as attributes (`IPVS_CMD_ATTR_SERVICE`).

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::DecodeError;

use super::attribute::{Address, Flags, Port, attributes};
use super::stats::{StatsAttr, parse_stats};
use crate::service::{Family, Protocol, Service, ServiceEntry, ServiceId};

const IPVS_SVC_ATTR_AF: u16 = 1;
const IPVS_SVC_ATTR_PROTOCOL: u16 = 2;
const IPVS_SVC_ATTR_ADDR: u16 = 3;
const IPVS_SVC_ATTR_PORT: u16 = 4;
const IPVS_SVC_ATTR_FWMARK: u16 = 5;
const IPVS_SVC_ATTR_SCHED_NAME: u16 = 6;
const IPVS_SVC_ATTR_FLAGS: u16 = 7;
const IPVS_SVC_ATTR_TIMEOUT: u16 = 8;
const IPVS_SVC_ATTR_NETMASK: u16 = 9;
const IPVS_SVC_ATTR_STATS: u16 = 10;
const IPVS_SVC_ATTR_STATS64: u16 = 12;

attributes! {
    enum ServiceAttr {
        Family(Family) = IPVS_SVC_ATTR_AF,
        Protocol(u16) = IPVS_SVC_ATTR_PROTOCOL,
        Address(Address) = IPVS_SVC_ATTR_ADDR,
        Port(Port) = IPVS_SVC_ATTR_PORT,
        Fwmark(u32) = IPVS_SVC_ATTR_FWMARK,
        Scheduler(String) = IPVS_SVC_ATTR_SCHED_NAME,
        Flags(Flags) = IPVS_SVC_ATTR_FLAGS,
        Timeout(u32) = IPVS_SVC_ATTR_TIMEOUT,
        Netmask(u32) = IPVS_SVC_ATTR_NETMASK,
        Stats(Vec<StatsAttr>) = IPVS_SVC_ATTR_STATS,
        Stats64(Vec<StatsAttr>) = IPVS_SVC_ATTR_STATS64,
    }
}

/// Every flag is meant.
const ALL_FLAGS: u32 = u32::MAX;

/// What names a service, enough for every command that does not set one up.
pub(super) fn id_attributes(id: &ServiceId) -> Vec<ServiceAttr> {
    let family = ServiceAttr::Family(id.family());
    match id {
        ServiceId::Address { protocol, address } => vec![
            family,
            ServiceAttr::Protocol((*protocol).into()),
            ServiceAttr::Address(address.ip().into()),
            ServiceAttr::Port(Port(address.port())),
        ],
        ServiceId::Fwmark { mark, .. } => vec![family, ServiceAttr::Fwmark(*mark)],
    }
}

/// The whole service. The kernel takes none without flags, timeout and netmask.
pub(super) fn service_attributes(service: &Service) -> Vec<ServiceAttr> {
    let mut attributes = id_attributes(&service.id);
    attributes.extend([
        ServiceAttr::Scheduler(service.scheduler.clone()),
        ServiceAttr::Flags(Flags { flags: 0, mask: ALL_FLAGS }),
        ServiceAttr::Timeout(0),
        ServiceAttr::Netmask(match service.id.family() {
            // A mask in network byte order for IPv4, a prefix length for IPv6.
            Family::Ipv4 => u32::MAX,
            Family::Ipv6 => 128,
        }),
    ]);
    attributes
}

/// A service from a listing.
pub(super) fn parse_entry(attributes: Vec<ServiceAttr>) -> Result<ServiceEntry, DecodeError> {
    let mut family = None;
    let mut protocol = None;
    let mut address = None;
    let mut port = None;
    let mut fwmark = None;
    let mut scheduler = None;
    let mut stats = None;
    let mut stats64 = None;
    for attribute in attributes {
        match attribute {
            ServiceAttr::Family(value) => family = Some(value),
            ServiceAttr::Protocol(value) => protocol = Some(Protocol::from(value)),
            ServiceAttr::Address(value) => address = Some(value),
            ServiceAttr::Port(value) => port = Some(value.0),
            ServiceAttr::Fwmark(value) => fwmark = Some(value),
            ServiceAttr::Scheduler(value) => scheduler = Some(value),
            ServiceAttr::Stats(value) => stats = Some(value),
            ServiceAttr::Stats64(value) => stats64 = Some(value),
            ServiceAttr::Flags(_) | ServiceAttr::Timeout(_) | ServiceAttr::Netmask(_) | ServiceAttr::Other(_) => {}
        }
    }
    let family = family.ok_or("a service without IPVS_SVC_ATTR_AF")?;
    let id = if let Some(mark) = fwmark {
        ServiceId::Fwmark { mark, family }
    } else {
        let address: IpAddr = address.ok_or("a service without IPVS_SVC_ATTR_ADDR")?.in_family(family);
        ServiceId::Address {
            protocol: protocol.ok_or("a service without IPVS_SVC_ATTR_PROTOCOL")?,
            address: SocketAddr::new(address, port.ok_or("a service without IPVS_SVC_ATTR_PORT")?),
        }
    };
    let scheduler = scheduler.ok_or("a service without IPVS_SVC_ATTR_SCHED_NAME")?;
    Ok(ServiceEntry {
        service: Service::new(id).with_scheduler(scheduler),
        // STATS64 since Linux 4.1; it and STATS carry the same counters.
        stats: parse_stats(&stats64.or(stats).unwrap_or_default()),
    })
}
