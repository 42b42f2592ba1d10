//! Our `ipvsadm` beside Debian's: the same invocation on the same table gives the same standard output, exit status and
//! table. What differs stands in `differences.txt`, with its reason, and nothing else does.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipvs_core::{
    Client, Command, Destination, Forwarding, Protocol, SchedulerFlags, Service, ServiceId, Timeouts, Tunnel,
};
use proptest::collection::btree_set;
use proptest::prelude::*;
use proptest::sample::select;

use crate::batch::{all_done, every_kind, settings};
use crate::namespace::{Namespace, Ran, WITNESS, built, run};

const DIFFERENCES: &str = include_str!("differences.txt");

/// Two namespaces with the same table: one for each program.
struct Both {
    debian: (Namespace, Client),
    ours: (Namespace, Client),
    table: Vec<Command>,
    compared: RefCell<usize>,
    /// What was found different, and the differences that are listed and were met.
    wrong: RefCell<Vec<String>>,
    met: RefCell<BTreeSet<&'static str>>,
}

/// The rows of the README's table: first invocations, a `*` standing for anything, and why they differ; behind the line of
/// dashes what other tests know of.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    DIFFERENCES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.rsplit_once(" | ").unwrap_or((line, "")))
}

/// The invocations that may differ.
fn differences() -> impl Iterator<Item = &'static str> {
    rows().take_while(|(what, _)| *what != ELSEWHERE).flat_map(|(what, _)| what.split(" | "))
}

const ELSEWHERE: &str = "---";

/// The difference that is known to the number, and those of which only the text differs.
const DEFAULT_PERSISTENCE: &str = "-A*-p*";
const OWN_WORDS: &[&str] = &["-h*", "-v*"];

#[test]
fn the_readme_has_every_difference_and_no_other() {
    let invocations = rows().take_while(|(what, _)| *what != ELSEWHERE).count();
    let expected: Vec<String> = rows()
        .enumerate()
        .filter(|(_, (what, _))| *what != ELSEWHERE)
        .map(|(row, (what, why))| {
            if row < invocations {
                format!("| `{}` | {why} |", what.replace(" | ", "`, `"))
            } else {
                format!("| {what} | {why} |")
            }
        })
        .collect();
    let readme = include_str!("../../README.md");
    let table = readme.split("| --- | --- |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(table.lines().collect::<Vec<_>>(), expected);
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))),
    }
}

/// What is compared of a namespace after an invocation.
fn state(client: &Client) -> String {
    let table = settings(&client.snapshot().unwrap());
    format!("{table:?} {:?} {:?}", client.daemons().unwrap(), client.timeouts().unwrap())
}

impl Both {
    fn new(table: Vec<Command>) -> Self {
        let make = || {
            let namespace = Namespace::enter();
            // The second is what a daemon is on that is told none.
            for (device, address) in [("sync0", "10.9.9.9/24"), ("eth0", "10.9.8.9/24")] {
                namespace.add_interface(device, address);
            }
            let client = Client::connect().unwrap();
            (namespace, client)
        };
        // The second is where the thread stays.
        Self {
            debian: make(),
            ours: make(),
            table,
            compared: RefCell::default(),
            wrong: RefCell::default(),
            met: RefCell::default(),
        }
    }

    fn reset(&self) {
        for (_, client) in [&self.debian, &self.ours] {
            client.flush().unwrap();
            all_done(client, &self.table);
            for daemon in client.daemons().unwrap() {
                client.stop_daemon(daemon.role).unwrap();
            }
            client.set_timeouts(&Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }).unwrap();
        }
    }

    /// Runs the invocation in both, on a fresh table if the last one may have changed it.
    fn compare(&self, arguments: &[&str]) {
        let quoted =
            |word: &&str| if word.is_empty() || word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
        let shown = arguments.iter().map(quoted).collect::<Vec<_>>().join(" ");
        let debian = self.debian.0.inside(|| run(WITNESS, arguments));
        // Here, where this thread is: entering a namespace takes its time.
        let ours = run(built("ipvsadm"), arguments);
        let (their_state, our_state) = (state(&self.debian.1), state(&self.ours.1));
        *self.compared.borrow_mut() += 1;
        let said = difference(&debian, &ours);
        let difference = said
            .clone()
            .or_else(|| (their_state != our_state).then(|| format!("the table\n{their_state}\n{our_state}")));
        if let Some(difference) = difference {
            let is_default =
                their_state.replace("persistence_timeout: Some(360)", "persistence_timeout: Some(300)") == our_state;
            let listed = differences().find(|pattern| match *pattern {
                DEFAULT_PERSISTENCE => said.is_none() && is_default,
                pattern => matches(pattern, &shown) && (debian.status == ours.status || !OWN_WORDS.contains(&pattern)),
            });
            match listed {
                Some(pattern) => drop(self.met.borrow_mut().insert(pattern)),
                None => self.wrong.borrow_mut().push(format!("{shown}: {difference}")),
            }
        }
        if debian.status == Some(0) || ours.status == Some(0) {
            self.reset();
        }
    }

    /// Panics if anything was different, or less than so many invocations were compared.
    fn finish(self, least: usize) -> BTreeSet<&'static str> {
        let wrong = self.wrong.into_inner();
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
        let compared = self.compared.into_inner();
        assert!(compared >= least, "only {compared} invocations were compared");
        self.met.into_inner()
    }
}

pub fn difference(debian: &Ran, ours: &Ran) -> Option<String> {
    if debian.status != ours.status {
        let said = (debian.stderr.trim(), ours.stderr.trim());
        return Some(format!("exit status {:?}, not {:?} ({said:?})", ours.status, debian.status));
    }
    (debian.stdout != ours.stdout).then(|| format!("Debian's\n{}ours\n{}", debian.stdout, ours.stdout))
}

fn small_table() -> Vec<Command> {
    let id = |text: &str| text.parse::<ServiceId>().unwrap();
    let real = |address: &str| Destination::new(address.parse().unwrap());
    let web = Service::new(id("tcp://10.0.0.1:80")).with_scheduler("rr");
    vec![
        Command::AddDestination(web.id, real("192.168.1.10:80").with_forwarding(Forwarding::Masquerade)),
        Command::AddService(Service::new(id("fwmark:7"))),
        Command::AddService(web),
    ]
    .into_iter()
    .rev()
    .collect()
}

const COMMANDS: &[&str] = &[
    "-A -t 10.0.0.2:80",
    "-E -t 10.0.0.1:80",
    "-C",
    "-R",
    "-e -t 10.0.0.1:80 -r 192.168.1.10:80",
    "-D -t 10.0.0.1:80",
    "-S -n",
    "-a -t 10.0.0.1:80 -r 192.168.1.11:80",
    "-a -t 10.0.0.1:80 -r 192.168.1.12:80 -i",
    "-d -t 10.0.0.1:80 -r 192.168.1.10:80",
    "-L -n",
    "-Z",
    "--set 0 0 0",
    "--start-daemon master --mcast-interface sync0",
    "--stop-daemon master",
];

const OPTIONS: &[&str] = &[
    "-t 10.0.0.1:80",
    "-u 10.0.0.1:80",
    "--sctp-service 10.0.0.1:80",
    "-f 7",
    "-6",
    "-s rr",
    "-p",
    "-p 100",
    "-M 255.255.255.0",
    "-r 192.168.1.10:80",
    "-g",
    "-i",
    "-m",
    "-w 3",
    "-x 4",
    "-y 0",
    "-c",
    "--timeout",
    "--daemon",
    "--stats",
    "--rate",
    "--exact",
    "--thresholds",
    "--persistent-conn",
    "--tun-info",
    "--sort",
    "--nosort",
    "-n",
    "-o",
    "--pe sip",
    "-b flag-1",
    "--syncid 5",
    "--sync-maxlen 1000",
    "--mcast-interface sync0",
    "--mcast-group 224.0.0.82",
    "--mcast-port 9000",
    "--mcast-ttl 2",
    "--tun-type gre",
    "--tun-type gue",
    "--tun-type ipip",
    "--tun-port 6080",
    "--tun-nocsum",
    "--tun-csum",
    "--tun-remcsum",
    "-L",
    "--set 1 2 3",
];

/// What no table of options makes.
const BY_HAND: &str = include_str!("invocations.txt");

/// The words of a line, in quotes if they are empty or have spaces.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 { words.push(part) } else { words.extend(part.split_whitespace()) }
    }
    words
}

#[test]
fn every_command_with_two_options_is_as_debian_s() {
    let both = Both::new(small_table());
    both.reset();
    let pairs = OPTIONS.iter().enumerate().flat_map(|(at, one)| OPTIONS[at..].iter().map(move |other| (one, other)));
    let lines =
        COMMANDS.iter().flat_map(|command| pairs.clone().map(move |(one, other)| format!("{command} {other} {one}")));
    // All of them would take half an hour.
    for line in lines.step_by(41) {
        both.compare(&words(&line));
    }
    both.finish(390);
}

#[test]
fn every_command_with_every_option_is_as_debian_s() {
    let both = Both::new(small_table());
    both.reset();
    for command in COMMANDS {
        for option in OPTIONS.iter().chain(&[""]) {
            both.compare(&words(&format!("{command} {option}")));
        }
    }
    for line in BY_HAND.lines().filter(|line| !line.starts_with('#')) {
        both.compare(&words(line));
    }
    let met = both.finish(980);
    let listed: BTreeSet<_> = differences().collect();
    let gone: Vec<_> = listed.difference(&met).collect();
    assert!(gone.is_empty(), "these do not differ any more: {gone:?}");
}

#[test]
fn every_listing_is_as_debian_s() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    // Two things 1.31 does not show as they are: marks above 2^31, and flag-3 where the other flags have names.
    let is_shown = |id: &ServiceId| !id.to_string().contains("4294967295");
    let table: Vec<Command> = every_kind()
        .into_iter()
        .filter_map(|command| match command {
            Command::AddService(service) if service.scheduler == "sh" => {
                let flags = SchedulerFlags::from_names("sh", ["sh-fallback", "sh-port"]).unwrap();
                Some(Command::AddService(service.with_scheduler_flags(flags)))
            }
            Command::AddService(service) => is_shown(&service.id).then_some(Command::AddService(service)),
            Command::AddDestination(id, real) => is_shown(&id).then_some(Command::AddDestination(id, real)),
            other => Some(other),
        })
        .collect();
    all_done(&client, &table);
    let formats = [
        "",
        "--stats",
        "--rate",
        "--stats --exact",
        "--rate --exact",
        "--thresholds",
        "--persistent-conn",
        "--tun-info",
    ];
    let services =
        ["", "-t 10.0.0.1:80", "-t [2001:db8::1]:80", "-f 1", "-u 10.0.0.1:53", "--sctp-service [2001:db8::1]:36412"];
    let mut compared = 0;
    for (format, service) in formats.iter().flat_map(|format| services.map(|service| (format, service))) {
        for numeric in ["-n", ""] {
            for sort in ["", "--nosort"] {
                let line = format!("-L {numeric} {format} {service} {sort}");
                let (debian, ours) = (namespace.debian(&line), namespace.ours(&line));
                assert_eq!(difference(&debian, &ours), None, "{line}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 150);
    for line in ["-S", "-S -n"] {
        let saved = namespace.ours(line).success();
        assert_eq!(as_1_31_saves(&saved), namespace.debian(line).success(), "{line}");
    }
}

/// Addresses far apart and near each other: what is compared of them goes round.
fn address() -> impl Strategy<Value = IpAddr> {
    let group = || select(&[0_u16, 1, 0x7fff, 0x8000, 0xffff][..]);
    let six =
        (select(&[0x2001_u16, 0x3fff, 0xfc00, 0xfd00][..]), group(), group(), group(), group(), group(), 1..9_u16)
            .prop_map(|(a, b, c, d, e, f, g)| IpAddr::from([a, b, c, d, e, f, 0, g]));
    let four = (select(&[[1_u8, 2], [10, 0], [32, 1], [126, 9], [128, 0], [192, 168], [223, 1]][..]), 0..2_u8, 0..3_u8)
        .prop_map(|([a, b], c, d)| IpAddr::from([a, b, c, d]));
    prop_oneof![2 => six, 1 => four]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_addresses_are_in_the_same_order(
        services in btree_set((address(), 80..82_u16), 1..40),
        destinations in btree_set((address(), 80..82_u16), 1..40),
    ) {
        let namespace = Namespace::enter();
        let client = Client::connect().unwrap();
        let mut table: Vec<Command> = Vec::new();
        for (address, port) in services {
            let id = ServiceId::Address { protocol: Protocol::Tcp, address: SocketAddr::new(address, port) };
            table.push(Command::AddService(Service::new(id).with_scheduler("rr")));
            if port == 80 && table.len() < 10 {
                let tunnel = Forwarding::Tunnel(Tunnel::Ipip);
                table.extend(destinations.iter().map(|(address, port)| {
                    Command::AddDestination(id, Destination::new(SocketAddr::new(*address, *port)).with_forwarding(tunnel))
                }));
            }
        }
        all_done(&client, &table);
        for line in ["-Ln", "-Ln --stats", "-Ln --tun-info", "-Sn"] {
            let (debian, ours) = (namespace.debian(line).success(), namespace.ours(line).success());
            // What 1.31 does not save are ports of their own.
            let ours = if line == "-Sn" { as_1_31_saves(&ours) } else { ours };
            prop_assert_eq!(debian, ours, "{}", line);
        }
    }
}

/// Without what 1.31 does not save.
fn as_1_31_saves(rules: &str) -> String {
    let rule = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        for (option, values) in [("-x", 1), ("-y", 1), ("--keep-port", 0), ("-M", 1)] {
            if let Some(at) = words.iter().position(|word| *word == option)
                && (option != "-M" || !words.contains(&"-p"))
            {
                words.drain(at..=at + values);
            }
        }
        words.join(" ") + "\n"
    };
    rules.lines().map(rule).collect()
}

#[test]
fn addresses_and_names_are_in_the_same_order_and_form() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let known = std::fs::read_to_string("/etc/hosts").unwrap();
    // The guest's own: it goes with the guest.
    let names = "10.0.0.1 www.example.org\n192.168.1.1 a-name-longer-than-its-column.example.org\n\
                 2001:db8::1 six.example.org\n";
    std::fs::write("/etc/hosts", format!("{known}\n{names}")).unwrap();
    for address in
        ["10.0.0.1", "192.168.1.1", "172.16.0.1", "1.2.3.4", "255.255.255.254", "128.0.0.1", "127.255.255.255"]
    {
        for (protocol, port) in [("udp", 53), ("tcp", 80), ("tcp", 5672), ("sctp", 5672), ("tcp", 79)] {
            let service = Service::new(format!("{protocol}://{address}:{port}").parse().unwrap()).with_scheduler("rr");
            client.add_service(&service).unwrap();
            if port == 80 {
                for real in ["192.168.1.1:80", "10.0.0.1:80", "10.0.0.1:8080", "200.1.1.1:443", "127.0.0.1:1"] {
                    let real = Destination::new(real.parse().unwrap()).with_forwarding(Forwarding::Masquerade);
                    client.add_destination(&service.id, &real).unwrap();
                }
            }
        }
    }
    client.add_service(&Service::new("tcp://[2001:db8::1]:80".parse().unwrap())).unwrap();
    client.add_service(&Service::new("fwmark:9/ipv6".parse().unwrap())).unwrap();
    client.add_service(&Service::new("fwmark:3".parse().unwrap())).unwrap();
    for line in ["-L -n", "-L", "-L --stats", "-S", "-S -n", "-L -t www.example.org:http", "-L --nosort"] {
        assert_eq!(difference(&namespace.debian(line), &namespace.ours(line)), None, "{line}");
    }
    std::fs::write("/etc/hosts", known).unwrap();
}
