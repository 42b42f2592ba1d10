//! One capability is enough.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use ipvs_core::Client;

use super::calls::{LUA_CALLS, PYTHON_CALLS, called, director};
use super::{NET_ADMIN, SYS_ADMIN, bounded, ordinary, said, with_file_capability};
use crate::eventually;
use crate::faces::{lua_call, python_call};
use crate::namespace::{Namespace, built, ran, run};

/// An ordinary user.
const NOBODY: u32 = 65534;

#[test]
fn an_ordinary_user_with_the_capability_can_do_what_root_can() {
    let copies = with_file_capability(&[NET_ADMIN]);
    let as_root = called(|program| Command::new(built(program)));
    for (arguments, ran, table) in &as_root {
        let is_refused = arguments.ends_with("nosuch") || arguments.ends_with("-A -t 10.0.0.1:80");
        assert_eq!(ran.status, Some(if is_refused { 255 } else { 0 }), "{arguments}: {ran:?} {table:?}");
    }
    let by_itself = called(|program| bounded("+net_admin", copies.path().join(program)));
    let by_inheritance = called(|program| ordinary("+net_admin", built(program)));
    for calls in [by_itself, by_inheritance] {
        assert_eq!(calls.len(), as_root.len());
        for ((arguments, root, root_table), (_, ran, table)) in as_root.iter().zip(calls) {
            assert_eq!(said(&ran), said(root), "{arguments}");
            assert_eq!(&table, root_table, "{arguments}");
        }
    }
}

/// What takes more than a call.
#[test]
fn an_ordinary_user_with_the_capability_sees_connections_changes_and_files() {
    let (namespace, folder) = director();
    run("ip", ["address", "add", "10.0.0.1/32", "dev", "lo"]).success();
    namespace.debian("-A -t 10.0.0.1:80 -s rr").success();
    namespace.debian("-a -t 10.0.0.1:80 -r 127.0.0.1:8080 -m").success();
    let server = TcpListener::bind("127.0.0.1:8080").unwrap();
    let _client = TcpStream::connect("10.0.0.1:80").unwrap();
    let _accepted = server.accept().unwrap();
    let user = |arguments: &str| {
        let mut command = ordinary("+net_admin", built("ipvsadm"));
        command.args(arguments.split_whitespace());
        ran(command)
    };
    assert!(user("-Lnc").success().contains("ESTABLISHED"));

    // Its own file is replaced, another's is not, and the error says which and why.
    let file = |name: &str| folder.path().join(name);
    for (name, owner) in [("own", Some(NOBODY)), ("root's", None)] {
        fs::write(file(name), "older\n").unwrap();
        chown(file(name), owner, owner).unwrap();
    }
    user(&format!("-Sn --output {}", file("own").display())).success();
    assert_eq!(fs::read_to_string(file("own")).unwrap().lines().count(), 2);
    let refused = user(&format!("-Sn --output {}", file("root's").display()));
    assert!(refused.stderr.contains("root's': Permission denied"), "{refused:?}");
    assert_eq!(fs::read_to_string(file("root's")).unwrap(), "older\n");

    let mut command = ordinary("+net_admin", built("ipvsadm"));
    let mut watch = command.args(["--watch", "--interval", "0.05"]).stdout(Stdio::piped()).spawn().unwrap();
    for mark in 1..=20 {
        namespace.debian(&format!("-A -f {mark}")).success();
        thread::sleep(Duration::from_millis(50));
    }
    let mut line = String::new();
    BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("fwmark:"), "{line}");
    let ended = watch.wait().unwrap();
    assert!(ended.success(), "{ended}");
}

#[test]
fn another_namespace_takes_the_second_capability_and_the_error_says_so() {
    let elsewhere = Namespace::enter();
    let _here = Namespace::enter();
    for arguments in ["-Ln", "-A -f 7", "-Lnc"] {
        let mut command = ordinary("+net_admin", built("ipvsadm"));
        command.args(arguments.split(' ')).args(["--netns", elsewhere.name()]);
        let refused = ran(command);
        let expected = format!(
            "the network namespace '/run/netns/{}' cannot be entered: Operation not permitted; CAP_SYS_ADMIN is needed for \
             that, besides CAP_NET_ADMIN\n",
            elsewhere.name()
        );
        assert!(refused.stderr.ends_with(&expected), "{refused:?}");
        assert_ne!(refused.status, Some(0));
    }
    // A file of another's, by its path.
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(&closed, "").unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o600)).unwrap();
    let mut command = ordinary("+net_admin,+sys_admin", built("ipvsadm"));
    command.arg("-Ln").arg("--netns").arg(&closed);
    let refused = ran(command);
    let reason = "cannot be entered: Permission denied; its file may not be opened by this user; run it as root\n";
    assert!(refused.stderr.ends_with(reason), "{refused:?}");
    // Inherited, and from the program's file.
    let (both, copies) = ("+net_admin,+sys_admin", with_file_capability(&[NET_ADMIN, SYS_ADMIN]));
    let commands = [ordinary(both, built("ipvsadm")), bounded(both, copies.path().join("ipvsadm"))];
    for (mut command, mark) in commands.into_iter().zip(["7", "8"]) {
        command.args(["-A", "-f", mark, "-s", "rr", "--netns", elsewhere.name()]);
        ran(command).success();
    }
    assert_eq!(elsewhere.inside(|| elsewhere.witness()), ["-A -f 7 -s rr", "-A -f 8 -s rr"]);
}

#[test]
fn the_modules_need_no_more_than_the_capability_either() {
    for (program, arguments) in [python_call(PYTHON_CALLS), lua_call(LUA_CALLS)] {
        let call = |mut command: Command| {
            let _director = director();
            ran({
                command.args(&arguments);
                command
            })
            .success()
        };
        let as_root = call(Command::new(&program));
        assert!(as_root.lines().count() > 10, "{as_root}");
        assert_eq!(call(ordinary("+net_admin", &program)), as_root);
    }
}

/// The other writers, and who holds the lock.
const PYTHON_OTHERS: &str = r#"
import ipvs
lb = ipvs.Client()
try:
    lb.lock()
except ipvs.Locked as error:
    held = str(error).split(": ")[1].split(" looks after")[0]
print(", ".join([" ".join(writer.name for writer in lb.other_writers()), held]))
"#;

/// In which network namespace another user's program runs, and what it has open, the kernel tells those only who may look
/// into it.
#[test]
fn another_user_s_programs_are_seen_by_those_who_may_look_into_them() {
    let (_namespace, folder) = director();
    let _lock = Client::connect().unwrap().lock().unwrap();
    let writer = folder.path().join("kube-proxy");
    fs::copy("/bin/sleep", &writer).unwrap();
    let mut writer = Command::new(&writer).arg("60").spawn().unwrap();
    let (program, arguments) = python_call(PYTHON_OTHERS);
    let seen = |mut command: Command| {
        ran({
            command.args(&arguments);
            command
        })
        .success()
    };
    eventually(|| seen(Command::new(&program)), &format!("kube-proxy, process {}\n", process::id()));
    assert_eq!(seen(ordinary("+net_admin", &program)), ", another process\n");
    assert_eq!(seen(ordinary("+net_admin,+sys_ptrace", &program)), "kube-proxy, another process\n");
    writer.kill().unwrap();
    writer.wait().unwrap();
}
