//! What changed from one look to the next: `local look = lb:watch()`.

use std::cell::RefCell;
use std::sync::Arc;

use ipvs_core::{Change, Client, FieldChange};
use mlua::prelude::*;

use crate::call::{Answer, function};
use crate::{destination, service};

/// A function that gives the changes since the last time; the first look is now.
pub(crate) fn watch(lua: &Lua, client: Arc<Client>) -> Answer {
    let watch = RefCell::new(client.watch()?);
    let look = function(lua, "look", 0, move |lua, _| {
        let changes = watch.borrow_mut().look(&client)?;
        let list = lua.create_table()?;
        for change in changes {
            list.raw_push(to_lua(lua, &change)?)?;
        }
        Ok(LuaValue::Table(list))
    })?;
    Ok(LuaValue::Function(look))
}

fn to_lua(lua: &Lua, change: &Change) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("message", change.to_string())?;
    table.raw_set("change", change.name())?;
    table.raw_set("service", change.service().to_string())?;
    table.raw_set("destination", change.destination().map(|address| address.to_string()))?;
    match change {
        Change::ServiceAdded(added) => table.raw_set("settings", service::to_lua(lua, added)?)?,
        Change::DestinationAdded(_, added) => table.raw_set("settings", destination::to_lua(lua, added)?)?,
        Change::ServiceChanged(_, fields) | Change::DestinationChanged(_, _, fields) => {
            table.raw_set("fields", fields_to_lua(lua, fields)?)?;
        }
        _ => {}
    }
    Ok(table)
}

fn fields_to_lua(lua: &Lua, fields: &[FieldChange]) -> LuaResult<LuaTable> {
    let list = lua.create_table()?;
    for change in fields {
        let entry = lua.create_table()?;
        entry.raw_set("field", change.field)?;
        entry.raw_set("before", change.before.as_str())?;
        entry.raw_set("after", change.after.as_str())?;
        list.raw_push(entry)?;
    }
    Ok(list)
}
