//! Taking a destination out softly, with real connections.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use ipvs_core::{ApplyOptions, Client, Drain, DrainOptions, DrainState, ServiceId, Table};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::eventually;
use crate::namespace::{Namespace, run};

const REAL: &str = "127.0.0.1:8080";

/// A client whose table has one service with one server, on this machine itself.
fn director(protocol: &str, option: &str) -> (Client, ServiceId) {
    let client = Client::connect().unwrap();
    let rules = format!("-A -{option} 127.0.0.2:80\n-a -{option} 127.0.0.2:80 -r {REAL} -m -w 5\n");
    client.apply(&Table::from_rules(&rules).unwrap(), &ApplyOptions::default()).unwrap();
    (client, format!("{protocol}://127.0.0.2:80").parse().unwrap())
}

fn begin(client: &Client, id: &ServiceId, options: DrainOptions) -> Drain {
    client.drain(id, &REAL.parse().unwrap(), options).unwrap()
}

fn connection(server: &TcpListener) -> (TcpStream, TcpStream) {
    let stream = TcpStream::connect("127.0.0.2:80").unwrap();
    let (accepted, _) = server.accept().unwrap();
    (stream, accepted)
}

#[test]
fn a_connection_is_not_reset_and_when_it_has_ended_the_server_goes() {
    let namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    let server = TcpListener::bind(REAL).unwrap();
    let (mut stream, mut accepted) = connection(&server);
    let mut drain = begin(&client, &id, DrainOptions::default());
    assert_eq!(drain.weight_before(), 5);
    let progress = drain.step(&client).unwrap();
    assert_eq!((progress.state, progress.active_connections), (DrainState::Waiting, 1));
    assert_eq!(namespace.witness()[1], "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 0");
    // It goes on meanwhile.
    stream.write_all(b"still").unwrap();
    let mut received = [0; 5];
    accepted.read_exact(&mut received).unwrap();
    drop(accepted);
    assert_eq!(stream.read(&mut received).unwrap(), 0);
    drop(stream);
    let progress = drain.step(&client).unwrap();
    assert_eq!(
        (progress.state, progress.active_connections, progress.inactive_connections),
        (DrainState::Drained, 0, 1)
    );
    assert_eq!(namespace.witness().len(), 1);
    assert_eq!(drain.step(&client).unwrap().state, DrainState::Drained);
    assert!(!drain.cancel(&client).unwrap());
    assert_eq!(drain.state(), DrainState::Drained);
}

#[test]
fn a_deadline_ends_it_with_the_connections_that_are_left() {
    let namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    let server = TcpListener::bind(REAL).unwrap();
    let _connection = connection(&server);
    let mut drain = begin(&client, &id, DrainOptions::default().with_deadline(Some(Duration::from_millis(300))));
    assert_eq!(drain.step(&client).unwrap().state, DrainState::Waiting);
    assert!(drain.left().unwrap() > Duration::ZERO);
    std::thread::sleep(Duration::from_millis(310));
    let progress = drain.step(&client).unwrap();
    assert_eq!((progress.state, progress.active_connections), (DrainState::DeadlinePassed, 1));
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn what_it_waits_for_is_chosen() {
    let _namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    let server = TcpListener::bind(REAL).unwrap();
    let ended = connection(&server);
    drop(ended);
    // Inactive for the minutes that TCP remembers it.
    let mut patient = begin(&client, &id, DrainOptions::default().with_inactive(true));
    let progress = patient.step(&client).unwrap();
    assert_eq!(
        (progress.state, progress.active_connections, progress.inactive_connections),
        (DrainState::Waiting, 0, 1)
    );
    assert!(patient.cancel(&client).unwrap());
    assert_eq!(begin(&client, &id, DrainOptions::default()).step(&client).unwrap().state, DrainState::Drained);
}

#[test]
fn a_connection_that_is_being_made_is_not_cut() {
    let namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    // The first packets do not arrive.
    run("iptables-legacy", "-A INPUT -i lo -p tcp --dport 8080 -j DROP".split(' ')).success();
    let server = TcpListener::bind(REAL).unwrap();
    let asker = std::thread::spawn({
        let here = File::open("/proc/thread-self/ns/net").unwrap();
        move || {
            move_into_link_name_space(here.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let mut stream = TcpStream::connect("127.0.0.2:80").unwrap();
            stream.write_all(b"hello").unwrap();
            stream
        }
    });
    let active = || client.destinations(&id).unwrap()[0].active_connections;
    eventually(active, &1);
    assert!(namespace.debian("-Lnc").success().contains("SYN_RECV"));
    let mut drain = begin(&client, &id, DrainOptions::default());
    assert_eq!(drain.step(&client).unwrap().state, DrainState::Waiting);
    run("iptables-legacy", ["-F", "INPUT"]).success();
    // The next SYN comes after a second.
    let (mut accepted, _) = server.accept().unwrap();
    accepted.read_exact(&mut [0; 5]).unwrap();
    let progress = drain.step(&client).unwrap();
    assert_eq!((progress.state, progress.active_connections), (DrainState::Waiting, 1));
    drop(asker.join().unwrap());
}

#[test]
fn a_weight_that_somebody_else_gave_it_survives_a_cancelling() {
    let namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    let mut drain = begin(&client, &id, DrainOptions::default());
    namespace.debian("-e -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 8").success();
    assert!(!drain.cancel(&client).unwrap());
    assert_eq!(drain.state(), DrainState::Overruled);
    assert_eq!(namespace.witness()[1], "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 8");
    let mut drain = begin(&client, &id, DrainOptions::default());
    assert!(drain.cancel(&client).unwrap());
    assert!(!drain.cancel(&client).unwrap());
    assert_eq!(drain.step(&client).unwrap().state, DrainState::Cancelled);
    assert_eq!(namespace.witness()[1], "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 8");
    let mut drain = begin(&client, &id, DrainOptions::default());
    namespace.debian("-C").success();
    assert!(!drain.cancel(&client).unwrap());
    assert_eq!(drain.state(), DrainState::Gone);
}

#[test]
fn udp_has_only_inactive_connections_and_they_are_waited_for() {
    let _namespace = Namespace::enter();
    let (client, id) = director("udp", "u");
    let server = UdpSocket::bind(REAL).unwrap();
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    asker.send_to(b"hello", "127.0.0.2:80").unwrap();
    server.recv(&mut [0; 5]).unwrap();
    let mut drain = begin(&client, &id, DrainOptions::default());
    let progress = drain.step(&client).unwrap();
    assert_eq!((progress.state, progress.inactive_connections), (DrainState::Waiting, 1));
}

#[test]
fn a_client_that_is_bound_by_persistence_holds_it_up_if_asked() {
    let namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    namespace.debian("-E -t 127.0.0.2:80 -p 300").success();
    let server = TcpListener::bind(REAL).unwrap();
    drop(connection(&server));
    let mut patient = begin(&client, &id, DrainOptions::default().with_persistent(true));
    let progress = patient.step(&client).unwrap();
    assert_eq!((progress.state, progress.persistent_connections), (DrainState::Waiting, 1));
    // It still reaches the server.
    drop(connection(&server));
    assert!(patient.cancel(&client).unwrap());
    assert_eq!(begin(&client, &id, DrainOptions::default()).step(&client).unwrap().state, DrainState::Drained);
}

#[test]
fn several_at_once_and_each_may_be_cancelled_or_overruled() {
    let namespace = Namespace::enter();
    let (client, id) = director("tcp", "t");
    let server = TcpListener::bind(REAL).unwrap();
    let _connection = connection(&server);
    for other in ["127.0.0.3:80", "127.0.0.4:80", "127.0.0.5:80"] {
        namespace.debian(&format!("-a -t 127.0.0.2:80 -r {other} -m -w 3")).success();
    }
    let drain = |address: &str| client.drain(&id, &address.parse().unwrap(), DrainOptions::default()).unwrap();
    let (mut first, mut second, mut third, mut fourth) =
        (drain(REAL), drain("127.0.0.3:80"), drain("127.0.0.4:80"), drain("127.0.0.5:80"));
    assert_eq!(first.step(&client).unwrap().state, DrainState::Waiting);
    assert_eq!(second.step(&client).unwrap().state, DrainState::Drained);
    namespace.debian("-e -t 127.0.0.2:80 -r 127.0.0.4:80 -m -w 8").success();
    assert_eq!(third.step(&client).unwrap().state, DrainState::Overruled);
    namespace.debian("-d -t 127.0.0.2:80 -r 127.0.0.5:80").success();
    assert_eq!(fourth.step(&client).unwrap().state, DrainState::Gone);
    assert!(first.cancel(&client).unwrap());
    assert_eq!(
        namespace.witness(),
        [
            "-A -t 127.0.0.2:80 -s wlc",
            "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 5",
            "-a -t 127.0.0.2:80 -r 127.0.0.4:80 -m -w 8"
        ]
    );
    namespace.debian("-C").success();
    assert_eq!(drain_of_nothing(&client, &id), "no_such_service");
}

fn drain_of_nothing(client: &Client, id: &ServiceId) -> &'static str {
    client.drain(id, &REAL.parse().unwrap(), DrainOptions::default()).unwrap_err().kind.name()
}
