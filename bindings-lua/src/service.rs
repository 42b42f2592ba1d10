//! Virtual services: `{ id = "tcp://10.0.0.1:80", scheduler = "wrr" }`.

use ipvs_core::{Family, Netmask, Protocol, SchedulerFlags, Service, ServiceEntry, ServiceId, ServiceTable};
use mlua::prelude::*;

use crate::argument::{Fields, Reading, Wrong, endpoint, list, number, parsed, switch, text, wrong_type};
use crate::destination;
use crate::stats;

/// A service's name: the text of an id, or a table that has one, such as a listing's.
pub(crate) fn id(value: &LuaValue) -> Reading<ServiceId> {
    match value {
        LuaValue::String(_) => parsed("service", value),
        LuaValue::Table(_) => {
            let mut fields = Fields::new("service", value)?;
            let id = given_id(&mut fields)?;
            // A misspelt part of an id would name another service.
            fields.ignore(BESIDES);
            fields.finish()?;
            Ok(id)
        }
        _ => Err(wrong_type("service", "a string or a table", value)),
    }
}

/// What a service has besides what names it.
const BESIDES: &[&str] = &[
    "scheduler",
    "scheduler_flags",
    "persistence_timeout",
    "netmask",
    "persistence_engine",
    "one_packet",
    "stats",
    "destinations",
];

/// One id, given as a whole or in parts; both, as in a listing, have to say the same.
fn given_id(fields: &mut Fields) -> Reading<ServiceId> {
    let whole = fields.take("id", parsed::<ServiceId>)?;
    let protocol = fields.take("protocol", parsed::<Protocol>)?;
    let address = endpoint(fields)?;
    let mark = fields.take("fwmark", |name, value| number(name, value, u32::MAX))?;
    let family = fields.take("family", parsed::<Family>)?;
    let parts = match (protocol, address, mark) {
        (None, None, None) => None,
        (Some(protocol), Some(address), None) => Some(ServiceId::Address { protocol, address }),
        (None, None, Some(mark)) => Some(ServiceId::Fwmark { mark, family: family.unwrap_or(Family::Ipv4) }),
        _ => return Err(Wrong("service: give an id, or protocol, address and port, or fwmark and family".to_owned())),
    };
    let id = whole.or(parts).ok_or_else(|| Wrong("service: the field 'id' is missing".to_owned()))?;
    if parts.is_some_and(|parts| parts != id) || family.is_some_and(|family| family != id.family()) {
        return Err(Wrong(format!("service: the other fields do not say the same as the id {id}; leave them out")));
    }
    id.check()?;
    Ok(id)
}

/// A service with its settings.
pub(crate) fn settings(value: &LuaValue) -> Reading<Service> {
    if value.is_string() {
        return Ok(Service::new(id(value)?));
    }
    let mut fields = Fields::new("service", value)?;
    let mut service = Service::new(given_id(&mut fields)?);
    if let Some(scheduler) = fields.take("scheduler", text)? {
        service.scheduler = scheduler;
    }
    if let Some(names) = fields.take("scheduler_flags", texts)? {
        service.scheduler_flags = SchedulerFlags::from_names(&service.scheduler, names.iter().map(String::as_str))?;
    }
    service.persistence_timeout = fields.take("persistence_timeout", |name, value| number(name, value, u32::MAX))?;
    let family = service.id.family();
    if let Some(mask) = fields.take("netmask", |name, value| netmask(name, value, family))? {
        service.netmask = mask;
    }
    service.persistence_engine = fields.take("persistence_engine", text)?;
    service.one_packet = fields.take("one_packet", switch)?.unwrap_or_default();
    fields.ignore(&["stats", "destinations"]);
    fields.finish()?;
    service.check()?;
    Ok(service)
}

/// A mask as text, or a prefix length.
fn netmask(name: &'static str, value: &LuaValue, family: Family) -> Reading<Netmask> {
    if value.is_string() {
        return Ok(Netmask::parse(&text(name, value)?, family)?);
    }
    number(name, value, u8::MAX.into()).map(Netmask::Prefix)
}

fn texts(name: &'static str, value: &LuaValue) -> Reading<Vec<String>> {
    list(name, "a list of strings", value, |_, item| text(name, item))
}

/// A service with its settings, named as in the JSON of `ipvsadm`.
pub(crate) fn to_lua(lua: &Lua, service: &Service) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let family = service.id.family();
    table.raw_set("id", service.id.to_string())?;
    table.raw_set("family", family.to_string())?;
    match service.id {
        ServiceId::Address { protocol, address } => {
            table.raw_set("protocol", protocol.to_string())?;
            table.raw_set("address", address.ip().to_string())?;
            table.raw_set("port", address.port())?;
        }
        ServiceId::Fwmark { mark, .. } => table.raw_set("fwmark", mark)?,
    }
    table.raw_set("scheduler", service.scheduler.as_str())?;
    table.raw_set("scheduler_flags", lua.create_sequence_from(service.scheduler_flags.names(&service.scheduler))?)?;
    table.raw_set("persistence_timeout", service.persistence_timeout)?;
    table.raw_set("netmask", service.netmask.text(family))?;
    table.raw_set("persistence_engine", service.persistence_engine.as_deref())?;
    table.raw_set("one_packet", service.one_packet)?;
    Ok(table)
}

/// What a listing says of a service.
pub(crate) fn entry_to_lua(lua: &Lua, entry: &ServiceEntry) -> LuaResult<LuaTable> {
    let table = to_lua(lua, &entry.service)?;
    table.raw_set("stats", stats::to_lua(lua, &entry.stats)?)?;
    Ok(table)
}

/// The same with all its destinations.
pub(crate) fn table_to_lua(lua: &Lua, table: &ServiceTable) -> LuaResult<LuaTable> {
    let service = entry_to_lua(lua, &table.entry)?;
    let destinations = lua.create_table_with_capacity(table.destinations.len(), 0)?;
    for entry in &table.destinations {
        destinations.raw_push(destination::entry_to_lua(lua, entry)?)?;
    }
    service.raw_set("destinations", destinations)?;
    Ok(service)
}
