//! Killed without a word at any point: what runs again ends in the same table.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::alone;
use crate::namespace::{Namespace, built, file_of, ran, run_with_input};

/// How often each is killed before its end.
const KILLS: u32 = 100;

/// Services with five destinations each, and their weight. The last one has the same address with any weight.
fn rules(services: u32, weight: u32) -> String {
    let mut rules = String::new();
    for service in 1..=services {
        let service = format!("-t 10.0.{}.{}:80", service / 250, service % 250 + 1);
        let _ = writeln!(rules, "-A {service} -s rr");
        for host in 1..=4 {
            let _ = writeln!(rules, "-a {service} -r 192.168.{weight}.{host}:80 -m -w {weight}");
        }
        let _ = writeln!(rules, "-a {service} -r 192.168.9.9:80 -m -w {weight}");
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

/// A program, its arguments, and what it reads.
type Call<'a> = (&'a str, &'a [&'a str], &'a str);

/// Kills it at points from its start to its end, until it was so often before its end. `prepare` makes what is there before, and
/// `again` runs it to its end and looks at the table.
fn kill_often((program, arguments, input): Call<'_>, prepare: impl Fn(), again: impl Fn()) {
    let started = || {
        prepare();
        start(program, arguments, input)
    };
    let measure = || {
        let mut child = started();
        let begin = Instant::now();
        child.wait().unwrap();
        begin.elapsed()
    };
    let whole = [measure(), measure(), measure()].into_iter().min().unwrap();
    again();
    let (mut number, mut killed) = (0, 0);
    while killed < KILLS {
        assert!(number < 3 * KILLS, "only {killed} of {number} came before its end");
        let mut child = started();
        // In an order that has no order.
        std::thread::sleep(whole.mul_f64(f64::from(number * 37 % KILLS) / f64::from(KILLS)));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        again();
        number += 1;
    }
}

/// Kills it when it sends its first request, its second, and so on, which no chance hits: all are sent by one thread, whose calls
/// strace counts. `is_midway` tells of a table that is neither as before nor as it is to be.
fn kill_at_each_request(
    (program, arguments, input): Call<'_>,
    prepare: impl Fn(),
    is_midway: impl Fn() -> bool,
    again: impl Fn(),
) {
    let mut midway = 0;
    for number in 1.. {
        prepare();
        let mut killed = Command::new("/usr/bin/strace");
        killed.args(["-f", "-qq", "--output=/dev/null"]).arg(format!("--inject=sendto:signal=KILL:when={number}"));
        killed.arg(built(program)).args(arguments).stdin(file_of(input));
        let ended = ran(killed);
        if ended.status == Some(0) {
            break;
        }
        assert_eq!(ended.status, None, "{ended:?}");
        midway += usize::from(is_midway());
        again();
    }
    assert!(midway > 0);
}

#[test]
fn a_restore() {
    let (_alone, namespace) = alone();
    let (old, new) = (rules(60, 1), rules(60, 2));
    let prepare = || drop(run_with_input(built("ipvsadm-restore"), [""; 0], &old).success());
    let again = || {
        assert_is_old_or_new(&namespace, &old, &new);
        run_with_input(built("ipvsadm-restore"), [""; 0], &new).success();
        assert_eq!(sorted(&namespace), lines(&new));
    };
    let call: Call<'_> = ("ipvsadm-restore", &[], &new);
    kill_often(call, prepare, again);
    let is_midway = || ![lines(&old), lines(&new)].contains(&sorted(&namespace));
    kill_at_each_request(call, prepare, is_midway, again);
}

#[test]
fn an_apply() {
    let (_alone, namespace) = alone();
    let (old, new) = (rules(60, 1), rules(60, 2));
    let prepare = || drop(run_with_input(built("ipvsadm-restore"), [""; 0], &old).success());
    let again = || {
        assert_is_old_or_new(&namespace, &old, &new);
        // Unchanged is a status of its own.
        let ran = run_with_input(built("ipvsadm"), ["--apply"], &new);
        assert!(matches!(ran.status, Some(0 | 3)), "{ran:?}");
        assert_eq!(sorted(&namespace), lines(&new));
    };
    let call: Call<'_> = ("ipvsadm", &["--apply"], &new);
    kill_often(call, prepare, again);
    let is_midway = || ![lines(&old), lines(&new)].contains(&sorted(&namespace));
    kill_at_each_request(call, prepare, is_midway, again);
}

#[test]
fn a_drain() {
    let (_alone, namespace) = alone();
    let whole = rules(1, 1);
    let rest: Vec<_> = lines(&whole).into_iter().filter(|rule| !rule.contains("192.168.1.1:80")).collect();
    let drain = ["--drain", "-t", "10.0.0.2:80", "-r", "192.168.1.1"];
    let quiet = whole.replace("192.168.1.1:80 -m -w 1", "192.168.1.1:80 -m -w 0");
    let prepare = || drop(run_with_input(built("ipvsadm-restore"), [""; 0], &whole).success());
    let again = || {
        assert_is_old_or_new(&namespace, &whole, &quiet);
        // What was deleted before the kill is no more.
        let ran = run_with_input(built("ipvsadm"), drain, "");
        assert!(ran.status == Some(0) || ran.stderr.contains("no such destination"), "{ran:?}");
        assert_eq!(sorted(&namespace), rest);
    };
    let call: Call<'_> = ("ipvsadm", &drain, "");
    kill_often(call, prepare, again);
    let is_midway = || sorted(&namespace) == lines(&quiet);
    kill_at_each_request(call, prepare, is_midway, again);
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
    let drain = ["--drain", "-t", "127.0.0.2:80", "-r", "127.0.0.1:8080", "--verbose"];
    let quiet = lines(&rules.replace("-w 1", "-w 0"));
    for number in 0..10 {
        let mut child = Command::new(built("ipvsadm")).args(drain).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains(": 1 active, "), "{said}");
        std::thread::sleep(Duration::from_millis(30 * number));
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

/// A file is whole, as it was or as it is to be.
#[test]
fn a_save_to_a_file() {
    let (_alone, _namespace) = alone();
    let rules = rules(60, 1);
    run_with_input(built("ipvsadm-restore"), [""; 0], &rules).success();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    let save = ["-S", "-n", "--output", path.to_str().unwrap()];
    let read = || fs::read_to_string(&path).unwrap();
    kill_often(
        ("ipvsadm", &save, ""),
        || fs::write(&path, "old\n").unwrap(),
        || {
            let there = read();
            assert!(there == "old\n" || lines(&there) == lines(&rules), "{there}");
            run_with_input(built("ipvsadm"), save, "").success();
            assert_eq!(lines(&read()), lines(&rules));
        },
    );
    // Where the file's own bytes are written, which no chance hits. What was written beside it stays.
    for call in ["fsync", "rename,renameat,renameat2"] {
        fs::write(&path, "old\n").unwrap();
        let before = fs::read_dir(folder.path()).unwrap().count();
        let mut killed = Command::new("/usr/bin/strace");
        killed.args(["-f", "-qq", "--output=/dev/null"]).arg(format!("--inject={call}:signal=KILL"));
        killed.arg(built("ipvsadm")).args(save);
        assert_ne!(ran(killed).status, Some(0), "{call}");
        assert_eq!(read(), "old\n", "{call}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 1, "{call}");
        run_with_input(built("ipvsadm"), save, "").success();
        assert_eq!(lines(&read()), lines(&rules));
    }
}
