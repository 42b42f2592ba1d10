//! What runs out: descriptors, memory, room in the receive buffer; and a namespace that goes away.

use std::fs::{self, File};
use std::os::fd::OwnedFd;

use ipvs_core::{Client, Command, ErrorKind, Options, Outcome, Role, Service, SyncDaemon};

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, socket_domain, socket_recv_buffer_size};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::alone;
use crate::namespace::{built, run, run_with_input, tree};

fn service(number: u32) -> Service {
    let [_, a, b, c] = number.to_be_bytes();
    Service::new(format!("tcp://10.{a}.{b}.{c}:80").parse().unwrap())
}

/// The number of answers that a socket has room for is what it was made with.
#[test]
fn a_receive_buffer_of_4_kb_loses_no_answer_of_a_batch_of_which_half_fails() {
    // It is the whole machine's, and shows in its first namespace only.
    let outside = |command: &str| run("nsenter", ["--target", "1", "--net", "sh", "-c", command]).success();
    let (_alone, _namespace) = alone();
    let before = outside("sysctl --values net.core.rmem_default");
    outside("sysctl --quiet net.core.rmem_default=4096");
    let client = Client::connect();
    let room = socket(AddressFamily::NETLINK, SocketType::RAW, None).and_then(socket_recv_buffer_size);
    outside(&format!("sysctl --quiet net.core.rmem_default={before}"));
    assert_eq!(room, Ok(4096));
    let client = client.unwrap();
    // Each is there already when it comes the second time.
    let commands: Vec<_> = (0..10_000).map(|number| Command::AddService(service(number / 2))).collect();
    let report = client.batch(&commands).unwrap();
    assert!(report.interrupted.is_none(), "{report:?}");
    for (position, outcome) in report.outcomes().enumerate() {
        let is_right = match outcome {
            Outcome::Done => position % 2 == 0,
            Outcome::Failed(error) => position % 2 == 1 && matches!(error.kind, ErrorKind::ServiceExists),
            _ => false,
        };
        assert!(is_right, "{position}: {outcome:?}");
    }
    assert_eq!(report.failed.len(), 5000);
    assert_eq!(client.services().unwrap().len(), 5000);
}

/// The client's own socket, whose buffer somebody makes too small for what is to come.
#[test]
fn lost_answers_are_told_and_the_next_call_works() {
    let (_alone, namespace) = alone();
    let client = Client::connect().unwrap();
    let commands: Vec<_> = (0..200).map(|_| Command::DeleteService(service(1).id)).collect();
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let socket: Option<OwnedFd> = fs::read_dir("/proc/self/fd").unwrap().find_map(|file| {
        let number = file.unwrap().file_name().to_str()?.parse().ok()?;
        let socket = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()?;
        (socket_domain(&socket) == Ok(AddressFamily::NETLINK)).then_some(socket)
    });
    set_socket_recv_buffer_size(socket.unwrap(), 1).unwrap();
    let report = client.batch(&commands).unwrap();
    let error = report.interrupted.as_ref().unwrap();
    assert_eq!(error.raw_os_error(), Some(Errno::NOBUFS.raw_os_error()), "{error}");
    assert!(error.to_string().ends_with("; whether it was done is not known"), "{error}");
    let unknown = report.outcomes().filter(|outcome| matches!(outcome, Outcome::Unknown)).count();
    assert!(unknown > 0 && report.failed.len() + unknown == 200, "{report:?}");
    client.add_service(&service(2)).unwrap();
    assert_eq!(client.services().unwrap().len(), 1);
    assert_eq!(namespace.witness().len(), 1);
}

/// A client that has its socket works on; another one says what is missing, and connects when there is room again.
#[test]
fn without_descriptors_a_client_works_on_and_a_new_one_says_so() {
    let (_alone, namespace) = alone();
    let client = Client::connect().unwrap();
    let not_yet = Client::connect_with(&Options::default().with_lazy(true)).unwrap();
    client.add_service(&service(1)).unwrap();
    let mut open = Vec::new();
    let error = loop {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(error) => break error,
        }
    };
    // What is looked at is not asserted before there are descriptors again: the test's own words need some.
    let served = client.services().map(|services| services.len());
    let added = client.add_service(&service(2));
    let refused = Client::connect().map(|_| ());
    let lazy = Client::connect_with(&Options::default().with_lazy(true));
    let opened = not_yet.services().map(|_| ());
    let connections = client.connections().map(|_| ());
    let total_stats = client.total_stats().map(|_| ());
    let overview = Client::overview().map(|_| ());
    let settings = client.settings().map(|_| ());
    let lock = client.lock().map(|_| ());
    let others = client.other_writers().map(|_| ());
    let role = client.set_sync_role(Some(&SyncDaemon::new(Role::Master, "lo"))).map(|_| ());
    drop(open);
    assert_eq!(error.raw_os_error(), Some(24));
    assert_eq!(served.unwrap(), 1);
    added.unwrap();
    let lazy = lazy.map(|_| ());
    for refused in [refused, lazy, opened, connections, total_stats, overview, settings, lock, others, role] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(24), "{refused}");
        assert!(refused.to_string().contains("Too many open files"), "{refused}");
    }
    Client::connect().unwrap().add_service(&service(3)).unwrap();
    assert_eq!(not_yet.services().unwrap().len(), 3);
    assert_eq!(namespace.witness().len(), 3);
}

/// Memory that is not to be had ends a Rust program at once: the kernel's table is as it was, and the next run is well.
#[test]
fn a_memory_limit_ends_a_listing_and_touches_nothing() {
    let (_alone, namespace) = alone();
    let client = Client::connect().unwrap();
    let commands: Vec<_> = (0..20_000).map(|number| Command::AddService(service(number))).collect();
    assert!(client.batch(&commands).unwrap().is_done());
    let ipvsadm = built("ipvsadm");
    let limited = |kilobytes: u32| {
        let line = format!("set -o pipefail; ulimit -v {kilobytes}; {} -S -n --wait 60 | wc -l", ipvsadm.display());
        run("bash", ["-c", &line])
    };
    let statuses = [6, 8, 10, 12, 16, 24, 32, 512].map(|megabytes| limited(megabytes * 1024));
    let told = |text: &str| statuses.iter().filter(|ran| ran.stderr.contains(text)).count();
    println!("of {} limits {} said that there is no memory", statuses.len(), told("memory allocation of"));
    assert!(told("memory allocation of") > 0, "{statuses:?}");
    for ran in statuses.iter().filter(|ran| ran.stderr.contains("memory allocation of")) {
        // By SIGABRT.
        assert_eq!(ran.status, Some(134), "{ran:?}");
    }
    assert!(statuses.iter().any(|ran| ran.stdout.trim() == "20000"), "{statuses:?}");
    // A host of the module's ends likewise.
    let python = tree(".venv/bin/python");
    let limited = |added: u32| {
        // By what it has when the module is loaded.
        let program = format!(
            "import ipvs, resource\nlb = ipvs.Client(timeout=60)\nhas = int(open('/proc/self/statm').read().split()[0]) * 4096\n\
             resource.setrlimit(resource.RLIMIT_AS, (has + {added}, has + {added}))\nprint(len(lb.snapshot()))"
        );
        run(&python, ["-c", &program])
    };
    let ended = limited(1 << 20);
    assert!(ended.status.is_none() && ended.stderr.contains("memory allocation of"), "{ended:?}");
    assert_eq!(limited(1 << 29).success(), "20000\n");
    assert_eq!(namespace.witness().len(), 20_000);
}

/// A socket keeps a namespace alive that has no name any more.
#[test]
fn a_namespace_that_is_deleted_in_use_works_on_and_cannot_be_entered_anew() {
    let (_alone, namespace) = alone();
    run("ip", ["netns", "add", "doomed"]).success();
    let client = Client::connect_with(&Options::default().with_netns("doomed")).unwrap();
    client.add_service(&service(1)).unwrap();
    run("ip", ["netns", "delete", "doomed"]).success();
    client.add_service(&service(2)).unwrap();
    assert_eq!(client.services().unwrap().len(), 2);
    assert!(client.setting("conntrack").is_ok() && client.connections().unwrap().next().is_none());
    let error = Client::connect_with(&Options::default().with_netns("doomed")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Namespace { .. }), "{error}");
    assert!(namespace.witness().is_empty());
    let ran = run_with_input(built("ipvsadm"), ["-L", "-n", "--netns", "doomed"], "");
    assert!(ran.status != Some(0) && ran.stderr.contains("doomed"), "{ran:?}");
}
