//! Destinations: `{ id = "192.168.1.10:8080", forwarding = "masquerade", weight = 5 }`.

use std::net::SocketAddr;

use ipvs_core::{
    Destination, DestinationEntry, Forwarding, THRESHOLD_MAX, Tunnel, TunnelChecksum, TunnelParts, WEIGHT_MAX,
    parse_destination_address,
};
use mlua::prelude::*;

use crate::argument::{Fields, Reading, Wrong, endpoint, number, parsed, text, wrong_type};
use crate::stats;

/// A destination's name: the text of its address and port, or a table that has one, such as a listing's.
pub(crate) fn id(value: &LuaValue) -> Reading<SocketAddr> {
    match value {
        LuaValue::String(_) => address("destination", value),
        LuaValue::Table(_) => {
            let mut fields = Fields::new("destination", value)?;
            let id = given_id(&mut fields)?;
            fields.ignore(BESIDES);
            fields.finish()?;
            Ok(id)
        }
        _ => Err(wrong_type("destination", "a string or a table", value)),
    }
}

/// What a destination has besides what names it.
const BESIDES: &[&str] = &[
    "forwarding",
    "tunnel",
    "weight",
    "upper_threshold",
    "lower_threshold",
    "active_connections",
    "inactive_connections",
    "persistent_connections",
    "stats",
];

fn address(name: &'static str, value: &LuaValue) -> Reading<SocketAddr> {
    Ok(parse_destination_address(&text(name, value)?)?)
}

/// One address, given as a whole or in parts; both, as in a listing, have to say the same.
fn given_id(fields: &mut Fields) -> Reading<SocketAddr> {
    let whole = fields.take("id", address)?;
    let parts = endpoint(fields)?;
    let id = whole.or(parts).ok_or_else(|| Wrong("destination: the field 'id' is missing".to_owned()))?;
    if parts.is_some_and(|parts| parts != id) {
        return Err(Wrong(format!("destination: address and port do not say the same as the id {id}; leave them out")));
    }
    Ok(id)
}

/// A destination with its settings.
pub(crate) fn settings(value: &LuaValue) -> Reading<Destination> {
    if value.is_string() {
        return Ok(Destination::new(id(value)?));
    }
    let mut fields = Fields::new("destination", value)?;
    let mut destination = Destination::new(given_id(&mut fields)?);
    let method = fields.take("forwarding", parsed::<Forwarding>)?;
    let tunnel = fields.take("tunnel", tunnel)?;
    destination.forwarding = match (method, tunnel) {
        (None, None) => destination.forwarding,
        (Some(method), None) => method,
        (None | Some(Forwarding::Tunnel(_)), Some(tunnel)) => Forwarding::Tunnel(tunnel),
        (Some(method), Some(_)) => {
            return Err(Wrong(format!("tunnel: {method} has none; leave it out, or choose the forwarding 'tunnel'")));
        }
    };
    for (name, most, field) in [
        ("weight", WEIGHT_MAX, &mut destination.weight),
        ("upper_threshold", THRESHOLD_MAX, &mut destination.upper_threshold),
        ("lower_threshold", THRESHOLD_MAX, &mut destination.lower_threshold),
    ] {
        if let Some(number) = fields.take(name, |name, value| number(name, value, most))? {
            *field = number;
        }
    }
    fields.ignore(&["active_connections", "inactive_connections", "persistent_connections", "stats"]);
    fields.finish()?;
    destination.check_settings()?;
    Ok(destination)
}

/// A table of its parts, or its type as text.
fn tunnel(name: &'static str, value: &LuaValue) -> Reading<Tunnel> {
    let parts = if value.is_string() {
        TunnelParts { kind: text(name, value)?.into(), port: None, checksum: None }
    } else {
        let mut fields = Fields::new("tunnel", value)?;
        let parts = TunnelParts {
            kind: fields
                .take("type", text)?
                .ok_or_else(|| Wrong("tunnel: the field 'type' is missing".to_owned()))?
                .into(),
            port: fields.take("port", |name, value| number(name, value, u16::MAX.into()))?,
            checksum: fields.take("checksum", parsed::<TunnelChecksum>)?,
        };
        fields.finish()?;
        parts
    };
    Ok(parts.try_into()?)
}

/// A destination with its settings, named as in the JSON of `ipvsadm`.
pub(crate) fn to_lua(lua: &Lua, destination: &Destination) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("id", destination.address.to_string())?;
    table.raw_set("address", destination.address.ip().to_string())?;
    table.raw_set("port", destination.address.port())?;
    table.raw_set("forwarding", destination.forwarding.to_string())?;
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        let TunnelParts { kind, port, checksum } = tunnel.into();
        let parts = lua.create_table()?;
        parts.raw_set("type", kind.as_ref())?;
        parts.raw_set("port", port)?;
        parts.raw_set("checksum", checksum.map(|checksum| checksum.to_string()))?;
        table.raw_set("tunnel", parts)?;
    }
    table.raw_set("weight", destination.weight)?;
    table.raw_set("upper_threshold", destination.upper_threshold)?;
    table.raw_set("lower_threshold", destination.lower_threshold)?;
    Ok(table)
}

/// What a listing says of a destination.
pub(crate) fn entry_to_lua(lua: &Lua, entry: &DestinationEntry) -> LuaResult<LuaTable> {
    let table = to_lua(lua, &entry.destination)?;
    table.raw_set("active_connections", entry.active_connections)?;
    table.raw_set("inactive_connections", entry.inactive_connections)?;
    table.raw_set("persistent_connections", entry.persistent_connections)?;
    table.raw_set("stats", stats::to_lua(lua, &entry.stats)?)?;
    Ok(table)
}
