//! Core's errors in Lua's manner: what can be expected to happen is returned, a wrong argument is raised.

use ipvs_core::{Error, ErrorKind, InvalidArgument};
use mlua::prelude::*;

/// A wrong argument as a Lua error that names it.
pub(crate) fn invalid(argument: InvalidArgument) -> LuaError {
    LuaError::external(argument)
}

/// `value`, or `nil, err`; `err` is a table with `kind`, `message`, `errno`, `operation` and `object` that prints as its
/// message.
pub(crate) fn answer<T>(
    lua: &Lua,
    result: Result<T, Error>,
    into_lua: impl FnOnce(T) -> LuaResult<LuaValue>,
) -> LuaResult<(LuaValue, Option<LuaTable>)> {
    match result {
        Ok(value) => Ok((into_lua(value)?, None)),
        Err(Error { kind: ErrorKind::InvalidArgument(argument), .. }) => Err(invalid(argument)),
        Err(error) => Ok((LuaNil, Some(error_table(lua, &error)?))),
    }
}

fn error_table(lua: &Lua, error: &Error) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.set("kind", error.kind.name())?;
    table.set("message", error.to_string())?;
    table.set("errno", error.raw_os_error())?;
    table.set("operation", error.operation.name())?;
    table.set("object", error.operation.object())?;
    let metatable = lua.create_table()?;
    metatable.set("__tostring", lua.create_function(|_, error: LuaTable| error.get::<String>("message"))?)?;
    table.set_metatable(Some(metatable))?;
    Ok(table)
}
