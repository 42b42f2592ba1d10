//! The order of listings, which is that of ipvsadm 1.31.

use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};

use ipvs_core::{DestinationEntry, ServiceEntry, ServiceId};

/// Puts services in order.
pub(crate) fn sort_services(services: &mut Vec<ServiceEntry>) {
    merge_sort(services, &|one, other| compare_services(&one.service.id, &other.service.id));
}

/// Puts the destinations of a service in order.
pub(crate) fn sort_destinations(destinations: &mut Vec<DestinationEntry>) {
    merge_sort(destinations, &|one, other| compare_addresses(&one.destination.address, &other.destination.address));
}

/// By mark, where an address has none; then by family, protocol, address and port.
fn compare_services(one: &ServiceId, other: &ServiceId) -> Ordering {
    let mark = |id: &ServiceId| match id {
        ServiceId::Fwmark { mark, .. } => *mark,
        ServiceId::Address { .. } => 0,
    };
    let protocol = |id: &ServiceId| id.protocol().map_or(0, u16::from);
    difference(mark(one), mark(other))
        .then(one.family().cmp(&other.family()))
        .then(protocol(one).cmp(&protocol(other)))
        .then_with(|| match (one, other) {
            (ServiceId::Address { address: one, .. }, ServiceId::Address { address: other, .. }) => {
                compare_addresses(one, other)
            }
            _ => Ordering::Equal,
        })
}

fn compare_addresses(one: &SocketAddr, other: &SocketAddr) -> Ordering {
    let by_address = match (one.ip(), other.ip()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => difference(one.to_bits(), other.to_bits()),
        (one, other) => one.cmp(&other),
    };
    by_address.then(one.port().cmp(&other.port()))
}

/// 1.31 subtracts and looks at the sign of the lower 32 bits, which goes round: 192.0.0.0 is before 10.0.0.0.
fn difference(one: u32, other: u32) -> Ordering {
    one.wrapping_sub(other).cast_signed().cmp(&0)
}

/// The C library's `qsort`: that order is none for all numbers together, and then it is the way of sorting that makes the
/// order. Rust's own may refuse it.
fn merge_sort<T>(items: &mut Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let mut second = items.split_off(items.len() / 2);
    merge_sort(items, compare);
    merge_sort(&mut second, compare);
    let mut first = std::mem::take(items).into_iter().peekable();
    let mut second = second.into_iter().peekable();
    while let (Some(one), Some(other)) = (first.peek(), second.peek()) {
        let next = if compare(one, other).is_le() { first.next() } else { second.next() };
        items.extend(next);
    }
    items.extend(first.chain(second));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(ids: &[&str]) -> Vec<String> {
        let mut ids: Vec<ServiceId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        merge_sort(&mut ids, &compare_services);
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn services_are_in_ipvsadm_s_order() {
        let expected = [
            "fwmark:4294967295",
            "tcp://10.0.0.1:80",
            "tcp://10.0.0.1:81",
            "tcp://10.0.0.2:80",
            "udp://10.0.0.1:53",
            "sctp://10.0.0.1:99",
            "tcp://[2001:db8::1]:80",
            "fwmark:7",
            "fwmark:7/ipv6",
        ];
        let mut reversed = expected;
        reversed.reverse();
        assert_eq!(sorted(&reversed), expected);
        assert_eq!(sorted(&["tcp://10.0.0.1:80", "tcp://192.168.0.1:80"])[0], "tcp://192.168.0.1:80");
    }

    #[test]
    fn equal_ones_stay_as_they_were() {
        let mut items: Vec<(u32, u32)> = (0..100).map(|number| (number % 3, number)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|item| item.0);
        merge_sort(&mut items, &|one, other| one.0.cmp(&other.0));
        assert_eq!(items, expected);
    }
}
