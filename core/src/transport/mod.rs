//! One generic netlink socket: sequence numbers, deadlines, acknowledgements, dumps. Knows no IPVS.

use std::io;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    DecodeError, ErrorBuffer, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlasIterator,
    parse_u16,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{
    GenlMessage,
    constants::{CTRL_ATTR_FAMILY_ID, GENL_HDRLEN},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

/// Room for one datagram of the kernel's: dumps come in at most 32 KiB (`netlink_dump` in `af_netlink.c`).
const DATAGRAM_MAX: usize = 64 * 1024;

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The kernel refused; the socket goes on working. After any other failure it must be given up: answers to the
    /// failed exchange may still come.
    Refused { errno: i32, text: Option<String> },
    /// The kernel has no generic netlink family of that name.
    NoFamily,
    /// The deadline passed.
    TimedOut,
    /// The socket failed.
    Io(io::Error),
    /// The answer could not be understood.
    Malformed(DecodeError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// What kind of answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At most one reply, then an acknowledgement.
    Acknowledge,
    /// Any number of replies, then the end of the dump.
    Dump,
}

/// One socket, connected to the kernel.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    sequence: u32,
    datagram: Vec<u8>,
}

impl Transport {
    /// A new socket in the network namespace of the calling thread.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Both only make answers better or smaller; kernels before 4.12 and 4.2 do not know them.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self::over(socket))
    }

    fn over(socket: Socket) -> Self {
        Self { socket, sequence: 0, datagram: Vec::with_capacity(DATAGRAM_MAX) }
    }

    /// The number that this kernel gave to the generic netlink family `name`.
    pub fn family_id(&mut self, name: &str, deadline: Option<Instant>) -> Result<u16, Failure> {
        let request = GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(name.to_owned())],
        });
        let mut id = None;
        let answer = self.exchange(request, Mode::Acknowledge, deadline, |message| {
            for attribute in NlasIterator::new(message.get(GENL_HDRLEN..).unwrap_or_default()) {
                let attribute = attribute?;
                if attribute.kind() == CTRL_ATTR_FAMILY_ID {
                    id = Some(parse_u16(attribute.value())?);
                }
            }
            Ok(())
        });
        match answer {
            Err(Failure::Refused { errno, .. }) if errno == Errno::NOENT.raw_os_error() => Err(Failure::NoFamily),
            answer => answer.and(id.ok_or_else(|| DecodeError::from("no CTRL_ATTR_FAMILY_ID").into())),
        }
    }

    /// Sends one request and gives every message of its answer to `reply`, without the netlink header.
    pub fn exchange<M: NetlinkSerializable>(
        &mut self,
        request: M,
        mode: Mode,
        deadline: Option<Instant>,
        mut reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Failure> {
        self.send(request, mode)?;
        loop {
            self.receive(deadline)?;
            if read_datagram(&self.datagram, self.sequence, &mut reply)? {
                return Ok(());
            }
            // A flow of answers that never ends does not keep it either.
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Failure::TimedOut);
            }
        }
    }

    fn send<M: NetlinkSerializable>(&mut self, request: M, mode: Mode) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.sequence;
        header.flags = NLM_F_REQUEST
            | match mode {
                Mode::Acknowledge => NLM_F_ACK,
                Mode::Dump => NLM_F_DUMP,
            };
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        loop {
            match self.socket.send(&buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(|_| ()),
            }
        }
    }

    /// Waits for one datagram and puts it into `self.datagram`.
    fn receive(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        loop {
            self.datagram.clear();
            let room = rustix::buffer::spare_capacity(&mut self.datagram);
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            match rustix::net::recv(&self.socket, room, flags) {
                Ok((_, length)) if length > DATAGRAM_MAX => {
                    return Err(DecodeError::from(format!("a datagram of {length} bytes")).into());
                }
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait(&self.socket, deadline)?,
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Waits until there is something to receive.
fn wait(socket: &Socket, deadline: Option<Instant>) -> Result<(), Failure> {
    loop {
        let left = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left == Duration::ZERO {
                    return Err(Failure::TimedOut);
                }
                // What does not fit waits as good as for ever.
                Timespec::try_from(left).ok()
            }
        };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], left.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Reads the messages of one datagram; says whether the answer to request `sequence` ended in it. Messages with another
/// sequence number answer requests that were given up, and are skipped.
fn read_datagram(
    mut datagram: &[u8],
    sequence: u32,
    reply: &mut impl FnMut(&[u8]) -> Result<(), DecodeError>,
) -> Result<bool, Failure> {
    while !datagram.is_empty() {
        let message = NetlinkBuffer::new_checked(datagram)?;
        // The last message of a datagram may come without the padding behind it.
        let length = (message.length() as usize).next_multiple_of(4).min(datagram.len());
        datagram = &datagram[length..];
        if message.sequence_number() != sequence {
            continue;
        }
        match message.message_type() {
            NLMSG_ERROR => {
                return match ErrorBuffer::new_checked(message.payload())?.code() {
                    None => Ok(true),
                    Some(code) => {
                        Err(Failure::Refused { errno: code.get().saturating_neg(), text: extended_text(&message) })
                    }
                };
            }
            NLMSG_DONE => {
                return match message.payload().first_chunk::<4>().map(|code| i32::from_ne_bytes(*code)) {
                    Some(code) if code < 0 => Err(Failure::Refused { errno: code.saturating_neg(), text: None }),
                    _ => Ok(true),
                };
            }
            _ => reply(message.payload())?,
        }
    }
    Ok(false)
}

const NETLINK_HEADER_LEN: usize = 16;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// The text of an extended acknowledgement. It stands behind the error number and the request's header, and behind the
/// request's payload too unless the kernel left that out (`NLM_F_CAPPED`).
fn extended_text(message: &NetlinkBuffer<&[u8]>) -> Option<String> {
    if message.flags() & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = message.payload().get(4..)?;
    let request_length = match message.flags() & NLM_F_CAPPED {
        0 => NetlinkBuffer::new_checked(request).ok()?.length() as usize,
        _ => NETLINK_HEADER_LEN,
    };
    NlasIterator::new(request.get(request_length.next_multiple_of(4)..)?)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .and_then(|attribute| netlink_packet_core::parse_string(attribute.value()).ok())
}

#[cfg(test)]
mod tests;
