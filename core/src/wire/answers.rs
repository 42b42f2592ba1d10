//! What a kernel answered, recorded; and what an old one would have answered of it.

use netlink_packet_core::{DefaultNla, Emitable, Nla, NlasIterator, Parseable};

use super::message::{IPVS_CMD_ATTR_DAEMON, IPVS_CMD_ATTR_DEST, IPVS_CMD_ATTR_SERVICE};

const RECORDED: &str = include_str!("answers.txt");

/// The messages recorded under a name, from the generic netlink header on.
pub(crate) fn recorded(name: &str) -> Vec<Vec<u8>> {
    let lines = RECORDED.lines().filter_map(|line| line.split_once(" | "));
    let messages: Vec<_> = lines.filter(|(of, _)| *of == name).map(|(_, hex)| bytes(hex)).collect();
    assert!(!messages.is_empty(), "nothing is recorded of {name}");
    messages
}

/// The bytes that hexadecimal digits stand for.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}

pub(super) fn attributes(bytes: &[u8]) -> Vec<DefaultNla> {
    NlasIterator::new(bytes).map(|attribute| DefaultNla::parse(&attribute.unwrap()).unwrap()).collect()
}

pub(super) fn value(attribute: &DefaultNla) -> Vec<u8> {
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    value
}

pub(super) fn emit(attributes: &[DefaultNla]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

/// What Linux 3.10 would say of a service, a destination or a daemon: nothing of a destination's family (since 3.18), no 64-bit
/// counters (4.1), no length, group, port and TTL of a daemon (4.3), no kind of tunnel (5.3).
pub(crate) fn as_linux_3_10(message: &[u8]) -> Vec<u8> {
    let (header, rest) = message.split_at(4);
    let is_old = |within: u16, number: u16| match within {
        IPVS_CMD_ATTR_SERVICE => number <= 11,
        IPVS_CMD_ATTR_DEST => number <= 10,
        IPVS_CMD_ATTR_DAEMON => number <= 3,
        other => panic!("{other} is none of the three"),
    };
    let thinned = attributes(rest).into_iter().map(|outer| {
        let inner = attributes(&value(&outer)).into_iter().filter(|inner| is_old(outer.kind(), inner.kind()));
        DefaultNla::new(outer.kind(), emit(&inner.collect::<Vec<_>>()))
    });
    [header, &emit(&thinned.collect::<Vec<_>>())].concat()
}
