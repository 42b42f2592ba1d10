//! Objects to rules and back, and text of any kind.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::options::OPTIONS;
use super::*;
use crate::proc::{parse_connection, parse_overview, parse_total_stats};
use crate::wire::strategies::{command, destination, service, service_id};
use crate::{
    Command, Destination, DestinationEntry, Forwarding, SETTINGS, ServiceEntry, ServiceId, ServiceTable, Stats,
    parse_destination_address,
};

/// A name of an interface that is one word.
fn interface() -> impl Strategy<Value = String> {
    vec(select(&b"abcxyz0189.-_:@"[..]), 1..=15).prop_map(|name| name.into_iter().map(char::from).collect())
}

/// What the language makes of a destination: it has no local node.
fn in_the_language(mut destination: Destination) -> Destination {
    if destination.forwarding == Forwarding::LocalNode {
        destination.forwarding = Forwarding::DirectRoute;
    }
    destination
}

fn command_in_the_language(command: Command) -> Command {
    match command {
        Command::AddDestination(id, destination) => Command::AddDestination(id, in_the_language(destination)),
        Command::EditDestination(id, destination) => Command::EditDestination(id, in_the_language(destination)),
        other => other,
    }
}

fn table() -> impl Strategy<Value = Vec<ServiceTable>> {
    let destinations = |id| {
        vec(destination(id).prop_map(in_the_language), 0..4).prop_map(|destinations| {
            let entry = |destination| DestinationEntry {
                destination,
                active_connections: 0,
                inactive_connections: 0,
                persistent_connections: 0,
                stats: Stats::default(),
            };
            destinations.into_iter().map(entry).collect()
        })
    };
    let one = service().prop_flat_map(move |service| {
        let id = service.id;
        (Just(ServiceEntry { service, stats: Stats::default() }), destinations(id))
            .prop_map(|(entry, destinations)| ServiceTable::new(entry, destinations))
    });
    vec(one, 0..4)
}

/// Words of the language, right and wrong ones, in any order.
fn word() -> impl Strategy<Value = String> {
    let long = || (0..OPTIONS.len()).prop_map(|row| format!("--{}", OPTIONS[row].long));
    let value = || {
        prop_oneof![
            select(
                &["10.0.0.1:80", "[2001:db8::1]:80", "1", "0", "4294967296", "gue", "sh-port", "", "-", "--", "#"][..]
            )
            .prop_map(str::to_owned),
            ".{0,8}",
        ]
    };
    prop_oneof![
        long(),
        "-[A-Za-z0-9]{1,3}",
        value(),
        (long(), value()).prop_map(|(option, value)| format!("{option}={value}")),
    ]
}

/// Whatever comes before or behind it.
#[test]
fn a_wrong_value_of_any_option_is_at_fault() {
    for (arguments, position) in [
        ("-E -t 10.0.0.1:80x", 3),
        ("-D -t 10.0.0:80x", 3),
        ("-a -t 10.0.0.1:80x -r 10.0.0.2", 3),
        ("-a -t 10.0.0.1:80 -r 10.0.0.2:80x", 5),
        ("-a -t 10.0.0.1:80 -r 1:2:3", 5),
        ("-a -t 10.0.0.1:80 -r 10.0.0.2 -y few", 7),
        ("-a -t 10.0.0.1:80 -r [2001:db8::1]:80x", 5),
        ("-e -t 10.0.0.1:80x -r 10.0.0.2", 3),
        ("-d -t 10.0.0.1:80x -r 10.0.0.2", 3),
        ("-d -t 10.0.0.1:80 -r 10.0.0.2:80x", 5),
        ("-L -t 10.0.0.1:80x", 3),
        ("-Z -t 10.0.0.1:80x", 3),
        ("--watch --interval often", 3),
        ("--drain -t 10.0.0.1:80x -r 10.0.0.2", 3),
        ("--drain -t 10.0.0.1:80 -r 10.0.0.2:80x", 5),
        ("--apply --scope fwmark:1-x", 3),
        ("--apply --scope fwmark:x-1", 3),
        ("--apply --scope 10.0.0.0/x", 3),
        ("--start-daemon master --mcast-interface eth0 --sync-maxlen 65508", 6),
        ("--sync-role master --mcast-interface eth0 --syncid 256", 6),
        ("--generate csh", 2),
    ] {
        let error = parse(arguments.split(' '), &Numeric).unwrap_err();
        assert_eq!(error.column, Some(position), "{arguments}: {error}");
    }
    for kind in ["man", "bash", "zsh", "fish"] {
        let call = parse(["--generate", kind], &Numeric).unwrap();
        assert_eq!(format!("{:?}", call.invocation).to_lowercase(), format!("generate({kind})"));
    }
    assert_eq!(parse_changes("-A -f 7\n-A -f x\n").unwrap_err().line, Some(2));
    let save = options::COMMANDS.iter().find(|spec| spec.command == options::Name::Save).unwrap();
    assert!(parse_command(save, [OsString::from_vec(vec![0xff])], &Numeric).is_err());
}

proptest! {
    #[test]
    fn a_command_is_read_as_it_was_shown(command in command(interface())) {
        let expected = command_in_the_language(command);
        prop_assert_eq!(expected.check(), Ok(()));
        let rule = RuleDisplay(&expected).to_string();
        let read = parse(rule.split_whitespace(), &Numeric).map(|call| call.invocation);
        prop_assert_eq!(read, Ok(Invocation::Change(expected)), "{}", rule);
    }

    #[test]
    fn a_table_is_read_as_it_was_printed(table in table()) {
        let expected = table.iter().flat_map(|service| {
            let id = service.entry.service.id;
            let destinations = service.destinations.iter();
            std::iter::once(Command::AddService(service.entry.service.clone()))
                .chain(destinations.map(move |entry| Command::AddDestination(id, entry.destination.clone())))
        });
        let text = print(&table);
        let lines: Result<Vec<Line>, RuleError> = parse_rules(&text, &Numeric).collect();
        let read = lines.unwrap().into_iter().map(|line| line.invocation);
        prop_assert!(read.eq(expected.map(Invocation::Change)), "{}", text);
    }

    #[test]
    fn an_id_is_read_as_it_was_shown(id in service_id()) {
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn any_arguments_are_read_or_refused(arguments in vec(word(), 0..8)) {
        if let Err(error) = parse(&arguments, &Numeric) {
            // Which one is at fault is one of them, or the one that is missing behind them.
            prop_assert!(error.column.is_none_or(|column| (1..=arguments.len() + 1).contains(&column)), "{:?}", error);
        }
    }

    #[test]
    fn arguments_that_are_no_text_are_read_or_refused(arguments in vec(vec(any::<u8>(), 0..6), 0..6)) {
        let _ = parse(arguments.into_iter().map(OsString::from_vec), &Numeric);
        let _ = parse(["-A", "-t"].map(OsString::from).into_iter().chain([OsString::from_vec(vec![0xff])]), &Numeric);
    }

    #[test]
    fn any_line_of_bytes_is_read_or_refused(
        line in vec(prop_oneof![vec(any::<u8>(), 0..9), word().prop_map(String::into_bytes)], 0..9),
        size in select(&[1, 1 << 10, 1 << 20][..]),
    ) {
        let mut line = line.join(&b' ');
        if let Some(last) = line.last().copied() {
            line.resize(line.len().max(size), last);
        }
        if let Err(error) = parse_line(&line, 7, &Numeric) {
            prop_assert_eq!(error.line, Some(7));
            prop_assert!(error.message.chars().count() <= MESSAGE_MAX + 1);
            prop_assert!(!error.message.contains(char::is_control));
            let letters = String::from_utf8_lossy(&line).chars().count();
            prop_assert!(error.column.is_none_or(|column| (1..=letters).contains(&column)));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![
        any::<String>(),
        vec(prop_oneof![word(), Just("\n".to_owned())], 0..20).prop_map(|words| words.join(" ")),
    ]) {
        let lines = text.lines().count();
        for line in parse_rules(&text, &Numeric) {
            let (number, column) = match &line {
                Ok(line) => (Some(line.number), None),
                Err(error) => (error.line, error.column),
            };
            let number = number.unwrap();
            prop_assert!((1..=lines).contains(&number));
            if let Some(column) = column {
                prop_assert!((1..=text.lines().nth(number - 1).unwrap().chars().count()).contains(&column));
            }
        }
    }

    #[test]
    fn any_text_is_an_id_an_address_or_neither(text in prop_oneof![
        any::<String>(),
        "(tcp|udp|sctp|icmp)://[0-9a-f:.\\[\\]%]{0,24}",
        "fwmark:[+0-9]{0,12}(/ipv6)?",
    ]) {
        if let Ok(id) = text.parse::<ServiceId>() {
            prop_assert_eq!(id.check(), Ok(()));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
        if let Ok(address) = parse_destination_address(&text) {
            prop_assert_eq!(parse_destination_address(&address.to_string()), Ok(address));
        }
    }

    #[test]
    fn any_text_is_a_setting_s_value_or_none(text in prop_oneof![
        any::<String>(),
        "[-+0-9]{0,20}",
        "[0-9]{0,3}\\s[0-9]{0,3}",
    ]) {
        for setting in SETTINGS {
            if let Some(value) = setting.parse(&text) {
                let _ = setting.check(&value);
                prop_assert_eq!(setting.parse(&value.to_string()), Some(value));
            }
        }
    }

    #[test]
    fn any_text_of_the_kernel_s_is_read_or_skipped(text in prop_oneof![
        any::<String>(),
        vec(prop_oneof![
            select(&["TCP", "UDP", "IP_4", "FWM", "->", "0A000001:0050", "0A000001", "0050", "Masq", "[::1]:0050",
                "[::1]", "1", "NONE", "é:é", "\n", ":", "[", "]"][..]).prop_map(str::to_owned),
            "\\PC{0,5}",
        ], 0..40).prop_map(|words| words.join(" ")),
    ]) {
        for line in text.lines() {
            let _ = parse_connection(line);
        }
        let _ = parse_overview(&text);
        let _ = parse_overview(&format!("\n\n\n{text}"));
        let _ = parse_total_stats(&text);
    }
}
