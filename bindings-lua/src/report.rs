//! What became of a batch.

use ipvs_core::{Outcome, Report};
use mlua::prelude::*;

use crate::call::{Answer, Stop};
use crate::error;

/// The report if all was done, else `nil` and the first error, which has it as its field `report`. `lines` are those that
/// the commands come from, if they come from rules.
pub(crate) fn answer(lua: &Lua, report: &Report, lines: Option<&[usize]>) -> Answer {
    let table = to_lua(lua, report, lines)?;
    let Some(first) = report.first_error() else { return Ok(LuaValue::Table(table)) };
    let err = error::to_lua(lua, first)?;
    err.raw_set("report", table)?;
    Err(Stop::Made(err))
}

fn to_lua(lua: &Lua, report: &Report, lines: Option<&[usize]>) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let outcomes = lua.create_table()?;
    let mut done = 0;
    for outcome in report.outcomes() {
        outcomes.raw_push(match outcome {
            Outcome::Done => {
                done += 1;
                "done"
            }
            Outcome::Failed(_) => "failed",
            Outcome::Unknown => "unknown",
            Outcome::NotSent => "not-sent",
        })?;
    }
    table.raw_set("outcomes", outcomes)?;
    table.raw_set("done", done)?;
    let failed = lua.create_table()?;
    for (place, failure) in &report.failed {
        let entry = lua.create_table()?;
        entry.raw_set("position", place + 1)?;
        entry.raw_set("line", lines.and_then(|lines| lines.get(*place).copied()))?;
        entry.raw_set("error", error::to_lua(lua, failure)?)?;
        failed.raw_push(entry)?;
    }
    table.raw_set("failed", failed)?;
    table.raw_set("interrupted", report.interrupted.as_ref().map(|error| error::to_lua(lua, error)).transpose()?)?;
    Ok(table)
}
