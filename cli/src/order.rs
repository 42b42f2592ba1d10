//! The order of listings, which is that of ipvsadm 1.31.

use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};

use ipvs_core::{DestinationEntry, ServiceId};

/// Services in order.
pub(crate) fn services<T>(services: Vec<T>, id: impl Fn(&T) -> &ServiceId) -> impl Iterator<Item = T> {
    in_order(services, move |one, other| compare_services(id(one), id(other)))
}

/// The destinations of a service in order.
pub(crate) fn destinations(destinations: Vec<DestinationEntry>) -> impl Iterator<Item = DestinationEntry> {
    in_order(destinations, |one, other| compare_addresses(&one.destination.address, &other.destination.address))
}

/// Gives the items in order without a second place for all of them: a table may be large.
fn in_order<T>(items: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> impl Iterator<Item = T> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    merge_sort(&mut order, &|one, other| compare(&items[one], &items[other]));
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(move |place| items[place].take())
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
    let words = words(one.ip()).into_iter().zip(words(other.ip()));
    let by_address = words.fold(Ordering::Equal, |order, (one, other)| order.then_with(|| difference(one, other)));
    by_address.then(one.port().cmp(&other.port()))
}

/// The address in 32 bits at a time; an IPv4 one is compared with an IPv6 one as if it were its beginning.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        IpAddr::V6(address) => {
            let parts = address.segments().map(u32::from);
            [0, 2, 4, 6].map(|at| parts[at] << 16 | parts[at + 1])
        }
    }
}

/// 1.31 subtracts and looks at the sign of the lower 32 bits, which goes round: 192.0.0.0 is before 10.0.0.0.
fn difference(one: u32, other: u32) -> Ordering {
    one.wrapping_sub(other).cast_signed().cmp(&0)
}

/// The C library's `qsort`: that order is none for all numbers together, and then it is the way of sorting that makes the
/// order. Rust's own may refuse it.
fn merge_sort(order: &mut [usize], compare: &impl Fn(usize, usize) -> Ordering) {
    let middle = order.len() / 2;
    if middle == 0 {
        return;
    }
    let (first, second) = order.split_at_mut(middle);
    merge_sort(first, compare);
    merge_sort(second, compare);
    let mut first = Vec::from(&*first).into_iter().peekable();
    let mut second = middle;
    // What is written is never before what of the second half is still to be read.
    for place in 0..order.len() {
        let is_first = |item: &usize| second == order.len() || compare(*item, order[second]).is_le();
        match first.next_if(is_first) {
            Some(item) => order[place] = item,
            None if second < order.len() => {
                order[place] = order[second];
                second += 1;
            }
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(ids: &[&str]) -> Vec<String> {
        let ids: Vec<ServiceId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        in_order(ids, compare_services).map(|id| id.to_string()).collect()
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
        let expected = [
            "tcp://[fd00::1]:80",
            "tcp://[::1]:80",
            "tcp://[::1:0:0]:80",
            "tcp://[2001:db8:aaaa::1]:80",
            "tcp://[2001:db8::1]:80",
        ];
        assert_eq!(sorted(&["tcp://[2001:db8::1]:80", "tcp://[2001:db8:aaaa::1]:80"]), expected[3..]);
        let mut reversed = expected;
        reversed.reverse();
        assert_eq!(sorted(&reversed), expected);
    }

    #[test]
    fn equal_ones_stay_as_they_were() {
        let items: Vec<(u32, u32)> = (0..100).map(|number| (number % 3, number)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|item| item.0);
        assert!(in_order(items, |one, other| one.0.cmp(&other.0)).eq(expected));
    }
}
