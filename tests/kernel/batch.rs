//! Many commands at once, whole tables, and what scripts want, in the kernel.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ipvs_core::rules::{self, Invocation, RuleDisplay};
use ipvs_core::{
    Client, Command, Destination, Ensured, ErrorKind, Forwarding, Netmask, Outcome, SchedulerFlags, Service, ServiceId,
    ServiceTable, Tunnel, TunnelChecksum,
};

use crate::namespace::Namespace;

fn id(text: &str) -> ServiceId {
    text.parse().unwrap()
}

fn real(address: &str) -> Destination {
    Destination::new(address.parse().unwrap()).with_forwarding(Forwarding::Masquerade)
}

/// A table with every kind of setting at its edges.
pub fn every_kind() -> Vec<Command> {
    let (off, on, remote) = (TunnelChecksum::Off, TunnelChecksum::On, TunnelChecksum::Remote);
    let through = |address: &str, tunnel| real(address).with_forwarding(Forwarding::Tunnel(tunnel));
    let services = [
        Service::new(id("tcp://10.0.0.1:80")).with_scheduler("wrr"),
        Service::new(id("tcp://10.0.0.1:0")).with_persistence(1).with_netmask(Netmask::Prefix(0)),
        Service::new(id("tcp://255.255.255.255:65535")).with_persistence(4_294_967).with_netmask(Netmask::Prefix(1)),
        Service::new(id("udp://10.0.0.1:53")).with_one_packet().with_netmask(Netmask::Prefix(24)),
        Service::new(id("udp://10.0.0.1:5060")).with_persistence(300).with_persistence_engine("sip"),
        Service::new(id("sctp://[2001:db8::1]:36412")).with_persistence(60).with_netmask(Netmask::Prefix(1)),
        Service::new(id("tcp://[2001:db8::1]:80"))
            .with_scheduler("sh")
            .with_scheduler_flags(SchedulerFlags::from_names("sh", ["sh-fallback", "sh-port", "flag-3"]).unwrap()),
        Service::new(id("fwmark:1")).with_one_packet(),
        Service::new(id("fwmark:4294967295/ipv6")).with_scheduler("mh").with_scheduler_flags(SchedulerFlags::FLAG_2),
    ];
    let destinations = [
        ("tcp://10.0.0.1:80", real("192.168.1.10:8080").with_weight(2_147_483_647)),
        ("tcp://10.0.0.1:80", real("192.168.1.11:1").with_weight(0).with_thresholds(2_147_483_647, 2_147_483_647)),
        ("tcp://10.0.0.1:80", real("192.168.1.12:65535").with_thresholds(1, 0)),
        ("tcp://10.0.0.1:80", real("192.168.1.13:80").with_forwarding(Forwarding::DirectRoute)),
        ("tcp://10.0.0.1:80", real("192.168.1.13:8080").with_forwarding(Forwarding::DirectRoute)),
        ("tcp://10.0.0.1:80", through("192.168.1.14:80", Tunnel::Ipip)),
        ("tcp://10.0.0.1:80", through("192.168.1.14:0", Tunnel::Ipip)),
        ("tcp://10.0.0.1:80", through("192.168.1.15:80", Tunnel::Gue { port: 1, checksum: off })),
        ("tcp://10.0.0.1:80", through("192.168.1.16:80", Tunnel::Gue { port: 65535, checksum: on })),
        ("tcp://10.0.0.1:80", through("192.168.1.17:80", Tunnel::Gue { port: 6080, checksum: remote })),
        ("tcp://10.0.0.1:80", through("192.168.1.18:80", Tunnel::Gre { checksum: off })),
        ("tcp://10.0.0.1:80", through("[2001:db8::14]:80", Tunnel::Gre { checksum: on })),
        ("tcp://[2001:db8::1]:80", through("192.168.1.14:80", Tunnel::Ipip)),
        ("tcp://[2001:db8::1]:80", real("[2001:db8::15]:80")),
        ("fwmark:1", real("192.168.1.10:0")),
        ("fwmark:4294967295/ipv6", real("[2001:db8::16]:0")),
    ];
    let services = services.into_iter().map(Command::AddService);
    services.chain(destinations.map(|(service, real)| Command::AddDestination(id(service), real))).collect()
}

/// The settings of a table in one order.
pub fn settings(table: &[ServiceTable]) -> Vec<(Service, Vec<Destination>)> {
    let mut settings: Vec<_> = table
        .iter()
        .map(|service| {
            let mut destinations: Vec<_> = service.destinations.iter().map(|entry| entry.destination.clone()).collect();
            destinations.sort_by_key(|destination| destination.address);
            (service.entry.service.clone(), destinations)
        })
        .collect();
    settings.sort_by_key(|(service, _)| service.id);
    settings
}

pub fn all_done(client: &Client, commands: &[Command]) {
    let report = client.batch(commands).unwrap();
    assert!(report.interrupted.is_none(), "{report:?}");
    for (command, outcome) in commands.iter().zip(report.outcomes()) {
        assert!(matches!(outcome, Outcome::Done), "{}: {outcome:?}", RuleDisplay(command));
    }
    assert!(report.is_done());
}

#[test]
fn every_setting_at_its_edges_is_what_was_sent() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let commands = every_kind();
    all_done(&client, &commands);
    let table = client.snapshot().unwrap();
    for command in commands {
        match command {
            Command::AddService(service) => assert!(table.iter().any(|listed| listed.entry.service == service)),
            Command::AddDestination(id, destination) => {
                let listed = client.destinations(&id).unwrap();
                let found = listed.iter().any(|entry| entry.destination == destination);
                assert!(found, "{destination:?} is not in {listed:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_snapshot_as_rules_restores_the_same_table() {
    let text;
    let before;
    {
        let namespace = Namespace::enter();
        let client = Client::connect().unwrap();
        all_done(&client, &every_kind());
        let table = client.snapshot().unwrap();
        before = settings(&table);
        text = rules::print(&table);
        // What 1.31 saves is there word for word, but for marks above 2^31, which it prints as negative numbers, and a
        // netmask without persistence, which it leaves out.
        let saved: HashSet<&str> = text.lines().collect();
        for line in namespace.witness() {
            let line = line.replace("-f -1", "-f 4294967295");
            let thresholds = saved.iter().any(|rule| rule.starts_with(&line));
            let netmask = saved.iter().any(|rule| rule.replace(" -M 255.255.255.0", "") == line);
            assert!(thresholds || netmask, "{line} is not in\n{text}");
        }
    }
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let commands: Vec<Command> = rules::parse_rules(&text, &rules::Numeric)
        .map(|line| match line.unwrap().invocation {
            Invocation::Change(command) => command,
            other => panic!("{other:?}"),
        })
        .collect();
    all_done(&client, &commands);
    assert_eq!(settings(&client.snapshot().unwrap()), before);
}

#[test]
fn a_batch_says_what_became_of_each_command() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let service = |port: u16| Service::new(id(&format!("tcp://10.0.0.1:{port}"))).with_scheduler("rr");
    // Every third one is there already by then, over several pieces.
    let ports: Vec<u16> =
        (1..=1000).flat_map(|port| if port % 2 == 0 { vec![port, port] } else { vec![port] }).collect();
    let commands: Vec<Command> = ports.iter().map(|port| Command::AddService(service(*port))).collect();
    let report = client.batch(&commands).unwrap();
    assert!(report.interrupted.is_none());
    let mut seen = HashSet::new();
    for (port, outcome) in ports.iter().zip(report.outcomes()) {
        match outcome {
            Outcome::Done => assert!(seen.insert(*port), "{port}"),
            Outcome::Failed(error) => {
                assert!(matches!(error.kind, ErrorKind::ServiceExists), "{error}");
                assert!(!seen.insert(*port), "{port}");
                assert_eq!(error.operation.object(), Some(format!("tcp://10.0.0.1:{port}")));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(namespace.witness().len(), 1000);
}

#[test]
fn no_answer_is_lost_when_all_fail() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let missing = id("tcp://10.0.0.1:80");
    let commands: Vec<Command> = (0..5000).map(|_| Command::DeleteService(missing)).collect();
    let report = client.batch(&commands).unwrap();
    assert!(report.interrupted.is_none(), "{:?}", report.interrupted);
    assert!(report.failed.iter().map(|(position, _)| *position).eq(0..commands.len()));
    assert!(report.failed.iter().all(|(_, error)| matches!(error.kind, ErrorKind::NoSuchService)));
}

#[test]
fn a_command_that_cannot_be_right_keeps_the_whole_batch_back() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let wrong = Service::new(id("tcp://10.0.0.1:81")).with_scheduler("");
    let commands = [Command::AddService(Service::new(id("tcp://10.0.0.1:80"))), Command::AddService(wrong)];
    let error = client.batch(&commands).unwrap_err();
    assert_eq!(error.to_string(), "cannot add service tcp://10.0.0.1:81: scheduler: the name is empty");
    assert!(namespace.witness().is_empty());
    assert!(client.batch::<Command>(&[]).unwrap().is_done());
}

#[test]
fn a_missing_engine_is_told_from_a_missing_scheduler() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let service = Service::new(id("udp://10.0.0.1:5060")).with_persistence(60);
    let kind = |service: Service| {
        let error = client.add_service(&service).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2));
        error.kind
    };
    let engine = service.clone().with_persistence_engine("nosuch");
    assert!(matches!(kind(engine.clone()), ErrorKind::NoSuchPersistenceEngine(name) if name == "nosuch"));
    let both = engine.with_scheduler("nosched");
    assert!(matches!(kind(both), ErrorKind::NoSuchScheduler(name) if name == "nosched"));
    let scheduler = service.clone().with_persistence_engine("sip").with_scheduler("nosched");
    assert!(matches!(kind(scheduler), ErrorKind::NoSuchScheduler(name) if name == "nosched"));
    assert!(client.services().unwrap().is_empty());
}

#[test]
fn ensure_creates_or_updates_and_remove_does_not_mind_absence() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let web = Service::new(id("tcp://10.0.0.1:80"));
    assert_eq!(client.ensure_service(&web).unwrap(), Ensured::Created);
    assert_eq!(client.ensure_service(&web.clone().with_scheduler("rr")).unwrap(), Ensured::Updated);
    let server = real("192.168.1.10:80");
    assert_eq!(client.ensure_destination(&web.id, &server).unwrap(), Ensured::Created);
    assert_eq!(client.ensure_destination(&web.id, &server.clone().with_weight(3)).unwrap(), Ensured::Updated);
    assert_eq!(namespace.witness(), ["-A -t 10.0.0.1:80 -s rr", "-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 3"]);
    let error = client.ensure_destination(&id("tcp://10.0.0.9:80"), &server).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchService), "{error}");
    assert!(client.remove_destination(&web.id, &server.address).unwrap());
    assert!(!client.remove_destination(&web.id, &server.address).unwrap());
    assert!(client.remove_service(&web.id).unwrap());
    assert!(!client.remove_service(&web.id).unwrap());
    assert!(!client.remove_destination(&web.id, &server.address).unwrap());
}

#[test]
fn a_weight_changes_and_nothing_else() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    all_done(&client, &every_kind());
    for listed in client.snapshot().unwrap() {
        let service = listed.entry.service.id;
        for entry in listed.destinations {
            let before = entry.destination;
            assert_eq!(client.set_weight(&service, &before.address, 77).unwrap(), before.weight);
            let after = client.destinations(&service).unwrap().into_iter().map(|entry| entry.destination);
            let expected = before.clone().with_weight(77);
            assert!(after.into_iter().any(|destination| destination == expected), "{before:?}");
        }
    }
    let web = id("tcp://10.0.0.1:80");
    let error = client.set_weight(&web, &"10.9.9.9:9".parse().unwrap(), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot set the weight of destination 10.9.9.9:9 of service tcp://10.0.0.1:80: the service has no such destination"
    );
    let error = client.set_weight(&id("tcp://10.0.0.9:80"), &"10.9.9.9:9".parse().unwrap(), 1).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchService), "{error}");
}

#[test]
fn a_tunnel_that_changes_within_a_batch_stays_as_it_was_left() {
    let gue = Forwarding::Tunnel(Tunnel::Gue { port: 6080, checksum: TunnelChecksum::On });
    let tunnel = |forwarding| real("192.168.1.10:80").with_forwarding(forwarding);
    let web = Service::new(id("tcp://10.0.0.1:80"));
    let address = tunnel(gue).address;
    let middles = [
        vec![Command::EditDestination(web.id, tunnel(Forwarding::TUNNEL))],
        vec![Command::DeleteDestination(web.id, address), Command::AddDestination(web.id, tunnel(Forwarding::TUNNEL))],
    ];
    for middle in middles {
        let _namespace = Namespace::enter();
        let client = Client::connect().unwrap();
        let begin = [Command::AddService(web.clone()), Command::AddDestination(web.id, tunnel(gue))];
        all_done(&client, &[&begin[..], &middle].concat());
        assert_eq!(client.destinations(&web.id).unwrap()[0].destination, tunnel(Forwarding::TUNNEL));
    }
}

#[test]
fn a_scheduler_is_found_missing_whatever_services_there_are() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    client.add_service(&Service::new(id("tcp://[::]:0")).with_persistence(60)).unwrap();
    let sip = Service::new(id("udp://10.0.0.1:5060")).with_persistence(60).with_persistence_engine("sip");
    let error = client.add_service(&sip.with_scheduler("nosched")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchScheduler(_)), "{error}");
}

#[test]
fn an_edit_keeps_what_it_says_and_clears_the_rest() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let sip = Service::new(id("udp://10.0.0.1:5060")).with_persistence(300).with_persistence_engine("sip");
    client.add_service(&sip).unwrap();
    let other = sip.clone().with_scheduler("rr");
    client.edit_service(&other).unwrap();
    assert_eq!(client.service(&sip.id).unwrap().service, other);
    let plain = Service::new(sip.id);
    client.edit_service(&plain).unwrap();
    assert_eq!(client.service(&sip.id).unwrap().service, plain);
}

#[test]
fn a_table_that_changes_during_a_snapshot_shows_only_what_was_there() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let service = |port: u16| Service::new(id(&format!("tcp://10.0.0.1:{port}"))).with_scheduler("rr");
    let add = |port| {
        let service = service(port);
        let server = real(&format!("192.168.1.10:{port}")).with_weight(port.into());
        [Command::AddService(service.clone()), Command::AddDestination(service.id, server)]
    };
    let ports = 1..=300u16;
    all_done(&client, &ports.clone().flat_map(add).collect::<Vec<_>>());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let writer = Client::connect().unwrap();
            let mut port = 1;
            while !done.load(Ordering::Relaxed) {
                writer.delete_service(&service(port).id).unwrap();
                all_done(&writer, &add(port));
                port = port % 300 + 1;
            }
        });
        for _ in 0..10 {
            for listed in client.snapshot().unwrap() {
                let port = listed.entry.service.id.port().unwrap();
                assert_eq!(listed.entry.service, service(port));
                for entry in listed.destinations {
                    assert_eq!(entry.destination, real(&format!("192.168.1.10:{port}")).with_weight(port.into()));
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
