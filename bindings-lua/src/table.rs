//! Settings from a Lua table: every field has to be known, so that a misspelt one is not silently a default.

use mlua::prelude::*;

/// Refuses a field of `table` that is not in `known`.
pub(crate) fn check_fields(what: &str, table: &LuaTable, known: &[&str]) -> LuaResult<()> {
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, _) = pair?;
        let name = key.to_string()?;
        if !known.contains(&name.as_str()) {
            return Err(LuaError::runtime(format!(
                "{what}: there is no field '{name}'; there are {}",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

/// One field, whose absence is nothing and whose wrong type is an error that names it.
pub(crate) fn field<T: FromLua>(what: &str, table: &LuaTable, name: &str) -> LuaResult<Option<T>> {
    table.get(name).map_err(|error| LuaError::runtime(format!("{what}: {name}: {error}")))
}

/// A field that has to be there.
pub(crate) fn required<T: FromLua>(what: &str, table: &LuaTable, name: &str) -> LuaResult<T> {
    field(what, table, name)?.ok_or_else(|| LuaError::runtime(format!("{what}: the field '{name}' is missing")))
}
