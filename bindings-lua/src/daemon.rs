//! The synchronisation daemons: `{ role = "master", interface = "eth0", sync_id = 7 }`.

use ipvs_core::{Role, SyncDaemon};
use mlua::prelude::*;

use crate::argument::{Fields, Reading, Wrong, ip, number, parsed, text};

pub(crate) fn role(value: &LuaValue) -> Reading<Role> {
    parsed("role", value)
}

/// A daemon with its settings.
pub(crate) fn settings(value: &LuaValue) -> Reading<SyncDaemon> {
    let mut fields = Fields::new("daemon", value)?;
    let missing = |name| move || Wrong(format!("daemon: the field '{name}' is missing"));
    let role = fields.take("role", parsed::<Role>)?.ok_or_else(missing("role"))?;
    let interface = fields.take("interface", text)?.ok_or_else(missing("interface"))?;
    let mut daemon = SyncDaemon::new(role, interface);
    daemon.sync_id = fields.take("sync_id", |name, value| number(name, value, u8::MAX.into()))?.unwrap_or_default();
    daemon.max_length =
        fields.take("max_length", |name, value| number(name, value, u16::MAX.into()))?.unwrap_or_default();
    daemon.group = fields.take("group", ip)?;
    daemon.port = fields.take("port", |name, value| number(name, value, u16::MAX.into()))?.unwrap_or_default();
    daemon.ttl = fields.take("ttl", |name, value| number(name, value, u8::MAX.into()))?.unwrap_or_default();
    fields.finish()?;
    daemon.check()?;
    Ok(daemon)
}

/// A daemon as a listing shows it, named as in the JSON of `ipvsadm`.
pub(crate) fn to_lua(lua: &Lua, daemon: &SyncDaemon) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("role", daemon.role.to_string())?;
    table.raw_set("interface", daemon.interface.as_str())?;
    table.raw_set("sync_id", daemon.sync_id)?;
    table.raw_set("max_length", daemon.max_length)?;
    table.raw_set("group", daemon.group.map(|group| group.to_string()))?;
    table.raw_set("port", daemon.port)?;
    table.raw_set("ttl", daemon.ttl)?;
    Ok(table)
}
