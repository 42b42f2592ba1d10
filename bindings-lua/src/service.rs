//! Virtual services: `{ id = "tcp://10.0.0.1:80", scheduler = "wrr" }`.

use ipvs_core::{Service, ServiceEntry, ServiceId};
use mlua::prelude::*;

use crate::error::invalid;
use crate::stats::stats_table;
use crate::table::{check_fields, field, required};

/// A service's name as a method takes it: the text of an id, or a table with the field `id`, such as a listing's.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) ServiceId);

impl FromLua for Id {
    fn from_lua(value: LuaValue, _: &Lua) -> LuaResult<Self> {
        let text: String = match &value {
            LuaValue::String(text) => text.to_str()?.to_owned(),
            LuaValue::Table(table) => required("service", table, "id")?,
            other => {
                let kind = other.type_name();
                return Err(LuaError::runtime(format!("service: a string or a table is needed, not {kind}")));
            }
        };
        text.parse().map(Self).map_err(invalid)
    }
}

/// A service with its settings, from a table.
pub(crate) struct Settings(pub(crate) Service);

impl FromLua for Settings {
    fn from_lua(value: LuaValue, lua: &Lua) -> LuaResult<Self> {
        let table = LuaTable::from_lua(value, lua)
            .map_err(|error| LuaError::runtime(format!("service: a table is needed: {error}")))?;
        check_fields("service", &table, &["id", "scheduler"])?;
        let id: String = required("service", &table, "id")?;
        let mut service = Service::new(id.parse().map_err(invalid)?);
        if let Some(scheduler) = field::<String>("service", &table, "scheduler")? {
            service = service.with_scheduler(scheduler);
        }
        Ok(Self(service))
    }
}

/// What a listing says of a service.
pub(crate) fn entry_table(lua: &Lua, entry: &ServiceEntry) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.set("id", entry.service.id.to_string())?;
    table.set("scheduler", entry.service.scheduler.as_str())?;
    table.set("stats", stats_table(lua, &entry.stats)?)?;
    Ok(table)
}
