//! The commands of the family as messages, and its answers as objects.

use std::net::{Ipv6Addr, SocketAddr};

use netlink_packet_core::DecodeError;
use netlink_packet_generic::constants::GENL_HDRLEN;

use super::attribute::{Attributes, append_nested, attributes, read};
use super::{daemon, destination, info, service};
use crate::command::Command;
use crate::daemon::SyncDaemon;
use crate::destination::{Destination, DestinationEntry};
use crate::info::Info;
use crate::service::{Family, Netmask, Protocol, Service, ServiceEntry, ServiceId};
use crate::timeouts::Timeouts;

/// The family's name, and the version of it that every kernel speaks.
pub(crate) const IPVS_GENL_NAME: &str = "IPVS";
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

pub(super) const IPVS_CMD_ATTR_SERVICE: u16 = 1;
pub(super) const IPVS_CMD_ATTR_DEST: u16 = 2;
pub(super) const IPVS_CMD_ATTR_DAEMON: u16 = 3;
const IPVS_CMD_ATTR_TIMEOUT_TCP: u16 = 4;
const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN: u16 = 5;
const IPVS_CMD_ATTR_TIMEOUT_UDP: u16 = 6;

attributes! {
    enum TimeoutAttr {
        Tcp(u32) = IPVS_CMD_ATTR_TIMEOUT_TCP,
        TcpFin(u32) = IPVS_CMD_ATTR_TIMEOUT_TCP_FIN,
        Udp(u32) = IPVS_CMD_ATTR_TIMEOUT_UDP,
    }
}

/// A request to the family. It is written straight to where it is sent from, which a file of rules is restored faster by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    Change(&'a Command),
    /// To be sent as a dump.
    GetServices,
    GetService(&'a ServiceId),
    /// To be sent as a dump.
    GetDestinations(&'a ServiceId),
    /// To be sent as a dump.
    GetDaemons,
    GetTimeouts,
    GetInfo,
    /// A service that no kernel takes: for IPv6, with the netmask 0, of a protocol that nobody has. The kernel looks for the
    /// scheduler, whose name this is, before it sees that (`ip_vs_add_service`): `ENOENT` says that it is missing, `EINVAL`
    /// that it is there.
    ProbeScheduler(&'a str),
}

impl Request<'_> {
    /// Writes it behind what is there, from the generic netlink header on.
    pub fn append(self, out: &mut Vec<u8>) {
        match self {
            Self::Change(command) => append_command(command, out),
            Self::GetServices => append_bare(IPVS_CMD_GET_SERVICE, out),
            Self::GetService(id) => append_about_service(IPVS_CMD_GET_SERVICE, id, out),
            Self::GetDestinations(id) => append_about_service(IPVS_CMD_GET_DEST, id, out),
            Self::GetDaemons => append_bare(IPVS_CMD_GET_DAEMON, out),
            Self::GetTimeouts => append_bare(IPVS_CMD_GET_CONFIG, out),
            Self::GetInfo => append_bare(IPVS_CMD_GET_INFO, out),
            Self::ProbeScheduler(name) => {
                let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
                let service = Service::new(ServiceId::Address { protocol: Protocol::Other(255), address })
                    .with_netmask(Netmask::Prefix(0))
                    .with_scheduler(name);
                append_with_service(IPVS_CMD_NEW_SERVICE, &service, out);
            }
        }
    }
}

/// Without attributes.
fn append_bare(command: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[command, IPVS_GENL_VERSION, 0, 0]);
}

fn append_about_service(command: u8, id: &ServiceId, out: &mut Vec<u8>) {
    append_bare(command, out);
    append_nested(out, IPVS_CMD_ATTR_SERVICE, |out| service::append_id(id, out));
}

fn append_with_service(command: u8, service: &Service, out: &mut Vec<u8>) {
    append_bare(command, out);
    append_nested(out, IPVS_CMD_ATTR_SERVICE, |out| service::append_service(service, out));
}

fn append_with_destination(command: u8, id: &ServiceId, destination: &Destination, out: &mut Vec<u8>) {
    append_about_service(command, id, out);
    append_nested(out, IPVS_CMD_ATTR_DEST, |out| destination::append_destination(destination, out));
}

fn append_with_daemon(command: u8, out: &mut Vec<u8>, attributes: impl FnOnce(&mut Vec<u8>)) {
    append_bare(command, out);
    append_nested(out, IPVS_CMD_ATTR_DAEMON, attributes);
}

fn append_command(command: &Command, out: &mut Vec<u8>) {
    match command {
        Command::AddService(service) => append_with_service(IPVS_CMD_NEW_SERVICE, service, out),
        Command::EditService(service) => append_with_service(IPVS_CMD_SET_SERVICE, service, out),
        Command::DeleteService(id) => append_about_service(IPVS_CMD_DEL_SERVICE, id, out),
        Command::AddDestination(id, destination) => append_with_destination(IPVS_CMD_NEW_DEST, id, destination, out),
        Command::EditDestination(id, destination) => append_with_destination(IPVS_CMD_SET_DEST, id, destination, out),
        Command::DeleteDestination(id, address) => {
            append_about_service(IPVS_CMD_DEL_DEST, id, out);
            append_nested(out, IPVS_CMD_ATTR_DEST, |out| destination::append_id(address, out));
        }
        Command::Zero(Some(id)) => append_about_service(IPVS_CMD_ZERO, id, out),
        Command::Zero(None) => append_bare(IPVS_CMD_ZERO, out),
        Command::Flush => append_bare(IPVS_CMD_FLUSH, out),
        Command::SetTimeouts(timeouts) => {
            append_bare(IPVS_CMD_SET_CONFIG, out);
            TimeoutAttr::Tcp(timeouts.tcp).append(out);
            TimeoutAttr::TcpFin(timeouts.tcp_fin).append(out);
            TimeoutAttr::Udp(timeouts.udp).append(out);
        }
        Command::StartDaemon(daemon) => {
            append_with_daemon(IPVS_CMD_NEW_DAEMON, out, |out| daemon::append_daemon(daemon, out));
        }
        Command::StopDaemon(role) => {
            append_with_daemon(IPVS_CMD_DEL_DAEMON, out, |out| daemon::append_role(*role, out));
        }
    }
}

/// A message's attributes, after its generic netlink header.
fn attributes_of(message: &[u8]) -> Result<&[u8], DecodeError> {
    message.get(GENL_HDRLEN..).ok_or_else(|| format!("a message of {} bytes", message.len()).into())
}

/// What stands within this attribute of a message.
fn nested<T>(
    message: &[u8],
    (number, name): (u16, &str),
    parse: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    for attribute in Attributes(attributes_of(message)?) {
        let (found, value) = attribute?;
        if found == number {
            return parse(value);
        }
    }
    Err(format!("no {name}").into())
}

/// The answer to [`Request::GetService`], or one message of the answer to [`Request::GetServices`].
pub(crate) fn parse_service(message: &[u8]) -> Result<ServiceEntry, DecodeError> {
    nested(message, (IPVS_CMD_ATTR_SERVICE, "IPVS_CMD_ATTR_SERVICE"), service::parse_entry)
}

/// One message of the answer to [`Request::GetDestinations`] of a service of the given family.
pub(crate) fn parse_destination(message: &[u8], service_family: Family) -> Result<DestinationEntry, DecodeError> {
    nested(message, (IPVS_CMD_ATTR_DEST, "IPVS_CMD_ATTR_DEST"), |attributes| {
        destination::parse_entry(attributes, service_family)
    })
}

/// Whether a message of the answer to [`Request::GetDestinations`] says what kind of tunnel it is: kernels since 5.3 always do.
pub(crate) fn names_tunnel_type(message: &[u8]) -> Result<bool, DecodeError> {
    nested(message, (IPVS_CMD_ATTR_DEST, "IPVS_CMD_ATTR_DEST"), destination::names_tunnel_type)
}

/// One message of the answer to [`Request::GetDaemons`].
pub(crate) fn parse_daemon(message: &[u8]) -> Result<SyncDaemon, DecodeError> {
    nested(message, (IPVS_CMD_ATTR_DAEMON, "IPVS_CMD_ATTR_DAEMON"), daemon::parse_entry)
}

/// The answer to [`Request::GetTimeouts`].
pub(crate) fn parse_timeouts(message: &[u8]) -> Result<Timeouts, DecodeError> {
    // A kernel that was built without a protocol says nothing of it.
    let mut timeouts = Timeouts { tcp: 0, tcp_fin: 0, udp: 0 };
    for attribute in read(attributes_of(message)?) {
        match attribute? {
            TimeoutAttr::Tcp(value) => timeouts.tcp = value,
            TimeoutAttr::TcpFin(value) => timeouts.tcp_fin = value,
            TimeoutAttr::Udp(value) => timeouts.udp = value,
        }
    }
    Ok(timeouts)
}

/// The answer to [`Request::GetInfo`].
pub(crate) fn parse_info(message: &[u8]) -> Result<Info, DecodeError> {
    info::parse_info(attributes_of(message)?)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, Nla};

    use super::*;
    use crate::rules::{self, Invocation};
    use crate::wire::answers::{attributes, bytes, emit, value};
    use crate::wire::tests::{asked, emitted};

    const RECORDED: &str = include_str!("recorded.txt");

    /// Every command that was recorded, and what ipvsadm sent for it.
    fn recorded() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        RECORDED.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (command, hex) = line.split_once(" | ").unwrap();
            (command, bytes(hex))
        })
    }

    fn command(line: &str) -> Command {
        match rules::parse(line.split_whitespace(), &rules::Numeric).map(|call| call.invocation) {
            Ok(Invocation::Change(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
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
            kept.push(DefaultNla::new(outer.kind(), emit(&inner)));
        }
        [header, &emit(&kept)].concat()
    }

    #[test]
    fn every_command_is_sent_as_ipvsadm_sends_it() {
        assert_eq!(recorded().count(), 33);
        for (line, sent) in recorded() {
            assert_eq!(emitted(&command(line)), without_needless(&sent), "{line}");
        }
    }

    #[test]
    fn every_question_is_asked_as_ipvsadm_asks_it() {
        let id = |text: &str| text.parse().unwrap();
        // Recorded as the others: strace -x -e trace=sendmsg ipvsadm -Ln, -Ln -t 10.0.0.1:80, -Ln -f 8 -6, -L --timeout,
        // -L --daemon.
        let questions = [
            (Request::GetInfo, "0f010000"),
            (Request::GetServices, "04010000"),
            (
                Request::GetDestinations(&id("tcp://10.0.0.1:80")),
                "080100003000018006000100020000000600020006000000140003000a000001000000000000000000000000060004000050\
                 0000",
            ),
            (Request::GetDestinations(&id("fwmark:8/ipv6")), "0801000014000180060001000a0000000800050008000000"),
            (
                Request::GetService(&id("tcp://10.0.0.1:80")),
                "040100005400018006000100020000000600020006000000140003000a000001000000000000000000000000060004000050\
                 00000500060000000000\
                 0c00070000000000ffffffff08000800000000000800090000000000",
            ),
            (
                Request::GetService(&id("fwmark:8/ipv6")),
                "0401000038000180060001000a000000080005000800000005000600000000000c00070000000000ffffffff080008000000\
                 00000800090000000000",
            ),
            (Request::GetTimeouts, "0d010000"),
            (Request::GetDaemons, "0b010000"),
        ];
        for (question, hex) in questions {
            assert_eq!(asked(question), without_needless(&bytes(hex)), "{hex}");
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
        let mut message = emitted(&Command::AddDestination(id, destination.clone()));
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
