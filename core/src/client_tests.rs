//! The client against scripted kernels, one for each connection that it opens.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread::{JoinHandle, spawn};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLMSG_DONE};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::*;
use crate::rules;
use crate::transport::Transport;
use crate::transport::tests::{acknowledgement, message, pair, script};
use crate::wire::answers::{as_linux_3_10, recorded};
use crate::wire::tests::emitted;
use crate::{DrainState, Family, Outcome, PoolConfig, Version};

const TIMEOUT: Duration = Duration::from_millis(300);

/// The number of the family that numbers the families (`GENL_ID_CTRL`), and its only command here.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;

const NEW_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const DEL_SERVICE: u8 = 3;
const GET_SERVICE: u8 = 4;
const NEW_DEST: u8 = 5;
const SET_DEST: u8 = 6;
const DEL_DEST: u8 = 7;
const GET_DEST: u8 = 8;
const NEW_DAEMON: u8 = 9;
const DEL_DAEMON: u8 = 10;
const GET_DAEMON: u8 = 11;
const SET_CONFIG: u8 = 12;
const GET_CONFIG: u8 = 13;
const GET_INFO: u8 = 15;

/// What a scripted kernel says to a request.
enum Say {
    /// It did it, and acknowledges that if asked to.
    Done,
    /// It has these to show, from the generic netlink header on.
    Replies(Vec<Vec<u8>>),
    Refused(Errno),
    Nothing,
}

/// The family and the command of every request that a kernel got.
type Asked = Vec<(u16, u8)>;

/// A kernel with this number for the family, and what it was asked once the other end is closed.
fn kernel(family: u16, mut say: impl FnMut(u8) -> Say + Send + 'static) -> (Transport, JoinHandle<Asked>) {
    hearing_kernel(family, move |command, _| say(command))
}

/// One that looks at whole requests, from the generic netlink header on.
fn hearing_kernel(
    family: u16,
    mut say: impl FnMut(u8, &[u8]) -> Say + Send + 'static,
) -> (Transport, JoinHandle<Asked>) {
    let (transport, socket) = pair();
    let kernel = spawn(move || {
        let mut asked = Asked::new();
        let mut datagram = vec![0; 64 * 1024];
        while let Ok((length @ 1.., _)) = recv(&socket, &mut datagram[..], RecvFlags::empty()) {
            let mut rest = &datagram[..length];
            while let Some(header) = rest.first_chunk::<17>() {
                let number = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
                let [length, sequence] =
                    [0, 8].map(|at| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| header[at + byte])));
                let (kind, flags, command) = (number(4), number(6), header[16]);
                asked.push((kind, command));
                let answer = match kind {
                    CONTROLLER => Say::Replies(vec![family_reply(family)]),
                    _ => say(command, &rest[16..length as usize]),
                };
                tell(&socket, kind, sequence, flags, answer);
                rest = &rest[length as usize..];
            }
        }
        asked
    });
    (transport, kernel)
}

fn family_reply(family: u16) -> Vec<u8> {
    let [low, high] = family.to_ne_bytes();
    vec![1, 2, 0, 0, 6, 0, 1, 0, low, high, 0, 0]
}

fn tell(socket: &OwnedFd, kind: u16, sequence: u32, flags: u16, answer: Say) {
    let mut datagrams = Vec::new();
    match answer {
        Say::Nothing => return,
        Say::Refused(errno) => datagrams.push(acknowledgement(sequence, errno.raw_os_error())),
        Say::Done | Say::Replies(_) => {
            if let Say::Replies(replies) = answer {
                datagrams.extend(replies.iter().map(|reply| message(kind, 0, sequence, reply)));
            }
            if flags & NLM_F_DUMP == NLM_F_DUMP {
                datagrams.push(message(NLMSG_DONE, 0, sequence, &[0; 4]));
            } else if flags & NLM_F_ACK != 0 {
                datagrams.push(acknowledgement(sequence, 0));
            }
        }
    }
    for datagram in datagrams {
        // Who does not want to hear it any more is gone.
        let _ = send(socket, &datagram, SendFlags::NOSIGNAL);
    }
}

/// A client whose connections go to these kernels, one after another.
fn client(kernels: impl IntoIterator<Item = Transport>) -> Client {
    script(kernels);
    Client { connector: Connector::new(Some(TIMEOUT), false, None), knows_tunnels: AtomicBool::new(false) }
}

fn info_reply() -> Vec<u8> {
    let attribute = |kind: u8, value: u32| [&[8, 0, kind, 0][..], &value.to_ne_bytes()].concat();
    [vec![GET_INFO, 1, 0, 0], attribute(1, 0x0001_0201), attribute(2, 4096)].concat()
}

fn web() -> Service {
    Service::new("tcp://10.0.0.1:80".parse().unwrap())
}

const GUE: Forwarding = Forwarding::Tunnel(Tunnel::Gue { port: 6080, checksum: crate::TunnelChecksum::On });

fn real(forwarding: Forwarding) -> Destination {
    Destination::new("192.168.1.10:80".parse().unwrap()).with_forwarding(forwarding)
}

/// How a destination of `web` stands in a listing.
fn listed(destination: Destination) -> Vec<u8> {
    emitted(&Command::AddDestination(web().id, destination))
}

#[test]
fn after_an_answer_that_is_none_the_next_call_has_a_fresh_connection() {
    type Expected = fn(&ErrorKind) -> bool;
    let bad_attribute = vec![GET_INFO, 1, 0, 0, 99, 0, 1, 0];
    let cases: [(Say, Expected); 2] = [
        (Say::Nothing, |kind| matches!(kind, ErrorKind::TimedOut(TIMEOUT))),
        (Say::Replies(vec![bad_attribute]), |kind| matches!(kind, ErrorKind::Malformed(_))),
    ];
    for (say, expected) in cases {
        let mut say = Some(say);
        let (first, first_asked) = kernel(30, move |_| say.take().unwrap_or(Say::Done));
        let (second, second_asked) = kernel(30, |_| Say::Replies(vec![info_reply()]));
        let client = client([first, second]);
        let error = client.info().unwrap_err();
        assert!(expected(&error.kind), "{error}");
        for _ in 0..2 {
            assert_eq!(client.info().unwrap().version, Version { major: 1, minor: 2, patch: 1 });
        }
        drop(client);
        assert_eq!(first_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY), (30, GET_INFO)]);
        assert_eq!(second_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY), (30, GET_INFO), (30, GET_INFO)]);
    }
}

#[test]
fn after_a_panic_in_an_exchange_the_next_call_has_a_fresh_connection() {
    /// A command that can be looked at once, when it is checked, and not again, when it is sent.
    struct Breaks(Cell<bool>, Command);

    impl Borrow<Command> for Breaks {
        fn borrow(&self) -> &Command {
            assert!(!self.0.replace(true), "on purpose");
            &self.1
        }
    }

    let (first, first_asked) = kernel(30, |_| Say::Done);
    let (second, second_asked) = kernel(30, |_| Say::Replies(vec![info_reply()]));
    let client = client([first, second]);
    let batch = || client.batch(&[Breaks(Cell::new(false), Command::Flush)]);
    assert!(catch_unwind(AssertUnwindSafe(batch)).is_err());
    client.info().unwrap();
    drop(client);
    assert_eq!(first_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY)]);
    assert_eq!(second_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY), (30, GET_INFO)]);
}

#[test]
fn a_refusal_leaves_the_connection_as_it_is() {
    let mut refusals = [Errno::EXIST, Errno::PERM].into_iter();
    let (kernel, asked) = kernel(30, move |command| match command {
        NEW_SERVICE => refusals.next().map_or(Say::Done, Say::Refused),
        _ => Say::Done,
    });
    let client = client([kernel]);
    let error = client.add_service(&web()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::ServiceExists), "{error}");
    let error = client.add_service(&web()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::PermissionDenied(_)), "{error}");
    client.add_service(&web()).unwrap();
    drop(client);
    assert_eq!(asked.join().unwrap()[1..], [(30, NEW_SERVICE), (30, GET_INFO)].repeat(3));
}

#[test]
fn a_batch_that_is_interrupted_says_what_became_of_each_command() {
    let (mut barriers, mut deletions) = (0, 0);
    let (first, asked) = kernel(30, move |command| match command {
        GET_INFO if barriers == 0 => {
            barriers = 1;
            Say::Done
        }
        GET_INFO => Say::Nothing,
        _ if barriers == 0 => Say::Done,
        _ => {
            deletions += 1;
            if deletions == 2 { Say::Refused(Errno::SRCH) } else { Say::Done }
        }
    });
    let (second, _) = kernel(30, |_| Say::Done);
    let client = client([first, second]);
    let commands = vec![Command::DeleteService(web().id); 1000];
    let report = client.batch(&commands).unwrap();
    let error = report.interrupted.as_ref().unwrap();
    assert!(matches!(error.kind, ErrorKind::TimedOut(_)), "{error}");
    assert!(matches!(report.first_error().unwrap().kind, ErrorKind::NoSuchService));
    assert!(error.to_string().ends_with("; whether it was done is not known"), "{error}");
    assert!(client.batch(&commands[..1]).unwrap().is_done());
    drop(client);

    let asked = asked.join().unwrap();
    let piece = asked.iter().skip(1).position(|(_, command)| *command == GET_INFO).unwrap();
    assert_eq!(asked.len(), 1 + 2 * (piece + 1));
    assert_eq!(report.outcomes().count(), commands.len());
    for (position, outcome) in report.outcomes().enumerate() {
        let right = match position {
            _ if position < piece => matches!(outcome, Outcome::Done),
            _ if position == piece + 1 => {
                matches!(outcome, Outcome::Failed(error) if matches!(error.kind, ErrorKind::NoSuchService))
            }
            _ if position < 2 * piece => matches!(outcome, Outcome::Unknown),
            _ => matches!(outcome, Outcome::NotSent),
        };
        assert!(right, "{position}: {outcome:?}");
    }
}

#[test]
fn a_number_of_the_family_that_is_out_of_date_is_looked_up_again_and_the_command_sent_once_more() {
    let stale = || kernel(30, |_| Say::Refused(Errno::NOENT));
    let ((first, first_asked), (second, second_asked)) = (stale(), kernel(31, |_| Say::Done));
    let changing = client([first, second]);
    changing.add_service(&web()).unwrap();
    drop(changing);
    assert_eq!(first_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY), (30, NEW_SERVICE), (30, GET_INFO)]);
    assert_eq!(second_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY), (31, NEW_SERVICE), (31, GET_INFO)]);

    let ((first, _), (second, second_asked)) = (stale(), kernel(31, |_| Say::Replies(vec![info_reply()])));
    let reading = client([first, second]);
    assert_eq!(reading.info().unwrap().connection_table_size, 4096);
    drop(reading);
    assert_eq!(second_asked.join().unwrap(), [(CONTROLLER, GET_FAMILY), (31, GET_INFO)]);
}

#[test]
fn a_kernel_that_makes_an_ipip_tunnel_of_another_is_found_out() {
    // It does not say what kind of tunnel it is.
    let old = || {
        kernel(30, |command| match command {
            GET_DEST => Say::Replies(vec![listed(real(Forwarding::TUNNEL))]),
            _ => Say::Done,
        })
    };
    let (kernel, asked) = old();
    let adding = client([kernel]);
    let error = adding.add_destination(&web().id, &real(GUE)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TunnelIgnored), "{error}");
    drop(adding);
    let requests = [NEW_DEST, GET_INFO, GET_DEST, DEL_DEST, GET_INFO].map(|command| (30, command));
    assert_eq!(asked.join().unwrap()[1..], requests);

    // What was there before stays.
    let (kernel, asked) = old();
    let editing = client([kernel]);
    let error = editing.edit_destination(&web().id, &real(GUE)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TunnelIgnored), "{error}");
    // An IPIP tunnel is one on every kernel.
    editing.add_destination(&web().id, &real(Forwarding::TUNNEL)).unwrap();
    drop(editing);
    let requests = [SET_DEST, GET_INFO, GET_DEST, NEW_DEST, GET_INFO].map(|command| (30, command));
    assert_eq!(asked.join().unwrap()[1..], requests);

    // What a later command made of it stays too.
    let (kernel, asked) = old();
    let changing = client([kernel]);
    let add = Command::AddDestination(web().id, real(GUE));
    for later in [Command::EditDestination, Command::AddDestination] {
        let later = later(web().id, real(Forwarding::TUNNEL));
        let report = changing.batch(&[add.clone(), Command::Zero(None), later]).unwrap();
        let failed = &report.failed[..];
        assert!(matches!(failed, [(0, error)] if matches!(error.kind, ErrorKind::TunnelIgnored)), "{report:?}");
    }
    drop(changing);
    assert!(!asked.join().unwrap().contains(&(30, DEL_DEST)));
}

#[test]
fn a_tunnel_that_cannot_be_read_back_is_not_done() {
    let (kernel, _) = kernel(30, |command| if command == GET_DEST { Say::Nothing } else { Say::Done });
    let commands = [Command::Zero(None), Command::AddDestination(web().id, real(GUE))];
    let report = client([kernel]).batch(&commands).unwrap();
    let error = report.interrupted.as_ref().unwrap();
    assert!(error.to_string().ends_with("; whether it was done is not known"), "{error}");
    let outcomes: Vec<_> = report.outcomes().collect();
    assert!(matches!(outcomes[..], [Outcome::Done, Outcome::Unknown]) && !report.is_done(), "{report:?}");
}

/// With more than 100 ticks a second a kernel counts less far than is checked here.
#[test]
fn times_that_this_kernel_cannot_count_are_refused() {
    let (kernel, _) = kernel(30, |command| if command == SET_CONFIG { Say::Refused(Errno::INVAL) } else { Say::Done });
    let error = client([kernel]).set_timeouts(&Timeouts { tcp: 8_589_935, tcp_fin: 0, udp: 0 }).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TimeoutsRefused), "{error}");
}

/// Reading changes nothing, and what was not sent was not done.
#[test]
fn only_a_change_that_was_sent_is_in_doubt() {
    for (silent, in_doubt) in [(GET_DEST, false), (SET_DEST, true)] {
        let mut ended = false;
        let (kernel, _) = kernel(30, move |command| match command {
            _ if ended || command == silent => {
                ended = true;
                Say::Nothing
            }
            GET_DEST => Say::Replies(vec![listed(real(Forwarding::Masquerade))]),
            _ => Say::Done,
        });
        let error = client([kernel]).set_weight(&web().id, &real(GUE).address, 3).unwrap_err();
        let doubt = if in_doubt { "; whether it was done is not known" } else { "" };
        let object = "destination 192.168.1.10:80 of service tcp://10.0.0.1:80";
        let text = format!("cannot set the weight of {object}: no answer from the kernel within {TIMEOUT:?}{doubt}");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_tunnel_that_somebody_deleted_before_it_was_read_back_is_no_error() {
    let (kernel, asked) = kernel(30, |_| Say::Done);
    let client = client([kernel]);
    client.add_destination(&web().id, &real(GUE)).unwrap();
    drop(client);
    assert_eq!(asked.join().unwrap()[1..], [NEW_DEST, GET_INFO, GET_DEST].map(|command| (30, command)));
}

#[test]
fn a_kernel_that_knows_tunnels_is_asked_about_it_once() {
    let (kernel, asked) = kernel(30, |command| match command {
        GET_DEST => Say::Replies(vec![listed(real(GUE))]),
        _ => Say::Done,
    });
    let client = client([kernel]);
    client.add_destination(&web().id, &real(GUE)).unwrap();
    client.edit_destination(&web().id, &real(GUE)).unwrap();
    drop(client);
    let requests = [NEW_DEST, GET_INFO, GET_DEST, SET_DEST, GET_INFO].map(|command| (30, command));
    assert_eq!(asked.join().unwrap()[1..], requests);
}

#[test]
fn a_missing_scheduler_is_told_from_a_missing_persistence_engine() {
    let add = |service: &Service, probe: Option<Errno>| {
        let mut answers = [Some(Errno::NOENT), probe].into_iter().flatten();
        let (kernel, asked) = kernel(30, move |command| match command {
            NEW_SERVICE => answers.next().map_or(Say::Done, Say::Refused),
            _ => Say::Done,
        });
        let client = client([kernel]);
        let error = client.add_service(service).unwrap_err();
        drop(client);
        let additions = asked.join().unwrap().iter().filter(|(_, command)| *command == NEW_SERVICE).count();
        (error.kind, additions)
    };
    let service = web().with_scheduler("nope");
    let (kind, additions) = add(&service, None);
    assert!(matches!(&kind, ErrorKind::NoSuchScheduler(name) if name == "nope"), "{kind:?}");
    assert_eq!(additions, 1, "it can be nothing else");
    let service = service.with_persistence(60).with_persistence_engine("sip");
    let (kind, additions) = add(&service, Some(Errno::NOENT));
    assert!(matches!(&kind, ErrorKind::NoSuchScheduler(name) if name == "nope"), "{kind:?}");
    assert_eq!(additions, 2);
    let (kind, additions) = add(&service, Some(Errno::INVAL));
    assert!(matches!(&kind, ErrorKind::NoSuchPersistenceEngine(name) if name == "sip"), "{kind:?}");
    assert_eq!(additions, 2);
    // Asked, the kernel says neither: without IPv6 it never looks.
    let (kind, _) = add(&service, Some(Errno::AFNOSUPPORT));
    assert!(matches!(&kind, ErrorKind::Kernel { errno: 2, text: Some(text) } if text.contains("'sip'")), "{kind:?}");
}

#[test]
fn a_refusal_is_known_even_if_no_more_is_heard() {
    let (kernel, _) = kernel(30, |command| match command {
        NEW_SERVICE => Say::Refused(Errno::EXIST),
        _ => Say::Nothing,
    });
    let error = client([kernel]).add_service(&web()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::ServiceExists), "{error}");
}

#[test]
fn an_entry_that_a_dump_shows_twice_is_in_a_snapshot_once() {
    let service = || emitted(&Command::AddService(web()));
    let (kernel, _) = kernel(30, move |command| match command {
        GET_SERVICE => Say::Replies(vec![service(), service()]),
        _ => Say::Replies(vec![listed(real(GUE)), listed(real(GUE))]),
    });
    let table = client([kernel]).snapshot().unwrap();
    assert_eq!(table.len(), 1);
    assert_eq!(table[0].destinations.len(), 1);
}

#[test]
fn what_a_listing_missed_is_not_told_as_gone() {
    let (mut services, mut destinations) = (0, 0);
    let (kernel, asked) = kernel(30, move |command| match command {
        GET_SERVICE => {
            services += 1;
            // The third listing misses it; asked for by its id, it is there until the fifth time.
            match services {
                3 => Say::Replies(vec![]),
                5.. => Say::Refused(Errno::SRCH),
                _ => Say::Replies(vec![emitted(&Command::AddService(web()))]),
            }
        }
        GET_DEST => {
            destinations += 1;
            if destinations == 3 { Say::Replies(vec![]) } else { Say::Replies(vec![listed(real(GUE))]) }
        }
        _ => Say::Nothing,
    });
    let client = client([kernel]);
    let mut watch = client.watch().unwrap();
    assert_eq!(watch.look(&client).unwrap(), []);
    assert!(watch.look(&client).is_err());
    drop(client);
    let second = [GET_SERVICE, GET_SERVICE, GET_DEST, GET_DEST].map(|command| (30, command));
    assert_eq!(asked.join().unwrap()[5..9], second);
}

#[test]
fn going_back_does_not_delete_what_a_listing_missed() {
    let mut listings = 0;
    let (kernel, asked) = kernel(30, move |command| match command {
        GET_SERVICE => {
            listings += 1;
            let other = Service::new("fwmark:7".parse().unwrap());
            if listings == 1 { Say::Replies(vec![]) } else { Say::Replies(vec![emitted(&Command::AddService(other))]) }
        }
        NEW_SERVICE => Say::Refused(Errno::NOENT),
        _ => Say::Done,
    });
    let client = client([kernel]);
    let mut wanted = Table::new();
    wanted.insert(web().with_scheduler("nosuch"), []);
    let applied = client.apply(&wanted, &ApplyOptions::default().with_rollback(true)).unwrap();
    assert_eq!(applied.failed.len(), 1);
    let back = applied.rollback.unwrap();
    assert!(back.is_done() && !back.is_changed());
    drop(client);
    assert!(!asked.join().unwrap().contains(&(30, DEL_SERVICE)));
}

#[test]
fn going_back_gives_what_a_listing_missed_its_settings_and_does_not_delete_it() {
    let (mut listings, mut additions) = (0, 0);
    let (kernel, asked) = kernel(30, move |command| match command {
        GET_SERVICE => {
            listings += 1;
            match listings {
                1 => Say::Replies(vec![]),
                2 => Say::Replies(vec![emitted(&Command::AddService(web().with_scheduler("rr")))]),
                _ => Say::Replies(vec![emitted(&Command::AddService(web()))]),
            }
        }
        NEW_SERVICE => {
            additions += 1;
            Say::Refused(if additions > 2 { Errno::NOENT } else { Errno::EXIST })
        }
        _ => Say::Done,
    });
    let client = client([kernel]);
    let mut wanted = Table::new();
    wanted.insert(web(), []);
    wanted.insert(Service::new("fwmark:7".parse().unwrap()).with_scheduler("nosuch"), []);
    let applied = client.apply(&wanted, &ApplyOptions::default().with_rollback(true)).unwrap();
    assert_eq!(applied.done, [Command::EditService(web())]);
    assert_eq!(applied.rollback.unwrap().done, [Command::EditService(web().with_scheduler("rr"))]);
    drop(client);
    assert!(!asked.join().unwrap().contains(&(30, DEL_SERVICE)));
}

#[test]
fn a_table_that_others_change_each_time_is_looked_at_five_times() {
    let (kernel, asked) = kernel(30, move |command| match command {
        NEW_SERVICE => Say::Refused(Errno::EXIST),
        _ => Say::Done,
    });
    let client = client([kernel]);
    let mut wanted = Table::new();
    wanted.insert(web(), []);
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert!(!applied.is_done() && applied.interrupted.is_none());
    assert!(matches!(applied.first_error().unwrap().kind, ErrorKind::ServiceExists));
    drop(client);
    assert_eq!(asked.join().unwrap().iter().filter(|(_, command)| *command == GET_SERVICE).count(), 5);
}

#[test]
fn a_director_stops_one_sync_daemon_before_it_starts_the_other() {
    let (kernel, asked) = kernel(30, |command| match command {
        GET_DAEMON => Say::Replies(vec![emitted(&Command::StartDaemon(SyncDaemon::new(Role::Backup, "lo")))]),
        _ => Say::Done,
    });
    let client = client([kernel]);
    assert!(client.set_sync_role(Some(&SyncDaemon::new(Role::Master, "lo"))).unwrap());
    let error = client.set_sync_role(Some(&SyncDaemon::new(Role::Master, "nosuch0"))).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchInterface(_)), "{error}");
    drop(client);
    let requests = [GET_DAEMON, DEL_DAEMON, GET_INFO, NEW_DAEMON, GET_INFO].map(|command| (30, command));
    assert_eq!(asked.join().unwrap()[1..], requests);
}

/// The table that answers.txt shows, in the kernel's order.
const RECORDED_TABLE: &str = "\
-A -u [2001:db8::1]:53 -s rr -o
-a -u [2001:db8::1]:53 -r [2001:db8::a]:5353 -m -w 1
-A -t 10.0.0.1:80 -s wrr -p 300
-a -t 10.0.0.1:80 -r 192.168.1.11:80 -i -w 0 --tun-type ipip
-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5 -x 100 -y 20
-A -f 7 -s sh -b sh-port
-a -f 7 -r 192.168.1.12:0 -g -w 1
-A -f 8 -6 -s lc
-a -f 8 -6 -r [2001:db8::b]:0 -g -w 1
";

/// A client of a kernel that answers what was recorded, changed like this.
fn client_of_recorded(change: fn(&[u8]) -> Vec<u8>) -> Client {
    let say = move |name: &str| recorded(name).iter().map(|message| change(message)).collect();
    let mut services = ["udp://[2001:db8::1]:53", "tcp://10.0.0.1:80", "fwmark:7", "fwmark:8/ipv6"].into_iter();
    let (kernel, _) = kernel(30, move |command| match command {
        GET_SERVICE => Say::Replies(say("service")),
        GET_DEST => Say::Replies(say(&format!("destination of {}", services.next().unwrap()))),
        GET_DAEMON => Say::Replies(say("daemon")),
        GET_CONFIG => Say::Replies(recorded("timeouts")),
        GET_INFO => Say::Replies(recorded("information")),
        _ => Say::Nothing,
    });
    client([kernel])
}

#[test]
fn what_was_recorded_of_a_kernel_is_read() {
    let client = client_of_recorded(<[u8]>::to_vec);
    let table = client.snapshot().unwrap();
    assert_eq!(rules::print(&table), RECORDED_TABLE);
    let entry = &table[1].destinations[1];
    assert_eq!((entry.stats.connections, entry.stats.packets_in, entry.stats.bytes_in), (3, 3, 180));
    assert_eq!((entry.stats.packets_out, entry.stats.bytes_out, entry.stats.bytes_in_per_second), (3, 120, 17));
    assert_eq!((entry.active_connections, entry.inactive_connections, entry.persistent_connections), (0, 3, 1));
    let daemon = SyncDaemon { sync_id: 5, ..SyncDaemon::new(Role::Backup, "d0") };
    let chosen = SyncDaemon { max_length: 1472, port: 8848, ttl: 1, ..daemon };
    let group = Some("224.0.0.81".parse().unwrap());
    assert_eq!(client.daemons().unwrap(), [SyncDaemon { group, ..chosen }]);
    assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 900, tcp_fin: 120, udp: 300 });
    assert_eq!(client.info().unwrap().connection_table_size, 4096);
}

#[test]
fn an_old_kernel_says_less_and_means_the_same() {
    let is_shorter = |name: &str| recorded(name).iter().all(|message| as_linux_3_10(message).len() < message.len());
    assert!(["service", "destination of tcp://10.0.0.1:80", "daemon"].into_iter().all(is_shorter));
    let new = client_of_recorded(<[u8]>::to_vec).snapshot().unwrap();
    let old = client_of_recorded(as_linux_3_10);
    // All counters are below 2^32, and every destination has its service's family.
    assert_eq!(old.snapshot().unwrap(), new);
    let daemon = SyncDaemon { sync_id: 5, ..SyncDaemon::new(Role::Backup, "d0") };
    assert_eq!(old.daemons().unwrap(), [daemon]);
}

/// A director with one service, one server and one daemon, which refuses all from a request on.
fn director(patience: usize) -> (Transport, JoinHandle<Asked>) {
    let (mut asked, mut weight) = (0, 1);
    kernel(30, move |command| {
        asked += 1;
        let listed = |command: Command| Say::Replies(vec![emitted(&command)]);
        match command {
            _ if asked > patience => Say::Refused(Errno::PERM),
            GET_SERVICE => listed(Command::AddService(web())),
            GET_DEST => listed(Command::AddDestination(web().id, real(Forwarding::Masquerade).with_weight(weight))),
            GET_DAEMON => listed(Command::StartDaemon(SyncDaemon::new(Role::Backup, "lo"))),
            SET_DEST => {
                weight = 0;
                Say::Done
            }
            _ => Say::Done,
        }
    })
}

/// A call by its name, which says whether all was done.
type Call<'a> = (&'a str, &'a dyn Fn(&Client) -> Result<bool, Error>);

#[test]
fn whichever_exchange_of_a_call_is_refused_the_call_says_so() {
    const SERVER: Forwarding = Forwarding::Masquerade;
    let begin_drain = |client: &Client| client.drain(&web().id, &real(SERVER).address, DrainOptions::default());
    let pool = || Pool::new(PoolConfig::new([web()]).with_servers([real(SERVER).with_weight(3)])).unwrap();
    let calls: [Call<'_>; 11] = [
        ("destinations", &|client| client.destinations(&web().id).map(|_| true)),
        ("snapshot", &|client| client.snapshot().map(|_| true)),
        ("set_weight", &|client| client.set_weight(&web().id, &real(SERVER).address, 5).map(|_| true)),
        ("set_sync_role", &|client| client.set_sync_role(Some(&SyncDaemon::new(Role::Master, "lo")))),
        ("plan", &|client| client.plan(&Table::new(), &Scope::All).map(|_| true)),
        ("apply", &|client| Ok(client.apply(&Table::new(), &ApplyOptions::default())?.is_done())),
        ("adopt", &|client| Ok(client.adopt(&mut pool())?.is_done())),
        ("reconcile", &|client| Ok(client.reconcile(&pool())?.is_done())),
        ("watch", &|client| client.watch()?.look(client).map(|_| true)),
        ("drain", &|client| Ok(begin_drain(client)?.step(client)?.state == DrainState::Drained)),
        ("cancel", &|client| begin_drain(client)?.cancel(client)),
    ];
    for (name, call) in calls {
        let mut patience = 0;
        loop {
            let (kernel, asked) = director(patience);
            let client = client([kernel]);
            let result = call(&client);
            drop(client);
            let asked = asked.join().unwrap().len() - 1;
            match result {
                Ok(true) => {
                    assert_eq!(asked, patience, "{name}");
                    break;
                }
                Ok(false) => assert!(asked > patience, "{name} after {patience}"),
                Err(error) => {
                    assert!(matches!(error.kind, ErrorKind::PermissionDenied(_)), "{name} after {patience}: {error}");
                }
            }
            patience += 1;
        }
        assert!(patience > 0, "{name}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_sent() {
    let client = client([]);
    let nobody = ServiceId::Fwmark { mark: 0, family: Family::Ipv4 };
    let mut wanted = Table::new();
    wanted.insert(Service::new(nobody), []);
    let errors = [
        client.service(&nobody).map(drop),
        client.destinations(&nobody).map(drop),
        client.add_destination(&nobody, &real(GUE)),
        client.delete_destination(&nobody, &real(GUE).address),
        client.set_sync_role(Some(&SyncDaemon::new(Role::Master, ""))).map(drop),
        client.plan(&wanted, &Scope::All).map(drop),
        client.set_setting("nosuch", &SettingValue::Switch(true)),
        client.set_weight(&web().id, &real(GUE).address, u32::MAX).map(drop),
        client.set_weight(&web().id, &"[fe80::1%1]:80".parse().unwrap(), 1).map(drop),
        client.drain(&nobody, &real(GUE).address, DrainOptions::default()).map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::InvalidArgument(_)), "{error}");
    }
}

#[test]
fn an_acknowledgement_where_an_answer_belongs_is_malformed() {
    let (kernel, _) = kernel(30, |_| Say::Done);
    let error = client([kernel]).info().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
}

#[test]
fn what_is_to_be_there_is_added_again_if_it_goes_away_meanwhile() {
    let racing = |gone: Errno, times: usize| {
        let mut edits = 0;
        kernel(30, move |command| match command {
            NEW_SERVICE | NEW_DEST => Say::Refused(Errno::EXIST),
            SET_SERVICE | SET_DEST => {
                edits += 1;
                if edits > times { Say::Done } else { Say::Refused(gone) }
            }
            _ => Say::Done,
        })
        .0
    };
    let service = |kernel| client([kernel]).ensure_service(&web());
    let destination = |kernel| client([kernel]).ensure_destination(&web().id, &real(Forwarding::Masquerade));
    assert_eq!(service(racing(Errno::SRCH, 2)).unwrap(), Ensured::Updated);
    assert_eq!(destination(racing(Errno::NOENT, 2)).unwrap(), Ensured::Updated);
    // Not for ever.
    assert!(matches!(service(racing(Errno::SRCH, 3)).unwrap_err().kind, ErrorKind::NoSuchService));
    assert!(matches!(destination(racing(Errno::NOENT, 3)).unwrap_err().kind, ErrorKind::NoSuchDestination));
    assert!(matches!(destination(racing(Errno::SRCH, 1)).unwrap_err().kind, ErrorKind::NoSuchService));
    let (kernel, _) = kernel(30, |_| Say::Refused(Errno::PERM));
    let error = client([kernel]).remove_service(&web().id).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::PermissionDenied(_)), "{error}");
}

#[test]
fn a_daemon_that_somebody_else_stops_first_is_stopped() {
    let (kernel, _) = kernel(30, |command| match command {
        GET_DAEMON => Say::Replies(vec![emitted(&Command::StartDaemon(SyncDaemon::new(Role::Backup, "lo")))]),
        DEL_DAEMON => Say::Refused(Errno::SRCH),
        _ => Say::Done,
    });
    assert!(client([kernel]).set_sync_role(None).unwrap());
}

#[test]
fn a_daemon_for_another_group_is_another_one() {
    let daemon = |group: &str| {
        let mut daemon = SyncDaemon::new(Role::Master, "lo");
        daemon.group = Some(group.parse().unwrap());
        daemon
    };
    let running = daemon("224.0.0.81");
    let (kernel, _) = kernel(30, move |command| match command {
        GET_DAEMON => Say::Replies(vec![emitted(&Command::StartDaemon(running.clone()))]),
        _ => Say::Done,
    });
    let client = client([kernel]);
    assert!(!client.set_sync_role(Some(&daemon("224.0.0.81"))).unwrap());
    assert!(client.set_sync_role(Some(&daemon("224.0.0.82"))).unwrap());
}

#[test]
fn what_one_listing_misses_is_deleted_all_the_same() {
    let service = |mark: u32| Service::new(format!("fwmark:{mark}").parse().unwrap()).with_scheduler("rr");
    let mut looks = 0;
    let (transport, kernel) = kernel(30, move |command| match command {
        GET_SERVICE => {
            looks += 1;
            let last = if looks == 1 { 3 } else { 4 };
            Say::Replies((1..=last).map(|mark| emitted(&Command::AddService(service(mark)))).collect())
        }
        GET_DEST => Say::Replies(Vec::new()),
        _ => Say::Done,
    });
    let client = client([transport]);
    let mut wanted = Table::new();
    (1..=3).for_each(|mark| wanted.insert(service(mark), []));
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert_eq!(applied.done, [Command::DeleteService(service(4).id)]);
    drop(client);
    assert!(kernel.join().unwrap().contains(&(30, DEL_SERVICE)));
}

#[test]
fn an_apply_that_is_interrupted_says_what_became_of_each_command() {
    let mut barriers = 0;
    let (kernel, asked) = kernel(30, move |command| match command {
        GET_SERVICE => Say::Replies(vec![emitted(&Command::AddService(web()))]),
        GET_INFO => {
            barriers += 1;
            if barriers == 1 { Say::Done } else { Say::Nothing }
        }
        _ => Say::Done,
    });
    let client = client([kernel]);
    let mut wanted = Table::new();
    for mark in 1..=1000 {
        wanted.insert(Service::new(format!("fwmark:{mark}").parse().unwrap()), []);
    }
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert!(matches!(applied.interrupted.as_ref().unwrap().kind, ErrorKind::TimedOut(_)), "{applied:?}");
    assert!(applied.is_changed() && !applied.is_done());
    drop(client);
    let piece = asked.join().unwrap().iter().skip(3).position(|(_, command)| *command == GET_INFO).unwrap();
    assert_eq!((applied.done.len(), applied.unknown.len()), (piece, piece));
    // What takes away is the last of them.
    assert_eq!(applied.not_sent.len(), 1000 - 2 * piece + 1);
    assert_eq!(applied.not_sent.last(), Some(&Command::DeleteService(web().id)));
}

#[test]
fn a_look_that_fails_ends_an_apply_and_its_going_back() {
    let mut listings = 0;
    let (kernel, _) = kernel(30, move |command| match command {
        GET_SERVICE => {
            listings += 1;
            if listings == 1 { Say::Done } else { Say::Refused(Errno::PERM) }
        }
        NEW_SERVICE => Say::Refused(Errno::EXIST),
        _ => Say::Done,
    });
    let mut wanted = Table::new();
    wanted.insert(web(), []);
    let applied = client([kernel]).apply(&wanted, &ApplyOptions::default().with_rollback(true)).unwrap();
    assert!(matches!(applied.failed[..], [(_, Error { kind: ErrorKind::ServiceExists, .. })]), "{applied:?}");
    for interrupted in [applied.interrupted, applied.rollback.unwrap().interrupted] {
        assert!(matches!(interrupted.unwrap().kind, ErrorKind::PermissionDenied(_)));
    }
}

#[test]
fn going_back_takes_the_weight_away_that_was_given() {
    let mut weight = 0;
    let (kernel, asked) = kernel(30, move |command| match command {
        GET_SERVICE => Say::Replies(vec![emitted(&Command::AddService(web()))]),
        GET_DEST => Say::Replies(vec![listed(real(Forwarding::Masquerade).with_weight(weight))]),
        SET_DEST => {
            weight = 5 - weight;
            Say::Done
        }
        NEW_SERVICE => Say::Refused(Errno::NOENT),
        _ => Say::Done,
    });
    let client = client([kernel]);
    let server = |weight| real(Forwarding::Masquerade).with_weight(weight);
    let mut wanted = Table::new();
    wanted.insert(web(), [server(5)]);
    wanted.insert(Service::new("fwmark:7".parse().unwrap()).with_scheduler("nosuch"), []);
    let applied = client.apply(&wanted, &ApplyOptions::default().with_rollback(true)).unwrap();
    assert_eq!(applied.done, [Command::EditDestination(web().id, server(5))]);
    assert_eq!(applied.rollback.unwrap().done, [Command::EditDestination(web().id, server(0))]);
    drop(client);
    assert_eq!(asked.join().unwrap().iter().filter(|(_, command)| *command == SET_DEST).count(), 2);
}

/// A kernel whose listings miss the server of `web` so often, and what it says to changes of it.
fn draining(misses: usize, changed: [Say; 2]) -> Transport {
    let (mut listings, mut changed, mut weight) = (0, changed.into_iter(), 7);
    let (kernel, _) = kernel(30, move |command| match command {
        GET_DEST => {
            listings += 1;
            let servers = (listings > misses).then(|| listed(real(Forwarding::Masquerade).with_weight(weight)));
            Say::Replies(servers.into_iter().collect())
        }
        SET_DEST | DEL_DEST => {
            weight = 0;
            changed.next().unwrap_or(Say::Done)
        }
        _ => Say::Done,
    });
    kernel
}

#[test]
fn a_drain_keeps_the_weight_of_what_two_listings_missed() {
    let client = client([draining(2, [Say::Done, Say::Done])]);
    let drain = client.drain(&web().id, &real(GUE).address, DrainOptions::default()).unwrap();
    assert_eq!(drain.weight_before(), 7);
}

#[test]
fn a_weight_is_set_of_what_two_listings_missed() {
    let client = client([draining(2, [Say::Done, Say::Done])]);
    assert_eq!(client.set_weight(&web().id, &real(GUE).address, 3).unwrap(), 7);
}

/// What others make with another protocol, such as by a program of their own.
#[test]
fn a_service_that_cannot_be_sent_is_read_and_watched_all_the_same() {
    let foreign = Service::new(ServiceId::Address {
        protocol: crate::Protocol::Other(50),
        address: "10.0.0.9:500".parse().unwrap(),
    });
    let (id, mut asked) = (foreign.id, 0);
    let (kernel, _) = kernel(30, move |command| match command {
        GET_SERVICE => {
            asked += 1;
            // Listed twice and asked for by its id; then it is gone from the third listing, and when it is asked for.
            match asked {
                1..=3 => Say::Replies(vec![emitted(&Command::AddService(foreign.clone()))]),
                4 => Say::Replies(vec![]),
                _ => Say::Refused(Errno::SRCH),
            }
        }
        GET_DEST => Say::Replies(vec![listed(real(GUE))]),
        _ => Say::Nothing,
    });
    let client = client([kernel]);
    let mut watch = client.watch().unwrap();
    assert_eq!(client.service(&id).unwrap().service.id, id);
    assert_eq!(client.destinations(&id).unwrap().len(), 1);
    assert_eq!(watch.look(&client).unwrap(), [crate::Change::ServiceRemoved(id)]);
    let error = client.set_weight(&id, &real(GUE).address, 1).unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::InvalidArgument(argument) if argument.field == "protocol"), "{error}");
}

#[test]
fn a_drain_whose_beginning_is_in_doubt_gives_the_weight_back() {
    let (first, _) = kernel(30, |command| match command {
        GET_DEST => Say::Replies(vec![listed(real(Forwarding::Masquerade).with_weight(7))]),
        GET_INFO => Say::Nothing,
        _ => Say::Done,
    });
    let (tell, edits) = channel();
    let (second, asked) = hearing_kernel(30, move |command, request| {
        if command == SET_DEST {
            tell.send(request.to_vec()).unwrap();
        }
        Say::Done
    });
    let client = client([first, second]);
    let error = client.drain(&web().id, &real(GUE).address, DrainOptions::default()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TimedOut(_)), "{error}");
    drop(client);
    assert_eq!(asked.join().unwrap()[1..], [(30, SET_DEST), (30, GET_INFO)]);
    let back = Command::EditDestination(web().id, real(Forwarding::Masquerade).with_weight(7));
    assert_eq!(edits.iter().collect::<Vec<_>>(), [emitted(&back)]);
}

#[test]
fn a_drain_tells_what_somebody_else_deletes_at_the_last_moment_as_gone() {
    let begin = |client: &Client| client.drain(&web().id, &real(GUE).address, DrainOptions::default()).unwrap();
    let gone = || draining(0, [Say::Done, Say::Refused(Errno::NOENT)]);
    let stepping = client([gone()]);
    assert_eq!(begin(&stepping).step(&stepping).unwrap().state, DrainState::Gone);
    let cancelling = client([gone()]);
    let mut cancelled = begin(&cancelling);
    assert!(!cancelled.cancel(&cancelling).unwrap());
    assert_eq!(cancelled.state(), DrainState::Gone);
}

#[test]
fn every_error_number_is_kept() {
    let client = client([]);
    let id = web().id;
    let address = real(GUE).address;
    for operation in [
        Operation::Info,
        Operation::AddService(id),
        Operation::DeleteService(id),
        Operation::AddDestination(id, address),
        Operation::EditDestination(id, address),
        Operation::StartDaemon(Role::Master),
        Operation::StopDaemon(Role::Backup),
    ] {
        for errno in 1..=4095 {
            let error = refused(operation, Refusal { errno, text: None }, &client.connector);
            assert_eq!(error.raw_os_error(), Some(errno), "{error:?}");
            assert!(error.to_string().starts_with(&format!("cannot {operation}: ")), "{error}");
        }
    }
}
