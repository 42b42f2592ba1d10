//! The clock on the wall is not the one that deadlines are measured by.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ipvs_core::{ApplyOptions, Client, DrainOptions, DrainState, ErrorKind, Options, Service, Table};
use rustix::time::{ClockId, Timespec, clock_settime};

use crate::alone;
use crate::namespace::{built, run_with_input};

const HELPER: &str = "/proc/sys/kernel/modprobe";

/// The guest's clock, and its helper that loads modules, are as they were when this is dropped.
struct Restored {
    now: SystemTime,
    begin: Instant,
    helper: String,
}

impl Restored {
    fn new() -> Self {
        Self { now: SystemTime::now(), begin: Instant::now(), helper: fs::read_to_string(HELPER).unwrap() }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        set_clock(self.now + self.begin.elapsed());
        fs::write(HELPER, self.helper.trim()).unwrap();
    }
}

/// Sets the guest's clock.
fn set_clock(time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    let time = Timespec { tv_sec: since.as_secs().try_into().unwrap(), tv_nsec: since.subsec_nanos().into() };
    clock_settime(ClockId::Realtime, time).unwrap();
}

#[test]
fn a_clock_that_is_set_back_moves_no_deadline() {
    let (_alone, _namespace) = alone();
    let client = Client::connect().unwrap();
    let rules = "-A -t 127.0.0.2:80 -s rr\n-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 5\n";
    let wanted = Table::from_rules(rules).unwrap();
    let id = "tcp://127.0.0.2:80".parse().unwrap();
    let server = TcpListener::bind("127.0.0.1:8080").unwrap();
    for hours in [1, 24 * 365] {
        let restored = Restored::new();
        client.apply(&wanted, &ApplyOptions::default()).unwrap();
        let _connection = TcpStream::connect("127.0.0.2:80").unwrap();
        let _accepted = server.accept().unwrap();
        let deadline = Duration::from_secs(1);
        let begin = Instant::now();
        let options = DrainOptions::default().with_deadline(Some(deadline));
        let mut drain = client.drain(&id, &"127.0.0.1:8080".parse().unwrap(), options).unwrap();
        let now = SystemTime::now();
        set_clock(now - Duration::from_secs(3600 * hours));
        assert_eq!(drain.step(&client).unwrap().state, DrainState::Waiting);
        while drain.step(&client).unwrap().state == DrainState::Waiting {
            thread::sleep(Duration::from_millis(20));
        }
        let passed = begin.elapsed();
        assert_eq!(drain.state(), DrainState::DeadlinePassed);
        assert!(passed >= deadline && passed < 10 * deadline, "{passed:?}");

        // The program's own waiting is by the same clock.
        client.apply(&wanted, &ApplyOptions::default()).unwrap();
        let begin = Instant::now();
        let set = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            set_clock(now - Duration::from_secs(7200 * hours));
        });
        let drain = ["--drain", "-t", "127.0.0.2:80", "-r", "127.0.0.1:8080", "--deadline", "1"];
        run_with_input(built("ipvsadm"), drain, "").success();
        let passed = begin.elapsed();
        assert!(passed >= deadline && passed < 10 * deadline, "{passed:?}");
        set.join().unwrap();
        drop(restored);
    }
}

/// A call's time limit is measured by it too. Where the kernel loads a scheduler, the call takes as long as modprobe, and
/// another thread's waits for it.
#[test]
fn a_clock_that_is_set_back_moves_no_time_limit_of_a_call() {
    let (_alone, _namespace) = alone();
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("modprobe");
    fs::write(&slow, "#!/bin/sh\nsleep 3\n").unwrap();
    fs::set_permissions(&slow, Permissions::from_mode(0o755)).unwrap();
    let limit = Duration::from_secs(1);
    let client = Client::connect_with(&Options::default().with_timeout(Some(limit))).unwrap();
    let id = "tcp://127.0.0.2:80".parse().unwrap();
    let restored = Restored::new();
    fs::write(HELPER, slow.to_str().unwrap()).unwrap();
    let (was_first, listed, passed, added) = thread::scope(|scope| {
        let adds = scope.spawn(|| client.add_service(&Service::new(id).with_scheduler("absent")));
        thread::sleep(limit / 2);
        let lists = scope.spawn(|| {
            let begin = Instant::now();
            (client.services(), begin.elapsed())
        });
        thread::sleep(limit / 2);
        set_clock(restored.now - Duration::from_secs(24 * 365 * 3600));
        let (listed, passed) = lists.join().unwrap();
        (!adds.is_finished(), listed, passed, adds.join().unwrap())
    });
    drop(restored);
    assert!(matches!(listed.unwrap_err().kind, ErrorKind::NoTurn(_)), "it waited for the other");
    assert!(was_first && passed >= limit, "{passed:?}");
    assert!(matches!(added.unwrap_err().kind, ErrorKind::NoSuchScheduler { .. }));
    assert_eq!(client.services().unwrap(), []);
}
