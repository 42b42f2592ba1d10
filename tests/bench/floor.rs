//! The floor: the same work with messages made beforehand on one bare socket, and answers that are only counted.

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

use crate::Result;
use crate::message::{self, GENERIC_HEADER_LEN, HEADER_LEN};
use crate::table::Shape;

/// Commands in one piece, the barrier not counted.
const CHUNK: usize = 200;
/// As much room as the client has: for more the kernel takes more memory, and wipes it.
const DATAGRAM_MAX: usize = 8192 - 320;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;

/// One socket, connected to the kernel in the namespace of the calling thread.
pub struct Floor {
    socket: Socket,
    family: u16,
    datagram: Vec<u8>,
}

impl Floor {
    pub fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let mut floor = Self { socket, family: 0, datagram: Vec::with_capacity(DATAGRAM_MAX) };
        let mut family = None;
        floor.exchange(&message::get_family(), |reply| family = family.or(family_id(reply)))?;
        floor.family = family.ok_or("the kernel named no number of the family IPVS")?;
        Ok(floor)
    }

    /// The pieces that make a table.
    pub fn additions(&self, shape: Shape) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for (service, destinations) in shape.addresses() {
            let mut bytes = Vec::new();
            message::new_service(&mut bytes, self.family, service);
            messages.push(bytes);
            for destination in destinations {
                let mut bytes = Vec::new();
                message::new_destination(&mut bytes, self.family, service, destination);
                messages.push(bytes);
            }
        }
        let piece = |messages: &[Vec<u8>]| {
            let mut piece = messages.concat();
            message::barrier(&mut piece, self.family);
            piece
        };
        messages.chunks(CHUNK).map(piece).collect()
    }

    /// Sends pieces, each after the barrier of the one before.
    pub fn add(&mut self, pieces: &[Vec<u8>]) -> Result<()> {
        pieces.iter().try_for_each(|piece| self.exchange(piece, |_| {}))
    }

    /// The dumps that read a table: first of the services, then of the destinations of each.
    pub fn dumps(&self, shape: Shape) -> Vec<Vec<u8>> {
        let destinations = shape.addresses().map(|(service, _)| message::get_destinations(self.family, service));
        std::iter::once(message::get_services(self.family)).chain(destinations).collect()
    }

    /// Runs dumps one after another, and says how many entries came.
    pub fn read(&mut self, dumps: &[Vec<u8>]) -> Result<usize> {
        let mut count = 0;
        for dump in dumps {
            self.exchange(dump, |_| count += 1)?;
        }
        Ok(count)
    }

    /// Sends bytes and receives until an acknowledgement or the end of a dump; any error ends it.
    fn exchange(&mut self, request: &[u8], mut reply: impl FnMut(&[u8])) -> Result<()> {
        self.socket.send(request, 0)?;
        loop {
            self.datagram.clear();
            self.socket.recv(&mut self.datagram, 0)?;
            let mut rest = self.datagram.as_slice();
            while let Some((kind, payload)) = next_message(&mut rest) {
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return acknowledged(payload),
                    _ => reply(payload),
                }
            }
        }
    }
}

/// Type and payload of the first message, which is taken away.
fn next_message<'a>(bytes: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    let payload = bytes.get(HEADER_LEN..length)?;
    *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, payload))
}

fn acknowledged(payload: &[u8]) -> Result<()> {
    match payload.first_chunk().map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(std::io::Error::from_raw_os_error(-code).into()),
        None => Err("an acknowledgement without a code".into()),
    }
}

fn family_id(reply: &[u8]) -> Option<u16> {
    let mut rest = reply.get(GENERIC_HEADER_LEN..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes([*rest.get(2)?, *rest.get(3)?]);
        if kind == CTRL_ATTR_FAMILY_ID {
            return Some(u16::from_ne_bytes([*rest.get(4)?, *rest.get(5)?]));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}
