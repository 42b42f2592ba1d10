//! The connections that the kernel balances.

use std::net::SocketAddr;

use ipvs_core::Connection;
use mlua::prelude::*;

/// A connection, named as in the JSON of `ipvsadm`.
pub(crate) fn to_lua(lua: &Lua, connection: &Connection) -> LuaResult<LuaTable> {
    let endpoint = |address: SocketAddr| {
        let table = lua.create_table()?;
        table.raw_set("address", address.ip().to_string())?;
        table.raw_set("port", address.port())?;
        Ok::<_, LuaError>(table)
    };
    let table = lua.create_table()?;
    table.raw_set("protocol", connection.protocol.to_string())?;
    table.raw_set("client", endpoint(connection.client)?)?;
    table.raw_set("virtual", endpoint(connection.virtual_address)?)?;
    table.raw_set("destination", endpoint(connection.destination)?)?;
    table.raw_set("state", connection.state.as_str())?;
    table.raw_set("expires", i64::try_from(connection.expires).unwrap_or(i64::MAX))?;
    if let Some(known) = &connection.persistence {
        let persistence = lua.create_table()?;
        persistence.raw_set("engine", known.engine.as_str())?;
        persistence.raw_set("data", known.data.as_str())?;
        table.raw_set("persistence", persistence)?;
    }
    Ok(table)
}
