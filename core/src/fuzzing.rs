//! What the fuzz targets of `fuzz/` reach into the library for. It is there for them only.

use crate::proc::{parse_connection, parse_overview, parse_total_stats};
use crate::wire::{
    Request, names_tunnel_type, parse_daemon, parse_destination, parse_info, parse_service, parse_timeouts,
};
use crate::{Command, Family, SETTINGS, ServiceId, lock, transport};

/// A datagram as the kernel might send it: messages, errors and extended acknowledgements.
pub fn datagram(datagram: &[u8]) {
    transport::read(datagram, message);
}

/// The payload of one message, taken for the answer to each request. Services, destinations and daemons that can be sent come
/// back as they were.
pub fn message(message: &[u8]) {
    if let Ok(entry) = parse_service(message)
        && entry.service.check().is_ok()
    {
        let service = entry.service;
        let again = parse_service(&sent(&Command::AddService(service.clone())));
        assert_eq!(again.map(|entry| entry.service).ok(), Some(service));
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        let service = ServiceId::Fwmark { mark: 1, family };
        if let Ok(entry) = parse_destination(message, family)
            && entry.destination.check(&service).is_ok()
        {
            let destination = entry.destination;
            let again = parse_destination(&sent(&Command::AddDestination(service, destination.clone())), family);
            assert_eq!(again.map(|entry| entry.destination).ok(), Some(destination));
        }
    }
    let _ = names_tunnel_type(message);
    if let Ok(daemon) = parse_daemon(message)
        && daemon.check().is_ok()
    {
        assert_eq!(parse_daemon(&sent(&Command::StartDaemon(daemon.clone()))).ok(), Some(daemon));
    }
    let _ = parse_timeouts(message);
    let _ = parse_info(message);
}

fn sent(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    Request::Change(command).append(&mut bytes);
    bytes
}

/// A file of `/proc/net` or `/proc/sys`.
pub fn proc_file(text: &str) {
    text.lines().for_each(|line| drop(parse_connection(line)));
    let _ = parse_overview(text);
    let _ = parse_total_stats(text);
    let _ = lock::inode(text);
    for setting in SETTINGS {
        if let Some(value) = setting.parse(text) {
            assert_eq!(setting.parse(&value.to_string()), Some(value));
        }
    }
}
