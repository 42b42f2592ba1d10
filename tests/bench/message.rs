//! Netlink messages made by hand, byte for byte what the client sends, so that the floor owes nothing to it.

use std::net::Ipv4Addr;

use crate::table::{DESTINATION_PORT, SCHEDULER, SERVICE_PORT};

pub const HEADER_LEN: usize = 16;
pub const GENERIC_HEADER_LEN: usize = 4;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const IPVS_CMD_NEW_SERVICE: u8 = 1;
const IPVS_CMD_GET_SERVICE: u8 = 4;
const IPVS_CMD_NEW_DEST: u8 = 5;
const IPVS_CMD_GET_DEST: u8 = 8;
const IPVS_CMD_GET_INFO: u8 = 15;

const IPVS_CMD_ATTR_SERVICE: u16 = 1;
const IPVS_CMD_ATTR_DEST: u16 = 2;
const NLA_F_NESTED: u16 = 0x8000;

const AF_INET: u16 = 2;
const IPPROTO_TCP: u16 = 6;
/// The flags that the client sets or clears.
const FLAGS_MASK: u32 = 0x3d;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;

/// Asks for the number of the family IPVS.
pub fn get_family() -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK, |out| {
        attribute(out, CTRL_ATTR_FAMILY_NAME, b"IPVS\0");
    });
    out
}

/// Does nothing, and says when everything before it was done.
pub fn barrier(out: &mut Vec<u8>, family: u16) {
    message(out, family, IPVS_CMD_GET_INFO, NLM_F_ACK, |_| {});
}

pub fn new_service(out: &mut Vec<u8>, family: u16, address: Ipv4Addr) {
    message(out, family, IPVS_CMD_NEW_SERVICE, 0, |out| {
        nested(out, IPVS_CMD_ATTR_SERVICE, |out| {
            service_name(out, address);
            attribute(out, 6, format!("{SCHEDULER}\0").as_bytes());
            attribute(out, 7, [[0; 4], FLAGS_MASK.to_ne_bytes()].as_flattened());
            attribute(out, 8, &0u32.to_ne_bytes());
            attribute(out, 9, &u32::MAX.to_ne_bytes());
        });
    });
}

pub fn new_destination(out: &mut Vec<u8>, family: u16, service: Ipv4Addr, address: Ipv4Addr) {
    message(out, family, IPVS_CMD_NEW_DEST, 0, |out| {
        nested(out, IPVS_CMD_ATTR_SERVICE, |out| service_name(out, service));
        nested(out, IPVS_CMD_ATTR_DEST, |out| {
            attribute(out, 11, &AF_INET.to_ne_bytes());
            attribute(out, 1, &address_bytes(address));
            attribute(out, 2, &DESTINATION_PORT.to_be_bytes());
            // Masquerading, weight 1, no thresholds.
            attribute(out, 3, &0u32.to_ne_bytes());
            attribute(out, 4, &1u32.to_ne_bytes());
            attribute(out, 5, &0u32.to_ne_bytes());
            attribute(out, 6, &0u32.to_ne_bytes());
        });
    });
}

/// Asks for all services.
pub fn get_services(family: u16) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, family, IPVS_CMD_GET_SERVICE, NLM_F_DUMP, |_| {});
    out
}

/// Asks for all destinations of a service.
pub fn get_destinations(family: u16, service: Ipv4Addr) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, family, IPVS_CMD_GET_DEST, NLM_F_DUMP, |out| {
        nested(out, IPVS_CMD_ATTR_SERVICE, |out| service_name(out, service));
    });
    out
}

fn service_name(out: &mut Vec<u8>, address: Ipv4Addr) {
    attribute(out, 1, &AF_INET.to_ne_bytes());
    attribute(out, 2, &IPPROTO_TCP.to_ne_bytes());
    attribute(out, 3, &address_bytes(address));
    attribute(out, 4, &SERVICE_PORT.to_be_bytes());
}

fn address_bytes(address: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&address.octets());
    bytes
}

fn message(out: &mut Vec<u8>, family: u16, command: u8, flags: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(family.to_ne_bytes());
    out.extend((flags | NLM_F_REQUEST).to_ne_bytes());
    // Sequence number and port: the kernel only repeats them.
    out.extend([0; 8]);
    out.extend([command, 1, 0, 0]);
    body(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

fn nested(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    body(&mut inner);
    attribute(out, kind | NLA_F_NESTED, &inner);
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}
