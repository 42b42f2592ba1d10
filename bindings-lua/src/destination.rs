//! Destinations: `{ address = "192.168.1.10:8080", forwarding = "masquerade", weight = 5 }`.

use std::net::SocketAddr;

use ipvs_core::{Destination, DestinationEntry, Forwarding, parse_destination_address};
use mlua::prelude::*;

use crate::error::invalid;
use crate::stats::stats_table;
use crate::table::{check_fields, field, required};

/// A destination's name as a method takes it: the text of an address, or a table with the field `address`.
#[derive(Clone, Copy)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl FromLua for Address {
    fn from_lua(value: LuaValue, _: &Lua) -> LuaResult<Self> {
        let text: String = match &value {
            LuaValue::String(text) => text.to_str()?.to_owned(),
            LuaValue::Table(table) => required("destination", table, "address")?,
            other => {
                let kind = other.type_name();
                return Err(LuaError::runtime(format!("destination: a string or a table is needed, not {kind}")));
            }
        };
        parse_destination_address(&text).map(Self).map_err(invalid)
    }
}

/// A destination with its settings, from a table.
pub(crate) struct Settings(pub(crate) Destination);

impl FromLua for Settings {
    fn from_lua(value: LuaValue, lua: &Lua) -> LuaResult<Self> {
        let table = LuaTable::from_lua(value, lua)
            .map_err(|error| LuaError::runtime(format!("destination: a table is needed: {error}")))?;
        check_fields("destination", &table, &["address", "forwarding", "weight"])?;
        let address: String = required("destination", &table, "address")?;
        let mut destination = Destination::new(parse_destination_address(&address).map_err(invalid)?);
        if let Some(forwarding) = field::<String>("destination", &table, "forwarding")? {
            let forwarding: Forwarding = forwarding.parse().map_err(invalid)?;
            destination = destination.with_forwarding(forwarding);
        }
        if let Some(weight) = field("destination", &table, "weight")? {
            destination = destination.with_weight(weight);
        }
        Ok(Self(destination))
    }
}

/// What a listing says of a destination.
pub(crate) fn entry_table(lua: &Lua, entry: &DestinationEntry) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.set("address", entry.destination.address.to_string())?;
    table.set("forwarding", entry.destination.forwarding.to_string())?;
    table.set("weight", entry.destination.weight)?;
    table.set("active_connections", entry.active_connections)?;
    table.set("inactive_connections", entry.inactive_connections)?;
    table.set("persistent_connections", entry.persistent_connections)?;
    table.set("stats", stats_table(lua, &entry.stats)?)?;
    Ok(table)
}
