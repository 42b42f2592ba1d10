//! Killed without a word at any point: what runs again ends in the same table.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::alone;
use crate::namespace::{Namespace, built, file_of, run_with_input};

/// How often each is killed.
const KILLS: u32 = 100;

/// Services with four destinations each, and their weight.
fn rules(services: u32, weight: u32) -> String {
    let mut rules = String::new();
    for service in 1..=services {
        let service = format!("-t 10.0.{}.{}:80", service / 250, service % 250 + 1);
        let _ = writeln!(rules, "-A {service} -s rr");
        for host in 1..=4 {
            let _ = writeln!(rules, "-a {service} -r 192.168.{weight}.{host}:80 -m -w {weight}");
        }
    }
    rules
}

/// The table, in an order of its own.
fn sorted(namespace: &Namespace) -> Vec<String> {
    let mut rules = namespace.witness();
    rules.sort();
    rules
}

fn lines(rules: &str) -> Vec<String> {
    let mut rules: Vec<_> = rules.lines().map(str::to_owned).collect();
    rules.sort();
    rules
}

/// Each rule that is there after a kill was there before, or is wanted.
fn assert_is_old_or_new(namespace: &Namespace, old: &str, new: &str) {
    let known: HashSet<_> = old.lines().chain(new.lines()).collect();
    let odd: Vec<_> = namespace.witness().into_iter().filter(|rule| !known.contains(rule.as_str())).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

fn start(program: &str, arguments: &[&str], input: &str) -> Child {
    let mut command = Command::new(built(program));
    command.args(arguments).stdin(file_of(input)).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Kills it at points from its start to its end, and tells how often it was before its end. `prepare` is what is there
/// before, and `again` runs it to its end and looks at the table.
fn kill_often(mut prepare: impl FnMut() -> Child, mut again: impl FnMut()) -> u32 {
    let mut measure = || {
        let mut child = prepare();
        let begin = Instant::now();
        child.wait().unwrap();
        begin.elapsed()
    };
    let whole = [measure(), measure(), measure()].into_iter().min().unwrap();
    again();
    let mut killed = 0;
    for number in 0..KILLS {
        let mut child = prepare();
        // In an order that has no order.
        std::thread::sleep(whole.mul_f64(f64::from(number * 37 % KILLS) / f64::from(KILLS)));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        again();
    }
    killed
}

#[test]
fn a_restore() {
    let (_alone, namespace) = alone();
    let (old, new) = (rules(120, 1), rules(120, 2));
    let killed = kill_often(
        || {
            run_with_input(built("ipvsadm-restore"), [""; 0], &old).success();
            start("ipvsadm-restore", &[], &new)
        },
        || {
            assert_is_old_or_new(&namespace, &old, &new);
            run_with_input(built("ipvsadm-restore"), [""; 0], &new).success();
            assert_eq!(sorted(&namespace), lines(&new));
        },
    );
    println!("a restore was killed {killed} times before its end");
    assert!(killed > KILLS / 2);
}

#[test]
fn an_apply() {
    let (_alone, namespace) = alone();
    let (old, new) = (rules(120, 1), rules(120, 2));
    let killed = kill_often(
        || {
            run_with_input(built("ipvsadm-restore"), [""; 0], &old).success();
            start("ipvsadm", &["--apply"], &new)
        },
        || {
            assert_is_old_or_new(&namespace, &old, &new);
            // Unchanged is a status of its own.
            let ran = run_with_input(built("ipvsadm"), ["--apply"], &new);
            assert!(matches!(ran.status, Some(0 | 3)), "{ran:?}");
            assert_eq!(sorted(&namespace), lines(&new));
        },
    );
    println!("an apply was killed {killed} times before its end");
    assert!(killed > KILLS / 2);
}

#[test]
fn a_drain() {
    let (_alone, namespace) = alone();
    let whole = rules(1, 1);
    let rest: Vec<_> = lines(&whole).into_iter().filter(|rule| !rule.contains("192.168.1.1:80")).collect();
    let drain = ["--drain", "-t", "10.0.0.2:80", "-r", "192.168.1.1"];
    let killed = kill_often(
        || {
            run_with_input(built("ipvsadm-restore"), [""; 0], &whole).success();
            start("ipvsadm", &drain, "")
        },
        || {
            assert_is_old_or_new(
                &namespace,
                &whole,
                &whole.replace("192.168.1.1:80 -m -w 1", "192.168.1.1:80 -m -w 0"),
            );
            // What was deleted before the kill is no more.
            let ran = run_with_input(built("ipvsadm"), drain, "");
            assert!(ran.status == Some(0) || ran.stderr.contains("no such destination"), "{ran:?}");
            assert_eq!(sorted(&namespace), rest);
        },
    );
    println!("a drain was killed {killed} times before its end");
    assert!(killed > KILLS / 4);
}

/// One that waits for a connection leaves it as it is, and weight 0; the next one waits on.
#[test]
fn a_drain_that_waits() {
    let (_alone, namespace) = alone();
    let rules = "-A -t 127.0.0.2:80 -s rr\n-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 1\n";
    run_with_input(built("ipvsadm-restore"), [""; 0], rules).success();
    let server = TcpListener::bind("127.0.0.1:8080").unwrap();
    let mut connection = TcpStream::connect("127.0.0.2:80").unwrap();
    let (mut accepted, _) = server.accept().unwrap();
    let drain = ["--drain", "-t", "127.0.0.2:80", "-r", "127.0.0.1:8080"];
    let quiet = lines(&rules.replace("-w 1", "-w 0"));
    for number in 0..10 {
        let mut child = start("ipvsadm", &drain, "");
        std::thread::sleep(Duration::from_millis(30 * number));
        while sorted(&namespace) != quiet {
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "it waited");
        assert_eq!(sorted(&namespace), quiet);
    }
    connection.write_all(b"on").unwrap();
    let mut received = [0; 2];
    accepted.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"on");
    drop((connection, accepted));
    run_with_input(built("ipvsadm"), drain, "").success();
    assert_eq!(namespace.witness(), ["-A -t 127.0.0.2:80 -s rr"]);
}

/// A file is whole, as it was or as it is to be. What was written beside it stays there.
#[test]
fn a_save_to_a_file() {
    let (_alone, _namespace) = alone();
    let rules = rules(120, 1);
    run_with_input(built("ipvsadm-restore"), [""; 0], &rules).success();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    let save = ["-S", "-n", "--output", path.to_str().unwrap()];
    let (mut kept, mut replaced) = (0, 0);
    let killed = kill_often(
        || {
            fs::write(&path, "old\n").unwrap();
            start("ipvsadm", &save, "")
        },
        || {
            let there = fs::read_to_string(&path).unwrap();
            if there == "old\n" {
                kept += 1;
            } else {
                assert_eq!(lines(&there), lines(&rules));
                replaced += 1;
            }
            run_with_input(built("ipvsadm"), save, "").success();
            assert_eq!(lines(&fs::read_to_string(&path).unwrap()), lines(&rules));
        },
    );
    let beside: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    println!("a save was killed {killed} times before its end, and left {} files", beside.len() - 1);
    assert!(beside.iter().all(|name| name == "rules" || name.to_str().unwrap().starts_with(".tmp")), "{beside:?}");
    assert!(kept > 0 && replaced > 0 && killed > KILLS / 4);
}
