//! Core's errors as tables: what can be expected to happen is returned, never raised.

use ipvs_core::Error;
use ipvs_core::rules::RuleError;
use mlua::prelude::*;

use crate::call::face;

/// `kind`, `message`, `errno`, `operation` and `object`; it prints as its message.
pub(crate) fn to_lua(lua: &Lua, error: &Error) -> LuaResult<LuaTable> {
    let table = made(lua, error.kind.name(), error.operation.name(), &error.to_string())?;
    table.raw_set("errno", error.raw_os_error())?;
    table.raw_set("object", error.operation.object())?;
    Ok(table)
}

/// `kind`, `message`, `operation`, `line` and `column`.
pub(crate) fn rule_to_lua(lua: &Lua, operation: &str, error: &RuleError) -> LuaResult<LuaTable> {
    let table = made(lua, "invalid_rule", operation, &error.to_string())?;
    table.raw_set("line", error.line)?;
    table.raw_set("column", error.column)?;
    Ok(table)
}

pub(crate) fn made(lua: &Lua, kind: &str, operation: &str, message: &str) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("kind", kind)?;
    table.raw_set("operation", operation)?;
    table.raw_set("message", message)?;
    face(lua)?.get::<LuaFunction>("failure")?.call(table)
}
