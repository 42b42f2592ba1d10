//! Our `ipvsadm` beside Debian's: the same arguments on the same table.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::namespace::{Namespace, WITNESS, built, file_of, run, run_with_input};

#[test]
fn a_table_built_by_ours_is_what_debian_s_would_build() {
    let commands = "
        -A -t 10.0.0.1:80 -s wrr
        -A -u 10.0.0.1:53
        -A -t [2001:db8::1]:80 -s rr
        -A -t 10.0.0.1:81
        -a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5
        -a -t 10.0.0.1:80 -r 192.168.1.9:8080
        -a -t 10.0.0.1:80 -r 127.0.0.1 -i
        -a -t 10.0.0.1:80 -r 192.168.1.8 -g -w 2000000000
        -a -u 10.0.0.1:53 -r 192.168.1.10 --masquerading --weight=0
        -a -t [2001:db8::1]:80 -r [2001:db8:1234:5678:9abc:def0:1234:5678]:80
        -E -t 10.0.0.1:81 -s lc
        -e -t 10.0.0.1:80 -r 192.168.1.8 -g -w 3
        -d -t 10.0.0.1:80 -r 192.168.1.9
        -D -t 10.0.0.1:81
    ";
    let debian = Namespace::enter();
    commands.lines().filter(|line| !line.trim().is_empty()).for_each(|line| {
        debian.debian(line).success();
    });
    let expected = debian.witness();
    assert_eq!(expected.len(), 8);
    drop(debian);

    let ours = Namespace::enter();
    commands.lines().filter(|line| !line.trim().is_empty()).for_each(|line| {
        assert_eq!(ours.ours(line).success(), "");
    });
    assert_eq!(ours.witness(), expected);
    for listing in ["", "-L", "-l", "-Ln", "-L -n --stats", "-L --stats", "-Ln -t 10.0.0.1:80", "-ln -u 10.0.0.1:53"] {
        assert_eq!(ours.ours(listing).success(), ours.debian(listing).success(), "{listing}");
    }
    ours.ours("-C").success();
    assert!(ours.witness().is_empty());
}

#[test]
fn refused_arguments_have_debian_s_exit_status_and_change_nothing() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.1:80").success();
    let table = namespace.witness();
    for arguments in [
        "-A -t 10.0.0.1:80",
        "-A -t 10.0.0.1:0",
        "-A -t 10.0.0.1:99999",
        "-A -t 10.0.0.1:81 -s nosuch",
        "-A -s rr",
        "-A -t 10.0.0.1:81 -w 3",
        "-A -t 10.0.0.1:81 -u 10.0.0.1:81",
        "-A -t 10.0.0.1:81 more",
        "-A -t",
        "--nosuch",
        "nosuch",
        "-E -t 10.0.0.1:81",
        "-D -t 10.0.0.1:81",
        "-a -t 10.0.0.9:80 -r 192.168.1.10",
        "-a -t 10.0.0.1:80",
        "-a -t 10.0.0.1:80 -r 224.0.0.1",
        "-d -t 10.0.0.1:80 -r 192.168.1.10",
        "-e -t 10.0.0.1:80 -r 192.168.1.10",
        "-Ln -t 10.0.0.9:80",
        "-L -w 3",
    ] {
        let (ours, debian) = (namespace.ours(arguments), namespace.debian(arguments));
        assert_eq!(ours.status, debian.status, "{arguments}: {ours:?} {debian:?}");
        assert!(ours.stderr.starts_with("ipvsadm: "), "{arguments}: {ours:?}");
        assert_eq!(ours.stderr.lines().count(), 1, "{arguments}: {ours:?}");
        assert_eq!(namespace.witness(), table, "{arguments}");
    }
}

#[test]
fn a_broken_pipe_ends_quietly() {
    let namespace = Namespace::enter();
    for arguments in [&["-Ln"][..], &["-h"], &["-R"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(built("ipvsadm"));
        command.args(arguments).stdin(file_of("-A -t 10.0.0.1:80\n-Ln\n-A -t 10.0.0.1:81\n")).stdout(writer);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
        // As Debian's: the signal, unless something was still to be done.
        let is_ended = output.status.signal() == Some(13) || output.status.success();
        assert!(is_ended, "{arguments:?}: {:?}", output.status);
    }
    // That nobody reads the listing does not keep the rules behind it from being run.
    assert_eq!(namespace.witness().len(), 2);
}

#[test]
fn closed_streams_are_not_mistaken_for_others() {
    let namespace = Namespace::enter();
    let ipvsadm = built("ipvsadm").display().to_string();
    let shell = |line: &str| run("sh", ["-c", &format!("{ipvsadm} {line}")]);
    // The socket to the kernel would be in the place of the output.
    assert_eq!(shell("-A -t 10.0.0.1:80 <&- >&- 2>&-").status, Some(0));
    assert_eq!(shell("-Ln >&-").status, Some(0));
    assert_eq!(shell("-A -t 10.0.0.1:80 2>&-").status, Some(255));
    let ran = shell("-Ln <&-");
    assert_eq!((ran.status, ran.stdout.lines().count()), (Some(0), 4));
    assert_eq!(shell("-R <&-").status, Some(0));
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn an_error_names_what_is_near() {
    let namespace = Namespace::enter();
    let said = |line: &str| {
        let ran = namespace.ours(line);
        assert!(ran.status.is_some_and(|status| status != 0), "{ran:?}");
        ran.stderr
    };
    assert!(said("-D -t 10.0.0.1:80").ends_with("there is no such service\n"));
    namespace.ours("-A -u 10.0.0.1:80").success();
    namespace.ours("-A -t 10.0.0.1:8080").success();
    namespace.ours("-A -t 10.0.0.2:80").success();
    namespace.ours("-A -f 7 -6").success();
    namespace.ours("-a -t 10.0.0.2:80 -r 192.168.1.10:8080 -m").success();
    for line in ["-D -t 10.0.0.1:80", "-L -t 10.0.0.1:80", "-Z -t 10.0.0.1:80", "-a -t 10.0.0.1:80 -r 10.1.1.1 -m"] {
        let said = said(line);
        // In the kernel's order.
        let mut near: Vec<&str> = said.trim_end().split("; near it: ").nth(1).unwrap().split(", ").collect();
        near.sort_unstable();
        assert_eq!(near, ["tcp://10.0.0.1:8080", "udp://10.0.0.1:80"], "{line}: {said}");
    }
    assert!(said("-D -f 7").ends_with("; near it: fwmark:7/ipv6\n"));
    assert!(said("-d -t 10.0.0.2:80 -r 192.168.1.10").ends_with("; near it: 192.168.1.10:8080\n"));
    let said = said("-A -t 10.0.0.3:80 -s nosuch");
    assert!(said.contains("no scheduler 'nosuch'") && said.contains("those loaded: ") && said.contains("ip_vs_wlc"));
    assert!(!said.contains("ip_vs_ftp") && !said.contains("ip_vs_pe_sip"), "{said}");
}

#[test]
fn names_that_nobody_answers_for_cost_a_second_together() {
    let namespace = Namespace::enter();
    namespace.add_interface("dns0", "10.9.9.1/24");
    let known = std::fs::read_to_string("/etc/resolv.conf").unwrap();
    std::fs::write("/etc/resolv.conf", "nameserver 10.9.9.53\n").unwrap();
    namespace.ours("-A -t 10.1.0.1:64999").success();
    for number in 1..=40 {
        namespace.ours(&format!("-a -t 10.1.0.1:64999 -r 10.1.1.{number} -m")).success();
    }
    // It comes behind all the others, which do not take its second.
    let known_hosts = std::fs::read_to_string("/etc/hosts").unwrap();
    std::fs::write("/etc/hosts", format!("{known_hosts}\n10.200.0.1 known.example.org\n")).unwrap();
    namespace.ours("-a -t 10.1.0.1:64999 -r 10.200.0.1 -m").success();
    let named = namespace.ours("-Ln").success().replace("10.200.0.1:64999       ", "known.example.org:64999");
    // A machine that does much else may take longer to begin with it.
    let in_time = |lines: usize| {
        (0..5).find_map(|_| {
            let begin = Instant::now();
            let listed = run_with_input(built("ipvsadm"), ["-R"], "-L\n".repeat(lines)).success();
            (listed == named.repeat(lines)).then(|| begin.elapsed())
        })
    };
    let (took, took_often) = (in_time(1), in_time(8));
    std::fs::write("/etc/resolv.conf", known).unwrap();
    std::fs::write("/etc/hosts", known_hosts).unwrap();
    // For each the resolver would wait ten seconds.
    for took in [took.unwrap(), took_often.unwrap()] {
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(6), "{took:?}");
    }
}

#[test]
fn without_privilege_the_exit_status_is_debian_s_and_the_error_says_what_is_missing() {
    let _namespace = Namespace::enter();
    let as_nobody = |program: &str, arguments: &str| {
        let line =
            format!("echo '-A -t 10.0.0.1:80' | exec setpriv --reuid=65534 --clear-groups {program} {arguments}");
        run("sh", ["-c", &line])
    };
    let ipvsadm = built("ipvsadm").display().to_string();
    for arguments in ["-Ln", "-C", "-A -t 10.0.0.1:80", "-A -t 10.0.0.1:80 -w 5", "-L --timeout", "-Sn", "-R", "-Z"] {
        let (ours, debian) = (as_nobody(&ipvsadm, arguments), as_nobody(WITNESS, arguments));
        assert_eq!((ours.status, debian.status), (Some(2), Some(2)), "{arguments}: {ours:?}");
        let is_wrong = arguments.ends_with("-w 5");
        assert_eq!(ours.stderr.contains("CAP_NET_ADMIN"), !is_wrong, "{ours:?}");
        assert_eq!(ours.stderr.lines().count(), 1, "{ours:?}");
    }
    // What needs no privilege asks for none.
    for arguments in ["-h", "-v", "-Lnc", "-Lc"] {
        as_nobody(&ipvsadm, arguments).success();
        assert_eq!(as_nobody(WITNESS, arguments).status, Some(2), "{arguments}");
    }
}
