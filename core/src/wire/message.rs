//! The commands of the family as messages, and its answers as objects.

use std::net::{Ipv6Addr, SocketAddr};

use netlink_packet_core::{DecodeError, Emitable, NlaBuffer, NlasIterator, Parseable};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use super::attribute::attributes;
use super::daemon::{self, DaemonAttr, daemon_attributes, role_attributes};
use super::destination::{self, DestinationAttr, destination_attributes};
use super::info::{self, InfoAttr};
use super::service::{self, ServiceAttr, service_attributes};
use crate::command::Command;
use crate::daemon::SyncDaemon;
use crate::destination::DestinationEntry;
use crate::info::Info;
use crate::service::{Family, Netmask, Protocol, Service, ServiceEntry, ServiceId};
use crate::timeouts::Timeouts;

/// The family's name, and the version of it that every kernel speaks.
const IPVS_GENL_NAME: &str = "IPVS";
const IPVS_GENL_VERSION: u8 = 1;

const IPVS_CMD_NEW_SERVICE: u8 = 1;
const IPVS_CMD_SET_SERVICE: u8 = 2;
const IPVS_CMD_DEL_SERVICE: u8 = 3;
const IPVS_CMD_GET_SERVICE: u8 = 4;
const IPVS_CMD_NEW_DEST: u8 = 5;
const IPVS_CMD_SET_DEST: u8 = 6;
const IPVS_CMD_DEL_DEST: u8 = 7;
const IPVS_CMD_GET_DEST: u8 = 8;
const IPVS_CMD_NEW_DAEMON: u8 = 9;
const IPVS_CMD_DEL_DAEMON: u8 = 10;
const IPVS_CMD_GET_DAEMON: u8 = 11;
const IPVS_CMD_SET_CONFIG: u8 = 12;
const IPVS_CMD_GET_CONFIG: u8 = 13;
const IPVS_CMD_GET_INFO: u8 = 15;
const IPVS_CMD_ZERO: u8 = 16;
const IPVS_CMD_FLUSH: u8 = 17;

const IPVS_CMD_ATTR_SERVICE: u16 = 1;
const IPVS_CMD_ATTR_DEST: u16 = 2;
const IPVS_CMD_ATTR_DAEMON: u16 = 3;
const IPVS_CMD_ATTR_TIMEOUT_TCP: u16 = 4;
const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN: u16 = 5;
const IPVS_CMD_ATTR_TIMEOUT_UDP: u16 = 6;

attributes! {
    enum CommandAttr {
        Service(Vec<ServiceAttr>) = IPVS_CMD_ATTR_SERVICE,
        Destination(Vec<DestinationAttr>) = IPVS_CMD_ATTR_DEST,
        Daemon(Vec<DaemonAttr>) = IPVS_CMD_ATTR_DAEMON,
        TimeoutTcp(u32) = IPVS_CMD_ATTR_TIMEOUT_TCP,
        TimeoutTcpFin(u32) = IPVS_CMD_ATTR_TIMEOUT_TCP_FIN,
        TimeoutUdp(u32) = IPVS_CMD_ATTR_TIMEOUT_UDP,
    }
}

/// One command of the family with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    command: u8,
    attributes: Vec<CommandAttr>,
}

impl Request {
    fn about_service(command: u8, service: Vec<ServiceAttr>) -> Self {
        Self { command, attributes: vec![CommandAttr::Service(service)] }
    }

    fn about_destination(command: u8, service: &ServiceId, destination: Vec<DestinationAttr>) -> Self {
        let service = CommandAttr::Service(service::id_attributes(service));
        Self { command, attributes: vec![service, CommandAttr::Destination(destination)] }
    }

    fn about_daemon(command: u8, daemon: Vec<DaemonAttr>) -> Self {
        Self { command, attributes: vec![CommandAttr::Daemon(daemon)] }
    }

    fn bare(command: u8) -> Self {
        Self { command, attributes: Vec::new() }
    }

    /// To be sent as a dump.
    pub fn get_services() -> Self {
        Self::bare(IPVS_CMD_GET_SERVICE)
    }

    pub fn get_service(service: &ServiceId) -> Self {
        Self::about_service(IPVS_CMD_GET_SERVICE, service::id_attributes(service))
    }

    /// To be sent as a dump.
    pub fn get_destinations(service: &ServiceId) -> Self {
        Self::about_service(IPVS_CMD_GET_DEST, service::id_attributes(service))
    }

    /// To be sent as a dump.
    pub fn get_daemons() -> Self {
        Self::bare(IPVS_CMD_GET_DAEMON)
    }

    pub fn get_timeouts() -> Self {
        Self::bare(IPVS_CMD_GET_CONFIG)
    }

    pub fn get_info() -> Self {
        Self::bare(IPVS_CMD_GET_INFO)
    }

    /// A service that no kernel takes: for IPv6, with the netmask 0. The kernel looks for the scheduler before it sees
    /// that (`ip_vs_add_service`): `ENOENT` says that it is missing, `EINVAL` that it is there.
    pub fn probe_scheduler(name: &str) -> Self {
        let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
        let service = Service::new(ServiceId::Address { protocol: Protocol::Tcp, address })
            .with_netmask(Netmask::Prefix(0))
            .with_scheduler(name);
        Self::about_service(IPVS_CMD_NEW_SERVICE, service_attributes(&service))
    }
}

impl From<&Command> for Request {
    fn from(command: &Command) -> Self {
        match command {
            Command::AddService(service) => Self::about_service(IPVS_CMD_NEW_SERVICE, service_attributes(service)),
            Command::EditService(service) => Self::about_service(IPVS_CMD_SET_SERVICE, service_attributes(service)),
            Command::DeleteService(id) => Self::about_service(IPVS_CMD_DEL_SERVICE, service::id_attributes(id)),
            Command::AddDestination(id, destination) => {
                Self::about_destination(IPVS_CMD_NEW_DEST, id, destination_attributes(destination))
            }
            Command::EditDestination(id, destination) => {
                Self::about_destination(IPVS_CMD_SET_DEST, id, destination_attributes(destination))
            }
            Command::DeleteDestination(id, address) => {
                Self::about_destination(IPVS_CMD_DEL_DEST, id, destination::id_attributes(address))
            }
            Command::Zero(Some(id)) => Self::about_service(IPVS_CMD_ZERO, service::id_attributes(id)),
            Command::Zero(None) => Self::bare(IPVS_CMD_ZERO),
            Command::Flush => Self::bare(IPVS_CMD_FLUSH),
            Command::SetTimeouts(timeouts) => Self {
                command: IPVS_CMD_SET_CONFIG,
                attributes: vec![
                    CommandAttr::TimeoutTcp(timeouts.tcp),
                    CommandAttr::TimeoutTcpFin(timeouts.tcp_fin),
                    CommandAttr::TimeoutUdp(timeouts.udp),
                ],
            },
            Command::StartDaemon(daemon) => Self::about_daemon(IPVS_CMD_NEW_DAEMON, daemon_attributes(daemon)),
            Command::StopDaemon(role) => Self::about_daemon(IPVS_CMD_DEL_DAEMON, role_attributes(*role)),
        }
    }
}

impl GenlFamily for Request {
    fn family_name() -> &'static str {
        IPVS_GENL_NAME
    }
    fn command(&self) -> u8 {
        self.command
    }
    fn version(&self) -> u8 {
        IPVS_GENL_VERSION
    }
}

impl Emitable for Request {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }
    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

/// A message's attributes, after its generic netlink header.
fn parse_attributes<A>(message: &[u8]) -> Result<Vec<A>, DecodeError>
where
    A: for<'b> Parseable<NlaBuffer<&'b [u8]>>,
{
    let header = GenlHeader::parse(message)?;
    NlasIterator::new(&message[header.buffer_len()..]).map(|attribute| A::parse(&attribute?)).collect()
}

/// The answer to `get_service`, or one message of the answer to `get_services`.
pub(crate) fn parse_service(message: &[u8]) -> Result<ServiceEntry, DecodeError> {
    for attribute in parse_attributes(message)? {
        if let CommandAttr::Service(attributes) = attribute {
            return service::parse_entry(attributes);
        }
    }
    Err("no IPVS_CMD_ATTR_SERVICE".into())
}

/// One message of the answer to `get_destinations` of a service of the given family.
pub(crate) fn parse_destination(message: &[u8], service_family: Family) -> Result<DestinationEntry, DecodeError> {
    for attribute in parse_attributes(message)? {
        if let CommandAttr::Destination(attributes) = attribute {
            return destination::parse_entry(attributes, service_family);
        }
    }
    Err("no IPVS_CMD_ATTR_DEST".into())
}

/// One message of the answer to `get_daemons`.
pub(crate) fn parse_daemon(message: &[u8]) -> Result<SyncDaemon, DecodeError> {
    for attribute in parse_attributes(message)? {
        if let CommandAttr::Daemon(attributes) = attribute {
            return daemon::parse_entry(attributes);
        }
    }
    Err("no IPVS_CMD_ATTR_DAEMON".into())
}

/// The answer to `get_timeouts`.
pub(crate) fn parse_timeouts(message: &[u8]) -> Result<Timeouts, DecodeError> {
    // A kernel that was built without a protocol says nothing of it.
    let mut timeouts = Timeouts { tcp: 0, tcp_fin: 0, udp: 0 };
    for attribute in parse_attributes(message)? {
        match attribute {
            CommandAttr::TimeoutTcp(value) => timeouts.tcp = value,
            CommandAttr::TimeoutTcpFin(value) => timeouts.tcp_fin = value,
            CommandAttr::TimeoutUdp(value) => timeouts.udp = value,
            _ => {}
        }
    }
    Ok(timeouts)
}

/// The answer to `get_info`.
pub(crate) fn parse_info(message: &[u8]) -> Result<Info, DecodeError> {
    info::parse_info(&parse_attributes::<InfoAttr>(message)?)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, Nla};

    use super::*;
    use crate::destination::Destination;
    use crate::rules::{self, Invocation};

    const RECORDED: &str = include_str!("recorded.txt");

    /// Every command that was recorded, and what ipvsadm sent for it.
    fn recorded() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        RECORDED.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (command, hex) = line.split_once(" | ").unwrap();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            (command, hex.as_bytes().chunks(2).map(byte).collect())
        })
    }

    fn command(line: &str) -> Command {
        match rules::parse(line.split_whitespace(), &rules::Numeric) {
            Ok(Invocation::Change(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// From the generic netlink header on.
    fn emitted(request: &Request) -> Vec<u8> {
        let mut message = vec![request.command, IPVS_GENL_VERSION, 0, 0];
        message.resize(4 + request.buffer_len(), 0xee);
        request.emit(&mut message[4..]);
        message
    }

    fn attributes(bytes: &[u8]) -> Vec<DefaultNla> {
        NlasIterator::new(bytes).map(|attribute| DefaultNla::parse(&attribute.unwrap()).unwrap()).collect()
    }

    fn value(attribute: &DefaultNla) -> Vec<u8> {
        let mut value = vec![0; attribute.value_len()];
        attribute.emit_value(&mut value);
        value
    }

    /// What ipvsadm sends, less what it sends without need: a service's settings where only its name matters, a
    /// destination's likewise, the attributes of an IPIP tunnel, interface and id of a daemon to be stopped; and with the
    /// flags that are ours alone, so that the kernel keeps the others.
    fn without_needless(message: &[u8]) -> Vec<u8> {
        let (header, rest) = message.split_at(4);
        let sets_service = [IPVS_CMD_NEW_SERVICE, IPVS_CMD_SET_SERVICE].contains(&header[0]);
        let mut kept: Vec<DefaultNla> = Vec::new();
        for outer in attributes(rest) {
            if !outer.is_nested() {
                kept.push(outer);
                continue;
            }
            let inner = attributes(&value(&outer));
            let is_ipip = inner.iter().any(|attribute| attribute.kind() == 13 && value(attribute) == [0]);
            let inner: Vec<DefaultNla> = match outer.kind() & 0x3fff {
                IPVS_CMD_ATTR_SERVICE => inner
                    .into_iter()
                    .filter(|attribute| sets_service || attribute.kind() <= 5)
                    .map(|attribute| match attribute.kind() {
                        7 => DefaultNla::new(7, [&value(&attribute)[..4], &0x3du32.to_ne_bytes()].concat()),
                        _ => attribute,
                    })
                    .collect(),
                IPVS_CMD_ATTR_DEST if header[0] == IPVS_CMD_DEL_DEST => {
                    inner.into_iter().filter(|attribute| [1, 2, 11].contains(&attribute.kind())).collect()
                }
                IPVS_CMD_ATTR_DEST => inner.into_iter().filter(|attribute| !is_ipip || attribute.kind() < 13).collect(),
                IPVS_CMD_ATTR_DAEMON if header[0] == IPVS_CMD_DEL_DAEMON => {
                    inner.into_iter().filter(|attribute| attribute.kind() == 1).collect()
                }
                _ => inner,
            };
            let mut bytes = vec![0; inner.as_slice().buffer_len()];
            inner.as_slice().emit(&mut bytes);
            kept.push(DefaultNla::new(outer.kind(), bytes));
        }
        let mut bytes = vec![0; kept.as_slice().buffer_len()];
        kept.as_slice().emit(&mut bytes);
        [header, &bytes].concat()
    }

    #[test]
    fn every_command_is_sent_as_ipvsadm_sends_it() {
        assert_eq!(recorded().count(), 33);
        for (line, sent) in recorded() {
            assert_eq!(emitted(&Request::from(&command(line))), without_needless(&sent), "{line}");
        }
    }

    #[test]
    fn what_ipvsadm_sends_is_read() {
        for (line, sent) in recorded() {
            match command(line) {
                Command::AddService(service) | Command::EditService(service) => {
                    assert_eq!(parse_service(&sent).unwrap().service, service, "{line}");
                }
                Command::AddDestination(id, destination) | Command::EditDestination(id, destination) => {
                    assert_eq!(parse_destination(&sent, id.family()).unwrap().destination, destination, "{line}");
                }
                Command::StartDaemon(daemon) => assert_eq!(parse_daemon(&sent).unwrap(), daemon, "{line}"),
                Command::SetTimeouts(timeouts) => assert_eq!(parse_timeouts(&sent).unwrap(), timeouts),
                _ => {}
            }
        }
    }

    #[test]
    fn an_old_kernel_s_destination_has_the_service_s_family() {
        let destination = Destination::new("[2001:db8::a]:80".parse().unwrap());
        let id = "tcp://[2001:db8::1]:80".parse().unwrap();
        let mut message = emitted(&Request::from(&Command::AddDestination(id, destination.clone())));
        // The attribute 11 becomes one that nobody knows.
        let at = message.windows(4).position(|bytes| bytes == [6, 0, 11, 0]).unwrap();
        message[at + 2] = 99;
        assert_eq!(parse_destination(&message, Family::Ipv6).unwrap().destination, destination);
    }

    #[test]
    fn an_unknown_attribute_is_skipped() {
        for (line, mut message) in recorded().filter(|(line, _)| line.starts_with("-A")) {
            // Number 99 with three bytes, padded, at the end of the nested ones; and again after them.
            message.extend([7, 0, 99, 0, 1, 2, 3, 0]);
            message[4] += 8;
            message.extend([7, 0, 99, 0, 1, 2, 3, 0]);
            let Command::AddService(service) = command(line) else { panic!("{line}") };
            assert_eq!(parse_service(&message).unwrap().service, service);
        }
    }

    #[test]
    fn a_truncated_message_is_an_error() {
        for (line, message) in recorded().filter(|(line, _)| line.starts_with("-A")) {
            for length in 0..message.len() {
                assert!(parse_service(&message[..length]).is_err(), "{line}: {length}");
            }
        }
    }
}
