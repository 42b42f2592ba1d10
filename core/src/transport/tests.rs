//! The transport against a scripted kernel at the other end of a socket pair.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use netlink_packet_core::NLM_F_MULTIPART;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use super::*;

/// A request of a family with the number 42.
struct Ask;

impl NetlinkSerializable for Ask {
    fn message_type(&self) -> u16 {
        42
    }
    fn buffer_len(&self) -> usize {
        4
    }
    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(b"ask.");
    }
}

fn pair() -> (Transport, OwnedFd) {
    let (ours, kernel) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    #[expect(unsafe_code, reason = "the only way to make a netlink-sys Socket of a descriptor, which is ours to give")]
    let socket = unsafe { Socket::from_raw_fd(ours.into_raw_fd()) };
    (Transport::over(socket).unwrap(), kernel)
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(NETLINK_HEADER_LEN + payload.len()).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn acknowledgement(sequence: u32, errno: i32) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend(message(42, 5, sequence, b""));
    message(NLMSG_ERROR, NLM_F_CAPPED, sequence, &payload)
}

/// Sends the first request of a transport while these datagrams wait as its answer.
fn exchange(mode: Mode, datagrams: &[Vec<u8>]) -> (Result<(), Failure>, Vec<Vec<u8>>) {
    let (mut transport, kernel) = pair();
    for datagram in datagrams {
        send(&kernel, datagram, SendFlags::empty()).unwrap();
    }
    let mut replies = Vec::new();
    let deadline = Instant::now() + Duration::from_millis(50);
    let result = transport.exchange(Ask, mode, Some(deadline), |reply| {
        replies.push(reply.to_vec());
        Ok(())
    });
    (result, replies)
}

#[test]
fn a_request_has_header_flags_and_a_new_sequence_number() {
    let (mut transport, kernel) = pair();
    for sequence in [1, 2] {
        send(&kernel, &acknowledgement(sequence, 0), SendFlags::empty()).unwrap();
        transport.exchange(Ask, Mode::Acknowledge, None, |_| Ok(())).unwrap();
        let mut buffer = [0; 64];
        let (length, _) = rustix::net::recv(&kernel, &mut buffer, RecvFlags::empty()).unwrap();
        let expected = message(42, NLM_F_REQUEST | NLM_F_ACK, sequence, b"ask.");
        assert_eq!(buffer[..length], expected);
    }
}

#[test]
fn a_reply_and_its_acknowledgement_are_both_taken() {
    let reply = message(42, 0, 1, b"data");
    let (result, replies) = exchange(Mode::Acknowledge, &[reply.clone(), acknowledgement(1, 0)]);
    assert!(result.is_ok());
    assert_eq!(replies, [b"data"]);
    let together = [reply, acknowledgement(1, 0)].concat();
    assert_eq!(exchange(Mode::Acknowledge, &[together]).1, [b"data"]);
}

#[test]
fn a_dump_goes_over_several_datagrams() {
    let first = [message(42, NLM_F_MULTIPART, 1, b"one."), message(42, NLM_F_MULTIPART, 1, b"two.")].concat();
    let second = [message(42, NLM_F_MULTIPART, 1, b"three"), message(NLMSG_DONE, NLM_F_MULTIPART, 1, &[0; 4])].concat();
    let (result, replies) = exchange(Mode::Dump, &[first, second]);
    assert!(result.is_ok());
    assert_eq!(replies, [&b"one."[..], b"two.", b"three"]);
}

#[test]
fn a_dump_that_fails_half_way_is_an_error() {
    let datagram = [message(42, 2, 1, b"one."), message(NLMSG_DONE, 2, 1, &(-12i32).to_ne_bytes())].concat();
    let (result, _) = exchange(Mode::Dump, &[datagram]);
    assert!(matches!(result, Err(Failure::Refused(Refusal { errno: 12, .. }))), "{result:?}");
}

#[test]
fn answers_to_other_requests_are_skipped() {
    let stale = [message(42, 0, 77, b"old."), acknowledgement(77, 1)].concat();
    let (result, replies) = exchange(Mode::Acknowledge, &[stale, acknowledgement(1, 0)]);
    assert!(result.is_ok());
    assert!(replies.is_empty());
}

#[test]
fn a_refusal_has_its_number_and_text() {
    let attribute = [&[9, 0, 1, 0][..], b"why?\0"].concat();
    let text = |flags, request: &[u8]| {
        let payload = [&(-22i32).to_ne_bytes()[..], request, &attribute].concat();
        let (result, _) = exchange(Mode::Acknowledge, &[message(NLMSG_ERROR, flags, 1, &payload)]);
        match result {
            Err(Failure::Refused(Refusal { errno: 22, text })) => text,
            other => panic!("{other:?}"),
        }
    };
    let request = message(42, 5, 1, b"ask.");
    assert_eq!(text(NLM_F_ACK_TLVS, &request).as_deref(), Some("why?"));
    assert_eq!(text(NLM_F_ACK_TLVS | NLM_F_CAPPED, &request[..16]).as_deref(), Some("why?"));
    assert_eq!(text(0, &request), None);
    // A request that claims to be longer than what came.
    assert_eq!(text(NLM_F_ACK_TLVS, &message(42, 5, 1, &[0; 99])[..16]), None);
}

#[test]
fn no_answer_ends_at_the_deadline() {
    let begin = Instant::now();
    let (result, _) = exchange(Mode::Acknowledge, &[]);
    assert!(matches!(result, Err(Failure::TimedOut)), "{result:?}");
    assert!(begin.elapsed() >= Duration::from_millis(50));
    // Nor does a kernel that only says other things keep it waiting.
    let (result, _) = exchange(Mode::Dump, &[acknowledgement(7, 0), acknowledgement(8, 0)]);
    assert!(matches!(result, Err(Failure::TimedOut)), "{result:?}");
}

#[test]
fn a_flow_of_answers_without_an_end_ends_at_the_deadline() {
    let (mut transport, kernel) = pair();
    let flow = std::thread::spawn(move || {
        let reply = message(42, NLM_F_MULTIPART, 1, b"more");
        while send(&kernel, &reply, SendFlags::NOSIGNAL).is_ok() {}
    });
    let deadline = Instant::now() + Duration::from_millis(50);
    let result = transport.exchange(Ask, Mode::Dump, Some(deadline), |_| Ok(()));
    assert!(matches!(result, Err(Failure::TimedOut)), "{result:?}");
    drop(transport);
    flow.join().unwrap();
}

#[test]
fn a_malformed_answer_is_an_error() {
    let whole = acknowledgement(1, 0);
    for length in 1..16 {
        let (result, _) = exchange(Mode::Acknowledge, &[whole[..length].to_vec()]);
        assert!(matches!(result, Err(Failure::Malformed(_))), "{length}: {result:?}");
    }
    let no_code = message(NLMSG_ERROR, 0, 1, &[0; 3]);
    assert!(matches!(exchange(Mode::Acknowledge, &[no_code]).0, Err(Failure::Malformed(_))));
    let mut too_long = acknowledgement(1, 0);
    too_long[0] = 200;
    assert!(matches!(exchange(Mode::Acknowledge, &[too_long]).0, Err(Failure::Malformed(_))));
    let cut = vec![0; DATAGRAM_MAX + 1];
    assert!(matches!(exchange(Mode::Acknowledge, &[cut]).0, Err(Failure::Malformed(_))));
}

#[test]
fn a_closed_socket_is_an_error_at_once() {
    let (mut transport, kernel) = pair();
    drop(kernel);
    let result = transport.exchange(Ask, Mode::Acknowledge, None, |_| Ok(()));
    assert!(matches!(result, Err(Failure::Io(_))), "{result:?}");
}
