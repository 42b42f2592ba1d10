//! Reads the table for a listing: services with their destinations, in order, and names for them.

use ipvs_core::rules::{Namer, Numeric};
use ipvs_core::{Client, Error, ServiceEntry, ServiceId, ServiceTable};

use crate::names::Shown;
use crate::order;

/// What a listing needs.
pub(crate) struct Table<'a> {
    pub services: Box<dyn Iterator<Item = Result<ServiceTable, Error>> + 'a>,
    pub names: Box<dyn Namer>,
}

/// How a listing wants it.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub numeric: bool,
    pub sorted: bool,
}

/// Reads the destinations of these services. With names all of them are looked up at once; without, each service is read
/// when its turn comes, so that a large table takes no memory.
pub(crate) fn read(mut services: Vec<ServiceEntry>, how: Reading, client: &Client) -> Result<Table<'_>, Error> {
    if how.sorted {
        order::sort_services(&mut services);
    }
    let tables = services.into_iter().map(move |entry| {
        let mut table = client.table(entry)?;
        if how.sorted {
            order::sort_destinations(&mut table.destinations);
        }
        Ok(table)
    });
    if how.numeric {
        return Ok(Table { services: Box::new(tables), names: Box::new(Numeric) });
    }
    let tables = tables.collect::<Result<Vec<_>, Error>>()?;
    let hosts = tables.iter().flat_map(|table| {
        let own = match table.entry.service.id {
            ServiceId::Address { address, .. } => Some(address.ip()),
            ServiceId::Fwmark { .. } => None,
        };
        own.into_iter().chain(table.destinations.iter().map(|entry| entry.destination.address.ip()))
    });
    let names = Box::new(Shown::new(hosts));
    Ok(Table { services: Box::new(tables.into_iter().map(Ok)), names })
}
