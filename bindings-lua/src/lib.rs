//! The Lua module `ipvs`: core's objects as plain tables, core's client as a userdata. Nothing is decided here.

mod argument;
mod call;
mod client;
mod command;
mod connection;
mod daemon;
mod destination;
mod drain;
mod error;
mod overview;
mod pool;
mod report;
mod service;
mod setting;
mod stats;
mod table;
mod timeouts;
mod watch;

use ipvs_core::rules::{RuleDisplay, parse_changes};
use ipvs_core::{ServiceId, scheduler};
use mlua::prelude::*;

use crate::argument::{Arguments, text};
use crate::call::{Answer, face, function};

/// What `require "ipvs"` returns.
#[mlua::lua_module]
fn ipvs(lua: &Lua) -> LuaResult<LuaTable> {
    let module = lua.create_table()?;
    module.raw_set("_VERSION", env!("CARGO_PKG_VERSION"))?;
    module.raw_set("SCHEDULERS", lua.create_table_from(scheduler::ALL.iter().copied())?)?;
    module.raw_set("SETTINGS", setting::known(lua)?)?;
    module.raw_set("connect", function(lua, "connect", 1, client::connect)?)?;
    module.raw_set("overview", function(lua, "overview", 0, overview)?)?;
    module.raw_set("parse_rules", function(lua, "parse_rules", 1, parse_rules)?)?;
    module.raw_set("format_rule", function(lua, "format_rule", 1, format_rule)?)?;
    module.raw_set("service_ids", function(lua, "service_ids", 1, service_ids)?)?;
    module.raw_set("pool", function(lua, "pool", 1, pool::new)?)?;
    module.raw_set("assert", face(lua)?.get::<LuaFunction>("assert")?)?;
    #[cfg(debug_assertions)]
    module.raw_set("_panic", function(lua, "_panic", 0, panics)?)?;
    Ok(module)
}

/// What everybody may see of the table in the calling thread's network namespace.
fn overview(lua: &Lua, _: &mut Arguments) -> Answer {
    let services = lua.create_table()?;
    for service in ipvs_core::Client::overview()? {
        services.raw_push(overview::to_lua(lua, &service)?)?;
    }
    Ok(LuaValue::Table(services))
}

/// The commands of rules, as `ipvsadm -S -n` writes them.
fn parse_rules(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let rules = arguments.next(|value| text("text", value))?;
    let commands = lua.create_table()?;
    for (_, command) in parse_changes(&rules)? {
        commands.raw_push(command::to_lua(lua, &command)?)?;
    }
    Ok(LuaValue::Table(commands))
}

/// The rule of ipvsadm for a command.
fn format_rule(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let command = arguments.next(command::from_lua)?;
    Ok(RuleDisplay(&command).to_string().into_lua(lua)?)
}

/// The ids of a range.
fn service_ids(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let range = arguments.next(|value| text("text", value))?;
    let ids = ServiceId::range(&range).map_err(|argument| arguments.wrong(&argument))?;
    Ok(LuaValue::Table(lua.create_sequence_from(ids.iter().map(ToString::to_string))?))
}

/// For the test that a panic is an error of Lua's: an overflow, since nothing else here can be made to panic.
#[cfg(debug_assertions)]
fn panics(lua: &Lua, _: &mut Arguments) -> Answer {
    let most = std::hint::black_box(i64::MAX);
    Ok((most + 1).into_lua(lua)?)
}
