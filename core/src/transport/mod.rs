//! One generic netlink socket: sequence numbers, deadlines, acknowledgements, dumps, batches. Knows no IPVS.

mod deadline;
mod namespace;

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    DecodeError, Emitable, ErrorBuffer, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NlasIterator, parse_u16,
};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::constants::{CTRL_ATTR_FAMILY_ID, GENL_HDRLEN, GENL_ID_CTRL};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};

pub(crate) use deadline::Deadline;
pub use deadline::seconds;
pub(crate) use namespace::Namespace;

/// What the kernel itself writes behind a datagram (`struct skb_shared_info`, `SKB_WITH_OVERHEAD`).
const OVERHEAD: usize = 320;

/// Room for one datagram of the kernel's. It makes those of a dump as long as its reader had room before (`netlink_dump` in
/// `af_netlink.c`), and takes 8 KiB for this much as for a page. More room makes listings slower, not faster: the kernel then
/// takes, and on many systems wipes, 16 or 64 KiB for each datagram, however little is in it.
const DATAGRAM_MAX: usize = 8192 - OVERHEAD;

/// Where no more than a page of memory is to be had, the kernel makes do with that.
const DATAGRAM_MIN: usize = 4096 - OVERHEAD;

/// More than the kernel needs for a service or a destination, which is 400 bytes on Linux 6.1.
const ENTRY_MAX: usize = 512;

/// The kernel's word that it did not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub errno: i32,
    /// What it said besides, by extended acknowledgement.
    pub text: Option<String>,
}

/// What an answer takes of the receive buffer, in bytes: measured on Linux 6.1.
const ANSWER_COST: usize = 768;

/// Most requests in one piece. More are not faster, and a deadline can only be looked at between pieces.
const CHUNK_MAX: usize = 200;

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The kernel refused; the socket goes on working. After any other failure it must be given up: answers to the
    /// failed exchange may still come.
    Refused(Refusal),
    /// The kernel has no generic netlink family of that name.
    NoFamily,
    /// The network namespace cannot be entered.
    Namespace(io::Error),
    /// The deadline passed.
    TimedOut,
    /// Other threads had the turn until the deadline.
    NoTurn,
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

/// What became of requests that were sent in one piece.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// How many were sent.
    pub sent: usize,
    /// Those that the kernel refused, by position.
    pub refused: Vec<(usize, Refusal)>,
    /// Whether the barrier was reached. If not, what became of those not refused is unknown.
    pub end: Result<(), Failure>,
}

/// One socket, connected to the kernel.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    sequence: u32,
    outgoing: Vec<u8>,
    datagram: Vec<u8>,
    chunk_requests: usize,
    chunk_bytes: usize,
}

impl Transport {
    /// A new socket in the network namespace of the calling thread.
    pub fn open() -> io::Result<Self> {
        #[cfg(test)]
        if let Some(scripted) = tests::next_scripted() {
            return scripted;
        }
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Both only make answers better or smaller; kernels before 4.12 and 4.2 do not know them.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Self::over(socket)
    }

    fn over(socket: Socket) -> io::Result<Self> {
        let answers = sockopt::socket_recv_buffer_size(&socket)? / ANSWER_COST;
        let chunk_bytes = sockopt::socket_send_buffer_size(&socket)? / 2;
        Ok(Self {
            socket,
            sequence: 0,
            outgoing: Vec::new(),
            datagram: Vec::with_capacity(DATAGRAM_MAX),
            // The barrier has two answers.
            chunk_requests: answers.saturating_sub(2).clamp(1, CHUNK_MAX),
            chunk_bytes,
        })
    }

    /// The number that this kernel gave to the generic netlink family `name`.
    pub fn family_id(&mut self, name: &str, deadline: &mut Deadline) -> Result<u16, Failure> {
        let message = GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(name.to_owned())],
        });
        let request = |out: &mut Vec<u8>| {
            let start = out.len();
            out.resize(start + message.buffer_len(), 0);
            message.emit(&mut out[start..]);
        };
        let mut id = None;
        let answer = self.exchange(GENL_ID_CTRL, request, Mode::Acknowledge, deadline, |message| {
            for attribute in NlasIterator::new(message.get(GENL_HDRLEN..).unwrap_or_default()) {
                let attribute = attribute?;
                if attribute.kind() == CTRL_ATTR_FAMILY_ID {
                    id = Some(parse_u16(attribute.value())?);
                }
            }
            Ok(())
        });
        match answer {
            Err(Failure::Refused(Refusal { errno, .. })) if errno == Errno::NOENT.raw_os_error() => {
                Err(Failure::NoFamily)
            }
            answer => answer.and(id.ok_or_else(|| DecodeError::from("no CTRL_ATTR_FAMILY_ID").into())),
        }
    }

    /// Sends one request of this type, which `request` writes, and gives every message of its answer to `reply`, without the
    /// netlink header. Says whether others may have changed what the kernel listed within the listing: it lets them do so
    /// between two datagrams, not within one.
    pub fn exchange(
        &mut self,
        message_type: u16,
        request: impl FnOnce(&mut Vec<u8>),
        mode: Mode,
        deadline: &mut Deadline,
        mut reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<bool, Failure> {
        self.outgoing.clear();
        let flags = match mode {
            Mode::Acknowledge => NLM_F_ACK,
            Mode::Dump => NLM_F_DUMP,
        };
        let sequence = self.append(message_type, request, flags);
        self.send()?;
        let (mut datagrams, mut was_full) = (0, false);
        loop {
            self.receive(deadline)?;
            datagrams += 1;
            let length = self.datagram.len();
            was_full |= [DATAGRAM_MIN, DATAGRAM_MAX].iter().any(|room| (length..length + ENTRY_MAX).contains(room));
            for message in messages(&self.datagram) {
                let message = message?;
                if message.sequence_number() != sequence {
                    continue;
                }
                match answer(&message)? {
                    Answer::Reply(payload) => reply(payload)?,
                    // It is in a datagram of its own behind the last entry.
                    Answer::End => return Ok(was_full || datagrams > 2),
                    Answer::Refused(refusal) => return Err(Failure::Refused(refusal)),
                }
            }
            deadline.count_datagram()?;
        }
    }

    /// Sends as many of the requests of this type as can all be refused without an answer being lost, in one piece, and
    /// behind them `barrier`, the only one that is acknowledged: the kernel runs them in order, so what was not refused
    /// when the barrier is reached was done.
    pub fn chunk(
        &mut self,
        message_type: u16,
        requests: impl Iterator<Item = impl FnOnce(&mut Vec<u8>)>,
        barrier: impl FnOnce(&mut Vec<u8>),
        deadline: &mut Deadline,
    ) -> Chunk {
        self.outgoing.clear();
        let first = self.sequence.wrapping_add(1);
        let mut chunk = Chunk { sent: 0, refused: Vec::new(), end: Ok(()) };
        for request in requests.take(self.chunk_requests) {
            self.append(message_type, request, 0);
            chunk.sent += 1;
            if self.outgoing.len() >= self.chunk_bytes {
                break;
            }
        }
        self.append(message_type, barrier, NLM_F_ACK);
        chunk.end = match self.send() {
            Ok(()) => self.receive_chunk(first, chunk.sent, &mut chunk.refused, deadline),
            Err(error) => {
                // Nothing of it has reached the kernel.
                chunk.sent = 0;
                Err(error.into())
            }
        };
        chunk
    }

    fn receive_chunk(
        &mut self,
        first: u32,
        sent: usize,
        refused: &mut Vec<(usize, Refusal)>,
        deadline: &mut Deadline,
    ) -> Result<(), Failure> {
        let mut at_once = Deadline::new(Some(Duration::ZERO));
        let mut overrun = false;
        loop {
            match self.receive(if overrun { &mut at_once } else { deadline }) {
                Ok(()) => {}
                // Answers were lost, as the kernel says before the ones that it kept. Those are all there already.
                Err(Failure::Io(error)) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    overrun = true;
                    continue;
                }
                Err(Failure::TimedOut) if overrun => return Err(Failure::Io(Errno::NOBUFS.into())),
                Err(failure) => return Err(failure),
            }
            for message in messages(&self.datagram) {
                let message = message?;
                let position = message.sequence_number().wrapping_sub(first) as usize;
                if position > sent {
                    continue;
                }
                match answer(&message)? {
                    Answer::Refused(refusal) if position < sent => refused.push((position, refusal)),
                    Answer::Refused(refusal) => return Err(Failure::Refused(refusal)),
                    Answer::End if position == sent && !overrun => return Ok(()),
                    Answer::End | Answer::Reply(_) => {}
                }
            }
            deadline.count_datagram()?;
        }
    }

    /// Puts a request behind those to be sent, and says its sequence number.
    fn append(&mut self, message_type: u16, request: impl FnOnce(&mut Vec<u8>), flags: u16) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let start = self.outgoing.len();
        self.outgoing.extend_from_slice(&[0; NETLINK_HEADER_LEN]);
        request(&mut self.outgoing);
        let mut header = NetlinkHeader::default();
        // Of bytes of our own: far below 4 GiB.
        header.length = u32::try_from(self.outgoing.len() - start).unwrap_or(u32::MAX);
        header.message_type = message_type;
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        header.emit(&mut self.outgoing[start..]);
        self.outgoing.resize(self.outgoing.len().next_multiple_of(4), 0);
        self.sequence
    }

    fn send(&self) -> io::Result<()> {
        loop {
            match self.socket.send(&self.outgoing, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(|_| ()),
            }
        }
    }

    /// Waits for one datagram and puts it into `self.datagram`.
    fn receive(&mut self, deadline: &mut Deadline) -> Result<(), Failure> {
        loop {
            self.datagram.clear();
            let room = rustix::buffer::spare_capacity(&mut self.datagram);
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            match rustix::net::recv(&self.socket, room, flags) {
                Ok((_, length)) if length > self.datagram.capacity() => {
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
fn wait(socket: &Socket, deadline: &mut Deadline) -> Result<(), Failure> {
    loop {
        // What does not fit waits as good as for ever.
        let left = deadline.left()?.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], left.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The messages of one datagram. An error ends them.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Result<NetlinkBuffer<&[u8]>, DecodeError>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let message = NetlinkBuffer::new_checked(datagram);
        // The last message of a datagram may come without the padding behind it.
        let length = message.as_ref().map_or(usize::MAX, |message| message.length() as usize);
        datagram = datagram.get(length.checked_next_multiple_of(4).unwrap_or(usize::MAX)..).unwrap_or_default();
        Some(message)
    })
}

/// What one message says.
enum Answer<'a> {
    /// A part of the answer, without the netlink header.
    Reply(&'a [u8]),
    /// The acknowledgement, or the end of a dump.
    End,
    Refused(Refusal),
}

fn answer<'a>(message: &NetlinkBuffer<&'a [u8]>) -> Result<Answer<'a>, DecodeError> {
    let (code, text) = match message.message_type() {
        NLMSG_ERROR => {
            (ErrorBuffer::new_checked(message.payload())?.code().map_or(0, i32::from), extended_text(message))
        }
        // The end of a dump. Its code may be absent.
        NLMSG_DONE => (message.payload().first_chunk().map_or(0, |code| i32::from_ne_bytes(*code)), None),
        _ => return Ok(Answer::Reply(message.payload())),
    };
    match code {
        -4095..0 => Ok(Answer::Refused(Refusal { errno: -code, text })),
        0.. => Ok(Answer::End),
        _ => Err(format!("{code} is no error number").into()),
    }
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

/// Gives the payload of each message of a datagram that is a part of an answer, as for an exchange.
#[cfg(fuzzing)]
pub(crate) fn read(datagram: &[u8], mut reply: impl FnMut(&[u8])) {
    for message in messages(datagram) {
        let Ok(message) = message else { return };
        if let Ok(Answer::Reply(payload)) = answer(&message) {
            reply(payload);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
