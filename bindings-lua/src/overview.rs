//! What an ordinary user may see of the table.

use ipvs_core::{OverviewId, OverviewService};
use mlua::prelude::*;

pub(crate) fn to_lua(lua: &Lua, service: &OverviewService) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set(
        "id",
        match service.id {
            OverviewId::Address { protocol, address } => format!("{protocol}://{address}"),
            OverviewId::Fwmark(mark) => format!("fwmark:{mark}"),
        },
    )?;
    table.raw_set("scheduler", service.scheduler.as_str())?;
    table.raw_set("persistent", service.persistent)?;
    table.raw_set("one_packet", service.one_packet)?;
    let destinations = lua.create_table()?;
    for destination in &service.destinations {
        let entry = lua.create_table()?;
        entry.raw_set("id", destination.address.to_string())?;
        entry.raw_set("forwarding", destination.forwarding.to_string())?;
        entry.raw_set("weight", destination.weight)?;
        entry.raw_set("active_connections", destination.active_connections)?;
        entry.raw_set("inactive_connections", destination.inactive_connections)?;
        destinations.raw_push(entry)?;
    }
    table.raw_set("destinations", destinations)?;
    Ok(table)
}
