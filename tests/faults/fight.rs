//! Several writers of one table at once.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipvs_core::{ApplyOptions, Client, Command, ErrorKind, Scope, Table};

use crate::alone;

/// How long they fight.
const LONG: Duration = Duration::from_secs(60);

/// A table of its own idea of the same services.
fn table(weight: u32) -> Table {
    let mut rules = String::new();
    for service in 1..=20 {
        let _ = writeln!(rules, "-A -t 10.0.0.{service}:80 -s rr");
        for host in 1..=weight {
            let _ = writeln!(rules, "-a -t 10.0.0.{service}:80 -r 192.168.1.{host}:80 -m -w {weight}");
        }
    }
    Table::from_rules(&rules).unwrap()
}

#[test]
fn two_writers_and_a_flusher_end_with_the_last_one_s_table() {
    let (_alone, namespace) = alone();
    let stop = AtomicBool::new(false);
    let (done, overtaken, flushes) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let changed_the_other_s = [2, 3].map(|weight| (weight, AtomicU32::new(0)));
    thread::scope(|scope| {
        for (weight, changed_the_other_s) in &changed_the_other_s {
            let (namespace, stop, done, overtaken) = (&namespace, &stop, &done, &overtaken);
            scope.spawn(move || {
                namespace.inside(|| {
                    let client = Client::connect().unwrap();
                    let wanted = table(*weight);
                    while !stop.load(Ordering::Relaxed) {
                        let applied = client.apply(&wanted, &ApplyOptions::default()).unwrap();
                        assert!(applied.interrupted.is_none(), "{applied:?}");
                        // Whoever loses says to whom: what it wanted to add was there, or what it wanted to change was not.
                        for (command, error) in &applied.failed {
                            let by_others = matches!(
                                error.kind,
                                ErrorKind::ServiceExists
                                    | ErrorKind::NoSuchService
                                    | ErrorKind::DestinationExists
                                    | ErrorKind::NoSuchDestination
                            );
                            assert!(by_others, "{command:?}: {error}");
                        }
                        let is_the_other_s = |command: &Command| {
                            matches!(command, Command::EditDestination(..) | Command::DeleteDestination(..))
                        };
                        if applied.done.iter().any(is_the_other_s) {
                            changed_the_other_s.fetch_add(1, Ordering::Relaxed);
                        }
                        let counter = if applied.is_done() { done } else { overtaken };
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
        }
        scope.spawn(|| {
            namespace.inside(|| {
                let client = Client::connect().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    client.flush().unwrap();
                    flushes.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(20));
                }
            });
        });
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{done:?} applies were done, {overtaken:?} were overtaken five times, {flushes:?} flushes");
    println!("changed what the other had made: {changed_the_other_s:?}");
    assert!(done.into_inner() > 100 && flushes.into_inner() > 100);
    assert!(changed_the_other_s.into_iter().all(|(_, times)| times.into_inner() > 20));
    let client = Client::connect().unwrap();
    assert!(client.apply(&table(4), &ApplyOptions::default()).unwrap().is_done());
    assert_eq!(client.current_table(&Scope::All).unwrap(), table(4));
    assert_eq!(namespace.witness().len(), 20 * 5);
}
