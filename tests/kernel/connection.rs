//! Connections and counters under real traffic, and what an ordinary user sees.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use ipvs_core::{Client, Connection, Destination, Forwarding, Options, OverviewId, Protocol, Service, ServiceId};

use crate::differential::difference;
use crate::eventually;
use crate::namespace::{Namespace, Ran, WITNESS, built, run};

/// A namespace whose `lo` has a virtual address, and a client in it.
fn director() -> (Namespace, Client) {
    let namespace = Namespace::enter();
    run("ip", ["address", "add", "10.0.0.1/32", "dev", "lo"]).success();
    run("ip", ["address", "add", "2001:db8::1/128", "dev", "lo", "nodad"]).success();
    (namespace, Client::connect().unwrap())
}

fn add(client: &Client, service: &Service, destination: &str) -> ServiceId {
    client.add_service(service).unwrap();
    let real = Destination::new(destination.parse().unwrap()).with_forwarding(Forwarding::Masquerade);
    client.add_destination(&service.id, &real).unwrap();
    service.id
}

fn connections(client: &Client) -> Vec<Connection> {
    client.connections().unwrap().collect::<Result<_, _>>().unwrap()
}

/// A listing without what is left of each connection's time.
fn without_times(mut listing: Ran) -> Ran {
    let is_time = |word: &str| word.len() == 5 && word.split(':').all(|part| part.parse::<u8>().is_ok());
    let times: Vec<_> = listing.stdout.split_whitespace().filter(|word| is_time(word)).map(str::to_owned).collect();
    for time in times {
        listing.stdout = listing.stdout.replace(&time, "--:--");
    }
    listing
}

/// Compares listings with those of Debian's ipvsadm, at a moment when time does not show. To look for names takes longer than a
/// second in an emulator: of such a listing the times are left out.
fn is_listed_as_debian_s(namespace: &Namespace, lines: &[&str]) {
    for line in lines {
        let times = if *line == "-Lc" { without_times } else { std::convert::identity };
        let equal = (0..20).any(|_| {
            let [before, our_own, after] =
                [namespace.debian(line), namespace.ours(line), namespace.debian(line)].map(times);
            before.stdout == after.stdout && {
                assert_eq!(difference(&after, &our_own), None, "{line}");
                true
            }
        });
        assert!(equal, "{line}: never the same twice");
    }
}

/// Sends so many bytes through a service; gives both ends, so that the connection stays.
fn send(virtual_address: &str, server: &TcpListener, mut bytes: usize) -> [TcpStream; 2] {
    let mut ours = TcpStream::connect(virtual_address).unwrap();
    let (theirs, _) = server.accept().unwrap();
    let mut reading = theirs.try_clone().unwrap().take(bytes as u64);
    let reader = thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()).unwrap());
    let block = vec![0; 1 << 20];
    while bytes > 0 {
        let next = bytes.min(block.len());
        ours.write_all(&block[..next]).unwrap();
        bytes -= next;
    }
    reader.join().unwrap();
    [ours, theirs]
}

#[test]
fn traffic_of_every_kind_is_listed_as_debian_s() {
    let (namespace, client) = director();
    run("ip", ["address", "add", "10.0.0.7/32", "dev", "lo"]).success();
    run("modprobe", ["ip_tables"]).success();
    run("iptables-legacy", "-t mangle -A OUTPUT -d 10.0.0.7 -j MARK --set-mark 7".split(' ')).success();
    let service = |id: &str| Service::new(id.parse().unwrap()).with_scheduler("rr");
    add(&client, &service("tcp://10.0.0.1:80"), "127.0.0.1:8080");
    add(&client, &service("tcp://[2001:db8::1]:80").with_persistence(60), "[::1]:8080");
    add(&client, &service("fwmark:7").with_persistence(60), "127.0.0.1:0");
    add(&client, &service("udp://[2001:db8::1]:53"), "[::1]:5353");
    let servers = ["127.0.0.1:8080", "[::1]:8080"].map(|address| TcpListener::bind(address).unwrap());
    // The first is shown in millions, the second in thousands; what would be in thousands of millions takes too long.
    let _open = [
        send("10.0.0.1:80", &servers[0], 1_050_000_000),
        send("[2001:db8::1]:80", &servers[1], 110_000_000),
        send("10.0.0.7:8080", &servers[0], 5),
    ];
    let ours = UdpSocket::bind("[::1]:0").unwrap();
    ours.send_to(b"question", "[2001:db8::1]:53").unwrap();
    eventually(|| connections(&client).len(), &6);
    let stats = || client.services().unwrap().iter().map(|entry| entry.stats.connections).collect::<Vec<_>>();
    eventually(stats, &vec![1; 4]);
    let lines = [
        "-Lnc",
        "-Lc",
        "-Lnc --persistent-conn",
        "-Ln --stats",
        "-L --stats",
        "-Ln --stats --exact",
        "-Ln --rate",
        "-Ln --rate --exact",
        "-Ln --persistent-conn",
        "-Ln --thresholds",
        "-Ln",
    ];
    is_listed_as_debian_s(&namespace, &lines);
    let listed = namespace.ours("-Ln --stats").success();
    for rounded in [" 10", " 11"].iter().zip(["M", "K"]) {
        let is_rounded = |word: &str| word.starts_with(rounded.0.trim()) && word.ends_with(rounded.1);
        assert!(listed.split_whitespace().any(is_rounded), "{listed}");
    }
}

#[test]
fn connections_and_counters_are_what_the_traffic_was() {
    for (virtual_address, real) in [("10.0.0.1:80", "127.0.0.1:8080"), ("[2001:db8::1]:80", "[::1]:8080")] {
        let (namespace, client) = director();
        let service = Service::new(format!("tcp://{virtual_address}").parse().unwrap()).with_scheduler("rr");
        let id = add(&client, &service, real);
        let server = TcpListener::bind(real).unwrap();
        let mut ours = TcpStream::connect(virtual_address).unwrap();
        let (mut theirs, _) = server.accept().unwrap();
        ours.write_all(b"hello").unwrap();
        let mut received = [0; 5];
        theirs.read_exact(&mut received).unwrap();

        let listed = connections(&client);
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(listed[0].protocol, Protocol::Tcp);
        assert_eq!(listed[0].client, ours.local_addr().unwrap());
        assert_eq!(listed[0].virtual_address, virtual_address.parse().unwrap());
        assert_eq!(listed[0].destination, real.parse().unwrap());
        assert_eq!(listed[0].state, "ESTABLISHED");
        assert!((1..=900).contains(&listed[0].expires));
        let debian = namespace.debian("-Lnc").success();
        assert!(debian.contains(&ours.local_addr().unwrap().to_string()), "{debian}");

        eventually(|| client.service(&id).unwrap().stats.connections, &1);
        let entry = client.destinations(&id).unwrap().remove(0);
        assert_eq!((entry.active_connections, entry.inactive_connections), (1, 0));
        assert_eq!(entry.stats.connections, 1);
        assert!(entry.stats.packets_in >= 2 && entry.stats.bytes_in > 5, "{:?}", entry.stats);
        let totals = client.total_stats().unwrap();
        assert!(totals.connections >= 1 && totals.bytes_in >= entry.stats.bytes_in, "{totals:?}");

        client.zero(Some(&id)).unwrap();
        assert_eq!(client.service(&id).unwrap().stats.connections, 0);
        assert_eq!(client.destinations(&id).unwrap()[0].stats.packets_in, 0);
        assert!(client.total_stats().unwrap().connections >= 1);
        client.zero(None).unwrap();
        assert_eq!(client.total_stats().unwrap().connections, 0);
    }
}

#[test]
fn persistence_shows_as_a_template() {
    let (_namespace, client) = director();
    let service = Service::new("udp://10.0.0.1:53".parse().unwrap()).with_scheduler("rr").with_persistence(60);
    let id = add(&client, &service, "127.0.0.1:5353");
    let server = UdpSocket::bind("127.0.0.1:5353").unwrap();
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    ours.send_to(b"question", "10.0.0.1:53").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    server.recv(&mut [0; 16]).unwrap();
    let listed = connections(&client);
    let template = listed.iter().find(|connection| connection.client.port() == 0).unwrap();
    assert_eq!(template.protocol, Protocol::Udp);
    assert!(listed.iter().any(|connection| connection.state == "UDP"), "{listed:?}");
    assert_eq!(client.destinations(&id).unwrap()[0].persistent_connections, 1);
}

#[test]
fn what_a_persistence_engine_knows_is_shown_whatever_a_client_sends() {
    let (namespace, client) = director();
    let service = Service::new("udp://10.0.0.1:5060".parse().unwrap())
        .with_scheduler("rr")
        .with_persistence(60)
        .with_persistence_engine("sip")
        .with_one_packet();
    add(&client, &service, "127.0.0.1:5070");
    let server = UdpSocket::bind("127.0.0.1:5070").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    for call in [&b"plain-id@host"[..], b"b\xe9\xffd-id@host"] {
        let invite = [b"INVITE sip:user@host SIP/2.0\r\nCall-ID: ", call, b"\r\nCSeq: 1 INVITE\r\n\r\n"].concat();
        ours.send_to(&invite, "10.0.0.1:5060").unwrap();
        server.recv(&mut [0; 256]).unwrap();
    }
    let mut listed: Vec<_> = connections(&client).into_iter().filter_map(|connection| connection.persistence).collect();
    listed.sort_by(|one, other| one.data.cmp(&other.data));
    let data: Vec<_> = listed.iter().map(|data| (data.engine.as_str(), data.data.as_str())).collect();
    assert_eq!(data, [("sip", "b\u{fffd}\u{fffd}d-id@host"), ("sip", "plain-id@host")]);

    is_listed_as_debian_s(&namespace, &["-Lnc", "-Lc", "-Ln --stats", "-Ln --persistent-conn"]);
    // Of the other one 1.31 shows the bytes as they are.
    let plain = |program: &str| {
        let line = format!("{program} -Lnc --persistent-conn | grep --text plain-id");
        without_times(run("sh", ["-c", line.as_str()])).success()
    };
    let shown = plain(built("ipvsadm").to_str().unwrap());
    assert!(shown.ends_with(" plain-id@host\n"), "{shown}");
    assert_eq!(shown, plain(WITNESS));

    // From outside the namespace too.
    let name = namespace.name().to_owned();
    let outside = Namespace::enter();
    let named = Client::connect_with(&Options::default().with_netns(name)).unwrap();
    assert!(connections(&named).iter().any(|connection| connection.persistence.is_some()));
    assert!(connections(&Client::connect().unwrap()).is_empty());
    eventually(|| named.total_stats().unwrap().connections >= 2, &true);
    drop(outside);
}

#[test]
fn an_ordinary_user_sees_the_overview() {
    let (_namespace, client) = director();
    let web = Service::new("tcp://10.0.0.1:80".parse().unwrap()).with_scheduler("wrr").with_persistence(60);
    add(&client, &web, "192.168.1.10:8080");
    add(&client, &Service::new("fwmark:7".parse().unwrap()).with_one_packet(), "192.168.1.10:0");
    add(&client, &Service::new("udp://[2001:db8::1]:53".parse().unwrap()), "[2001:db8::a]:53");
    let seen = thread::spawn(|| {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
        Client::overview().unwrap()
    });
    let services = seen.join().unwrap();
    let find = |id| services.iter().find(|service| service.id == id).unwrap();
    let web = find(OverviewId::Address { protocol: Protocol::Tcp, address: "10.0.0.1:80".parse().unwrap() });
    assert_eq!((web.scheduler.as_str(), web.persistent, web.one_packet), ("wrr", true, false));
    assert_eq!(web.destinations[0].address, "192.168.1.10:8080".parse().unwrap());
    assert_eq!((web.destinations[0].forwarding, web.destinations[0].weight), (Forwarding::Masquerade, 1));
    assert!(find(OverviewId::Fwmark(7)).one_packet);
    let dns = find(OverviewId::Address { protocol: Protocol::Udp, address: "[2001:db8::1]:53".parse().unwrap() });
    assert_eq!(dns.destinations[0].address, "[2001:db8::a]:53".parse().unwrap());
}
