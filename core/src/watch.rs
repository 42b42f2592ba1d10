//! What changed from one listing to the next: the kernel announces nothing, so two listings are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::net::SocketAddr;

use crate::{
    Client, Destination, DestinationEntry, Error, Forwarding, Service, ServiceEntry, ServiceId, ServiceTable, Stats,
    TunnelParts,
};

/// One change of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A service is new.
    ServiceAdded(Service),
    /// A service is gone, and its destinations with it.
    ServiceRemoved(ServiceId),
    /// A service has other settings.
    ServiceChanged(ServiceId, Vec<FieldChange>),
    /// A destination of a service is new.
    DestinationAdded(ServiceId, Destination),
    /// A destination of a service is gone.
    DestinationRemoved(ServiceId, SocketAddr),
    /// A destination of a service has other settings.
    DestinationChanged(ServiceId, SocketAddr, Vec<FieldChange>),
    /// New connections reach a service, or a destination of it, again.
    TrafficBegan(ServiceId, Option<SocketAddr>),
    /// No new connections reach a service, or a destination of it, any more.
    TrafficEnded(ServiceId, Option<SocketAddr>),
    /// The counters went back: somebody zeroed them, or the service was deleted and added again.
    CountersZeroed(ServiceId),
}

impl Change {
    /// A short name for programs, such as `destination_changed`; it never changes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ServiceAdded(_) => "service_added",
            Self::ServiceRemoved(_) => "service_removed",
            Self::ServiceChanged(..) => "service_changed",
            Self::DestinationAdded(..) => "destination_added",
            Self::DestinationRemoved(..) => "destination_removed",
            Self::DestinationChanged(..) => "destination_changed",
            Self::TrafficBegan(..) => "traffic_began",
            Self::TrafficEnded(..) => "traffic_ended",
            Self::CountersZeroed(_) => "counters_zeroed",
        }
    }

    /// The service that it is about, or that has the destination.
    #[must_use]
    pub fn service(&self) -> ServiceId {
        match self {
            Self::ServiceAdded(service) => service.id,
            Self::ServiceRemoved(id)
            | Self::ServiceChanged(id, _)
            | Self::DestinationAdded(id, _)
            | Self::DestinationRemoved(id, _)
            | Self::DestinationChanged(id, ..)
            | Self::TrafficBegan(id, _)
            | Self::TrafficEnded(id, _)
            | Self::CountersZeroed(id) => *id,
        }
    }

    /// The destination that it is about, if it is about one.
    #[must_use]
    pub fn destination(&self) -> Option<SocketAddr> {
        match self {
            Self::DestinationAdded(_, destination) => Some(destination.address),
            Self::DestinationRemoved(_, address) | Self::DestinationChanged(_, address, _) => Some(*address),
            Self::TrafficBegan(_, address) | Self::TrafficEnded(_, address) => *address,
            _ => None,
        }
    }
}

/// A setting that has another value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldChange {
    /// The setting's name, as in the objects of this library.
    pub field: &'static str,
    /// The value before, as text.
    pub before: String,
    /// The value now, as text.
    pub after: String,
}

impl Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.field, self.before, self.after)
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |id: &ServiceId, address: &Option<SocketAddr>| match address {
            Some(address) => format!("{address} of {id}"),
            None => id.to_string(),
        };
        let list = |changes: &[FieldChange]| changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::ServiceAdded(service) => write!(f, "added {}: scheduler {}", service.id, service.scheduler),
            Self::ServiceRemoved(id) => write!(f, "removed {id}"),
            Self::ServiceChanged(id, changes) => write!(f, "changed {id}: {}", list(changes)),
            Self::DestinationAdded(id, destination) => write!(
                f,
                "added {} of {id}: {}, weight {}",
                destination.address, destination.forwarding, destination.weight
            ),
            Self::DestinationRemoved(id, address) => write!(f, "removed {address} of {id}"),
            Self::DestinationChanged(id, address, changes) => write!(f, "changed {address} of {id}: {}", list(changes)),
            Self::TrafficBegan(id, address) => write!(f, "traffic to {} began", place(id, address)),
            Self::TrafficEnded(id, address) => write!(f, "traffic to {} ended", place(id, address)),
            Self::CountersZeroed(id) => write!(f, "counters of {id} went back"),
        }
    }
}

/// The table as it was seen last. What came and went between two looks is not seen.
#[derive(Debug, Clone)]
pub struct Watch {
    last: Vec<ServiceTable>,
}

impl Watch {
    pub(crate) fn new(first: Vec<ServiceTable>) -> Self {
        Self { last: first }
    }

    /// Looks, and tells what has changed since the last time: first what is gone, then what is new or has changed, each by id
    /// and address. Costs a snapshot: one exchange for the services and one for each. A listing may miss something that is there, so what
    /// seems gone is asked for again before it is told.
    pub fn look(&mut self, client: &Client) -> Result<Vec<Change>, Error> {
        let mut now = client.snapshot()?;
        let listed: BTreeSet<_> = now.iter().map(|table| table.entry.service.id).collect();
        for missing in self.last.iter().map(|table| table.entry.service.id).filter(|id| !listed.contains(id)) {
            if let Some(entry) = client.service_if_any(&missing)? {
                now.push(client.table(entry)?);
            }
        }
        let tables = by_id(&self.last);
        for table in &mut now {
            let Some(before) = tables.get(&table.entry.service.id) else { continue };
            let listed = by_address(table);
            if before.destinations.iter().any(|entry| !listed.contains_key(&entry.destination.address)) {
                let again = client.table(table.entry.clone())?.destinations;
                let missed: Vec<_> =
                    again.into_iter().filter(|entry| !listed.contains_key(&entry.destination.address)).collect();
                table.destinations.extend(missed);
            }
        }
        let found = changes(&self.last, &now);
        self.last = now;
        Ok(found)
    }
}

fn by_id(tables: &[ServiceTable]) -> BTreeMap<ServiceId, &ServiceTable> {
    tables.iter().map(|table| (table.entry.service.id, table)).collect()
}

fn by_address(table: &ServiceTable) -> BTreeMap<SocketAddr, &DestinationEntry> {
    table.destinations.iter().map(|entry| (entry.destination.address, entry)).collect()
}

fn changes(before: &[ServiceTable], after: &[ServiceTable]) -> Vec<Change> {
    let (old, new) = (by_id(before), by_id(after));
    let gone = old.keys().filter(|id| !new.contains_key(id));
    let mut changes: Vec<_> = gone.map(|id| Change::ServiceRemoved(*id)).collect();
    for (id, now) in new {
        let Some(then) = old.get(&id) else {
            changes.push(Change::ServiceAdded(now.entry.service.clone()));
            changes.extend(traffic(id, None, &Stats::default(), &now.entry.stats));
            for entry in by_address(now).values() {
                added(id, entry, &mut changes);
            }
            continue;
        };
        compare(then, now, &mut changes);
    }
    changes
}

/// A destination that is new, and may have traffic already.
fn added(id: ServiceId, entry: &DestinationEntry, changes: &mut Vec<Change>) {
    changes.push(Change::DestinationAdded(id, entry.destination.clone()));
    changes.extend(traffic(id, Some(entry.destination.address), &Stats::default(), &entry.stats));
}

fn compare(before: &ServiceTable, after: &ServiceTable, changes: &mut Vec<Change>) {
    let id = after.entry.service.id;
    let fields = service_fields(&before.entry, &after.entry);
    if !fields.is_empty() {
        changes.push(Change::ServiceChanged(id, fields));
    }
    if went_back(&before.entry.stats, &after.entry.stats) {
        changes.push(Change::CountersZeroed(id));
    }
    changes.extend(traffic(id, None, &before.entry.stats, &after.entry.stats));
    let (old, new) = (by_address(before), by_address(after));
    let gone = old.keys().filter(|address| !new.contains_key(address));
    changes.extend(gone.map(|address| Change::DestinationRemoved(id, *address)));
    for (address, now) in new {
        let Some(then) = old.get(&address) else {
            added(id, now, changes);
            continue;
        };
        let fields = destination_fields(then, now);
        if !fields.is_empty() {
            changes.push(Change::DestinationChanged(id, address, fields));
        }
        changes.extend(traffic(id, Some(address), &then.stats, &now.stats));
    }
}

fn went_back(before: &Stats, after: &Stats) -> bool {
    after.connections < before.connections || after.bytes_in < before.bytes_in
}

fn traffic(id: ServiceId, address: Option<SocketAddr>, before: &Stats, after: &Stats) -> Option<Change> {
    match (before.connections_per_second > 0, after.connections_per_second > 0) {
        (false, true) => Some(Change::TrafficBegan(id, address)),
        (true, false) => Some(Change::TrafficEnded(id, address)),
        _ => None,
    }
}

/// Collects what differs.
#[derive(Default)]
struct Fields(Vec<FieldChange>);

impl Fields {
    fn compare<T: PartialEq>(&mut self, field: &'static str, before: &T, after: &T, text: impl Fn(&T) -> String) {
        if before != after {
            self.0.push(FieldChange { field, before: text(before), after: text(after) });
        }
    }
}

fn shown<T: Display>(value: &T) -> String {
    value.to_string()
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn service_fields(before: &ServiceEntry, after: &ServiceEntry) -> Vec<FieldChange> {
    let (before, after) = (&before.service, &after.service);
    let family = after.id.family();
    let mut fields = Fields::default();
    fields.compare("scheduler", &before.scheduler, &after.scheduler, shown);
    let flags = |service: &Service| {
        let names: Vec<_> = service.scheduler_flags.names(&service.scheduler).collect();
        or_none((!names.is_empty()).then(|| names.join(",")))
    };
    if before.scheduler_flags != after.scheduler_flags {
        fields.compare("scheduler_flags", &flags(before), &flags(after), shown);
    }
    fields.compare("persistence_timeout", &before.persistence_timeout, &after.persistence_timeout, |value| {
        or_none(*value)
    });
    fields.compare("netmask", &before.netmask, &after.netmask, |netmask| netmask.text(family));
    fields.compare("persistence_engine", &before.persistence_engine, &after.persistence_engine, |value| {
        or_none(value.as_ref())
    });
    fields.compare("one_packet", &before.one_packet, &after.one_packet, shown);
    fields.0
}

fn destination_fields(before: &DestinationEntry, after: &DestinationEntry) -> Vec<FieldChange> {
    let (before, after) = (&before.destination, &after.destination);
    let mut fields = Fields::default();
    fields.compare("forwarding", &before.forwarding, &after.forwarding, |method| forwarding(*method));
    fields.compare("weight", &before.weight, &after.weight, shown);
    fields.compare("upper_threshold", &before.upper_threshold, &after.upper_threshold, shown);
    fields.compare("lower_threshold", &before.lower_threshold, &after.lower_threshold, shown);
    fields.0
}

/// The method, and the kind of tunnel where it is one.
fn forwarding(method: Forwarding) -> String {
    let Forwarding::Tunnel(tunnel) = method else { return method.to_string() };
    let TunnelParts { kind, port, checksum } = tunnel.into();
    let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
    let checksum = checksum.map(|checksum| format!(" checksum {checksum}")).unwrap_or_default();
    format!("tunnel {kind}{port}{checksum}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    fn snapshot(rules: &str) -> Vec<ServiceTable> {
        let table = Table::from_rules(rules).unwrap();
        table
            .services()
            .map(|(service, destinations)| {
                let entry = |destination: &Destination| DestinationEntry {
                    destination: destination.clone(),
                    active_connections: 0,
                    inactive_connections: 0,
                    persistent_connections: 0,
                    stats: Stats::default(),
                };
                let service = ServiceEntry { service: service.clone(), stats: Stats::default() };
                ServiceTable::new(service, destinations.map(entry).collect())
            })
            .collect()
    }

    fn said(before: &[ServiceTable], after: &[ServiceTable]) -> Vec<String> {
        changes(before, after).iter().map(ToString::to_string).collect()
    }

    const WEB: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n";

    #[test]
    fn each_change_is_told_field_by_field() {
        let before = snapshot(&format!("{WEB}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -i\n-A -f 7\n"));
        let after = snapshot(
            "-A -t 10.0.0.1:80 -s sh -p 60 -b sh-port\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 0 -x 5\n\
             -a -t 10.0.0.1:80 -r 192.168.1.3:80 -i --tun-type gue --tun-port 5555\n-A -f 8\n-a -f 8 -r 192.168.1.4:0\n",
        );
        assert_eq!(
            said(&before, &after),
            [
                "removed fwmark:7",
                "changed tcp://10.0.0.1:80: scheduler rr -> sh, scheduler_flags none -> sh-port, persistence_timeout none -> 60",
                "removed 192.168.1.2:80 of tcp://10.0.0.1:80",
                "changed 192.168.1.1:80 of tcp://10.0.0.1:80: weight 1 -> 0, upper_threshold 0 -> 5",
                "added 192.168.1.3:80 of tcp://10.0.0.1:80: tunnel, weight 1",
                "added fwmark:8: scheduler wlc",
                "added 192.168.1.4:0 of fwmark:8: direct-route, weight 1",
            ]
        );
        assert_eq!(said(&after, &after), [""; 0]);
        let plain = snapshot("-A -u 10.0.0.1:5060 -s rr -p 60\n-a -u 10.0.0.1:5060 -r 1.1.1.1 -m\n");
        let sip = snapshot(
            "-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip -M 255.0.0.0 -o\n-a -u 10.0.0.1:5060 -r 1.1.1.1:5060 -g\n",
        );
        assert_eq!(
            said(&plain, &sip),
            [
                "changed udp://10.0.0.1:5060: netmask 255.255.255.255 -> 255.0.0.0, persistence_engine none -> sip, one_packet false -> true",
                "changed 1.1.1.1:5060 of udp://10.0.0.1:5060: forwarding masquerade -> direct-route",
            ]
        );
        let gue = snapshot("-A -f 8\n-a -f 8 -r 1.1.1.1 -i --tun-type gue --tun-port 5555\n");
        let gre = snapshot("-A -f 8\n-a -f 8 -r 1.1.1.1 -i --tun-type gre --tun-csum\n");
        assert_eq!(
            said(&gue, &gre),
            ["changed 1.1.1.1:0 of fwmark:8: forwarding tunnel gue port 5555 checksum off -> tunnel gre checksum on"]
        );
    }

    #[test]
    fn traffic_is_told_when_it_begins_and_ends() {
        let (before, mut after) = (snapshot(WEB), snapshot(WEB));
        after[0].entry.stats.connections_per_second = 3;
        after[0].entry.stats.connections = 9;
        after[0].destinations[0].stats.connections_per_second = 3;
        assert_eq!(
            said(&before, &after),
            ["traffic to tcp://10.0.0.1:80 began", "traffic to 192.168.1.1:80 of tcp://10.0.0.1:80 began"]
        );
        assert_eq!(
            said(&[], &after)[..],
            [
                "added tcp://10.0.0.1:80: scheduler rr",
                "traffic to tcp://10.0.0.1:80 began",
                "added 192.168.1.1:80 of tcp://10.0.0.1:80: masquerade, weight 1",
                "traffic to 192.168.1.1:80 of tcp://10.0.0.1:80 began",
            ]
        );
        assert_eq!(
            said(&after, &before),
            [
                "counters of tcp://10.0.0.1:80 went back",
                "traffic to tcp://10.0.0.1:80 ended",
                "traffic to 192.168.1.1:80 of tcp://10.0.0.1:80 ended"
            ]
        );
    }

    #[test]
    fn traffic_and_counters_have_names_and_places() {
        let id: ServiceId = "tcp://10.0.0.1:80".parse().unwrap();
        let address: SocketAddr = "192.168.1.1:80".parse().unwrap();
        for (change, name, destination) in [
            (Change::TrafficBegan(id, Some(address)), "traffic_began", Some(address)),
            (Change::TrafficEnded(id, None), "traffic_ended", None),
            (Change::CountersZeroed(id), "counters_zeroed", None),
        ] {
            assert_eq!((change.name(), change.service(), change.destination()), (name, id, destination));
        }
    }
}
