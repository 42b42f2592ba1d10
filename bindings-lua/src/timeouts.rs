//! How long idle connections are remembered: `{ tcp = 900, tcp_fin = 120, udp = 300 }`.

use ipvs_core::Timeouts;
use mlua::prelude::*;

use crate::argument::{Fields, Reading, number};

/// What is not given stays as it is.
pub(crate) fn settings(value: &LuaValue) -> Reading<Timeouts> {
    let mut fields = Fields::new("timeouts", value)?;
    let mut seconds = |name| {
        let seconds = fields.take(name, |name, value| number(name, value, u32::MAX))?;
        Ok::<_, crate::argument::Wrong>(seconds.unwrap_or_default())
    };
    let timeouts = Timeouts { tcp: seconds("tcp")?, tcp_fin: seconds("tcp_fin")?, udp: seconds("udp")? };
    fields.finish()?;
    timeouts.check()?;
    Ok(timeouts)
}

pub(crate) fn to_lua(lua: &Lua, timeouts: &Timeouts) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("tcp", timeouts.tcp)?;
    table.raw_set("tcp_fin", timeouts.tcp_fin)?;
    table.raw_set("udp", timeouts.udp)?;
    Ok(table)
}
