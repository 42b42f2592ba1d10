//! What the kernel holds that helps whoever was refused.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use ipvs_core::{Client, Error, ErrorKind, Operation, Options, ServiceId};

/// How many of them are named.
const NAMED: usize = 5;

/// How many errors say what would help: to find that out is to read the table.
const HINTS: usize = 10;

/// What helps with many errors: said once of each object, and not of ever more of them.
pub(crate) struct Hints<'a> {
    options: &'a Options,
    /// All that was helped with.
    helped: BTreeSet<String>,
}

impl<'a> Hints<'a> {
    pub fn new(options: &'a Options) -> Self {
        Self { options, helped: BTreeSet::new() }
    }

    /// What goes behind the error's text; nothing if it was said.
    pub fn new_of(&mut self, error: &Error) -> String {
        let is_new = self.helped.len() < HINTS && subject(error).is_some_and(|about| self.helped.insert(about));
        if is_new { hint(error, self.options) } else { String::new() }
    }
}

/// The object that there is something to say about; nothing if there is none.
fn subject(error: &Error) -> Option<String> {
    match &error.kind {
        ErrorKind::NoSuchService => error.operation.service().map(|id| id.to_string()),
        ErrorKind::NoSuchDestination => Some(error.operation.to_string()),
        ErrorKind::NoSuchScheduler(name) => Some(name.clone()),
        _ => None,
    }
}

/// What goes behind the error's text; nothing if nothing is known that helps.
pub(crate) fn hint(error: &Error, options: &Options) -> String {
    let (before, items) = match (&error.kind, error.operation) {
        (ErrorKind::NoSuchService, operation) => ("; near it: ", operation.service().map(|id| near(&id, options))),
        (
            ErrorKind::NoSuchDestination,
            Operation::EditDestination(id, address)
            | Operation::DeleteDestination(id, address)
            | Operation::SetWeight(id, address),
        ) => ("; near it: ", Some(near_destinations(&id, &address, options))),
        (ErrorKind::NoSuchScheduler(_), _) => (": ", Some(loaded_schedulers())),
        _ => return String::new(),
    };
    list(before, &items.unwrap_or_default())
}

/// The services of the same address or the same mark.
fn near(id: &ServiceId, options: &Options) -> Vec<String> {
    let is_near = |other: &ServiceId| match (id, other) {
        (ServiceId::Address { address, .. }, ServiceId::Address { address: other, .. }) => address.ip() == other.ip(),
        (ServiceId::Fwmark { mark, .. }, ServiceId::Fwmark { mark: other, .. }) => mark == other,
        _ => false,
    };
    let all = Client::connect_with(options).and_then(|client| client.services()).unwrap_or_default();
    all.iter().map(|entry| entry.service.id).filter(is_near).map(|id| id.to_string()).collect()
}

/// The destinations of the same address.
fn near_destinations(id: &ServiceId, address: &SocketAddr, options: &Options) -> Vec<String> {
    let all = Client::connect_with(options).and_then(|client| client.destinations(id)).unwrap_or_default();
    let addresses = all.iter().map(|entry| entry.destination.address);
    addresses.filter(|other| other.ip() == address.ip()).map(|other| other.to_string()).collect()
}

/// The modules of schedulers that are loaded.
fn loaded_schedulers() -> Vec<String> {
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    let names = modules.lines().filter_map(|line| line.split(' ').next());
    let others = ["ip_vs_ftp", "ip_vs_pe_sip"];
    names.filter(|name| name.starts_with("ip_vs_") && !others.contains(name)).map(str::to_owned).collect()
}

fn list(before: &str, items: &[String]) -> String {
    match items {
        [] => String::new(),
        _ if items.len() > NAMED => {
            format!("{before}{} and {} more", items[..NAMED].join(", "), items.len() - NAMED)
        }
        _ => format!("{before}{}", items.join(", ")),
    }
}
