//! The commands that change the table. As data, one is a list: the name of the client's method, and its arguments, such as
//! `{ "add_destination", "tcp://10.0.0.1:80", { id = "192.168.1.10:8080" } }`.

use ipvs_core::Command;
use mlua::prelude::*;

use crate::argument::{self, Arguments, Reading, Wrong, only_places, optional, text, wrong_type};
use crate::{daemon, destination, service, timeouts};

type Reader = fn(&mut Arguments) -> Reading<Command>;

/// The client's methods that are one command each: how many arguments they take, and what they make of them.
pub(crate) const COMMANDS: &[(&str, usize, Reader)] = &[
    ("add_service", 1, |arguments| Ok(Command::AddService(arguments.next(service::settings)?))),
    ("edit_service", 1, |arguments| Ok(Command::EditService(arguments.next(service::settings)?))),
    ("delete_service", 1, |arguments| Ok(Command::DeleteService(arguments.next(service::id)?))),
    ("add_destination", 2, |arguments| {
        Ok(Command::AddDestination(arguments.next(service::id)?, arguments.next(destination::settings)?))
    }),
    ("edit_destination", 2, |arguments| {
        Ok(Command::EditDestination(arguments.next(service::id)?, arguments.next(destination::settings)?))
    }),
    ("delete_destination", 2, |arguments| {
        Ok(Command::DeleteDestination(arguments.next(service::id)?, arguments.next(destination::id)?))
    }),
    ("zero", 1, |arguments| Ok(Command::Zero(arguments.next(|value| optional(value, service::id))?))),
    ("flush", 0, |_| Ok(Command::Flush)),
    ("set_timeouts", 1, |arguments| Ok(Command::SetTimeouts(arguments.next(timeouts::settings)?))),
    ("start_daemon", 1, |arguments| Ok(Command::StartDaemon(arguments.next(daemon::settings)?))),
    ("stop_daemon", 1, |arguments| Ok(Command::StopDaemon(arguments.next(daemon::role)?))),
];

/// A command that has been checked.
pub(crate) fn read(arguments: &mut Arguments, reader: Reader) -> Reading<Command> {
    let command = reader(arguments)?;
    command.check().map_err(|argument| arguments.wrong(&argument))?;
    Ok(command)
}

/// One command as data.
pub(crate) fn from_lua(value: &LuaValue) -> Reading<Command> {
    let list = value.as_table().ok_or_else(|| wrong_type("command", "a list", value))?;
    let name = text("command", &list.get(1)?)?;
    let Some((name, most, reader)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        let known: Vec<_> = COMMANDS.iter().map(|(known, ..)| *known).collect();
        return Err(Wrong(format!("command: '{name}' is none of {}", known.join(", "))));
    };
    let given = (2..=most + 1).map(|place| list.get(place)).collect::<LuaResult<_>>()?;
    let mut arguments = Arguments::new(name, given);
    if !list.get::<LuaValue>(most + 2)?.is_nil() {
        return Err(arguments.too_many());
    }
    only_places("command", "a list", list, most + 1)?;
    read(&mut arguments, *reader)
}

/// A list of commands as data.
pub(crate) fn list(name: &'static str, value: &LuaValue) -> Reading<Vec<Command>> {
    argument::list(name, "a list of commands", value, |place, item| {
        from_lua(item).map_err(|Wrong(text)| Wrong(format!("number {place}: {text}")))
    })
}

pub(crate) fn to_lua(lua: &Lua, command: &Command) -> LuaResult<LuaTable> {
    let name = command.operation().name();
    match command {
        Command::AddService(service) | Command::EditService(service) => {
            list_of(lua, name, &[LuaValue::Table(service::to_lua(lua, service)?)])
        }
        Command::DeleteService(id) | Command::Zero(Some(id)) => list_of(lua, name, &[id.to_string().into_lua(lua)?]),
        Command::AddDestination(id, destination) | Command::EditDestination(id, destination) => {
            let destination = LuaValue::Table(destination::to_lua(lua, destination)?);
            list_of(lua, name, &[id.to_string().into_lua(lua)?, destination])
        }
        Command::DeleteDestination(id, address) => {
            list_of(lua, name, &[id.to_string().into_lua(lua)?, address.to_string().into_lua(lua)?])
        }
        Command::Zero(None) | Command::Flush => list_of(lua, name, &[]),
        Command::SetTimeouts(timeouts) => list_of(lua, name, &[LuaValue::Table(timeouts::to_lua(lua, timeouts)?)]),
        Command::StartDaemon(daemon) => list_of(lua, name, &[LuaValue::Table(daemon::to_lua(lua, daemon)?)]),
        Command::StopDaemon(role) => list_of(lua, name, &[role.to_string().into_lua(lua)?]),
    }
}

fn list_of(lua: &Lua, name: &str, arguments: &[LuaValue]) -> LuaResult<LuaTable> {
    let list = lua.create_sequence_from([name])?;
    arguments.iter().try_for_each(|argument| list.raw_push(argument))?;
    Ok(list)
}
