//! The Lua module `ipvs`: core's objects as plain tables, core's client as a userdata. Nothing is decided here.

mod client;
mod destination;
mod error;
mod service;
mod stats;
mod table;

use mlua::prelude::*;

/// What `require "ipvs"` returns.
#[mlua::lua_module]
fn ipvs(lua: &Lua) -> LuaResult<LuaTable> {
    let module = lua.create_table()?;
    module.set("_VERSION", env!("CARGO_PKG_VERSION"))?;
    module.set("connect", lua.create_function(client::connect)?)?;
    Ok(module)
}
