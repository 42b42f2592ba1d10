//! Pools in the kernel: what follows from a fact is done, drift is repaired, a restart goes on where it was.

use std::sync::atomic::{AtomicBool, Ordering};

use ipvs_core::{Client, Destination, Forwarding, Pool, PoolConfig, PoolEvent, Scope, Service};

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
