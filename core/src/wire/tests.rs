//! Objects to bytes and back, and bytes of any kind.

use netlink_packet_core::NLA_F_NESTED;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::attribute::{append, append_nested};
use super::strategies::{command, daemon, interface, service, service_and_destination, timeouts};
use super::*;
use crate::rules::{RuleDisplay, parse_changes};
use crate::{Command, Destination, Family, Forwarding, Netmask, Protocol, Service, ServiceId, Stats, Tunnel};

/// From the generic netlink header on.
pub(crate) fn emitted(command: &Command) -> Vec<u8> {
    asked(Request::Change(command))
}

pub(super) fn asked(request: Request<'_>) -> Vec<u8> {
    // Behind what is there already, as within a chunk.
    let mut bytes = vec![0xff; 20];
    request.append(&mut bytes);
    let request = bytes.split_off(20);
    assert_eq!(bytes, [0xff; 20]);
    request
}

fn counters(numbers: [u64; 10]) -> Stats {
    let [connections, packets_in, packets_out, bytes_in, bytes_out, rates @ ..] = numbers;
    let [cps, packets_in_per_second, packets_out_per_second, bytes_in_per_second, bytes_out_per_second] = rates;
    Stats {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
        connections_per_second: cps,
        packets_in_per_second,
        packets_out_per_second,
        bytes_in_per_second,
        bytes_out_per_second,
    }
}

fn append_counters(numbers: [u64; 10], out: &mut Vec<u8>) {
    for (number, counter) in (1..).zip(numbers) {
        append(out, number, &counter);
    }
}

/// Reads it as everything that it could be. What is read of it can be checked and shown.
fn read_as_everything(message: &[u8]) {
    let _ = parse_info(message);
    if let Ok(timeouts) = parse_timeouts(message) {
        show(&Command::SetTimeouts(timeouts));
    }
    if let Ok(daemon) = parse_daemon(message) {
        show(&Command::StartDaemon(daemon));
    }
    let service = parse_service(message);
    for family in [Family::Ipv4, Family::Ipv6] {
        if let (Ok(service), Ok(destination)) = (&service, parse_destination(message, family)) {
            show(&Command::AddDestination(service.service.id, destination.destination));
        }
    }
    if let Ok(service) = service {
        show(&Command::AddService(service.service));
    }
}

fn show(command: &Command) {
    let _ = command.check();
    let _ = format!("{} {} {command:?}", command.operation(), RuleDisplay(command));
}

/// A message with more attributes within its last one.
fn extended(mut message: Vec<u8>, within: u16, attributes: &[u8]) -> Vec<u8> {
    let at = message.windows(4).position(|bytes| bytes[2..] == (within | NLA_F_NESTED).to_ne_bytes()).unwrap();
    message.extend(attributes);
    let length = u16::try_from(message.len() - at).unwrap();
    message[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    message
}

/// Of a service and of a destination.
const STATS: u16 = 10;
const STATS64: u16 = 12;

#[test]
fn counters_are_the_64_bit_ones_where_there_are_both() {
    let mut old = Vec::new();
    append_nested(&mut old, STATS, |out| {
        append(out, 1, &4_000_000_000_u32);
        append(out, 4, &5_000_000_000_u64);
        // Padding, and what a newer kernel may have.
        append(out, 11, &[]);
        append(out, 99, &1_u32);
    });
    let old_stats = Stats { connections: 4_000_000_000, bytes_in: 5_000_000_000, ..Stats::default() };
    let new = [1, 2, 3, 4, 5, 6, 7, 8, 9, u64::MAX];
    let new_stats = counters(new);
    let mut both = old.clone();
    append_nested(&mut both, STATS64, |out| append_counters(new, out));

    let service = Service::new("tcp://10.0.0.1:80".parse().unwrap());
    let destination = Destination::new("192.168.1.10:80".parse().unwrap());
    let destination = emitted(&Command::AddDestination(service.id, destination));
    let service = emitted(&Command::AddService(service));
    for (attributes, expected) in [(vec![], Stats::default()), (old, old_stats), (both, new_stats)] {
        let message = extended(service.clone(), 1, &attributes);
        assert_eq!(parse_service(&message).unwrap().stats, expected);
        let message = extended(destination.clone(), 2, &attributes);
        assert_eq!(parse_destination(&message, Family::Ipv4).unwrap().stats, expected);
    }
}

#[test]
fn what_a_newer_kernel_may_have_is_kept_as_it_is_and_is_no_rule() {
    let id: ServiceId = "tcp://10.0.0.1:80".parse().unwrap();
    let address = "10.0.0.1:80".parse().unwrap();
    let service = Service { netmask: Netmask::Irregular([255, 0, 255, 0].into()), ..Service::new(id) };
    let other = Service::new(ServiceId::Address { protocol: Protocol::Other(47), address });
    assert_eq!(other.id.to_string(), "47://10.0.0.1:80");
    for service in [service, other] {
        assert!(service.check().is_err());
        let command = Command::AddService(service.clone());
        assert_eq!(parse_service(&emitted(&command)).unwrap().service, service);
        assert!(parse_changes(&RuleDisplay(&command).to_string()).is_err(), "{command:?}");
    }
    let tunnel = |number, flags| Forwarding::Tunnel(Tunnel::Other { number, port: 7, flags });
    for forwarding in [Forwarding::Other(4), Forwarding::Other(7), tunnel(3, 0), tunnel(1, 4), tunnel(2, 3)] {
        let destination = Destination::new("192.168.1.10:80".parse().unwrap()).with_forwarding(forwarding);
        let command = Command::AddDestination(id, destination.clone());
        assert_eq!(parse_destination(&emitted(&command), Family::Ipv4).unwrap().destination, destination);
        assert!(parse_changes(&RuleDisplay(&command).to_string()).is_err(), "{command:?}");
    }
}

#[test]
fn an_attribute_of_another_length_is_an_error() {
    let attribute = |number, value: &[u8]| {
        let mut out = Vec::new();
        append_nested(&mut out, number, |out| out.extend(value));
        out
    };
    let service = emitted(&Command::AddService(Service::new("tcp://10.0.0.1:80".parse().unwrap())));
    let counter = attribute(1, &[1, 2, 3]);
    // An address, flags that end early in either half, counters.
    for (number, value) in
        [(3, &[1, 2, 3][..]), (7, &[1, 2, 3]), (7, &[1, 2, 3, 4, 5]), (STATS, &[9]), (STATS, &counter)]
    {
        assert!(
            parse_service(&extended(service.clone(), 1, &attribute(number, value))).is_err(),
            "{number}: {value:?}"
        );
    }
    let destination = Destination::new("192.168.1.10:80".parse().unwrap());
    let destination = emitted(&Command::AddDestination("fwmark:7".parse().unwrap(), destination));
    let broken = extended(destination.clone(), 2, &attribute(STATS64, &counter));
    assert!(parse_destination(&broken, Family::Ipv4).is_err());
    let broken = extended(destination, 2, &attribute(13, &[1, 2]));
    assert!(names_tunnel_type(&broken).is_err());
}

proptest! {
    #[test]
    fn counters_are_read_as_they_were_written(numbers in any::<[u64; 10]>()) {
        let mut bytes = Vec::new();
        append_counters(numbers, &mut bytes);
        prop_assert_eq!(stats::parse_stats(&bytes).unwrap(), counters(numbers));
    }

    #[test]
    fn a_service_is_read_as_it_was_written(service in service()) {
        prop_assert_eq!(service.check(), Ok(()));
        for command in [Command::AddService(service.clone()), Command::EditService(service.clone())] {
            let entry = parse_service(&emitted(&command)).unwrap();
            prop_assert_eq!(&entry.service, &service);
            prop_assert_eq!(entry.stats, Stats::default());
        }
    }

    #[test]
    fn a_destination_is_read_as_it_was_written((id, destination) in service_and_destination()) {
        prop_assert_eq!(destination.check(&id), Ok(()));
        let add = Command::AddDestination(id, destination.clone());
        let edit = Command::EditDestination(id, destination.clone());
        for command in [add, edit] {
            // The destination names its family itself.
            for family in [Family::Ipv4, Family::Ipv6] {
                let entry = parse_destination(&emitted(&command), family).unwrap();
                prop_assert_eq!(&entry.destination, &destination);
            }
        }
    }

    #[test]
    fn a_daemon_is_read_as_it_was_written(daemon in daemon(interface())) {
        prop_assert_eq!(daemon.check(), Ok(()));
        let message = emitted(&Command::StartDaemon(daemon.clone()));
        prop_assert_eq!(parse_daemon(&message).unwrap(), daemon);
    }

    #[test]
    fn timeouts_are_read_as_they_were_written(timeouts in timeouts()) {
        prop_assert_eq!(timeouts.check(), Ok(()));
        prop_assert_eq!(parse_timeouts(&emitted(&Command::SetTimeouts(timeouts))).unwrap(), timeouts);
    }

    #[test]
    fn any_bytes_are_read_or_refused(message in vec(any::<u8>(), 0..300)) {
        read_as_everything(&message);
    }

    #[test]
    fn any_damage_is_read_or_refused(
        command in command(interface()),
        damage in vec((any::<Index>(), any::<u8>()), 0..8),
        length in any::<Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut message = emitted(&command);
        for (place, byte) in damage {
            let place = place.index(message.len());
            message[place] = byte;
        }
        if is_cut {
            message.truncate(length.index(message.len()));
        }
        read_as_everything(&message);
    }
}
