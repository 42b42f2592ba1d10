//! Every legal object, for property tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{
    Command, Destination, Family, Forwarding, MODULE_NAME_MAX, Netmask, PERSISTENCE_TIMEOUT_MAX, Protocol, Role,
    SchedulerFlags, Service, ServiceId, SyncDaemon, THRESHOLD_MAX, TIMEOUT_MAX, Timeouts, Tunnel, TunnelChecksum,
    WEIGHT_MAX,
};

/// A number within these bounds, each bound often.
fn within(least: u32, most: u32) -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(least), 1 => Just(most), 4 => least..=most]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0), 1 => Just(u16::MAX), 4 => any::<u16>()]
}

fn family() -> impl Strategy<Value = Family> {
    select(&[Family::Ipv4, Family::Ipv6][..])
}

fn ip(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed(),
        Family::Ipv6 => any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed(),
    }
}

fn address(family: Family) -> impl Strategy<Value = SocketAddr> {
    (ip(family), port()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(&[Protocol::Tcp, Protocol::Udp, Protocol::Sctp][..])
}

pub(crate) fn service_id() -> impl Strategy<Value = ServiceId> {
    prop_oneof![
        3 => (protocol(), family().prop_flat_map(address))
            .prop_map(|(protocol, address)| ServiceId::Address { protocol, address }),
        1 => (within(1, u32::MAX), family()).prop_map(|(mark, family)| ServiceId::Fwmark { mark, family }),
    ]
}

/// The characters that no name of a module has are those that no argument has either.
fn module_name(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    let any_name = vec(b'!'..=b'~', 1..=MODULE_NAME_MAX)
        .prop_map(|name| name.into_iter().map(char::from).collect::<String>())
        .prop_filter("a comment", |name| !name.starts_with('#'));
    prop_oneof![select(known).prop_map(str::to_owned), any_name]
}

pub(crate) fn service() -> impl Strategy<Value = Service> {
    service_id().prop_flat_map(|id| {
        let prefix = match id.family() {
            Family::Ipv4 => 0..=32u8,
            Family::Ipv6 => 1..=128,
        };
        let persistence = match id.port() {
            Some(0) => within(1, PERSISTENCE_TIMEOUT_MAX).prop_map(Some).boxed(),
            _ => option::of(within(1, PERSISTENCE_TIMEOUT_MAX)).boxed(),
        };
        let may_be_one_packet =
            matches!(id, ServiceId::Fwmark { .. } | ServiceId::Address { protocol: Protocol::Udp, .. });
        (
            module_name(&["rr", "wrr", "lc", "wlc", "sh", "mh", "twos"]),
            0..8u8,
            persistence,
            prop_oneof![Just(Netmask::host(id.family())), prefix.prop_map(Netmask::Prefix)],
            option::of(module_name(&["sip"])),
            any::<bool>(),
        )
            .prop_map(
                move |(scheduler, flags, persistence_timeout, netmask, persistence_engine, one_packet)| {
                    let flags = SchedulerFlags::from_bits(flags);
                    let mut service = Service::new(id).with_scheduler(scheduler).with_scheduler_flags(flags);
                    service.persistence_timeout = persistence_timeout;
                    service.netmask = netmask;
                    service.persistence_engine = persistence_engine;
                    service.one_packet = one_packet && may_be_one_packet;
                    service
                },
            )
    })
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    use TunnelChecksum::{Off, On, Remote};
    prop_oneof![
        Just(Tunnel::Ipip),
        (1..=u16::MAX, select(&[Off, On, Remote][..])).prop_map(|(port, checksum)| Tunnel::Gue { port, checksum }),
        select(&[Off, On][..]).prop_map(|checksum| Tunnel::Gre { checksum }),
    ]
}

pub(crate) fn destination(service: ServiceId) -> impl Strategy<Value = Destination> {
    let untunnelled = select(&[Forwarding::Masquerade, Forwarding::DirectRoute, Forwarding::LocalNode][..]);
    let addressed = prop_oneof![
        (address(service.family()), untunnelled),
        (family().prop_flat_map(address), tunnel().prop_map(Forwarding::Tunnel)),
    ];
    let thresholds = within(0, THRESHOLD_MAX).prop_flat_map(|upper| (Just(upper), within(0, upper)));
    (addressed, within(0, WEIGHT_MAX), thresholds).prop_map(|((address, forwarding), weight, (upper, lower))| {
        Destination::new(address).with_forwarding(forwarding).with_weight(weight).with_thresholds(upper, lower)
    })
}

pub(crate) fn service_and_destination() -> impl Strategy<Value = (ServiceId, Destination)> {
    service_id().prop_flat_map(|id| (Just(id), destination(id)))
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    select(&[Role::Master, Role::Backup][..])
}

/// Any name of an interface: 1 to 15 bytes of UTF-8.
pub(crate) fn interface() -> impl Strategy<Value = String> {
    vec(any::<char>().prop_filter("not in a name", |letter| !['\0', '/'].contains(letter)), 1..=15).prop_map(
        |letters| {
            let mut name = String::new();
            name.extend(letters.into_iter().scan(0, |length, letter| {
                *length += letter.len_utf8();
                (*length <= 15).then_some(letter)
            }));
            name
        },
    )
}

pub(crate) fn daemon(interface: impl Strategy<Value = String>) -> impl Strategy<Value = SyncDaemon> {
    let group = prop_oneof![
        (0xe000_0000..=0xefff_ffff_u32).prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits | 0xff << 120))),
    ];
    (role(), interface, any::<u8>(), 0..=65507u16, option::of(group), port(), any::<u8>()).prop_map(
        |(role, interface, sync_id, max_length, group, port, ttl)| {
            let mut daemon = SyncDaemon::new(role, interface);
            daemon.sync_id = sync_id;
            daemon.max_length = max_length;
            daemon.group = group;
            daemon.port = port;
            daemon.ttl = ttl;
            daemon
        },
    )
}

pub(crate) fn timeouts() -> impl Strategy<Value = Timeouts> {
    let seconds = || within(0, TIMEOUT_MAX);
    (seconds(), seconds(), seconds()).prop_map(|(tcp, tcp_fin, udp)| Timeouts { tcp, tcp_fin, udp })
}

/// Any command; its daemons are on such interfaces.
pub(crate) fn command(interface: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => service().prop_map(Command::AddService),
        1 => service().prop_map(Command::EditService),
        1 => service_id().prop_map(Command::DeleteService),
        3 => service_and_destination().prop_map(|(id, destination)| Command::AddDestination(id, destination)),
        1 => service_and_destination().prop_map(|(id, destination)| Command::EditDestination(id, destination)),
        1 => service_and_destination().prop_map(|(id, destination)| {
            Command::DeleteDestination(id, destination.address)
        }),
        1 => option::of(service_id()).prop_map(Command::Zero),
        1 => Just(Command::Flush),
        1 => timeouts().prop_map(Command::SetTimeouts),
        2 => daemon(interface).prop_map(Command::StartDaemon),
        1 => role().prop_map(Command::StopDaemon),
    ]
}
