//! A virtual service as attributes (`IPVS_CMD_ATTR_SERVICE`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use netlink_packet_core::DecodeError;

use super::attribute::{Address, Attribute, Attributes, Flags, Port, attributes};
use super::stats::parse_stats;
use crate::service::{Family, Netmask, Protocol, SchedulerFlags, Service, ServiceEntry, ServiceId};
use crate::stats::Stats;

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
const IPVS_SVC_ATTR_PE_NAME: u16 = 11;
const IPVS_SVC_ATTR_STATS64: u16 = 12;

attributes! {
    enum ServiceAttr {
        Family(Family) = IPVS_SVC_ATTR_AF,
        Protocol(u16) = IPVS_SVC_ATTR_PROTOCOL,
        Address(Address) = IPVS_SVC_ATTR_ADDR,
        Port(Port) = IPVS_SVC_ATTR_PORT,
        Fwmark(u32) = IPVS_SVC_ATTR_FWMARK,
        Scheduler(String) = IPVS_SVC_ATTR_SCHED_NAME,
        PersistenceEngine(String) = IPVS_SVC_ATTR_PE_NAME,
        Flags(Flags) = IPVS_SVC_ATTR_FLAGS,
        Timeout(u32) = IPVS_SVC_ATTR_TIMEOUT,
        Netmask(u32) = IPVS_SVC_ATTR_NETMASK,
    }
}

const IP_VS_SVC_F_PERSISTENT: u32 = 1;
const IP_VS_SVC_F_ONEPACKET: u32 = 4;
/// `IP_VS_SVC_F_SCHED1`, with `SCHED2` and `SCHED3` above it.
const IP_VS_SVC_F_SCHED_SHIFT: u32 = 3;

/// The flags that a service sets or clears. The kernel keeps the others as they are.
const OUR_FLAGS: u32 = IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_ONEPACKET | 7 << IP_VS_SVC_F_SCHED_SHIFT;

/// What names a service, enough for every command that does not set one up.
pub(super) fn append_id(id: &ServiceId, out: &mut Vec<u8>) {
    ServiceAttr::Family(id.family()).append(out);
    match id {
        ServiceId::Address { protocol, address } => {
            ServiceAttr::Protocol((*protocol).into()).append(out);
            ServiceAttr::Address(address.ip().into()).append(out);
            ServiceAttr::Port(Port(address.port())).append(out);
        }
        ServiceId::Fwmark { mark, .. } => ServiceAttr::Fwmark(*mark).append(out),
    }
}

/// The whole service. The kernel takes none without flags, timeout and netmask.
pub(super) fn append_service(service: &Service, out: &mut Vec<u8>) {
    append_id(&service.id, out);
    ServiceAttr::Scheduler(service.scheduler.clone()).append(out);
    if let Some(engine) = &service.persistence_engine {
        ServiceAttr::PersistenceEngine(engine.clone()).append(out);
    }
    let mut flags = u32::from(service.scheduler_flags.bits()) << IP_VS_SVC_F_SCHED_SHIFT;
    if service.persistence_timeout.is_some() {
        flags |= IP_VS_SVC_F_PERSISTENT;
    }
    if service.one_packet {
        flags |= IP_VS_SVC_F_ONEPACKET;
    }
    ServiceAttr::Flags(Flags { flags, mask: OUR_FLAGS }).append(out);
    ServiceAttr::Timeout(service.persistence_timeout.unwrap_or_default()).append(out);
    ServiceAttr::Netmask(netmask_number(service.netmask, service.id.family())).append(out);
}

/// A mask in network byte order for IPv4, a prefix length for IPv6.
fn netmask_number(netmask: Netmask, family: Family) -> u32 {
    match (netmask, family) {
        (Netmask::Prefix(length), Family::Ipv4) => {
            u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or_default().to_be()
        }
        (Netmask::Prefix(length), Family::Ipv6) => length.into(),
        (Netmask::Irregular(mask), _) => u32::from_ne_bytes(mask.octets()),
    }
}

/// The other way round. A prefix length that no kernel has is cut to one byte.
fn parse_netmask(number: u32, family: Family) -> Netmask {
    match family {
        Family::Ipv4 => Ipv4Addr::from(number.to_ne_bytes()).into(),
        Family::Ipv6 => Netmask::Prefix(number.try_into().unwrap_or(u8::MAX)),
    }
}

/// A service from a listing.
pub(super) fn parse_entry(attributes: &[u8]) -> Result<ServiceEntry, DecodeError> {
    let mut family = None;
    let mut protocol = None;
    let mut address = None;
    let mut port = None;
    let mut fwmark = None;
    let mut scheduler = None;
    let mut persistence_engine = None;
    let mut flags = 0;
    let mut timeout = 0;
    let mut netmask = None;
    let mut stats = None;
    let mut stats64 = None;
    for attribute in Attributes(attributes) {
        let (number, value) = attribute?;
        let Some(attribute) = ServiceAttr::parse(number, value)? else {
            match number {
                IPVS_SVC_ATTR_STATS => stats = Some(value),
                IPVS_SVC_ATTR_STATS64 => stats64 = Some(value),
                _ => {}
            }
            continue;
        };
        match attribute {
            ServiceAttr::Family(value) => family = Some(value),
            ServiceAttr::Protocol(value) => protocol = Some(Protocol::from(value)),
            ServiceAttr::Address(value) => address = Some(value),
            ServiceAttr::Port(value) => port = Some(value.0),
            ServiceAttr::Fwmark(value) => fwmark = Some(value),
            ServiceAttr::Scheduler(value) => scheduler = Some(value),
            // A service without one shows an empty name on some kernels.
            ServiceAttr::PersistenceEngine(value) => persistence_engine = Some(value).filter(|name| !name.is_empty()),
            ServiceAttr::Flags(value) => flags = value.flags,
            ServiceAttr::Timeout(value) => timeout = value,
            ServiceAttr::Netmask(value) => netmask = Some(value),
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
    let mut service = Service::new(id);
    service.scheduler = scheduler.ok_or("a service without IPVS_SVC_ATTR_SCHED_NAME")?;
    service.scheduler_flags = SchedulerFlags::from_bits((flags >> IP_VS_SVC_F_SCHED_SHIFT).to_le_bytes()[0]);
    service.persistence_timeout = (flags & IP_VS_SVC_F_PERSISTENT != 0).then_some(timeout);
    service.persistence_engine = persistence_engine;
    service.one_packet = flags & IP_VS_SVC_F_ONEPACKET != 0;
    if let Some(netmask) = netmask {
        service.netmask = parse_netmask(netmask, family);
    }
    // STATS64 since Linux 4.1; it and STATS carry the same counters.
    Ok(ServiceEntry { service, stats: stats64.or(stats).map_or(Ok(Stats::default()), parse_stats)? })
}
