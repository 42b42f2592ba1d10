//! The boundary: what a call of Lua's becomes, and that nothing gets past it but values. See `face.lua` for the other side.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use ipvs_core::rules::RuleError;
use ipvs_core::{Error, ErrorKind};
use mlua::prelude::*;

use crate::argument::{Arguments, Wrong};
use crate::error;

const FACE: &str = "ipvs.face";

/// Why a call has no result.
pub(crate) enum Stop {
    /// The caller is wrong: raised.
    Wrong(Wrong),
    /// What can be expected to happen: returned.
    Failed(Error),
    /// A text that is no rules: returned, as it may come from a file.
    Rule(RuleError),
    /// An `err` that is made already.
    Made(LuaTable),
}

pub(crate) type Answer = Result<LuaValue, Stop>;

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::InvalidArgument(argument) => {
                Self::Wrong(Wrong(format!("bad argument to '{}' ({argument})", error.operation.name())))
            }
            _ => Self::Failed(error),
        }
    }
}

impl From<RuleError> for Stop {
    fn from(error: RuleError) -> Self {
        Self::Rule(error)
    }
}

/// No memory, for example.
impl From<LuaError> for Stop {
    fn from(error: LuaError) -> Self {
        Self::Wrong(error.into())
    }
}

/// Reads Lua's side of the boundary, once for each state.
pub(crate) fn face(lua: &Lua) -> LuaResult<LuaTable> {
    let known: Option<LuaTable> = lua.named_registry_value(FACE)?;
    if let Some(face) = known {
        return Ok(face);
    }
    let face: LuaTable = lua.load(include_str!("face.lua")).set_name("=ipvs").eval()?;
    lua.set_named_registry_value(FACE, &face)?;
    Ok(face)
}

/// A function of the module that takes so many arguments at most. A method's object is one of them.
pub(crate) fn function(
    lua: &Lua,
    name: &'static str,
    most: usize,
    run: impl Fn(&Lua, &mut Arguments) -> Answer + 'static,
) -> LuaResult<LuaFunction> {
    face(lua)?.get::<LuaFunction>("call")?.call(raw(lua, name, most, run)?)
}

/// A function of the module whose result is the next step of a loop, made by [`steps`].
pub(crate) fn loop_function(
    lua: &Lua,
    name: &'static str,
    most: usize,
    run: impl Fn(&Lua, &mut Arguments) -> Answer + 'static,
) -> LuaResult<LuaFunction> {
    face(lua)?.get::<LuaFunction>("loop")?.call(raw(lua, name, most, run)?)
}

/// The next step of a loop over these. They are dropped, and what they hold is closed, at the end of the loop: the collector
/// knows nothing of files and may come too late. So it is by the last value that a loop takes from Lua 5.4 on, when it is left
/// early.
pub(crate) fn steps<T>(
    lua: &Lua,
    items: impl Iterator<Item = T> + 'static,
    table: impl Fn(&Lua, T) -> Result<LuaTable, Stop> + 'static,
) -> Answer {
    let items = Rc::new(RefCell::new(Some(items)));
    let left = Rc::clone(&items);
    let step = raw(lua, "next", 0, move |lua, _| {
        // Nothing is borrowed while a table is made: that may run the collector, and a finalizer may take a step too.
        let item = items.borrow_mut().as_mut().and_then(Iterator::next);
        let item = item.map(|item| table(lua, item)).transpose();
        if !matches!(item, Ok(Some(_))) {
            items.take();
        }
        Ok(item?.map_or(LuaNil, LuaValue::Table))
    })?;
    let close = lua.create_function(move |_, ()| {
        left.take();
        Ok(())
    })?;
    let steps = lua.create_table_from([("step", step), ("close", close)])?;
    Ok(LuaValue::Table(steps))
}

/// The object in front of the colon.
pub(crate) fn userdata<T: 'static>(arguments: &mut Arguments, what: &str) -> Result<LuaUserDataRef<T>, Wrong> {
    let object = arguments.object();
    let object = object.as_userdata().and_then(|object| object.borrow::<T>().ok());
    let name = arguments.function();
    object.ok_or_else(|| Wrong(format!("'{name}' is a method of a {what}: write {what}:{name}(...)")))
}

/// Returns what is wrong, the result, and the error; raises nothing.
fn raw(
    lua: &Lua,
    name: &'static str,
    most: usize,
    run: impl Fn(&Lua, &mut Arguments) -> Answer + 'static,
) -> LuaResult<LuaFunction> {
    lua.create_function(move |lua, values: LuaMultiValue| {
        let mut arguments = Arguments::new(name, values.into_iter().collect());
        // Whatever a panic leaves half done stays within this call: the library's own state is behind locks that heal.
        let whole = || arguments.at_most(most).map_err(Stop::from).and_then(|()| run(lua, &mut arguments));
        let answer = catch_unwind(AssertUnwindSafe(whole))
            .unwrap_or_else(|panic| Err(Stop::Wrong(Wrong(panicked(name, &*panic)))));
        answer_values(lua, name, answer)
    })
}

fn answer_values(lua: &Lua, name: &str, answer: Answer) -> LuaResult<(Option<String>, LuaValue, Option<LuaTable>)> {
    Ok(match answer {
        Ok(result) => (None, result, None),
        Err(Stop::Wrong(Wrong(text))) => (Some(text), LuaNil, None),
        Err(Stop::Failed(failed)) => (None, LuaNil, Some(error::to_lua(lua, &failed)?)),
        Err(Stop::Rule(wrong)) => (None, LuaNil, Some(error::rule_to_lua(lua, name, &wrong)?)),
        Err(Stop::Made(err)) => (None, LuaNil, Some(err)),
    })
}

fn panicked(name: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("'{name}' broke: {}; this is a mistake in ipvs itself, please report it", text.unwrap_or("no reason given"))
}
