//! A table as it is or should be, settings only, and what turns one into another. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::net::SocketAddr;

use crate::rules::{self, Line, RuleDisplay, RuleError};
use crate::{Command, Destination, InvalidArgument, Service, ServiceId};

/// Services with their destinations, without counters. Two tables with the same settings are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Table {
    services: BTreeMap<ServiceId, TableService>,
}

/// A service of a table with its destinations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TableService {
    service: Service,
    destinations: BTreeMap<SocketAddr, Destination>,
}

impl Table {
    /// A table without services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The table that rules make of an empty one: what `-A`, `-a`, `-E`, `-e`, `-D`, `-d` and `-C` do in their order. What
    /// the kernel would refuse, such as a destination of a service that is not there, and what is not about the table is an
    /// error with its line.
    pub fn from_rules(text: &str) -> Result<Self, RuleError> {
        Self::from_changes(rules::parse_changes(text)?)
    }

    /// The table that rules describe which are given to be applied. Rules without a command are an error, as what should have
    /// written them may have failed; `-C` is an empty table.
    pub fn wanted_by_rules(text: &str) -> Result<Self, RuleError> {
        Self::wanted_by_changes(rules::parse_changes(text)?)
    }

    /// The same of lines that have been read, such as those whose names were resolved.
    pub fn wanted_by_lines(lines: impl IntoIterator<Item = Line>) -> Result<Self, RuleError> {
        let changes: Result<Vec<_>, _> = lines.into_iter().map(Line::into_change).collect();
        Self::wanted_by_changes(changes?)
    }

    fn wanted_by_changes(changes: Vec<(usize, Command)>) -> Result<Self, RuleError> {
        if changes.is_empty() { Err(RuleError::no_rules()) } else { Self::from_changes(changes) }
    }

    fn from_changes(changes: Vec<(usize, Command)>) -> Result<Self, RuleError> {
        let mut table = Self::new();
        for (line, command) in changes {
            table
                .run(&command)
                .map_err(|reason| RuleError::of_line(line, format!("{}: {reason}", RuleDisplay(&command))))?;
        }
        Ok(table)
    }

    /// The rules that make the table of an empty one, a line each.
    #[must_use]
    pub fn to_rules(&self) -> String {
        Self::new().plan_to(self).to_string()
    }

    /// Puts a service with these destinations in, in the place of one with the same id. Of two destinations with the same
    /// address the last one counts.
    pub fn insert(&mut self, service: Service, destinations: impl IntoIterator<Item = Destination>) {
        let destinations = destinations.into_iter().map(|destination| (destination.address, destination)).collect();
        self.services.insert(service.id, TableService { service, destinations });
    }

    /// Puts a service in with its destinations, as somebody has listed them. What is there twice is a mistake of theirs, as only
    /// one of the two could count.
    pub fn add(&mut self, service: Service, destinations: Vec<Destination>) -> Result<(), InvalidArgument> {
        let twice = |name, what: &dyn Display| Err(InvalidArgument::new(name, format!("{what} is there twice")));
        if self.has_service(&service.id) {
            return twice("services", &service.id);
        }
        let mut addresses = BTreeSet::new();
        if let Some(double) = destinations.iter().find(|destination| !addresses.insert(destination.address)) {
            return twice("destinations", &format_args!("{} of {}", double.address, service.id));
        }
        self.insert(service, destinations);
        Ok(())
    }

    /// The services with their destinations, by id and by address.
    pub fn services(&self) -> impl Iterator<Item = (&Service, impl Iterator<Item = &Destination>)> {
        self.services.values().map(|entry| (&entry.service, entry.destinations.values()))
    }

    /// The destination of a service.
    #[must_use]
    pub fn destination(&self, id: &ServiceId, address: &SocketAddr) -> Option<&Destination> {
        self.services.get(id)?.destinations.get(address)
    }

    /// The destinations of a service; none if it is not there.
    pub(crate) fn destinations(&self, id: &ServiceId) -> impl Iterator<Item = &Destination> {
        self.services.get(id).into_iter().flat_map(|service| service.destinations.values())
    }

    /// Takes in what another table has and this one has not, but for what these commands would add.
    pub(crate) fn add_missing(&mut self, other: &Self, is_left_out: impl Fn(&Command) -> bool) {
        for command in self.plan_to(other).additions {
            if matches!(command, Command::AddService(_) | Command::AddDestination(..)) && !is_left_out(&command) {
                // A destination of a service that was left out is left out too.
                let _ = self.run(&command);
            }
        }
    }

    /// Whether the service is in it.
    pub(crate) fn has_service(&self, id: &ServiceId) -> bool {
        self.services.contains_key(id)
    }

    /// Only the services that a scope names.
    #[must_use]
    pub fn within(mut self, scope: &crate::Scope) -> Self {
        self.services.retain(|id, _| scope.contains(id));
        self
    }

    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        for entry in self.services.values() {
            entry.service.check()?;
            entry.destinations.values().try_for_each(|destination| destination.check(&entry.service.id))?;
        }
        Ok(())
    }

    /// The fewest commands that turn this table into the other. What stays as it is is not touched and keeps its counters
    /// and connections; what changes is edited in place.
    #[must_use]
    pub fn plan_to(&self, other: &Self) -> Plan {
        let (mut first, mut then, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for (id, wanted) in &other.services {
            let now = self.services.get(id);
            match now {
                None => first.push(Command::AddService(wanted.service.clone())),
                Some(now) if now.service != wanted.service => {
                    first.push(Command::EditService(wanted.service.clone()));
                }
                Some(_) => {}
            }
            for (address, destination) in &wanted.destinations {
                match now.and_then(|now| now.destinations.get(address)) {
                    None => first.push(Command::AddDestination(*id, destination.clone())),
                    Some(now) if now == destination => {}
                    Some(_) if destination.weight > 0 => {
                        first.push(Command::EditDestination(*id, destination.clone()));
                    }
                    Some(_) => then.push(Command::EditDestination(*id, destination.clone())),
                }
            }
            for address in now.iter().flat_map(|now| now.destinations.keys()) {
                if !wanted.destinations.contains_key(address) {
                    last.push(Command::DeleteDestination(*id, *address));
                }
            }
        }
        for id in self.services.keys().filter(|id| !other.services.contains_key(id)) {
            last.push(Command::DeleteService(*id));
        }
        then.append(&mut last);
        Plan { additions: first, removals: then }
    }

    /// Does what the kernel would do with a command, or says why it would not.
    pub fn run(&mut self, command: &Command) -> Result<(), &'static str> {
        const EXISTS: &str = "it exists already";
        const NO_SERVICE: &str = "there is no such service";
        const NO_DESTINATION: &str = "the service has no such destination";
        match command {
            Command::AddService(service) if self.has_service(&service.id) => return Err(EXISTS),
            Command::AddService(service) => self.insert(service.clone(), []),
            Command::EditService(service) => {
                self.services.get_mut(&service.id).ok_or(NO_SERVICE)?.service = service.clone();
            }
            Command::DeleteService(id) => drop(self.services.remove(id).ok_or(NO_SERVICE)?),
            Command::AddDestination(id, destination) => {
                let destinations = &mut self.services.get_mut(id).ok_or(NO_SERVICE)?.destinations;
                if destinations.contains_key(&destination.address) {
                    return Err(EXISTS);
                }
                destinations.insert(destination.address, destination.clone());
            }
            Command::EditDestination(id, destination) => {
                let destinations = &mut self.services.get_mut(id).ok_or(NO_SERVICE)?.destinations;
                *destinations.get_mut(&destination.address).ok_or(NO_DESTINATION)? = destination.clone();
            }
            Command::DeleteDestination(id, address) => {
                let destinations = &mut self.services.get_mut(id).ok_or(NO_SERVICE)?.destinations;
                destinations.remove(address).ok_or(NO_DESTINATION)?;
            }
            Command::Flush => self.services.clear(),
            Command::Zero(_) | Command::SetTimeouts(_) | Command::StartDaemon(_) | Command::StopDaemon(_) => {
                return Err("it is not about services and destinations");
            }
        }
        Ok(())
    }
}

/// What turns one table into another.
///
/// First comes what adds, changes or raises, then what takes away: a service that has destinations with a weight before and
/// after has one all the time in between. It shows as rules, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Plan {
    /// Services and destinations that are added or changed, by id and address.
    pub additions: Vec<Command>,
    /// Weights that become 0, and then what is deleted. A weight of 0 that is added is an addition.
    pub removals: Vec<Command>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.additions.is_empty() && self.removals.is_empty()
    }

    /// All commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.additions.iter().chain(&self.removals)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.commands().try_for_each(|command| writeln!(f, "{}", RuleDisplay(command)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::strategies;

    fn table(rules: &str) -> Table {
        Table::from_rules(rules).unwrap()
    }

    const WEB: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n";

    #[test]
    fn rules_make_a_table_and_a_table_makes_rules() {
        let edited = table(
            "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 9\n-E -t 10.0.0.1:80 -s rr\n\
             -e -t 10.0.0.1:80 -r 192.168.1.1:80 -m\n-A -f 7\n-D -f 7\n",
        );
        assert_eq!(edited, table(WEB));
        assert_eq!(edited.to_rules(), WEB);
        assert_eq!(table("-A -f 7\n-C\n"), Table::new());
        assert_eq!(table(""), Table::new());
        assert_eq!(Table::wanted_by_rules("-C"), Ok(Table::new()));
        for nothing in ["", "\n# -A -f 7\n"] {
            let error = Table::wanted_by_rules(nothing).unwrap_err().to_string();
            assert!(error.starts_with("there is no rule, which would delete everything"), "{error}");
        }
        for (rules, message) in [
            ("-A -f 7\n-A -f 7\n", "2: -A -f 7 -s wlc: it exists already"),
            ("\n-a -f 7 -r 1.1.1.1\n", "2: -a -f 7 -r 1.1.1.1:0 -g -w 1: there is no such service"),
            ("-E -f 7\n", "1: -E -f 7 -s wlc: there is no such service"),
            ("-D -f 7\n", "1: -D -f 7: there is no such service"),
            ("-e -f 7 -r 1.1.1.1\n", "1: -e -f 7 -r 1.1.1.1:0 -g -w 1: there is no such service"),
            ("-d -f 7 -r 1.1.1.1\n", "1: -d -f 7 -r 1.1.1.1:0: there is no such service"),
            ("-A -f 7\n-d -f 7 -r 1.1.1.1\n", "2: -d -f 7 -r 1.1.1.1:0: the service has no such destination"),
            ("-Z\n", "1: -Z: it is not about services and destinations"),
            ("-L\n", "1: this changes nothing; only commands that change the table go here"),
        ] {
            assert_eq!(Table::from_rules(rules).unwrap_err().to_string(), message);
            assert_eq!(Table::wanted_by_rules(rules).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn only_what_differs_is_touched_and_taken_away_last() {
        let now = table(&format!(
            "{WEB}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 1\n-a -t 10.0.0.1:80 -r 192.168.1.3:80 -m -w 1\n-A -f 7\n-A -f 8\n"
        ));
        let wanted = table(&format!(
            "{WEB}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\n-a -t 10.0.0.1:80 -r 192.168.1.4:80 -m -w 1\n-A -f 7 -s rr\n-A -f 9\n"
        ));
        let plan = now.plan_to(&wanted);
        assert_eq!(
            plan.to_string(),
            "-a -t 10.0.0.1:80 -r 192.168.1.4:80 -m -w 1\n\
             -E -f 7 -s rr\n\
             -A -f 9 -s wlc\n\
             -e -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\n\
             -d -t 10.0.0.1:80 -r 192.168.1.3:80\n\
             -D -f 8\n"
        );
        assert_eq!((plan.additions.len(), plan.removals.len()), (3, 3));
        assert!(wanted.plan_to(&wanted).is_empty());
    }

    #[test]
    fn what_somebody_lists_twice_is_not_added() {
        let web = || Service::new("tcp://10.0.0.1:80".parse().unwrap());
        let real = |weight| Destination::new("192.168.1.1:80".parse().unwrap()).with_weight(weight);
        let mut table = Table::new();
        let text = |result: Result<(), InvalidArgument>| result.unwrap_err().to_string();
        assert_eq!(
            text(table.add(web(), vec![real(5), real(0)])),
            "destinations: 192.168.1.1:80 of tcp://10.0.0.1:80 is there twice"
        );
        table.add(web(), vec![real(5)]).unwrap();
        assert_eq!(text(table.add(web(), vec![])), "services: tcp://10.0.0.1:80 is there twice");
        assert_eq!(table.to_rules(), "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -g -w 5\n");
    }

    /// A table of up to a few services, out of so few that two tables share some.
    fn any_table() -> impl Strategy<Value = Table> {
        let id = |number: u8| format!("tcp://10.0.0.{number}:80").parse::<ServiceId>().unwrap();
        let address = |number: u8| format!("192.168.1.{number}:80").parse::<SocketAddr>().unwrap();
        let destination =
            (0..4_u8, 0..3_u32).prop_map(move |(number, weight)| Destination::new(address(number)).with_weight(weight));
        let service = (0..4_u8, any::<bool>(), proptest::collection::vec(destination, 0..4));
        proptest::collection::vec(service, 0..4).prop_map(move |services| {
            let mut table = Table::new();
            for (number, rr, destinations) in services {
                let service = Service::new(id(number)).with_scheduler(if rr { "rr" } else { "wlc" });
                table.insert(service, destinations);
            }
            table
        })
    }

    fn is_active(table: &Table, id: &ServiceId) -> bool {
        table.services().any(|(service, mut destinations)| {
            service.id == *id && destinations.any(|destination| destination.weight > 0)
        })
    }

    proptest! {
        #[test]
        fn the_commands_make_the_other_table_and_no_pool_is_empty_meanwhile(now in any_table(), wanted in any_table()) {
            let always: Vec<_> = wanted
                .services()
                .map(|(service, _)| service.id)
                .filter(|id| is_active(&now, id) && is_active(&wanted, id))
                .collect();
            let mut table = now.clone();
            for command in now.plan_to(&wanted).commands() {
                prop_assert_eq!(table.run(command), Ok(()));
                for id in &always {
                    prop_assert!(is_active(&table, id), "{} after {}", id, RuleDisplay(command));
                }
            }
            prop_assert_eq!(table, wanted);
        }

        #[test]
        fn the_rules_of_a_table_make_it_again((id, destination) in strategies::service_and_destination(), service in strategies::service()) {
            let mut table = Table::new();
            table.insert(service, []);
            let owner = Service { persistence_timeout: Some(9), ..Service::new(id) };
            // The language has no option for the local node.
            if destination.forwarding != crate::Forwarding::LocalNode {
                table.insert(owner, [destination]);
            }
            prop_assert_eq!(Table::from_rules(&table.to_rules()).unwrap(), table);
        }
    }
}
