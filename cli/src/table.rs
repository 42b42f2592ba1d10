//! Reads the table for a listing: services with their destinations, in order, and names for them.

use ipvs_core::rules::{Namer, Numeric};
use ipvs_core::{Client, Error, ServiceEntry, ServiceId, ServiceTable, Stats};

use crate::names::Names;
use crate::order;

/// What a listing needs.
pub(crate) struct Table<'a> {
    pub services: Box<dyn Iterator<Item = Result<ServiceTable, Error>> + 'a>,
    pub names: &'a dyn Namer,
}

/// How a listing wants it.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub numeric: bool,
    pub sorted: bool,
    /// With the counters of services, which make half of what is kept of a large table.
    pub counted: bool,
}

/// Reads one service or all of them, with their destinations. With names all are looked up at once; without, the
/// destinations of each service are read when its turn comes, so that a large table takes little memory.
pub(crate) fn read<'a>(
    only: Option<&ServiceId>,
    how: Reading,
    client: &'a Client,
    names: &'a Names,
) -> Result<Table<'a>, Error> {
    let services: Box<dyn Iterator<Item = ServiceEntry>> = match only {
        Some(id) => Box::new(std::iter::once(client.service(id)?)),
        None if how.counted => in_order(client.services()?, how, |entry| &entry.service.id),
        None => {
            let settings = in_order(client.service_settings()?, how, |service| &service.id);
            Box::new(settings.map(|service| ServiceEntry::new(service, Stats::default())))
        }
    };
    let tables = services.map(move |entry| {
        let mut table = client.table(entry)?;
        if how.sorted {
            table.destinations = order::destinations(table.destinations).collect();
        }
        Ok(table)
    });
    if how.numeric {
        return Ok(Table { services: Box::new(tables), names: &Numeric });
    }
    let tables = tables.collect::<Result<Vec<_>, Error>>()?;
    let hosts = tables.iter().flat_map(|table| {
        let own = match table.entry.service.id {
            ServiceId::Address { address, .. } => Some(address.ip()),
            ServiceId::Fwmark { .. } => None,
        };
        own.into_iter().chain(table.destinations.iter().map(|entry| entry.destination.address.ip()))
    });
    names.look_up(hosts);
    Ok(Table { services: Box::new(tables.into_iter().map(Ok)), names })
}

fn in_order<'a, T: 'a>(
    services: Vec<T>,
    how: Reading,
    id: impl Fn(&T) -> &ServiceId + 'a,
) -> Box<dyn Iterator<Item = T> + 'a> {
    if how.sorted { Box::new(order::services(services, id)) } else { Box::new(services.into_iter()) }
}
