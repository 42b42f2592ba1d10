//! `ipvsadm --apply`, `--drain`, `--watch` and `--sync-role`: what becomes of the table, what is said of it, and what the system's log is told.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio, id};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::namespace::{Namespace, Ran, built, note, run, run_with_input};

const WEB: &str = "-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1
-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 2
";

fn apply(options: &str, rules: impl AsRef<[u8]>) -> Ran {
    run_with_input(built("ipvsadm"), format!("--apply {options}").split_whitespace(), rules)
}

/// What it did, in a few words for an assertion: its exit status, standard output and standard error.
fn said(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.status, &ran.stdout, &ran.stderr)
}

#[test]
fn the_exit_status_tells_changed_from_unchanged() {
    let namespace = Namespace::enter();
    assert_eq!(said(&apply("--dry-run", WEB)), (Some(0), WEB, ""));
    assert!(namespace.witness().is_empty());
    assert_eq!(said(&apply("", WEB)), (Some(0), "", ""));
    assert_eq!(namespace.witness().len(), 3);
    assert_eq!(said(&apply("", WEB)), (Some(3), "", ""));
    assert_eq!(said(&apply("--dry-run", WEB)), (Some(3), "", ""));
    // What Debian's saves is the same table, and so is what makes it by a longer way.
    let saved = namespace.debian("-S -n").success();
    assert_eq!(said(&apply("--verbose", saved)), (Some(3), "", "ipvsadm: 0 done\n"));
    let longer = "# a longer way\nipvsadm -C\n-A -t 10.0.0.1:http\n-E -t 10.0.0.1:80 -s rr\n\
         -a -t 10.0.0.1:80 -r 192.168.1.1 -m\n-a -t 10.0.0.1:80 -r 192.168.1.2 -m\n\
         -e -t 10.0.0.1:80 -r 192.168.1.2 -m -w 2\n-A -f 7\n-D -f 7\n";
    assert_eq!(said(&apply("", longer)), (Some(3), "", ""));
    let other = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 5\n";
    let expected = "ipvsadm: -e -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 5: done\n\
                    ipvsadm: -d -t 10.0.0.1:80 -r 192.168.1.2:80: done\nipvsadm: 2 done\n";
    assert_eq!(said(&apply("--verbose", other)), (Some(0), "", expected));
    assert_eq!(namespace.witness().join("\n") + "\n", other);
    // A generator that failed gives nothing.
    for (options, nothing) in [("", ""), ("--scope 10.0.0.1/32", "\n# nothing\n"), ("--dry-run", "")] {
        let ran = apply(options, nothing);
        assert!(ran.status == Some(2) && ran.stderr.contains("there is no rule"), "{ran:?}");
        assert_eq!(namespace.witness().join("\n") + "\n", other);
    }
    assert_eq!(said(&apply("", "-C\n")), (Some(0), "", ""));
    assert!(namespace.witness().is_empty());
}

#[test]
fn a_rule_that_is_wrong_is_the_end_and_nothing_is_done() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.9:80 -s rr").success();
    let before = namespace.witness();
    for (rule, status, error) in [
        ("-A -t 10.0.0.2:80 -s", Some(255), "2:19: -A, --add-service: -s, --scheduler needs a value: NAME\n"),
        ("-A -t nowhere.invalid:80", Some(2), "2:7: "),
        ("--apply", Some(2), "2:1: --apply does not go within rules\n--apply\n^\n"),
        ("-L", Some(2), "2: this changes nothing; only commands that change the table go here\n"),
        ("-A -t 10.0.0.1:80", Some(2), "2: -A -t 10.0.0.1:80 -s wlc: it exists already\n"),
        ("--set 1 2 3", Some(2), "2: --set 1 2 3: it is not about services and destinations\n"),
        ("-a -f 7 -r 10.1.1.1 -m", Some(2), "2: -a -f 7 -r 10.1.1.1:0 -m -w 1: there is no such service\n"),
    ] {
        for options in ["", "--dry-run"] {
            let ran = apply(options, format!("-A -t 10.0.0.1:80\n{rule}\n-A -f 8\n"));
            assert!(ran.status == status && ran.stderr.starts_with(&format!("ipvsadm: {error}")), "{ran:?}");
            assert!(!error.starts_with("2:") || ran.stderr.lines().count() <= 3, "{ran:?}");
        }
    }
    assert_eq!(namespace.witness(), before);
}

#[test]
fn what_is_outside_the_scope_is_not_touched() {
    let namespace = Namespace::enter();
    for line in ["-A -f 100 -s rr", "-A -t 10.0.1.1:80 -s rr", "-A -f 7 -s rr", "-A -t 10.0.0.9:80 -s rr"] {
        namespace.debian(line).success();
    }
    let scope = "--scope 10.0.0.0/24 --scope fwmark:1-99";
    let ran = apply(scope, format!("{WEB}-A -t 10.0.1.2:80\n"));
    let expected = "ipvsadm: cannot apply the table: scope: the service tcp://10.0.1.2:80 is not in it; add it to the \
                    scope, or leave it out\n";
    assert_eq!(said(&ran), (Some(2), "", expected));
    assert_eq!(namespace.witness().len(), 4);
    assert_eq!(said(&apply(scope, WEB)), (Some(0), "", ""));
    let mut rules = namespace.witness();
    rules.sort_unstable();
    let mut wanted: Vec<&str> = WEB.lines().chain(["-A -f 100 -s rr", "-A -t 10.0.1.1:80 -s rr"]).collect();
    wanted.sort_unstable();
    assert_eq!(rules, wanted);
}

#[test]
fn a_refusal_is_told_with_its_rule_and_can_be_taken_back() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.9:80 -s rr").success();
    let before = namespace.witness();
    let rules = format!("{WEB}-A -t 10.0.0.2:80 -s nosuch\n");
    let ran = apply("--rollback", &rules);
    let back = "ipvsadm: the settings from before are restored";
    assert!(ran.stderr.ends_with(&format!("{back}\n")), "{ran:?}");
    assert_eq!((ran.status, namespace.witness()), (Some(255), before), "{ran:?}");
    let ran = apply("", &rules);
    assert_eq!((ran.status, namespace.witness().len()), (Some(255), 4), "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines[0], "ipvsadm: -A -t 10.0.0.1:80 -s rr: done");
    let refused = "ipvsadm: -A -t 10.0.0.2:80 -s nosuch: cannot add service tcp://10.0.0.2:80: ";
    assert!(lines[3].starts_with(refused) && lines[3].contains("those loaded: "), "{ran:?}");
    assert_eq!(lines[4..], ["ipvsadm: -D -t 10.0.0.9:80: not sent", "ipvsadm: 3 done, 1 refused, 1 not sent"]);
    // One server of two may go.
    let fewer =
        rules.lines().filter(|line| !line.contains("192.168.1.2")).fold(String::new(), |all, line| all + line + "\n");
    let ran = apply("--rollback --scope 10.0.0.0/29", &fewer);
    assert!(ran.stderr.ends_with(&format!("{back}; what had been deleted has new counters\n")), "{ran:?}");
}

/// The system's log, which is one for the whole guest: what is not about this test's own address is not looked at.
struct SystemLog(UnixDatagram);

impl SystemLog {
    fn listen() -> Self {
        let socket = UnixDatagram::bind("/dev/log").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Self(socket)
    }

    /// What has come about this, without the number of the program.
    fn told(&self, about: &str) -> Vec<String> {
        let mut bytes = [0; 4096];
        let messages = std::iter::from_fn(|| {
            let length = self.0.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        });
        let about_it: Vec<String> = messages.filter(|message| message.contains(about)).collect();
        about_it
            .iter()
            .map(|message| {
                let (program, message) = message.split_once(": ").unwrap();
                assert!(program.starts_with("<29>ipvsadm[") && program.ends_with(']'), "{program}");
                message.to_owned()
            })
            .collect()
    }
}

impl Drop for SystemLog {
    fn drop(&mut self) {
        // The guest's own.
        std::fs::remove_file("/dev/log").unwrap();
    }
}

/// Who is behind what this process starts, as the log is told.
fn who() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    format!("uid 0, by {}[{}]", name.trim_end(), id())
}

#[test]
fn the_system_log_is_told_who_changed_what_and_why() {
    let namespace = Namespace::enter();
    let log = SystemLog::listen();
    let who = who();
    let rules = "-A -t 10.77.0.1:80 -s rr\n-a -t 10.77.0.1:80 -r 10.77.1.1:80 -m -w 1\n";
    apply("", rules).success();
    let told: Vec<String> = rules.lines().map(|rule| format!("{rule}: --apply; {who}")).collect();
    assert_eq!(log.told("10.77.0.1"), told);
    // Nothing done, nothing told.
    apply("", rules);
    apply("--dry-run", "-C");
    assert_eq!(log.told("10.77.0.1"), [""; 0]);
    let netns = format!("--netns {}", namespace.name());
    let elsewhere = format!("{who}, network namespace {}", namespace.name());
    let options = format!("--rollback {netns}");
    assert_eq!(apply(&options, "-A -t 10.77.0.2:80 -s wlc\n-A -t 10.77.0.3:80 -s nosuch\n").status, Some(255));
    assert_eq!(
        log.told(namespace.name()),
        [
            format!("-A -t 10.77.0.2:80 -s wlc: --apply --rollback; {elsewhere}"),
            format!("-D -t 10.77.0.2:80: --apply --rollback, taken back; {elsewhere}"),
        ]
    );
    namespace.ours("--drain -t 10.77.0.1:80 -r 10.77.1.1").success();
    let server = "-t 10.77.0.1:80 -r 10.77.1.1:80";
    assert_eq!(
        log.told("10.77.1.1"),
        [
            format!("-e {server} -m -w 0: --drain: begins; {who}"),
            format!("-d {server}: --drain: drained and deleted; {who}"),
        ]
    );
    namespace.add_interface("logged0", "10.77.9.9/24");
    for _ in 0..2 {
        namespace.ours("--sync-role backup --mcast-interface logged0").success();
    }
    assert_eq!(log.told("logged0"), [format!("--sync-role: backup on logged0; {who}")]);
    namespace.ours(&format!("--sync-role none {netns}")).success();
    assert_eq!(log.told(namespace.name()), [format!("--sync-role: none; {elsewhere}")]);
    let _connection = connected(&namespace);
    let (mut child, _errors) = draining(&netns);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let server = "-t 127.0.0.2:80 -r 127.0.0.1:8080 -m";
    assert_eq!(
        log.told(namespace.name()),
        [
            format!("-e {server} -w 0 -x 9: --drain: begins; {elsewhere}"),
            format!("-e {server} -w 5 -x 9: --drain: interrupted; {elsewhere}"),
        ]
    );
    // Whoever starts it chooses its own name, which begins no other line.
    let program = built("ipvsadm");
    let apply_one = "printf '%s' '-A -t 10.77.0.4:80 -s rr'";
    let script = format!(
        "printf 'a\\n<2>b' >/proc/$$/comm; {apply_one} | {} --apply --scope 10.77.0.4/32; :",
        program.display()
    );
    run("sh", ["-c", script.as_str()]).success();
    let told = log.told("10.77.0.4");
    assert!(told.len() == 1 && told[0].starts_with("-A -t 10.77.0.4:80 -s rr: --apply; uid 0, by a?<2>b["), "{told:?}");
    // Nobody reads it any more, and nobody is there: neither holds it up for long.
    let many = (1..1000).fold(String::new(), |rules, mark| rules + &format!("-A -f {mark} -s rr\n"));
    apply("", many).success();
    drop(log);
    apply("", "-C").success();
    run("test", ["!", "-e", "/dev/log"]).success();
}

const REAL: &str = "127.0.0.1:8080";

/// A service whose server is this machine itself, and a connection to it.
fn connected(namespace: &Namespace) -> (TcpListener, TcpStream, TcpStream) {
    namespace.debian("-A -t 127.0.0.2:80 -s rr").success();
    namespace.debian(&format!("-a -t 127.0.0.2:80 -r {REAL} -m -w 5 -x 9")).success();
    let server = TcpListener::bind(REAL).unwrap();
    let client = TcpStream::connect("127.0.0.2:80").unwrap();
    let (accepted, _) = server.accept().unwrap();
    (server, client, accepted)
}

/// A drain that is under way: what it waits for is said.
fn draining(options: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut command = Command::new(built("ipvsadm"));
    command.args(["--drain", "-t", "127.0.0.2:80", "-r", REAL, "--verbose"]);
    command.args(options.split_whitespace()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let expected = "ipvsadm: 127.0.0.1:8080 of tcp://127.0.0.2:80: 1 active, 0 inactive and 0 persistent connections\n";
    assert_eq!(line(&mut errors), expected);
    (child, errors)
}

fn line(errors: &mut impl BufRead) -> String {
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    note("ipvsadm", &line);
    line
}

const BEFORE: &str = "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 5";
const DRAINING: &str = "-a -t 127.0.0.2:80 -r 127.0.0.1:8080 -m -w 0";

#[test]
fn a_drain_ends_with_the_last_connection() {
    let namespace = Namespace::enter();
    let (_server, client, accepted) = connected(&namespace);
    let (mut child, errors) = draining("");
    assert_eq!(namespace.witness()[1], DRAINING);
    drop((accepted, client));
    let lines: Vec<String> = errors.lines().map(Result::unwrap).inspect(|line| note("ipvsadm", line)).collect();
    assert_eq!(lines.last().unwrap(), "ipvsadm: 127.0.0.1:8080 of tcp://127.0.0.2:80: drained and deleted");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(namespace.witness().len(), 1);
    let ran = namespace.ours(&format!("--drain -t 127.0.0.2:80 -r {REAL}"));
    assert!(ran.status == Some(255) && ran.stderr.contains("no such destination"), "{ran:?}");
}

#[test]
fn a_drain_has_a_deadline_and_waits_for_what_is_asked() {
    let namespace = Namespace::enter();
    let (_server, client, accepted) = connected(&namespace);
    let drain = |options: &str| namespace.ours(&format!("--drain -t 127.0.0.2:80 -r {REAL} {options}"));
    assert_eq!(said(&drain("--deadline 0.5")), (Some(0), "", ""));
    assert_eq!(namespace.witness().len(), 1);
    namespace.debian(&format!("-a -t 127.0.0.2:80 -r {REAL} -m")).success();
    drop((accepted, client));
    // Inactive for the minutes that TCP remembers it.
    let word = "ipvsadm: 127.0.0.1:8080 of tcp://127.0.0.2:80: the deadline passed, and it was deleted with 0 active, \
                1 inactive and 0 persistent connections";
    let ran = drain("--inactive --persistent --deadline 0.5 --verbose");
    assert_eq!((ran.status, ran.stderr.lines().last()), (Some(0), Some(word)), "{ran:?}");
    namespace.debian(&format!("-a -t 127.0.0.2:80 -r {REAL} -m")).success();
    let ran = drain("--inactive --deadline 0.5 --verbose");
    assert_eq!((ran.status, ran.stderr.lines().last()), (Some(0), Some(word)), "{ran:?}");
    // Nothing is waited for.
    namespace.debian(&format!("-a -t 127.0.0.2:80 -r {REAL} -m")).success();
    let ran = drain("--persistent --deadline 60 --verbose");
    let word = "ipvsadm: 127.0.0.1:8080 of tcp://127.0.0.2:80: drained and deleted\n";
    assert_eq!(said(&ran), (Some(0), "", word));
    namespace.debian(&format!("-a -t 127.0.0.2:80 -r {REAL} -m")).success();
    assert_eq!(said(&drain("")), (Some(0), "", ""));
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn an_interrupted_drain_restores_the_weight() {
    let namespace = Namespace::enter();
    let _connection = connected(&namespace);
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (mut child, mut errors) = draining("");
        assert_eq!(namespace.witness()[1], DRAINING);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let expected = "ipvsadm: 127.0.0.1:8080 of tcp://127.0.0.2:80: interrupted; its weight is 5 again\n";
        assert_eq!(line(&mut errors), expected);
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert_eq!(namespace.witness()[1], BEFORE);
    }
    assert!(namespace.debian("-Ln --thresholds").success().contains(" 9 "), "the threshold stays");
}

#[test]
fn a_drain_leaves_alone_what_somebody_else_has_taken() {
    let namespace = Namespace::enter();
    let _connection = connected(&namespace);
    let (mut child, mut errors) = draining("");
    namespace.debian(&format!("-e -t 127.0.0.2:80 -r {REAL} -m -w 3")).success();
    assert!(line(&mut errors).ends_with(": somebody else gave it a weight again: it is left alone\n"));
    assert_eq!(child.wait().unwrap().code(), Some(255));
    assert!(namespace.witness()[1].ends_with("-w 3"));
    let (mut child, mut errors) = draining("");
    namespace.debian("-C").success();
    assert!(line(&mut errors).ends_with(": somebody else deleted it meanwhile\n"));
    assert_eq!(child.wait().unwrap().code(), Some(255));
}

#[test]
fn a_drain_shows_its_progress_on_a_terminal() {
    let namespace = Namespace::enter();
    let _connection = connected(&namespace);
    let drain = format!("{} --drain -t 127.0.0.2:80 -r {REAL} --deadline 1.5", built("ipvsadm").display());
    let shown = run("script", ["--quiet", "--return", "--command", &drain, "/dev/null"]).success();
    assert!(shown.contains("1 active, 0 inactive and 0 persistent connections, 1 s until the deadline"), "{shown}");
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn a_watch_writes_each_change_as_it_is_seen_and_ends_with_its_reader() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.1:80 -s rr").success();
    let mut command = Command::new(built("ipvsadm"));
    command.args(["--watch", "--interval", "0.05"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    // Its first look is behind it.
    std::thread::sleep(Duration::from_millis(500));
    for (command, said) in [
        ("-a -t 10.0.0.1:80 -r 10.1.1.1 -m -w 5", "added 10.1.1.1:80 of tcp://10.0.0.1:80: masquerade, weight 5\n"),
        ("-e -t 10.0.0.1:80 -r 10.1.1.1 -m -w 0", "changed 10.1.1.1:80 of tcp://10.0.0.1:80: weight 5 -> 0\n"),
        ("-D -t 10.0.0.1:80", "removed tcp://10.0.0.1:80\n"),
    ] {
        namespace.debian(command).success();
        let line = line(&mut output);
        let (time, change) = line.split_once(' ').unwrap();
        assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{line}");
        assert_eq!(change, said);
    }
    // Nobody reads it any more, and nothing changes.
    drop(output);
    let begin = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(line(&mut BufReader::new(child.stderr.take().unwrap())), "");
}

#[test]
fn a_watch_ends_quietly_whenever_its_reader_goes() {
    let _namespace = Namespace::enter();
    let client = ipvs_core::Client::connect().unwrap();
    // To look at so many takes a while, in which the reader goes.
    let rules = (1..300).fold(String::new(), |rules, mark| rules + &format!("-A -f {mark} -s rr\n"));
    apply("", rules).success();
    for round in 1..=10 {
        let mut command = Command::new(built("ipvsadm"));
        command.args(["--watch", "--interval", "0.001"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take();
        std::thread::sleep(Duration::from_millis(300));
        for mark in 0..40 {
            let id = format!("fwmark:{}", round * 10_000 + mark).parse().unwrap();
            client.add_service(&ipvs_core::Service::new(id)).unwrap();
            if mark == 20 {
                output = None;
            }
        }
        assert!(output.is_none());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(
            (ended.status.code(), String::from_utf8_lossy(&ended.stderr)),
            (Some(0), "".into()),
            "{}",
            ended.status
        );
    }
}

#[test]
fn a_sync_role_is_one_call() {
    let namespace = Namespace::enter();
    namespace.add_interface("sync0", "10.9.9.9/24");
    let daemons = || namespace.debian("-L --daemon").success();
    let role = |role: &str| namespace.ours(&format!("--sync-role {role}"));
    assert_eq!(said(&role("none")), (Some(0), "", ""));
    for _ in 0..2 {
        assert_eq!(said(&role("master --mcast-interface sync0 --syncid 7")), (Some(0), "", ""));
        assert!(daemons().starts_with("master sync daemon (mcast=sync0, syncid=7, ") && daemons().lines().count() == 1);
    }
    namespace.debian("--start-daemon backup --mcast-interface sync0").success();
    assert_eq!(said(&role("backup --mcast-interface sync0 --syncid 8")), (Some(0), "", ""));
    assert!(daemons().starts_with("backup sync daemon (mcast=sync0, syncid=8, ") && daemons().lines().count() == 1);
    let ran = role("backup --mcast-interface nosuch0");
    assert!(ran.status == Some(255) && ran.stderr.starts_with("ipvsadm: cannot start the backup"), "{ran:?}");
    assert_eq!(said(&role("none")), (Some(0), "", ""));
    assert_eq!(daemons(), "");
    for line in ["master", "master --mcast-interface="] {
        let ran = role(line);
        assert!(ran.status == Some(2) && ran.stderr.contains("master needs --mcast-interface\n"), "{ran:?}");
    }
}
