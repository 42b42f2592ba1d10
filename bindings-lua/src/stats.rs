//! Counters as a table. Lua's integers are signed: a counter above 2^63 - 1 shows as that. Before Lua 5.3 numbers are
//! doubles, which are exact up to 2^53.

use ipvs_core::Stats;
use mlua::prelude::*;

pub(crate) fn to_lua(lua: &Lua, stats: &Stats) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    for (name, value) in [
        ("connections", stats.connections),
        ("packets_in", stats.packets_in),
        ("packets_out", stats.packets_out),
        ("bytes_in", stats.bytes_in),
        ("bytes_out", stats.bytes_out),
        ("connections_per_second", stats.connections_per_second),
        ("packets_in_per_second", stats.packets_in_per_second),
        ("packets_out_per_second", stats.packets_out_per_second),
        ("bytes_in_per_second", stats.bytes_in_per_second),
        ("bytes_out_per_second", stats.bytes_out_per_second),
    ] {
        table.raw_set(name, i64::try_from(value).unwrap_or(i64::MAX))?;
    }
    Ok(table)
}
