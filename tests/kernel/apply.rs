//! Applying a table: only what differs is touched, in an order that leaves no hole, and others' services are left alone.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use ipvs_core::rules::RuleDisplay;
use ipvs_core::{
    ApplyOptions, Client, Command, Destination, ErrorKind, Forwarding, Plan, Scope, Service, ServiceId, Table,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::eventually;
use crate::namespace::{Namespace, built, run};

fn table(rules: &str) -> Table {
    Table::from_rules(rules).unwrap()
}

fn within(parts: &[&str]) -> Scope {
    Scope::Only(parts.iter().map(|part| part.parse().unwrap()).collect())
}

const WEB: &str = "-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1
-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 2
";

#[test]
fn a_second_time_does_nothing() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let wanted = table(&format!("{WEB}-A -f 7 -6 -s wrr -p 60\n-a -f 7 -6 -r [2001:db8::1]:0 -i -w 3\n"));
    let plan = client.plan(&wanted, &Scope::All).unwrap();
    assert_eq!((plan.additions.len(), plan.removals.len()), (5, 0));
    assert!(namespace.witness().is_empty());
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert!(applied.is_done() && applied.is_changed());
    assert_eq!(applied.done.len(), 5);
    let rules = namespace.witness();
    assert_eq!(rules.len(), 5);
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert!(applied.is_done() && !applied.is_changed(), "{applied:?}");
    assert!(client.plan(&wanted, &Scope::All).unwrap().is_empty());
    // What Debian's ipvsadm saves is the same table.
    assert!(client.plan(&table(&rules.join("\n")), &Scope::All).unwrap().is_empty());
}

#[test]
fn what_stays_keeps_its_connections_and_counters() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let id: ServiceId = "tcp://127.0.0.2:80".parse().unwrap();
    let before = "-A -t 127.0.0.2:80 -s rr\n-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m\n";
    client.apply(&table(before), &ApplyOptions::default()).unwrap();
    let server = TcpListener::bind("127.0.0.1:8080").unwrap();
    let _connection = TcpStream::connect("127.0.0.2:80").unwrap();
    let _accepted = server.accept().unwrap();
    // Counters lag by up to two seconds.
    while client.destinations(&id).unwrap()[0].stats.connections == 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let wanted = table(
        "-A -t 127.0.0.2:80 -s wrr\n-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 9\n-a -t 127.0.0.2:80 -r 127.0.0.3:80 -m\n",
    );
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert_eq!(applied.done.len(), 3);
    let entry = &client.destinations(&id).unwrap().into_iter().find(|entry| entry.destination.weight == 9).unwrap();
    assert_eq!((entry.active_connections, entry.stats.connections), (1, 1));
    assert!(namespace.debian("-Lnc").success().contains("ESTABLISHED"));
}

/// How the core knows that nobody could change a table within a listing (`DATAGRAM_MAX` and `ENTRY_MAX` of the transport): where
/// the kernel goes on in another datagram, there is no room left in this one.
#[test]
fn the_kernel_fills_a_datagram_before_it_makes_another() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let service = Service::new("tcp://10.0.0.1:80".parse().unwrap());
    client.add_service(&service).unwrap();
    for host in 1..=40 {
        client.add_destination(&service.id, &Destination::new(([192, 168, 1, host], 80).into())).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let strace = ["--trace=recvfrom", "-s", "0", "--output", log.to_str().unwrap()];
    run("/usr/bin/strace", strace.into_iter().chain([built("ipvsadm").to_str().unwrap(), "-Sn"])).success();
    let log = fs::read_to_string(log).unwrap();
    let lengths: Vec<usize> = log.lines().filter_map(|line| line.rsplit_once(" = ")?.1.parse().ok()).collect();
    let listing = lengths.split(|length| *length < 100).find(|answer| answer.len() > 1).unwrap();
    let (_last, full) = listing.split_last().unwrap();
    let room = 8192 - 320;
    assert!(full.iter().all(|length| (room - 511..=room).contains(length)), "{lengths:?}");
}

#[test]
fn what_is_outside_the_scope_is_never_touched() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let others = "-A -t 10.0.1.1:80 -s wlc\n-A -f 100 -s wlc\n";
    client
        .apply(&table(&format!("{others}-A -f 7 -s rr\n-A -t 10.0.0.9:80 -s rr\n")), &ApplyOptions::default())
        .unwrap();
    let scope = within(&["10.0.0.0/24", "fwmark:1-99"]);
    let options = ApplyOptions::default().with_scope(scope.clone());
    let applied = client.apply(&table(WEB), &options).unwrap();
    assert!(applied.is_done());
    let mut expected: Vec<_> = WEB.lines().chain(others.lines()).collect();
    expected.sort_unstable();
    let mut rules = namespace.witness();
    rules.sort_unstable();
    assert_eq!(rules, expected);
    // Nothing is sent for a table that is not within it.
    let error = client.apply(&table("-A -t 10.0.1.1:80 -s rr\n"), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot apply the table: scope: the service tcp://10.0.1.1:80 is not in it; add it to the scope, or leave it out"
    );
    assert_eq!(client.plan(&table(WEB), &scope).unwrap(), Plan::default());
}

#[test]
fn a_refusal_is_told_and_nothing_is_taken_away() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    client.apply(&table(WEB), &ApplyOptions::default()).unwrap();
    let wanted = table(
        "-A -t 10.0.0.2:80 -s rr\n-a -t 10.0.0.2:80 -r 192.168.1.1:80 -m\n-A -t 10.0.0.3:80 -s nosuch\n-a -t 10.0.0.3:80 -r 192.168.1.1:80 -m\n",
    );
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert!(!applied.is_done() && applied.is_changed());
    let failed: Vec<_> = applied.failed.iter().map(|(_, error)| error.kind.name()).collect();
    assert_eq!(failed, ["no_such_scheduler", "no_such_service"]);
    assert_eq!((applied.done.len(), applied.not_sent.len()), (2, 1));
    assert_eq!(namespace.witness().len(), 5);
    assert!(applied.rollback.is_none());

    let before = namespace.witness();
    let wanted = table("-A -t 10.0.0.1:80 -s wrr\n-A -t 10.0.0.4:80\n-A -t 10.0.0.3:80 -s nosuch\n");
    let applied = client.apply(&wanted, &ApplyOptions::default().with_rollback(true)).unwrap();
    // The service's settings, another service, and two servers that go; back again, and two services with five servers stay.
    assert_eq!((applied.done.len(), applied.not_sent.len()), (4, 1));
    let back = applied.rollback.unwrap();
    assert!(back.is_done() && back.done.len() == 4, "{back:?}");
    assert_eq!(namespace.witness(), before);
}

#[test]
fn a_refusal_holds_back_what_would_leave_nobody_to_answer_and_no_more() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let other = "-A -t 10.0.0.2:80 -s rr\n-a -t 10.0.0.2:80 -r 192.168.1.1:80 -m -w 1\n";
    client.apply(&table(&format!("{WEB}{other}-A -f 7\n")), &ApplyOptions::default()).unwrap();
    let shown = |commands: &[Command]| -> Vec<String> {
        commands.iter().map(|command| RuleDisplay(command).to_string()).collect()
    };
    // The kernel takes no multicast address.
    let refused = |host: u8| format!("-a -t 10.0.0.{host}:80 -r 224.0.0.1:80 -m\n");
    let web = "-A -t 10.0.0.1:80 -s nosuch\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n";
    let wanted = format!("{web}{}-A -t 10.0.0.2:80 -s rr\n{}", refused(1), refused(2));
    let applied = client.apply(&table(&wanted), &ApplyOptions::default()).unwrap();
    assert_eq!(applied.failed.len(), 3);
    // 192.168.1.1 goes on in the first service; nobody would be left in the second.
    assert_eq!(shown(&applied.done), ["-d -t 10.0.0.1:80 -r 192.168.1.2:80", "-D -f 7"]);
    assert_eq!(shown(&applied.not_sent), ["-d -t 10.0.0.2:80 -r 192.168.1.1:80"]);
    // A service that is to take another one's place is not there.
    let wanted = format!("{web}-A -t 10.0.0.3:80 -s nosuch\n");
    let applied = client.apply(&table(&wanted), &ApplyOptions::default()).unwrap();
    assert_eq!(shown(&applied.not_sent), ["-D -t 10.0.0.2:80"]);
    // One that is there, and has nobody to answer, is not either, however often it is tried.
    let wanted = format!("{web}-A -t 10.0.0.3:80 -s rr\n{}", refused(3));
    for _ in 0..2 {
        let applied = client.apply(&table(&wanted), &ApplyOptions::default()).unwrap();
        assert_eq!(shown(&applied.not_sent), ["-D -t 10.0.0.2:80"]);
    }
    client.delete_service(&"tcp://10.0.0.3:80".parse().unwrap()).unwrap();
    assert_eq!(namespace.witness().len(), 4);
}

#[test]
fn what_others_add_meanwhile_is_not_taken_back() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let stop = AtomicBool::new(false);
    let failing = table(&format!("{WEB}-A -t 10.0.0.3:80 -s nosuch\n"));
    std::thread::scope(|scope| {
        let hand = scope.spawn(|| {
            namespace.inside(|| {
                let client = Client::connect().unwrap();
                let foreign = Service::new("fwmark:9".parse().unwrap());
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) {
                    client.add_service(&foreign).unwrap();
                    client.delete_service(&foreign.id).unwrap();
                    rounds += 1;
                }
                rounds
            })
        });
        for _ in 0..100 {
            let applied = client.apply(&failing, &ApplyOptions::default().with_rollback(true)).unwrap();
            assert!(applied.rollback.unwrap().is_done());
        }
        stop.store(true, Ordering::Relaxed);
        assert!(hand.join().unwrap() > 0);
    });
    assert!(namespace.witness().is_empty());
}

proptest! {
    // Each one in the kernel.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_table_is_it_becomes_what_it_should_be_and_stays(tables in vec(any_table(), 1..5)) {
        let namespace = Namespace::enter();
        let client = Client::connect().unwrap();
        for wanted in tables {
            let plan = client.plan(&wanted, &Scope::All).unwrap();
            let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
            prop_assert!(applied.is_done(), "{:?}", applied);
            prop_assert!(applied.done.iter().eq(plan.commands()));
            prop_assert!(!client.apply(&wanted, &ApplyOptions::default()).unwrap().is_changed());
            prop_assert_eq!(&client.current_table(&Scope::All).unwrap(), &wanted);
            prop_assert_eq!(&table(&(namespace.witness().join("\n") + "\n")), &wanted);
        }
    }
}

/// A table out of so few services and servers that two tables share some.
fn any_table() -> impl Strategy<Value = Table> {
    let destination = (1..5_u8, 0..3_u32, any::<bool>()).prop_map(|(number, weight, direct)| {
        let forwarding = if direct { Forwarding::DirectRoute } else { Forwarding::Masquerade };
        let address = format!("192.168.1.{number}:80").parse().unwrap();
        Destination::new(address).with_forwarding(forwarding).with_weight(weight)
    });
    let service = (1..5_u8, any::<[bool; 2]>(), vec(destination, 0..4));
    vec(service, 0..4).prop_map(|services| {
        let mut table = Table::new();
        for (number, [rr, persistent], destinations) in services {
            let service = Service::new(format!("tcp://10.0.0.{number}:80").parse().unwrap());
            let service = service.with_scheduler(if rr { "rr" } else { "wlc" });
            table.insert(if persistent { service.with_persistence(60) } else { service }, destinations);
        }
        table
    })
}

#[test]
fn what_others_change_meanwhile_is_looked_at_again() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let foreign = "-A -f 100 -s wlc\n";
    client.apply(&table(foreign), &ApplyOptions::default()).unwrap();
    let wanted = table(WEB);
    let options = ApplyOptions::default().with_scope(within(&["10.0.0.0/24"]));
    let stop = AtomicBool::new(false);
    let inside = Client::connect().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let id = "tcp://10.0.0.1:80".parse().unwrap();
            let real = Destination::new("192.168.1.1:80".parse().unwrap()).with_forwarding(Forwarding::Masquerade);
            while !stop.load(Ordering::Relaxed) {
                let _ = inside.remove_service(&id);
                let _ = inside.add_service(&Service::new(id).with_scheduler("rr"));
                let _ = inside.add_destination(&id, &real);
            }
        });
        for _ in 0..200 {
            let applied = client.apply(&wanted, &options).unwrap();
            // Whoever is overtaken five times says by what.
            assert!(applied.is_done() || !applied.failed.is_empty());
            assert!(applied.interrupted.is_none());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(client.apply(&wanted, &options).unwrap().is_done());
    assert!(client.plan(&wanted, &options.scope).unwrap().is_empty());
    let table = client.current_table(&Scope::All).unwrap();
    assert_eq!(table.to_rules(), format!("{WEB}{foreign}"));
}

#[test]
fn of_a_large_table_only_what_changed_is_sent() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let mut wanted = Table::new();
    let service =
        |number: u32| Service::new(format!("tcp://10.0.{}.{}:80", number / 250, number % 250 + 1).parse().unwrap());
    let real = |number: u32| {
        let address = format!("172.16.{}.{}:80", number / 250, number % 250 + 1).parse().unwrap();
        Destination::new(address).with_forwarding(Forwarding::Masquerade)
    };
    for number in 0..300 {
        wanted.insert(service(number), (number * 10..number * 10 + 10).map(real));
    }
    assert_eq!(client.apply(&wanted, &ApplyOptions::default()).unwrap().done.len(), 3300);
    // One of a hundred: ten other weights, ten others, and ten gone.
    for number in 0..10 {
        let mut reals: Vec<_> = (number * 10..number * 10 + 9).map(real).collect();
        reals[0].weight = 7;
        reals.push(real(5000 + number));
        wanted.insert(service(number), reals);
    }
    let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
    assert_eq!((applied.done.len(), applied.is_done()), (30, true));
    assert_eq!(client.current_table(&Scope::All).unwrap(), wanted);
}

#[test]
fn two_of_ours_do_not_look_after_pools_at_once() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let lock = client.lock().unwrap();
    let error = Client::connect().unwrap().lock().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Locked(Some(process)) if process.cast_unsigned() == std::process::id()));
    assert_eq!(
        error.to_string(),
        "cannot take the lock of the network namespace: this process looks after the pools of this network namespace \
         already"
    );
    {
        let _elsewhere = Namespace::enter();
        let _lock = Client::connect().unwrap().lock().unwrap();
    }
    // Also from elsewhere it is the lock of the client's namespace.
    let elsewhere = Namespace::enter();
    assert!(client.lock().is_err());
    drop(elsewhere);
    drop(lock);
    let _lock = client.lock().unwrap();
    drop(namespace);
}

#[test]
fn keepalived_is_seen_in_its_namespace_only() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    assert_eq!(client.other_writers().unwrap(), []);
    let program = std::env::temp_dir().join("keepalived");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut processes = [(); 2].map(|()| std::process::Command::new(&program).arg("60").spawn().unwrap());
    let name = |process: u32| std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap();
    for process in &processes {
        eventually(|| name(process.id()), &"keepalived\n".to_owned());
    }
    // The first of several processes tells of all.
    let writers = client.other_writers().unwrap();
    assert_eq!(writers.len(), 1);
    assert_eq!((writers[0].name.as_str(), writers[0].process), ("keepalived", processes[0].id()));
    {
        let _elsewhere = Namespace::enter();
        assert_eq!(Client::connect().unwrap().other_writers().unwrap(), []);
    }
    for process in &mut processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}
