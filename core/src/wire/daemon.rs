//! A synchronisation daemon as attributes (`IPVS_CMD_ATTR_DAEMON`).

use std::net::IpAddr;

use netlink_packet_core::DecodeError;

use super::attribute::{Address, attributes, read};
use crate::daemon::{Role, SyncDaemon};
use crate::service::Family;

const IPVS_DAEMON_ATTR_STATE: u16 = 1;
const IPVS_DAEMON_ATTR_MCAST_IFN: u16 = 2;
const IPVS_DAEMON_ATTR_SYNC_ID: u16 = 3;
const IPVS_DAEMON_ATTR_SYNC_MAXLEN: u16 = 4;
const IPVS_DAEMON_ATTR_MCAST_GROUP: u16 = 5;
const IPVS_DAEMON_ATTR_MCAST_GROUP6: u16 = 6;
const IPVS_DAEMON_ATTR_MCAST_PORT: u16 = 7;
const IPVS_DAEMON_ATTR_MCAST_TTL: u16 = 8;

const IP_VS_STATE_MASTER: u32 = 1;
const IP_VS_STATE_BACKUP: u32 = 2;

attributes! {
    enum DaemonAttr {
        State(u32) = IPVS_DAEMON_ATTR_STATE,
        Interface(String) = IPVS_DAEMON_ATTR_MCAST_IFN,
        SyncId(u32) = IPVS_DAEMON_ATTR_SYNC_ID,
        MaxLength(u16) = IPVS_DAEMON_ATTR_SYNC_MAXLEN,
        Group([u8; 4]) = IPVS_DAEMON_ATTR_MCAST_GROUP,
        Group6(Address) = IPVS_DAEMON_ATTR_MCAST_GROUP6,
        Port(u16) = IPVS_DAEMON_ATTR_MCAST_PORT,
        Ttl(u8) = IPVS_DAEMON_ATTR_MCAST_TTL,
    }
}

fn state(role: Role) -> DaemonAttr {
    DaemonAttr::State(match role {
        Role::Master => IP_VS_STATE_MASTER,
        Role::Backup => IP_VS_STATE_BACKUP,
    })
}

/// What names a daemon. The kernel wants interface and id for stopping one too, but looks at neither.
pub(super) fn append_role(role: Role, out: &mut Vec<u8>) {
    state(role).append(out);
}

/// The whole daemon. What the kernel is to choose is left out.
pub(super) fn append_daemon(daemon: &SyncDaemon, out: &mut Vec<u8>) {
    state(daemon.role).append(out);
    DaemonAttr::Interface(daemon.interface.clone()).append(out);
    DaemonAttr::SyncId(daemon.sync_id.into()).append(out);
    if daemon.max_length != 0 {
        DaemonAttr::MaxLength(daemon.max_length).append(out);
    }
    if daemon.port != 0 {
        DaemonAttr::Port(daemon.port).append(out);
    }
    if daemon.ttl != 0 {
        DaemonAttr::Ttl(daemon.ttl).append(out);
    }
    match daemon.group {
        Some(IpAddr::V4(group)) => DaemonAttr::Group(group.octets()).append(out),
        Some(IpAddr::V6(group)) => DaemonAttr::Group6(IpAddr::from(group).into()).append(out),
        None => {}
    }
}

/// A daemon from a listing.
pub(super) fn parse_entry(attributes: &[u8]) -> Result<SyncDaemon, DecodeError> {
    // Kernels before 4.3 say nothing of the last four.
    let mut daemon = SyncDaemon::new(Role::Master, "");
    let mut role = None;
    for attribute in read(attributes) {
        match attribute? {
            DaemonAttr::State(IP_VS_STATE_MASTER) => role = Some(Role::Master),
            DaemonAttr::State(IP_VS_STATE_BACKUP) => role = Some(Role::Backup),
            DaemonAttr::State(other) => return Err(format!("a daemon in the state {other}").into()),
            DaemonAttr::Interface(value) => daemon.interface = value,
            // The kernel takes larger ids over netlink and multicasts their lowest byte.
            DaemonAttr::SyncId(value) => daemon.sync_id = value.to_le_bytes()[0],
            DaemonAttr::MaxLength(value) => daemon.max_length = value,
            DaemonAttr::Group(value) => daemon.group = Some(value.into()),
            DaemonAttr::Group6(value) => daemon.group = Some(value.in_family(Family::Ipv6)),
            DaemonAttr::Port(value) => daemon.port = value,
            DaemonAttr::Ttl(value) => daemon.ttl = value,
        }
    }
    daemon.role = role.ok_or("a daemon without IPVS_DAEMON_ATTR_STATE")?;
    Ok(daemon)
}
