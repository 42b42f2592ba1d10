//! The commands of the family as messages, and its answers as objects.

use std::net::SocketAddr;

use netlink_packet_core::{DecodeError, Emitable, NlaBuffer, NlasIterator, Parseable};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use super::attribute::attributes;
use super::destination::{self, DestinationAttr, destination_attributes};
use super::info::{self, InfoAttr};
use super::service::{self, ServiceAttr, service_attributes};
use crate::destination::{Destination, DestinationEntry};
use crate::info::Info;
use crate::service::{Family, Service, ServiceEntry, ServiceId};

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
const IPVS_CMD_GET_INFO: u8 = 15;
const IPVS_CMD_FLUSH: u8 = 17;

const IPVS_CMD_ATTR_SERVICE: u16 = 1;
const IPVS_CMD_ATTR_DEST: u16 = 2;

attributes! {
    enum CommandAttr {
        Service(Vec<ServiceAttr>) = IPVS_CMD_ATTR_SERVICE,
        Destination(Vec<DestinationAttr>) = IPVS_CMD_ATTR_DEST,
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

    pub fn new_service(service: &Service) -> Self {
        Self::about_service(IPVS_CMD_NEW_SERVICE, service_attributes(service))
    }

    pub fn set_service(service: &Service) -> Self {
        Self::about_service(IPVS_CMD_SET_SERVICE, service_attributes(service))
    }

    pub fn del_service(service: &ServiceId) -> Self {
        Self::about_service(IPVS_CMD_DEL_SERVICE, service::id_attributes(service))
    }

    pub fn get_service(service: &ServiceId) -> Self {
        Self::about_service(IPVS_CMD_GET_SERVICE, service::id_attributes(service))
    }

    /// To be sent as a dump.
    pub fn get_services() -> Self {
        Self { command: IPVS_CMD_GET_SERVICE, attributes: Vec::new() }
    }

    pub fn new_destination(service: &ServiceId, destination: &Destination) -> Self {
        Self::about_destination(IPVS_CMD_NEW_DEST, service, destination_attributes(destination))
    }

    pub fn set_destination(service: &ServiceId, destination: &Destination) -> Self {
        Self::about_destination(IPVS_CMD_SET_DEST, service, destination_attributes(destination))
    }

    pub fn del_destination(service: &ServiceId, address: &SocketAddr) -> Self {
        Self::about_destination(IPVS_CMD_DEL_DEST, service, destination::id_attributes(address))
    }

    /// To be sent as a dump.
    pub fn get_destinations(service: &ServiceId) -> Self {
        Self::about_service(IPVS_CMD_GET_DEST, service::id_attributes(service))
    }

    pub fn get_info() -> Self {
        Self { command: IPVS_CMD_GET_INFO, attributes: Vec::new() }
    }

    pub fn flush() -> Self {
        Self { command: IPVS_CMD_FLUSH, attributes: Vec::new() }
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

/// The answer to `get_info`.
pub(crate) fn parse_info(message: &[u8]) -> Result<Info, DecodeError> {
    info::parse_info(&parse_attributes::<InfoAttr>(message)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Forwarding;

    /// Bytes as hexadecimal digits, as in a recording.
    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn emitted(request: &Request) -> Vec<u8> {
        let mut buffer = vec![0xee; request.buffer_len()];
        request.emit(&mut buffer);
        buffer
    }

    fn service(id: &str) -> Service {
        Service::new(id.parse().unwrap())
    }

    /// Recorded: `strace -x -e trace=sendmsg ipvsadm -A -t 10.0.0.1:80 -s wrr` (1.31), after the two headers.
    const ADD_SERVICE: &str = "5400018006000100020000000600020006000000140003000a000001000000000000000000000000\
        060004000050000008000600777272000c00070000000000ffffffff080008000000000008000900ffffffff";

    /// Recorded: `ipvsadm -A -t [2001:db8::1]:80 -s rr`, likewise.
    const ADD_SERVICE_IPV6: &str = "54000180060001000a00000006000200060000001400030020010db8000000000000000000000001\
        060004000050000007000600727200000c00070000000000ffffffff08000800000000000800090080000000";

    /// Recorded: `ipvsadm -Ln -f 7`: the dump request for the destinations.
    const LIST_FWMARK: &str = "1400018006000100020000000800050007000000";

    #[test]
    fn a_service_is_sent_as_ipvsadm_sends_it() {
        let ipv4 = service("tcp://10.0.0.1:80").with_scheduler("wrr");
        assert_eq!(emitted(&Request::new_service(&ipv4)), bytes(ADD_SERVICE));
        let ipv6 = service("tcp://[2001:db8::1]:80").with_scheduler("rr");
        assert_eq!(emitted(&Request::new_service(&ipv6)), bytes(ADD_SERVICE_IPV6));
        let fwmark = "fwmark:7".parse().unwrap();
        assert_eq!(emitted(&Request::get_destinations(&fwmark)), bytes(LIST_FWMARK));
    }

    /// The destination's part of the recorded `ipvsadm -a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5`; ipvsadm sends
    /// the tunnel's attributes too (13, 14 and 15, between weight and thresholds).
    const ADD_DESTINATION: &str = "4800028006000b000200000014000100c0a8010a000000000000000000000000060002001f900000\
        08000300000000000800040005000000\
        08000500000000000800060000000000";

    #[test]
    fn a_destination_is_sent_as_ipvsadm_sends_it() {
        let destination = Destination::new("192.168.1.10:8080".parse().unwrap())
            .with_forwarding(Forwarding::Masquerade)
            .with_weight(5);
        let request = Request::new_destination(&service("tcp://10.0.0.1:80").id, &destination);
        let emitted = emitted(&request);
        let id = request.attributes[0].buffer_len();
        assert_eq!(&emitted[id..], bytes(ADD_DESTINATION));
    }

    #[test]
    fn what_is_sent_is_read_back() {
        for id in ["tcp://10.0.0.1:80", "udp://[2001:db8::1]:53", "sctp://10.0.0.1:1", "fwmark:7", "fwmark:8/ipv6"] {
            let service = service(id).with_scheduler("mh");
            let mut message = vec![IPVS_CMD_NEW_SERVICE, IPVS_GENL_VERSION, 0, 0];
            message.extend(emitted(&Request::new_service(&service)));
            assert_eq!(parse_service(&message).unwrap().service, service);

            let destination = Destination::new("[2001:db8::a]:8080".parse().unwrap()).with_weight(u32::MAX >> 1);
            let mut message = vec![IPVS_CMD_NEW_DEST, IPVS_GENL_VERSION, 0, 0];
            message.extend(emitted(&Request::new_destination(&service.id, &destination)));
            assert_eq!(parse_destination(&message, service.id.family()).unwrap().destination, destination);
        }
    }

    #[test]
    fn an_unknown_attribute_is_skipped() {
        let mut message = vec![IPVS_CMD_NEW_SERVICE, IPVS_GENL_VERSION, 0, 0];
        let mut attributes = bytes(ADD_SERVICE);
        // Number 99 with three bytes, padded, at the end of the nested ones; and again after them.
        attributes.extend([7, 0, 99, 0, 1, 2, 3, 0]);
        attributes[0] += 8;
        attributes.extend([7, 0, 99, 0, 1, 2, 3, 0]);
        message.extend(attributes);
        let entry = parse_service(&message).unwrap();
        assert_eq!(entry.service, service("tcp://10.0.0.1:80").with_scheduler("wrr"));
    }

    #[test]
    fn a_truncated_message_is_an_error() {
        let mut message = vec![IPVS_CMD_NEW_SERVICE, IPVS_GENL_VERSION, 0, 0];
        message.extend(bytes(ADD_SERVICE));
        for length in 0..message.len() {
            assert!(parse_service(&message[..length]).is_err(), "{length}");
        }
        assert!(parse_service(&message).is_ok());
    }
}
