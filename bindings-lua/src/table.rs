//! Tables as they should be, scopes, plans, and what became of applying one.

use ipvs_core::{Applied, Command, Destination, OtherWriter, Plan, Scope, ScopePart, Service, Table};
use mlua::prelude::*;

use crate::argument::{Fields, Reading, Wrong, list, parsed, switch, text};
use crate::call::{Answer, Stop};
use crate::{command, destination, error, service};

/// A table: rules as text, or a list of services that each have a list `destinations`, such as a snapshot.
pub(crate) enum Given {
    Rules(String),
    Table(Table),
}

pub(crate) fn given(value: &LuaValue) -> Reading<Given> {
    if value.is_string() {
        return text("table", value).map(Given::Rules);
    }
    let mut table = Table::new();
    list("table", "rules or a list of services", value, |place, entry| {
        let (settings, destinations) =
            service_of(entry).map_err(|Wrong(text)| Wrong(format!("number {place}: {text}")))?;
        table.add(settings, destinations).map_err(|argument| Wrong(format!("number {place}: {argument}")))
    })?;
    Ok(Given::Table(table))
}

/// A service and its list `destinations`: without it, as `services` lists them, all would be deleted.
fn service_of(value: &LuaValue) -> Reading<(Service, Vec<Destination>)> {
    let settings = service::settings(value)?;
    let destinations = match value.as_table() {
        Some(entry) => entry.get("destinations")?,
        None => LuaNil,
    };
    let what = "a list of destinations";
    Ok((settings, list("destinations", what, &destinations, |_, item| destination::settings(item))?))
}

impl Given {
    pub fn read(self) -> Result<Table, Stop> {
        match self {
            Self::Rules(text) => Ok(Table::wanted_by_rules(&text)?),
            Self::Table(table) => Ok(table),
        }
    }
}

/// `{ scope = { "10.0.0.0/24", "fwmark:1-99" }, rollback = true }`.
pub(crate) fn options(value: &LuaValue) -> Reading<ipvs_core::ApplyOptions> {
    let mut fields = Fields::new("options", value)?;
    let mut options = ipvs_core::ApplyOptions::default();
    if let Some(scope) = fields.take("scope", scope)? {
        options.scope = scope;
    }
    options.rollback = fields.take("rollback", switch)?.unwrap_or_default();
    fields.finish()?;
    Ok(options)
}

/// One part as text, or a list of them.
pub(crate) fn scope(name: &'static str, value: &LuaValue) -> Reading<Scope> {
    if value.is_string() {
        return Ok(Scope::Only(vec![parsed::<ScopePart>(name, value)?]));
    }
    list(name, "a string or a list of strings", value, |_, part| parsed::<ScopePart>(name, part)).map(Scope::Only)
}

/// A list of services that each have a list `destinations`, as a snapshot, without counters.
pub(crate) fn to_lua(lua: &Lua, table: &Table) -> LuaResult<LuaTable> {
    let services = lua.create_table()?;
    for (wanted, destinations) in table.services() {
        let entry = service::to_lua(lua, wanted)?;
        let list = lua.create_table()?;
        for wanted in destinations {
            list.raw_push(destination::to_lua(lua, wanted)?)?;
        }
        entry.raw_set("destinations", list)?;
        services.raw_push(entry)?;
    }
    Ok(services)
}

/// `additions` and `removals`, lists of commands as data.
pub(crate) fn plan_to_lua(lua: &Lua, plan: &Plan) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("additions", commands(lua, &plan.additions)?)?;
    table.raw_set("removals", commands(lua, &plan.removals)?)?;
    Ok(table)
}

pub(crate) fn plan_from_lua(fields: &mut Fields) -> Reading<Plan> {
    let mut plan = Plan::default();
    plan.additions = fields.take("additions", command::list)?.unwrap_or_default();
    plan.removals = fields.take("removals", command::list)?.unwrap_or_default();
    Ok(plan)
}

fn commands(lua: &Lua, commands: &[Command]) -> LuaResult<LuaTable> {
    let list = lua.create_table_with_capacity(commands.len(), 0)?;
    for command in commands {
        list.raw_push(command::to_lua(lua, command)?)?;
    }
    Ok(list)
}

/// What was done if all was, else `nil` and the first error, which has it as its field `applied`.
pub(crate) fn answer(lua: &Lua, applied: &Applied) -> Answer {
    let table = applied_to_lua(lua, applied)?;
    let Some(first) = applied.first_error() else { return Ok(LuaValue::Table(table)) };
    let err = error::to_lua(lua, first)?;
    err.raw_set("applied", table)?;
    Err(Stop::Made(err))
}

fn applied_to_lua(lua: &Lua, applied: &Applied) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("is_changed", applied.is_changed())?;
    table.raw_set("is_done", applied.is_done())?;
    table.raw_set("done", commands(lua, &applied.done)?)?;
    let failed = lua.create_table()?;
    for (command, failure) in &applied.failed {
        let entry = lua.create_table()?;
        entry.raw_set("command", command::to_lua(lua, command)?)?;
        entry.raw_set("error", error::to_lua(lua, failure)?)?;
        failed.raw_push(entry)?;
    }
    table.raw_set("failed", failed)?;
    table.raw_set("unknown", commands(lua, &applied.unknown)?)?;
    table.raw_set("not_sent", commands(lua, &applied.not_sent)?)?;
    let interrupted = applied.interrupted.as_ref();
    table.raw_set("interrupted", interrupted.map(|error| error::to_lua(lua, error)).transpose()?)?;
    let rollback = applied.rollback.as_ref();
    table.raw_set("other_writers", writers_to_lua(lua, &applied.other_writers)?)?;
    table.raw_set("rollback", rollback.map(|back| applied_to_lua(lua, back)).transpose()?)?;
    Ok(table)
}

pub(crate) fn writers_to_lua(lua: &Lua, writers: &[OtherWriter]) -> LuaResult<LuaTable> {
    let list = lua.create_table()?;
    for writer in writers {
        let entry = lua.create_table()?;
        entry.raw_set("name", writer.name.as_str())?;
        entry.raw_set("process", writer.process)?;
        list.raw_push(entry)?;
    }
    Ok(list)
}
