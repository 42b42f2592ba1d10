//! Destinations that are being drained: `lb:drain(service, destination, { deadline = 30 })`.

use std::cell::RefCell;
use std::sync::Arc;

use ipvs_core::{Drain, DrainOptions};
use mlua::prelude::*;

use crate::argument::{Arguments, Fields, Reading, seconds, switch};
use crate::call::{Answer, function, userdata};

/// The client lives as long as one of its drains.
pub(crate) struct LuaDrain {
    pub client: Arc<ipvs_core::Client>,
    pub drain: RefCell<Drain>,
}

pub(crate) fn options(value: &LuaValue) -> Reading<DrainOptions> {
    let mut fields = Fields::new("options", value)?;
    let mut options = DrainOptions::default();
    options.deadline = fields.take("deadline", seconds)?;
    options.inactive = fields.take("inactive", switch)?.unwrap_or_default();
    options.persistent = fields.take("persistent", switch)?.unwrap_or_default();
    fields.finish()?;
    Ok(options)
}

impl LuaUserData for LuaDrain {
    fn add_fields<F: LuaUserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "ipvs.Drain");
        fields.add_meta_field_with("__index", |lua| {
            let methods = lua.create_table()?;
            methods.raw_set("step", function(lua, "step", 1, step)?)?;
            methods.raw_set("cancel", function(lua, "cancel", 1, cancel)?)?;
            Ok(methods)
        });
    }
}

/// Looks once: `state` and the connections that are left.
fn step(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let held = userdata::<LuaDrain>(arguments, "drain")?;
    let progress = held.drain.borrow_mut().step(&held.client)?;
    let table = lua.create_table()?;
    table.raw_set("state", progress.state.to_string())?;
    table.raw_set("active_connections", progress.active_connections)?;
    table.raw_set("inactive_connections", progress.inactive_connections)?;
    table.raw_set("persistent_connections", progress.persistent_connections)?;
    Ok(LuaValue::Table(table))
}

/// Restores the weight, and says whether it did.
fn cancel(_: &Lua, arguments: &mut Arguments) -> Answer {
    let held = userdata::<LuaDrain>(arguments, "drain")?;
    let restored = held.drain.borrow_mut().cancel(&held.client)?;
    Ok(LuaValue::Boolean(restored))
}
