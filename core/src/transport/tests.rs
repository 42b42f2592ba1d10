//! The transport against a scripted kernel at the other end of a socket pair.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use netlink_packet_core::NLM_F_MULTIPART;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use super::*;

/// A request, of a family with the number 42.
fn question(out: &mut Vec<u8>) {
    out.extend_from_slice(b"ask.");
}

fn ask(
    transport: &mut Transport,
    mode: Mode,
    limit: Option<Duration>,
    reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
) -> Result<(), Failure> {
    transport.exchange(42, question, mode, &mut Deadline::new(limit), reply).map(drop)
}

fn ask_often(transport: &mut Transport, requests: usize, limit: Duration) -> Chunk {
    transport.chunk(42, std::iter::repeat_n(question, requests), question, &mut Deadline::new(Some(limit)))
}

const LIMIT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn pair() -> (Transport, OwnedFd) {
    pair_of(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap())
}

/// A pair whose kernel has sent these datagrams already.
fn pair_with(datagrams: &[Vec<u8>]) -> (Transport, OwnedFd) {
    let (transport, kernel) = pair();
    for datagram in datagrams {
        send(&kernel, datagram, SendFlags::empty()).unwrap();
    }
    (transport, kernel)
}

fn pair_of((ours, kernel): (OwnedFd, OwnedFd)) -> (Transport, OwnedFd) {
    #[expect(unsafe_code, reason = "the only way to make a netlink-sys Socket of a descriptor, which is ours to give")]
    let socket = unsafe { Socket::from_raw_fd(ours.into_raw_fd()) };
    (Transport::over(socket).unwrap(), kernel)
}

thread_local! {
    static SCRIPTED: RefCell<Option<VecDeque<Transport>>> = const { RefCell::new(None) };
}

/// From now on opening a transport in this thread gives these, one after another, and then fails.
pub(crate) fn script(transports: impl IntoIterator<Item = Transport>) {
    SCRIPTED.set(Some(transports.into_iter().collect()));
}

/// The next transport of the script; nothing if this thread has none.
pub(super) fn next_scripted() -> Option<io::Result<Transport>> {
    SCRIPTED.with_borrow_mut(|script| {
        script.as_mut().map(|script| script.pop_front().ok_or_else(|| io::Error::other("the script is at its end")))
    })
}

pub(crate) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
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

pub(crate) fn acknowledgement(sequence: u32, errno: i32) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend(message(42, 5, sequence, b""));
    message(NLMSG_ERROR, NLM_F_CAPPED, sequence, &payload)
}

/// Sends the first request of a transport while these datagrams wait as its answer.
fn exchange(mode: Mode, datagrams: &[Vec<u8>]) -> (Result<(), Failure>, Vec<Vec<u8>>) {
    let (mut transport, _kernel) = pair_with(datagrams);
    let mut replies = Vec::new();
    let result = ask(&mut transport, mode, Some(LIMIT), |reply| {
        replies.push(reply.to_vec());
        Ok(())
    });
    (result, replies)
}

#[test]
fn the_length_of_a_request_is_without_what_pads_it() {
    let (mut transport, kernel) = pair();
    let odd = |out: &mut Vec<u8>| out.extend_from_slice(b"odd..");
    transport.chunk(42, [odd, odd].into_iter(), odd, &mut Deadline::new(Some(Duration::ZERO)));
    let mut buffer = [0; 128];
    let (length, _) = rustix::net::recv(&kernel, &mut buffer, RecvFlags::empty()).unwrap();
    let expected = [(0, 1), (0, 2), (NLM_F_ACK, 3)]
        .map(|(flags, sequence)| message(42, NLM_F_REQUEST | flags, sequence, b"odd.."));
    assert_eq!(expected[0][..4], 21_u32.to_ne_bytes());
    assert_eq!(buffer[..length], expected.concat());
}

#[test]
fn a_request_has_header_flags_and_a_new_sequence_number() {
    let (mut transport, kernel) = pair();
    for sequence in [1, 2] {
        send(&kernel, &acknowledgement(sequence, 0), SendFlags::empty()).unwrap();
        ask(&mut transport, Mode::Acknowledge, None, |_| Ok(())).unwrap();
        let mut buffer = [0; 64];
        let (length, _) = rustix::net::recv(&kernel, &mut buffer, RecvFlags::empty()).unwrap();
        let expected = message(42, NLM_F_REQUEST | NLM_F_ACK, sequence, b"ask.");
        assert_eq!(buffer[..length], expected);
    }
}

/// Others may change what is listed between two datagrams, and also where no more had room in the first.
#[test]
fn a_listing_that_others_may_have_changed_says_so() {
    let entry = |length: usize| message(42, NLM_F_MULTIPART, 1, &vec![0; length - NETLINK_HEADER_LEN]);
    let end = || message(NLMSG_DONE, NLM_F_MULTIPART, 1, &[0; 4]);
    let with_room = |room: usize| entry(room - ENTRY_MAX);
    let without = |room: usize| entry(room - ENTRY_MAX + 4);
    let cases = [
        (vec![end()], false),
        (vec![entry(400), end()], false),
        (vec![with_room(DATAGRAM_MIN), end()], false),
        (vec![without(DATAGRAM_MIN), end()], true),
        (vec![entry(DATAGRAM_MIN), end()], true),
        (vec![entry(DATAGRAM_MIN + 4), end()], false),
        (vec![with_room(DATAGRAM_MAX), end()], false),
        (vec![without(DATAGRAM_MAX), end()], true),
        (vec![entry(DATAGRAM_MAX), end()], true),
        (vec![entry(400), entry(400), end()], true),
    ];
    for (datagrams, expected) in cases {
        let (mut transport, _kernel) = pair_with(&datagrams);
        let dump = transport.exchange(42, |_| {}, Mode::Dump, &mut Deadline::new(Some(LIMIT)), |_| Ok(()));
        assert_eq!(dump.unwrap(), expected, "{:?}", datagrams.iter().map(Vec::len).collect::<Vec<_>>());
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
    assert!(begin.elapsed() >= LIMIT);
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
    let result = ask(&mut transport, Mode::Dump, Some(LIMIT), |_| Ok(()));
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
    let result = ask(&mut transport, Mode::Acknowledge, None, |_| Ok(()));
    assert!(matches!(result, Err(Failure::Io(_))), "{result:?}");
}

#[test]
fn an_answer_that_comes_late_is_waited_for() {
    let (mut transport, kernel) = pair();
    let late = std::thread::spawn(move || {
        std::thread::sleep(LIMIT);
        send(&kernel, &acknowledgement(1, 0), SendFlags::empty()).unwrap();
        kernel
    });
    ask(&mut transport, Mode::Acknowledge, Some(LONG), |_| Ok(())).unwrap();
    late.join().unwrap();
}

#[test]
fn lost_answers_end_an_exchange_at_once() {
    let mut transport = Transport::open().unwrap();
    sockopt::set_socket_recv_buffer_size(&transport.socket, 1).unwrap();
    // The real kernel refuses these, and what does not fit of that is lost.
    for _ in 0..100 {
        transport.append(42, question, 0);
    }
    transport.send().unwrap();
    let result = ask(&mut transport, Mode::Acknowledge, Some(LONG), |_| Ok(()));
    let lost = Errno::NOBUFS.raw_os_error();
    assert!(matches!(&result, Err(Failure::Io(error)) if error.raw_os_error() == Some(lost)), "{result:?}");
}

#[test]
fn a_number_that_is_no_error_number_is_malformed() {
    for code in [-4096, i32::MIN] {
        let datagram = message(NLMSG_ERROR, 0, 1, &[&code.to_ne_bytes()[..], &message(42, 5, 1, b"")].concat());
        let (result, _) = exchange(Mode::Acknowledge, &[datagram]);
        assert!(matches!(result, Err(Failure::Malformed(_))), "{code}: {result:?}");
    }
}

/// A chunk of so many requests, the first of them with number 1, while these datagrams wait as its answer.
fn chunk(requests: usize, datagrams: &[Vec<u8>]) -> Chunk {
    let (mut transport, _kernel) = pair_with(datagrams);
    send_chunk(&mut transport, requests)
}

fn send_chunk(transport: &mut Transport, requests: usize) -> Chunk {
    ask_often(transport, requests, LIMIT)
}

/// Position and error number of those that were refused.
fn refused(chunk: &Chunk) -> Vec<(usize, i32)> {
    chunk.refused.iter().map(|(position, refusal)| (*position, refusal.errno)).collect()
}

#[test]
fn a_chunk_is_one_datagram_and_only_its_barrier_asks_for_an_acknowledgement() {
    let (mut transport, kernel) = pair();
    send(&kernel, &acknowledgement(4, 0), SendFlags::empty()).unwrap();
    let chunk = send_chunk(&mut transport, 3);
    assert!(chunk.end.is_ok(), "{chunk:?}");
    assert_eq!((chunk.sent, refused(&chunk)), (3, vec![]));
    let mut buffer = [0; 128];
    let (length, _) = rustix::net::recv(&kernel, &mut buffer, RecvFlags::empty()).unwrap();
    let expected = [1, 2, 3].map(|sequence| message(42, NLM_F_REQUEST, sequence, b"ask.")).concat();
    assert_eq!(buffer[..length], [expected, message(42, NLM_F_REQUEST | NLM_F_ACK, 4, b"ask.")].concat());
}

#[test]
fn refused_requests_are_known_by_position() {
    let answers = [acknowledgement(1, 17), acknowledgement(3, 3), message(42, 0, 4, b"info"), acknowledgement(4, 0)];
    for datagrams in [answers.to_vec(), vec![answers.concat()]] {
        let chunk = chunk(3, &datagrams);
        assert!(chunk.end.is_ok(), "{chunk:?}");
        assert_eq!((chunk.sent, refused(&chunk)), (3, vec![(0, 17), (2, 3)]));
    }
}

#[test]
fn sequence_numbers_begin_again_within_a_chunk() {
    let (mut transport, kernel) = pair();
    transport.sequence = u32::MAX - 2;
    for answer in [acknowledgement(u32::MAX, 1), acknowledgement(0, 2), acknowledgement(2, 0)] {
        send(&kernel, &answer, SendFlags::empty()).unwrap();
    }
    let chunk = send_chunk(&mut transport, 4);
    assert!(chunk.end.is_ok(), "{chunk:?}");
    assert_eq!(refused(&chunk), [(1, 1), (2, 2)]);
}

#[test]
fn a_barrier_that_comes_late_is_waited_for() {
    let (mut transport, kernel) = pair();
    send(&kernel, &acknowledgement(2, 17), SendFlags::empty()).unwrap();
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        send(&kernel, &acknowledgement(3, 0), SendFlags::empty()).unwrap();
        kernel
    });
    let chunk = ask_often(&mut transport, 2, LONG);
    assert!(chunk.end.is_ok(), "{chunk:?}");
    assert_eq!(refused(&chunk), [(1, 17)]);
    late.join().unwrap();
}

/// How many signals have come.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// As a host's handler may be: without `SA_RESTART`, so that the kernel ends what the thread waits in with `EINTR`.
#[expect(unsafe_code, reason = "no crate here sets a handler without SA_RESTART")]
fn count_signals() {
    extern "C" fn count(_signal: i32) {
        SIGNALS.fetch_add(1, Ordering::SeqCst);
    }
    let handler = count as extern "C" fn(i32);
    // SAFETY: the handler only adds to a number, and no bit of a `sigaction` is invalid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// Sends a thread twenty signals, a millisecond apart.
#[expect(unsafe_code, reason = "no crate here sends a signal to a thread")]
fn interrupt(thread: libc::pthread_t) {
    let before = SIGNALS.load(Ordering::SeqCst);
    while SIGNALS.load(Ordering::SeqCst) < before + 20 {
        // SAFETY: the thread waits for the one that calls this.
        assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
#[expect(unsafe_code, reason = "no crate here gives the number that signals are sent to")]
fn a_system_call_that_a_signal_interrupts_is_made_again() {
    count_signals();
    let (mut transport, kernel) = pair();
    // There is no room for the request, so that it waits in `send`, and then in `poll`.
    while rustix::net::send(&transport.socket, &[0; 1024], SendFlags::DONTWAIT).is_ok() {}
    // SAFETY: it only tells who calls.
    let thread = unsafe { libc::pthread_self() };
    let other = std::thread::spawn(move || {
        interrupt(thread);
        // The request is shorter than what fills the socket.
        while rustix::net::recv(&kernel, &mut [0; 1024], RecvFlags::empty()).unwrap().0 == 1024 {}
        interrupt(thread);
        send(&kernel, &acknowledgement(1, 17), SendFlags::empty()).unwrap();
        kernel
    });
    let answer = ask(&mut transport, Mode::Acknowledge, Some(LONG), |_| Ok(()));
    drop(transport);
    let other = other.join();
    assert!(matches!(answer, Err(Failure::Refused(Refusal { errno: 17, .. }))), "{answer:?}");
    assert!(other.is_ok());
}

#[test]
fn a_barrier_that_never_comes_leaves_the_refusals_before_it() {
    let chunk = chunk(3, &[acknowledgement(2, 17)]);
    assert!(matches!(chunk.end, Err(Failure::TimedOut)), "{chunk:?}");
    assert_eq!((chunk.sent, refused(&chunk)), (3, vec![(1, 17)]));
}

#[test]
fn a_chunk_skips_answers_to_other_requests() {
    let (mut transport, kernel) = pair();
    send(&kernel, &acknowledgement(2, 0), SendFlags::empty()).unwrap();
    assert!(send_chunk(&mut transport, 1).end.is_ok());
    for stale in [1, 2, 0, 6, u32::MAX] {
        send(&kernel, &acknowledgement(stale, 5), SendFlags::empty()).unwrap();
        send(&kernel, &acknowledgement(stale, 0), SendFlags::empty()).unwrap();
    }
    send(&kernel, &[acknowledgement(4, 17), acknowledgement(5, 0)].concat(), SendFlags::empty()).unwrap();
    let chunk = send_chunk(&mut transport, 2);
    assert!(chunk.end.is_ok(), "{chunk:?}");
    assert_eq!(refused(&chunk), [(1, 17)]);
}

#[test]
fn a_refused_barrier_is_the_end() {
    let chunk = chunk(2, &[acknowledgement(1, 2), acknowledgement(2, 2), acknowledgement(3, 2)]);
    assert!(matches!(chunk.end, Err(Failure::Refused(Refusal { errno: 2, .. }))), "{chunk:?}");
    assert_eq!((chunk.sent, refused(&chunk)), (2, vec![(0, 2), (1, 2)]));
}

#[test]
fn a_malformed_answer_ends_a_chunk_and_leaves_the_refusals_before_it() {
    let mut too_long = acknowledgement(3, 0);
    too_long[0] = 200;
    let no_code = message(NLMSG_ERROR, 0, 3, &[0; 3]);
    let cut = vec![0; DATAGRAM_MAX + 1];
    for malformed in [too_long, no_code, cut, vec![0; 15]] {
        let chunk = chunk(2, &[acknowledgement(1, 17), malformed, acknowledgement(3, 0)]);
        assert!(matches!(chunk.end, Err(Failure::Malformed(_))), "{chunk:?}");
        assert_eq!((chunk.sent, refused(&chunk)), (2, vec![(0, 17)]));
    }
}

#[test]
fn a_malformed_extended_acknowledgement_only_loses_its_text() {
    let request = message(42, 5, 1, b"");
    // An attribute that is too long, one that is too short, and text that is none.
    for attribute in [[99, 0, 1, 0, b'w', b'h', b'y', 0], [3, 0, 1, 0, 0, 0, 0, 0], [8, 0, 1, 0, 0xff, 0xff, 0xff, 0]] {
        let payload = [&(-22i32).to_ne_bytes()[..], &request, &attribute].concat();
        let flags = NLM_F_ACK_TLVS | NLM_F_CAPPED;
        let chunk = chunk(1, &[message(NLMSG_ERROR, flags, 1, &payload), acknowledgement(2, 0)]);
        assert!(chunk.end.is_ok(), "{chunk:?}");
        assert_eq!(chunk.refused, [(0, Refusal { errno: 22, text: None })]);
    }
}

#[test]
fn a_chunk_that_cannot_be_sent_has_sent_nothing() {
    let (mut transport, kernel) = pair();
    drop(kernel);
    let chunk = send_chunk(&mut transport, 3);
    assert!(matches!(chunk.end, Err(Failure::Io(_))), "{chunk:?}");
    assert_eq!(chunk.sent, 0);
}

#[test]
fn a_chunk_has_no_more_requests_than_answers_fit_in_the_receive_buffer() {
    for bytes in [1, 8 * 1024, 1024 * 1024] {
        let sockets = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&sockets.0, bytes).unwrap();
        let answers = sockopt::socket_recv_buffer_size(&sockets.0).unwrap() / ANSWER_COST;
        let (mut transport, kernel) = pair_of(sockets);
        let chunk = send_chunk(&mut transport, 1000);
        assert_eq!(chunk.sent, answers.saturating_sub(2).clamp(1, 200), "{bytes}");
        let mut buffer = [0; 8 * 1024];
        let (length, _) = rustix::net::recv(&kernel, &mut buffer, RecvFlags::empty()).unwrap();
        assert_eq!(messages(&buffer[..length]).count(), chunk.sent + 1, "{bytes}");
    }
}

#[test]
fn a_chunk_fits_in_the_send_buffer() {
    let sockets = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_send_buffer_size(&sockets.0, 1).unwrap();
    let half = sockopt::socket_send_buffer_size(&sockets.0).unwrap() / 2;
    let (mut transport, _kernel) = pair_of(sockets);
    let chunk = send_chunk(&mut transport, 1000);
    assert!(matches!(chunk.end, Err(Failure::TimedOut)), "{chunk:?}");
    assert_eq!(chunk.sent, half.div_ceil(NETLINK_HEADER_LEN + 4));
}

#[test]
fn lost_answers_are_told_at_once_and_leave_the_refusals_that_are_there() {
    // The real kernel, which refuses these for want of such a family or command, whoever asks.
    let mut transport = Transport::open().unwrap();
    // Too small for the answers to a chunk as it was when the transport was made; the barrier's is lost too.
    sockopt::set_socket_recv_buffer_size(&transport.socket, 1).unwrap();
    let begin = Instant::now();
    let chunk = ask_often(&mut transport, 100, LONG);
    let lost = Errno::NOBUFS.raw_os_error();
    assert!(matches!(&chunk.end, Err(Failure::Io(error)) if error.raw_os_error() == Some(lost)), "{chunk:?}");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!((1..100).contains(&chunk.refused.len()), "{chunk:?}");
    assert!(chunk.refused.iter().map(|(position, _)| *position).eq(0..chunk.refused.len()), "{chunk:?}");
}

/// Messages whose headers are mostly right, around any payload.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![select(&[NLMSG_ERROR, NLMSG_DONE, 42][..]), any::<u16>()];
    let flags = select(&[0, NLM_F_MULTIPART, NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED][..]);
    let length = prop_oneof![4 => Just(None), 1 => any::<u8>().prop_map(Some)];
    let message =
        (kind, flags, 0..5u32, vec(any::<u8>(), 0..80), length).prop_map(|(kind, flags, sequence, payload, length)| {
            let mut message = message(kind, flags, sequence, &payload);
            message[0] = length.unwrap_or(message[0]);
            message
        });
    prop_oneof![vec(message, 1..4).prop_map(|messages| messages.concat()), vec(any::<u8>(), 1..100)]
}

proptest! {
    #[test]
    fn any_datagram_is_read_or_refused(datagrams in vec(datagram(), 0..4)) {
        for mode in [Mode::Acknowledge, Mode::Dump] {
            let (mut transport, _kernel) = pair_with(&datagrams);
            let _ = ask(&mut transport, mode, Some(Duration::ZERO), |_| Ok(()));
        }
        let (mut transport, _kernel) = pair_with(&datagrams);
        let _ = transport.family_id("IPVS", &mut Deadline::new(Some(Duration::ZERO)));
        let (mut transport, _kernel) = pair_with(&datagrams);
        let chunk = ask_often(&mut transport, 2, Duration::ZERO);
        prop_assert!(chunk.refused.iter().all(|(position, _)| *position < chunk.sent), "{:?}", chunk);
    }
}
