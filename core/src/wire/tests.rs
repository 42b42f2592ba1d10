//! Objects to bytes and back, and bytes of any kind.

use netlink_packet_core::Emitable;
use netlink_packet_generic::GenlFamily;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::strategies::{command, daemon, interface, service, service_and_destination, timeouts};
use super::*;
use crate::rules::RuleDisplay;
use crate::{Command, Family, Stats};

/// From the generic netlink header on.
pub(crate) fn emitted(command: &Command) -> Vec<u8> {
    let request = Request::from(command);
    let mut message = vec![request.command(), request.version(), 0, 0];
    message.resize(4 + request.buffer_len(), 0xee);
    request.emit(&mut message[4..]);
    message
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

proptest! {
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
