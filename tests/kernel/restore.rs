//! `ipvsadm -R` and `ipvsadm-restore`: what is run, in which order, and what is said when something is wrong.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{self, Child, ChildStderr, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use ipvs_core::rules::RuleDisplay;
use ipvs_core::{Client, Command, SchedulerFlags};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};

use crate::batch::{all_done, every_kind, settings};
use crate::namespace::{Namespace, Ran, WITNESS, built, note, run, run_with_input};

fn restore(options: &str, rules: impl AsRef<[u8]>) -> Ran {
    run_with_input(built("ipvsadm"), format!("-R {options}").split_whitespace(), rules)
}

/// As many services as that.
fn services(count: u32) -> String {
    (0..count).fold(String::new(), |mut rules, number| {
        let _ = writeln!(rules, "-A -t 10.{}.{}.{}:80 -s rr", number >> 16, number >> 8 & 255, number & 255);
        rules
    })
}

#[test]
fn a_line_that_is_wrong_stops_it_all() {
    let namespace = Namespace::enter();
    for (wrong, status, place) in [
        ("-A -t 10.0.0.1:81 -s", 255, "3:19: "),
        ("  ipvsadm -a -t 10.0.0.1:80 -r nowhere.invalid:80 -m # why", 2, "3:32: "),
        ("-A -t 10.0.0.1:81 -w 3", 2, "3:19: "),
        ("-R", 2, "3:1: "),
        ("-Ln --netns blue", 2, "3:5: "),
        ("-S --output /tmp/rules", 2, "3:4: "),
    ] {
        let ran = restore("", format!("-A -t 10.0.0.1:80\n\n{wrong}\n-A -t 10.0.0.1:82\n"));
        assert_eq!(ran.status, Some(status), "{ran:?}");
        let said: Vec<&str> = ran.stderr.lines().collect();
        assert!(said[0].starts_with(&format!("ipvsadm: {place}")), "{ran:?}");
        assert_eq!(said[1], wrong);
        let column: usize = place.trim_end_matches(": ").split_once(':').unwrap().1.parse().unwrap();
        assert_eq!(said[2], format!("{:>column$}", '^'));
        assert_eq!(said.len(), 3, "{ran:?}");
        assert!(namespace.witness().is_empty(), "{wrong}");
    }
}

#[test]
fn lines_that_are_wrong_are_left_out_when_asked() {
    let namespace = Namespace::enter();
    let ran = restore("--keep-going --verbose", b"-A -t 10.0.0.1:80\nnonsense\n-A -t 10.0.0.1:81\n-A -t \x1b[2J\n\xff");
    assert_eq!(ran.status, Some(255), "{ran:?}");
    assert_eq!(namespace.witness().len(), 2);
    assert!(ran.stderr.contains("ipvsadm: 2:1: ") && ran.stderr.contains("ipvsadm: 4:7: "), "{ran:?}");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap();
    assert_eq!(last, "ipvsadm: lines up to 3 were run: 2 done, 0 refused, 3 left out");
}

#[test]
fn a_refusal_has_its_line_and_is_not_forgotten() {
    let namespace = Namespace::enter();
    let rules =
        "# a comment\n-A -t 10.0.0.1:80\n\n-A -t 10.0.0.1:80\n-a -t 10.0.0.2:80 -r 10.1.1.1 -m\n-A -t 10.0.0.3:80\n";
    for options in ["", "--stream"] {
        let ran = restore(&format!("{options} --verbose"), rules);
        assert_eq!(ran.status, Some(255), "{ran:?}");
        let said: Vec<&str> = ran.stderr.lines().collect();
        assert!(said[0].starts_with("ipvsadm: 4: cannot add service tcp://10.0.0.1:80: it exists already"), "{ran:?}");
        assert!(said[1].starts_with("ipvsadm: 5: cannot add destination 10.1.1.1:80 to service tcp://10.0.0.2:80: "));
        assert_eq!(said[2..], ["ipvsadm: lines up to 6 were run: 2 done, 2 refused"]);
        assert_eq!(namespace.witness().len(), 2);
        namespace.ours("-C").success();
    }
    let ran = restore("", "-A -t 10.0.0.1:80\n-L -t 10.0.0.2:80\n-A -t 10.0.0.3:80\n");
    assert_eq!((ran.status, namespace.witness().len()), (Some(1), 2), "{ran:?}");
    assert!(ran.stderr.starts_with("ipvsadm: 2: "), "{ran:?}");
}

#[test]
fn listings_among_the_lines_see_what_came_before_them() {
    let rules =
        "-A -t 10.0.0.1:80 -s rr\n-Ln\n-a -t 10.0.0.1:80 -r 10.1.1.1 -m\n-S -n\n-L --timeout\n-D -t 10.0.0.1:80\n-Ln\n";
    let namespace = Namespace::enter();
    let debian = run_with_input(WITNESS, ["-R"], rules).success();
    assert!(namespace.witness().is_empty());
    assert_eq!(restore("", rules).success(), debian);
    assert_eq!(restore("--stream", rules).success(), debian);
}

/// A restore that reads what it is given line by line.
struct Coprocess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
}

impl Coprocess {
    fn start(arguments: &[&str]) -> Self {
        Self::of("ipvsadm", arguments)
    }

    fn of(program: &str, arguments: &[&str]) -> Self {
        let mut command = process::Command::new(built(program));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, input, output, errors }
    }

    fn send(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next line of its errors.
    fn error(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        note("ipvsadm-restore", &line);
        line
    }
}

/// A pipe is full when nothing more comes.
fn wait_until_full(pipe: &impl AsFd) {
    let waiting = || ioctl_fionread(pipe).unwrap();
    let mut before = 0;
    while before == 0 || before != waiting() {
        before = waiting();
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_stream_is_answered_line_by_line() {
    let _namespace = Namespace::enter();
    let mut coprocess = Coprocess::start(&["-R", "--stream"]);
    for port in [80, 81, 82] {
        coprocess.send(&format!("-A -t 10.0.0.1:{port} -s rr\n-L -n -t 10.0.0.1:{port}\n"));
        let answer = [(); 3].map(|()| {
            let mut line = String::new();
            coprocess.output.read_line(&mut line).unwrap();
            line
        });
        assert_eq!(answer[2], format!("TCP  10.0.0.1:{port} rr\n"));
    }
    // What is wrong ends it, as with 1.31.
    coprocess.send("nonsense\n");
    assert_eq!(coprocess.child.wait().unwrap().code(), Some(255));
    assert!(coprocess.error().starts_with("ipvsadm: 7:1: "));
}

#[test]
fn an_interrupted_stream_says_what_was_done() {
    let namespace = Namespace::enter();
    let mut coprocess = Coprocess::start(&["-R", "--stream"]);
    coprocess.send("-A -t 10.0.0.1:80\n-A -t 10.0.0.1:80\n");
    assert!(coprocess.error().starts_with("ipvsadm: 2: "));
    coprocess.signal(Signal::INT);
    assert_eq!(coprocess.error(), "ipvsadm: interrupted; lines up to 2 were run: 1 done, 1 refused\n");
    assert_eq!(coprocess.child.wait().unwrap().code(), Some(130));
    assert_eq!(namespace.witness().len(), 1);
    let mut coprocess = Coprocess::start(&["-R"]);
    coprocess.send("-A -t 10.0.0.1:81\n");
    // It is ready once it has its thread for signals.
    while std::fs::read_dir(format!("/proc/{}/task", coprocess.child.id())).unwrap().count() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    coprocess.signal(Signal::TERM);
    assert_eq!(coprocess.error(), "ipvsadm: interrupted; no line was run\n");
    assert_eq!(coprocess.child.wait().unwrap().code(), Some(143));
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn lines_of_any_length_and_bytes_are_read_or_refused() {
    let namespace = Namespace::enter();
    let long = "x".repeat(1 << 20);
    for (line, place) in [
        (format!("-A -t {long}:80"), "1:7: "),
        (format!("-A -t 10.0.0.1:80 -s {long}"), "1:22: "),
        (format!("{}-A -t 10.0.0.1:80 -w 5", " ".repeat(1 << 20)), "1:1048595: "),
        ("-A -t 10.0.0.1:80\0".to_owned(), "1:7: "),
        ("-A -t 10.0.0.1:80 -s r\0r".to_owned(), "1:22: "),
        ("-A -t 10.0.0.1:80 -b flag-1\0".to_owned(), "1:22: "),
        ("\0".repeat(1 << 20), "1:1: "),
    ] {
        let ran = restore("", line);
        assert!(matches!(ran.status, Some(2 | 255)), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("ipvsadm: {place}")), "{ran:?}");
        assert!(ran.stderr.len() < 3000 && !ran.stderr.contains('\0'), "{ran:?}");
    }
    assert!(namespace.witness().is_empty());
    let comment = format!("# {long}\n-A -t 10.0.0.1:80 -s rr # {long}");
    assert_eq!(restore("", comment).success(), "");
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn whoever_reads_its_output_does_not_cut_it() {
    let namespace = Namespace::enter();
    // The first listing fills the pipe before it is closed, the others find it closed.
    let rules = services(1000) + &"-Ln\n".repeat(3) + "-A -t 10.0.0.1:81 -s rr\n-A -t 10.0.0.1:80 -s rr\n-Ln\n";
    for (to, told) in
        [("| true", None), ("> /dev/full", Some("ipvsadm: cannot write the output: No space left on device"))]
    {
        let line = format!("{{ {} -R; echo $? >&2; }} {to}", built("ipvsadm").display());
        let ran = run_with_input("sh", ["-c", &line], &rules);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert!(
            lines[0].starts_with("ipvsadm: 1005: cannot add service tcp://10.0.0.1:80: it exists already"),
            "{lines:?}"
        );
        let (status, others) = lines[1..].split_last().unwrap();
        assert_eq!((*status, others.len()), ("255", usize::from(told.is_some())), "{lines:?}");
        assert!(told.is_none_or(|told| others[0] == told), "{lines:?}");
        assert_eq!(namespace.witness().len(), 1001);
        namespace.ours("-C").success();
    }
    // The same where nothing else goes wrong.
    let line = format!("{} -R > /dev/full; echo $? >&2", built("ipvsadm").display());
    let ran = run_with_input("sh", ["-c", &line], "-A -t 10.0.0.1:80\n-L -n\n-A -t 10.0.0.1:81\n");
    assert_eq!(ran.stderr, "ipvsadm: cannot write the output: No space left on device\n255\n");
    assert_eq!(namespace.witness().len(), 2);
}

#[test]
fn what_helps_is_said_once_of_each() {
    let _namespace = Namespace::enter();
    let mut rules = String::from("-A -u 10.0.0.1:80 -s rr\n");
    for line in ["-D -t 10.0.0.1:80", "-A -t 10.0.0.2:80 -s nosuch", "-d -u 10.0.0.1:80 -r 10.1.1.1"] {
        rules += &[line, "\n"].concat().repeat(2);
    }
    let ran = restore("", &rules);
    let helps = |part: &str| ran.stderr.lines().filter(|line| line.contains(part)).count();
    assert_eq!((ran.stderr.lines().count(), helps("; near it: udp://10.0.0.1:80")), (6, 1), "{ran:?}");
    assert_eq!((helps("no scheduler 'nosuch'"), helps("those loaded: ")), (2, 1), "{ran:?}");
    // To look for it is to read the table: not for thousands.
    let rules =
        (1..=30).fold(String::from("-A -u 10.0.0.1:80\n"), |rules, port| rules + &format!("-D -t 10.0.0.1:{port}\n"));
    let ran = restore("", rules);
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("near it:")).count(), 10, "{ran:?}");
}

#[test]
fn a_signal_is_heard_while_the_kernel_looks_for_modules() {
    let _namespace = Namespace::enter();
    let mut coprocess = Coprocess::start(&["-R"]);
    // Each takes the kernel as long as thousands of others.
    let missing =
        (0..200).fold(String::new(), |rules, port| rules + &format!("-A -t 10.9.0.1:{port} -p -s nosuch{port}\n"));
    coprocess.send(&format!("{}{missing}", services(1000)));
    coprocess.input = None;
    assert!(coprocess.error().starts_with("ipvsadm: 1001: cannot add service "));
    coprocess.signal(Signal::INT);
    let (mut after, mut said) = (0, coprocess.error());
    while said.contains("nosuch") {
        (after, said) = (after + 1, coprocess.error());
    }
    assert!(after < 5, "{after} of 200 after the signal");
    assert!(said.starts_with("ipvsadm: interrupted; lines up to 10") && said.contains(": 1000 done, "), "{said}");
    assert_eq!(coprocess.child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_signal_ends_a_restore_whose_output_nobody_reads() {
    let _namespace = Namespace::enter();
    let mut coprocess = Coprocess::start(&["-R"]);
    // The listing is more than the pipe holds, and its end less than the program writes at a time.
    coprocess.send(&format!("{}-L -n\n", services(3400)));
    coprocess.input = None;
    wait_until_full(coprocess.output.get_ref());
    coprocess.signal(Signal::TERM);
    assert_eq!(coprocess.error(), "ipvsadm: interrupted; lines up to 3400 were run: 3400 done, 0 refused\n");
    assert_eq!(coprocess.child.wait().unwrap().code(), Some(143));
}

/// In a restore the first signal waits for what is told, and the second does not. An apply that is over ends with the first.
#[test]
fn signals_end_what_nobody_reads_the_errors_of() {
    let namespace = Namespace::enter();
    let refused = (0..4000).fold(String::new(), |rules, port| rules + &format!("-D -t 10.0.0.1:{port}\n"));
    let added = (1..4000).fold(String::new(), |rules, mark| rules + &format!("-A -f {mark}\n"));
    for (arguments, rules, status) in [(&["-R"][..], refused, 129), (&["--apply", "--verbose"], added, 143)] {
        let mut coprocess = Coprocess::start(arguments);
        coprocess.send(&rules);
        coprocess.input = None;
        wait_until_full(coprocess.errors.get_ref());
        let signal = if status == 129 { Signal::HUP } else { Signal::TERM };
        coprocess.signal(signal);
        if arguments == ["-R"] {
            std::thread::sleep(Duration::from_millis(500));
            assert_eq!(coprocess.child.try_wait().unwrap(), None);
            coprocess.signal(signal);
        }
        assert_eq!(coprocess.child.wait().unwrap().code(), Some(status), "{arguments:?}");
    }
    assert_eq!(namespace.witness().len(), 3999);
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let namespace = Namespace::enter();
    let line = format!(
        "trap '' INT; {{ sleep 1; echo -A -t 10.0.0.1:80; }} | {{ sh -c 'sleep 0.5; kill -INT $PPID' & exec {} -R; }}",
        built("ipvsadm").display()
    );
    run("sh", ["-c", &line]).success();
    assert_eq!(namespace.witness().len(), 1);
}

#[test]
fn an_interrupted_ipvsadm_restore_says_that_the_table_was_emptied() {
    let namespace = Namespace::enter();
    namespace.ours("-A -t 10.0.0.1:80").success();
    let mut coprocess = Coprocess::of("ipvsadm-restore", &["--stream"]);
    while !namespace.witness().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    coprocess.signal(Signal::INT);
    assert_eq!(coprocess.error(), "ipvsadm-restore: interrupted; the table was emptied; no line was run\n");
    assert_eq!(coprocess.child.wait().unwrap().code(), Some(130));
}

/// Whether the lines of [`services`] up to this one have been run, and none after it. No listing tells it: where one goes on
/// after a part, the kernel counts the services of other namespaces too, which come and go.
fn is_last(line: u32) -> bool {
    let client = ipvs_core::Client::connect().unwrap();
    let is_there = |number: u32| {
        let id = format!("tcp://10.{}.{}.{}:80", number >> 16, number >> 8 & 255, number & 255).parse().unwrap();
        client.service(&id).is_ok()
    };
    line.checked_sub(1).is_none_or(is_there) && !is_there(line)
}

#[test]
fn what_an_interrupted_restore_says_is_what_is_in_the_table() {
    let rules = services(20_000);
    let start = || {
        let mut coprocess = Coprocess::start(&["-R"]);
        coprocess.send(&rules);
        coprocess.input = None;
        coprocess
    };
    let whole = {
        let _namespace = Namespace::enter();
        let begin = Instant::now();
        assert!(start().child.wait().unwrap().success());
        assert!(is_last(20_000));
        begin.elapsed()
    };
    let mut cut = 0;
    for wait in (0..16).map(|sixteenth| whole * sixteenth / 16) {
        let _namespace = Namespace::enter();
        let mut coprocess = start();
        std::thread::sleep(wait);
        coprocess.signal(Signal::INT);
        let said = coprocess.error();
        match coprocess.child.wait().unwrap().code() {
            Some(0) => assert!(said.is_empty() && is_last(20_000), "{said}"),
            Some(130) if said == "ipvsadm: interrupted; no line was run\n" => assert!(is_last(0)),
            Some(130) => {
                cut += 1;
                let line =
                    said.strip_prefix("ipvsadm: interrupted; lines up to ").and_then(|rest| rest.split_once(' '));
                let line = line.unwrap().0;
                let expected = format!("ipvsadm: interrupted; lines up to {line} were run: {line} done, 0 refused\n");
                assert_eq!(said, expected);
                assert!(is_last(line.parse().unwrap()), "{said}");
            }
            other => panic!("{other:?}: {said}"),
        }
    }
    assert!(cut > 0, "no restore was cut within");
}

#[test]
fn progress_shows_on_a_terminal_when_it_takes_long() {
    let namespace = Namespace::enter();
    // Every scheduler that is not there makes the kernel look for its module. The bar is there while it does.
    let mut rules: String = (0..60).fold(String::new(), |mut rules, number| {
        let _ = writeln!(rules, "-A -t 10.9.0.1:{} -s nosuch{number}", number + 1);
        rules
    });
    rules += &services(2000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    std::fs::write(&file, rules).unwrap();
    let restore = format!("{} -R < {}", built("ipvsadm").display(), file.display());
    let on_a_terminal = run("script", ["--quiet", "--return", "--command", &restore, "/dev/null"]);
    assert_eq!(on_a_terminal.status, Some(255));
    let shown: BTreeSet<&str> = on_a_terminal
        .stdout
        .split('[')
        .filter_map(|bar| bar.split_once("] ")?.1.split_once(" of 2060 lines"))
        .map(|(done, _)| done)
        .collect();
    assert!(shown.len() > 5, "{on_a_terminal:?}");
    assert_eq!(namespace.witness().len(), 2000);
    namespace.ours("-C").success();
    let ran = run("sh", ["-c", &restore]);
    assert_eq!((ran.status, namespace.witness().len()), (Some(255), 2000));
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("nosuch")).count(), 60);
    assert_eq!(ran.stderr.lines().count(), 60, "{ran:?}");
}

#[test]
fn ipvsadm_restore_begins_with_an_empty_table_once_all_is_right() {
    let namespace = Namespace::enter();
    let restore = |options: &[&str], rules: &str| run_with_input(built("ipvsadm-restore"), options, rules);
    namespace.debian("-A -t 10.0.0.9:80").success();
    let before = namespace.witness();
    let ran = restore(&[], "# saved\n-A -t 10.0.0.1:80\nnonsense\n");
    assert_eq!(ran.status, Some(255), "{ran:?}");
    assert!(ran.stderr.starts_with("ipvsadm-restore: 3:1: "), "{ran:?}");
    assert_eq!(namespace.witness(), before);
    restore(&[], "# saved\n-A -t 10.0.0.1:80 -s rr\n").success();
    assert_eq!(namespace.witness(), ["-A -t 10.0.0.1:80 -s rr"]);
    restore(&["--stream"], "-A -t 10.0.0.2:80 -s rr\n").success();
    assert_eq!(namespace.witness(), ["-A -t 10.0.0.2:80 -s rr"]);
    assert_eq!(restore(&["file"], "").status, Some(2));
    assert_eq!(namespace.witness().len(), 1);
}

/// The kinds that 1.31 saves and restores: no marks above 2^31, no thresholds, no mask without persistence, no persistence
/// above 31 days, no third flag of a scheduler, no port of a destination's own without masquerading.
fn kinds_of_1_31() -> Vec<Command> {
    let without_third_flag = |command| match command {
        Command::AddService(service) if service.scheduler == "sh" => {
            let flags = SchedulerFlags::from_names("sh", ["sh-fallback", "sh-port"]).unwrap();
            Command::AddService(service.with_scheduler_flags(flags))
        }
        other => other,
    };
    let is_known = |command: &Command| {
        let rule = RuleDisplay(command).to_string();
        let unknown = ["4294967", " -x ", " -y ", "--keep-port"].iter().any(|part| rule.contains(part));
        !unknown && (!rule.contains(" -M ") || rule.contains(" -p "))
    };
    every_kind().into_iter().map(without_third_flag).filter(is_known).collect()
}

#[test]
fn each_restores_what_the_other_saved() {
    let ours = ["ipvsadm-save", "ipvsadm-restore"].map(built);
    let debian = ["/usr/sbin/ipvsadm-save", "/usr/sbin/ipvsadm-restore"].map(PathBuf::from);
    assert!(kinds_of_1_31().len() > 15);
    for (save, restore, table) in [
        (&ours[0], &debian[1], kinds_of_1_31()),
        (&debian[0], &ours[1], kinds_of_1_31()),
        (&ours[0], &ours[1], every_kind()),
    ] {
        let namespace = Namespace::enter();
        let client = Client::connect().unwrap();
        all_done(&client, &table);
        let before = settings(&client.snapshot().unwrap());
        let saved = run(save, ["-n"]).success();
        namespace.debian("-C").success();
        run_with_input(restore, [""; 0], &saved).success();
        assert_eq!(settings(&client.snapshot().unwrap()), before, "{save:?} {restore:?}");
    }
}

/// The table of names, in which a host has addresses of both families and another an IPv6 one only.
#[test]
fn what_is_saved_with_names_is_restored() {
    let namespace = Namespace::enter();
    let known = std::fs::read_to_string("/etc/hosts").unwrap();
    // The guest's own: it goes with the guest.
    let names = "10.20.0.1 both.example.org\n2001:db8:20::1 both.example.org\n2001:db8:20::2 six.example.org\n";
    std::fs::write("/etc/hosts", format!("{known}\n{names}")).unwrap();
    for line in [
        "-A -t [2001:db8:20::1]:80 -s rr",
        "-A -u [2001:db8:20::2]:53 -s rr -p 60",
        "-A -t 10.20.0.1:80 -s rr",
        "-A -f 7 -6 -s rr",
        "-a -t [2001:db8:20::1]:80 -r [2001:db8:20::2]:80 -m",
        "-a -t 10.20.0.1:80 -r 10.20.0.1:http -m",
        "-a -f 7 -6 -r [2001:db8:20::1]:8080 -m",
    ] {
        namespace.ours(line).success();
    }
    let before = namespace.witness();
    for saved in [run(built("ipvsadm-save"), [""; 0]), run("/usr/sbin/ipvsadm-save", [""; 0])] {
        let saved = saved.success();
        assert!(saved.contains("-t [both.example.org]:http") && saved.contains("-r [six.example.org]:http"), "{saved}");
        run_with_input(built("ipvsadm-restore"), [""; 0], &saved).success();
        assert_eq!(namespace.witness(), before);
    }
    // Of IPv4 names either restores what the other saved.
    for line in ["-C", "-A -t both.example.org:http -s rr", "-a -t both.example.org:80 -r both.example.org:http -m"] {
        namespace.ours(line).success();
    }
    let before = namespace.witness();
    run_with_input("/usr/sbin/ipvsadm-restore", [""; 0], run(built("ipvsadm-save"), [""; 0]).success()).success();
    assert_eq!(namespace.witness(), before);
    for line in ["-Z -t [both.example.org]:80", "-Z -t six.example.org:53", "-Z -u [nosuch.example.org]:53"] {
        assert_ne!(namespace.ours(line).status, Some(0), "{line}");
    }
    namespace.ours("-A -u six.example.org:53").success();
    std::fs::write("/etc/hosts", known).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_typed_is_run_or_refused(
        arguments in vec(prop_oneof![
            vec(1..=255_u8, 0..8),
            select(&[
                "-A", "-E", "-D", "-a", "-e", "-d", "-C", "-L", "-S", "-R", "-Z", "-t", "-u", "-f", "-6", "-r", "-s", "-b",
                "-p", "-M", "-w", "-x", "-i", "-m", "-c", "-n", "--pe", "--set", "--tun-type", "--start-daemon",
                "--mcast-interface", "--stream", "--json", "--netns", "--wait", "10.0.0.1:80", "[2001:db8::1]:80", "1", "",
            ][..])
                .prop_map(|word| word.as_bytes().to_vec()),
        ], 0..8),
        rules in vec(any::<u8>(), 0..60),
        repeated in select(&[1, 20_000][..]),
    ) {
        use std::os::unix::ffi::OsStringExt;
        let _namespace = Namespace::enter();
        let arguments = arguments.into_iter().map(std::ffi::OsString::from_vec);
        let ran = run_with_input(built("ipvsadm"), arguments.clone(), []);
        prop_assert!(matches!(ran.status, Some(0 | 1 | 2 | 255)) && !ran.stderr.contains("panicked"), "{ran:?}");
        let ran = restore("--keep-going", rules.repeat(repeated));
        prop_assert!(matches!(ran.status, Some(0 | 1 | 2 | 255)) && !ran.stderr.contains("panicked"), "{ran:?}");
    }
}
