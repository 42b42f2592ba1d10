//! Pools in the kernel: what follows from a fact is done, drift is repaired, a restart goes on where it was.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use ipvs_core::rules::RuleDisplay;
use ipvs_core::{Client, Destination, Forwarding, Pool, PoolConfig, PoolEvent, Scope, Service, ServiceId};

use crate::eventually;
use crate::namespace::Namespace;

fn real(address: &str) -> Destination {
    Destination::new(address.parse().unwrap()).with_forwarding(Forwarding::Masquerade)
}

fn config() -> PoolConfig {
    let service = Service::new("tcp://10.0.0.1:80".parse().unwrap()).with_scheduler("wrr");
    PoolConfig::new([service])
        .with_servers([real("192.168.1.1:80").with_weight(5), real("192.168.1.2:80")])
        .with_sorry_server(real("192.168.1.99:80"))
}

const SERVICE: &str = "-A -t 10.0.0.1:80 -s wrr";
const FIRST: &str = "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 5";
const SECOND: &str = "-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 1";
const SORRY: &str = "-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 1";

/// What Debian's `ipvsadm` saves, in an order of its own.
fn rules(namespace: &Namespace) -> Vec<String> {
    let mut rules = namespace.witness();
    rules.sort();
    rules
}

#[test]
fn facts_become_the_table() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut pool = Pool::new(config()).unwrap();
    assert_eq!(client.adopt(&mut pool).unwrap().done.len(), 3);
    assert_eq!(rules(&namespace), [SERVICE, FIRST, SECOND]);
    let mut check = |address: &str, is_well| {
        let changes = pool.checked(&address.parse().unwrap(), is_well).unwrap();
        let applied = client.follow(&pool, &changes).unwrap();
        assert!(applied.is_done());
        changes.events
    };
    check("192.168.1.1:80", false);
    assert_eq!(rules(&namespace), [SERVICE, SECOND]);
    assert_eq!(check("192.168.1.2:80", false).last(), Some(&PoolEvent::QuorumLost));
    assert_eq!(rules(&namespace), [SERVICE, SORRY]);
    assert_eq!(check("192.168.1.1:80", true).last(), Some(&PoolEvent::QuorumGained));
    assert_eq!(rules(&namespace), [SERVICE, FIRST]);
}

#[test]
fn drift_is_repaired_and_foreign_services_stay() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    assert!(!client.reconcile(&pool).unwrap().is_changed());
    for drift in [
        "-e -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 77",
        "-e -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 5 -x 9",
        "-d -t 10.0.0.1:80 -r 192.168.1.2:80",
        "-a -t 10.0.0.1:80 -r 192.168.1.50:80 -m",
        "-E -t 10.0.0.1:80 -s rr -p 60",
        "-C",
    ] {
        namespace.debian("-A -f 9").success();
        namespace.debian(drift).success();
        let repaired = client.reconcile(&pool).unwrap();
        assert!(repaired.is_done() && repaired.is_changed(), "{drift}");
        assert!(!client.reconcile(&pool).unwrap().is_changed());
        let left: Vec<_> = rules(&namespace).into_iter().filter(|rule| rule != "-A -f 9 -s wlc").collect();
        assert_eq!(left, [SERVICE, FIRST, SECOND]);
        if drift != "-C" {
            namespace.debian("-D -f 9").success();
        }
    }
}

#[test]
fn a_fact_that_meets_drift_makes_the_table_right() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    namespace.debian("-d -t 10.0.0.1:80 -r 192.168.1.2:80").success();
    let changes = pool.checked(&"192.168.1.2:80".parse().unwrap(), false).unwrap();
    assert!(client.follow(&pool, &changes).unwrap().is_done());
    assert_eq!(rules(&namespace), [SERVICE, FIRST]);
    namespace.debian("-C").success();
    let changes = pool.checked(&"192.168.1.2:80".parse().unwrap(), true).unwrap();
    assert!(client.follow(&pool, &changes).unwrap().is_done());
    assert_eq!(rules(&namespace), [SERVICE, FIRST, SECOND]);
}

#[test]
fn a_server_s_death_does_not_empty_a_pool_that_somebody_else_has_emptied_before() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    namespace.debian("-d -t 10.0.0.1:80 -r 192.168.1.2:80").success();
    let changes = pool.checked(&"192.168.1.1:80".parse().unwrap(), false).unwrap();
    let applied = client.follow(&pool, &changes).unwrap();
    let order: Vec<_> = applied.done.iter().map(|command| RuleDisplay(command).to_string()).collect();
    assert_eq!(order, [SECOND, "-d -t 10.0.0.1:80 -r 192.168.1.1:80"]);
    assert_eq!(rules(&namespace), [SERVICE, SECOND]);
}

#[test]
fn a_service_that_the_configuration_drops_goes_also_if_others_changed_the_table() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut wider = config();
    wider.services.push(Service::new("fwmark:7".parse().unwrap()));
    let mut pool = Pool::new(wider).unwrap();
    client.adopt(&mut pool).unwrap();
    let mut narrower = config();
    narrower.servers.push(real("192.168.1.3:80"));
    let changes = pool.set_config(narrower).unwrap();
    // What it adds is there already, with other settings.
    namespace.debian("-a -t 10.0.0.1:80 -r 192.168.1.3:80 -m -w 9").success();
    namespace.debian("-A -f 8").success();
    let applied = client.follow(&pool, &changes).unwrap();
    assert!(applied.is_done(), "{applied:?}");
    let third = "-a -t 10.0.0.1:80 -r 192.168.1.3:80 -m -w 1";
    assert_eq!(rules(&namespace), ["-A -f 8 -s wlc", SERVICE, FIRST, SECOND, third]);
}

#[test]
fn foreign_services_keep_their_counters_and_connections() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    for line in ["-A -t 127.0.0.2:80 -s rr", "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m"] {
        namespace.debian(line).success();
    }
    let server = TcpListener::bind("127.0.0.1:8080").unwrap();
    let _stream = TcpStream::connect("127.0.0.2:80").unwrap();
    let _accepted = server.accept().unwrap();
    let foreign: ServiceId = "tcp://127.0.0.2:80".parse().unwrap();
    // Counters lag by up to two seconds.
    eventually(|| client.service(&foreign).unwrap().stats.connections, &1);
    let before = client.destinations(&foreign).unwrap();
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    for _ in 0..3 {
        namespace.debian("-D -t 10.0.0.1:80").success();
        assert_eq!(client.reconcile(&pool).unwrap().done.len(), 3);
    }
    let after = client.destinations(&foreign).unwrap();
    assert_eq!((after[0].active_connections, after[0].stats.connections), (1, 1));
    assert_eq!(after[0].destination, before[0].destination);
}

#[test]
fn a_state_file_tells_what_the_kernel_cannot() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let config = || config().with_inhibit_on_failure(true);
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    // One is drained by hand, and the other failed with a weight of its own: both have weight 0 in the kernel.
    let (first, second) = ("192.168.1.1:80".parse().unwrap(), "192.168.1.2:80".parse().unwrap());
    for (address, weight) in [(first, 0), (second, 7)] {
        let changes = pool.set_weight(&address, Some(weight)).unwrap();
        client.follow(&pool, &changes).unwrap();
    }
    let changes = pool.checked(&second, false).unwrap();
    client.follow(&pool, &changes).unwrap();
    let left = rules(&namespace);
    let state = pool.state();

    let mut again = Pool::new(config()).unwrap();
    again.adopt_state(&state).unwrap();
    assert!(!client.reconcile(&again).unwrap().is_changed());
    assert_eq!(rules(&namespace), left);
    let changes = again.checked(&second, true).unwrap();
    client.follow(&again, &changes).unwrap();
    assert!(rules(&namespace).contains(&"-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 7".to_owned()));
    assert!(rules(&namespace).contains(&"-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 0".to_owned()));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    let follow = |pool: &mut Pool, address: &str, is_well| {
        let changes = pool.checked(&address.parse().unwrap(), is_well).unwrap();
        client.follow(pool, &changes).unwrap();
    };
    follow(&mut pool, "192.168.1.1:80", false);
    follow(&mut pool, "192.168.1.2:80", false);
    let left = rules(&namespace);
    let mut again = Pool::new(config()).unwrap();
    assert!(!client.adopt(&mut again).unwrap().is_changed());
    assert_eq!(rules(&namespace), left);
    assert!(!again.has_quorum());
    follow(&mut again, "192.168.1.2:80", true);
    assert_eq!(rules(&namespace), [SERVICE, SECOND]);
}

#[test]
fn somebody_else_s_hand_in_a_loop_does_not_keep_the_pool_from_what_it_wants() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut pool = Pool::new(config()).unwrap();
    client.adopt(&mut pool).unwrap();
    client.add_service(&Service::new("fwmark:9".parse().unwrap())).unwrap();
    let foreign = client.current_table(&Scope::Only(vec!["fwmark:9".parse().unwrap()])).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hand = scope.spawn(|| {
            namespace.inside(|| {
                let mut edits = 0;
                while !stop.load(Ordering::Relaxed) {
                    namespace.debian("-e -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 77");
                    namespace.debian("-d -t 10.0.0.1:80 -r 192.168.1.2:80");
                    namespace.debian("-a -t 10.0.0.1:80 -r 192.168.1.50:80 -m");
                    edits += 3;
                }
                edits
            })
        });
        for _ in 0..100 {
            let repaired = client.reconcile(&pool).unwrap();
            assert!(repaired.interrupted.is_none());
        }
        stop.store(true, Ordering::Relaxed);
        assert!(hand.join().unwrap() > 0);
    });
    assert!(client.reconcile(&pool).unwrap().is_done());
    assert_eq!(client.current_table(&pool.scope()).unwrap(), pool.table());
    assert_eq!(client.current_table(&Scope::Only(vec!["fwmark:9".parse().unwrap()])).unwrap(), foreign);
}
