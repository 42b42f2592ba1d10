//! Killed without a word at any point: what runs again ends in the same table.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

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
            // What was deleted before the kill is no more.
            let ran = run_with_input(built("ipvsadm"), drain, "");
            assert!(ran.status == Some(0) || ran.stderr.contains("no such destination"), "{ran:?}");
            assert_eq!(sorted(&namespace), rest);
        },
    );
    println!("a drain was killed {killed} times before its end");
    assert!(killed > KILLS / 4);
}
