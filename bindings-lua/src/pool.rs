//! Pools: `ipvs.pool { services = {...}, servers = {...} }`.

use std::cell::RefCell;

use ipvs_core::{Pool, PoolChanges, PoolConfig, WEIGHT_MAX};
use mlua::prelude::*;

use crate::argument::{Arguments, Fields, Reading, Wrong, list, number, optional, switch, text};
use crate::call::{Answer, Stop, function, userdata};
use crate::{destination, service, table};

/// Never borrowed while something of Lua's is made: that may run the collector, and a finalizer may use the pool too.
pub(crate) struct LuaPool(pub RefCell<Pool>);

/// `ipvs.pool { ... }`.
pub(crate) fn new(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let config = arguments.next(config)?;
    let pool = Pool::new(config).map_err(|argument| arguments.wrong(&argument))?;
    Ok(LuaPool(RefCell::new(pool)).into_lua(lua)?)
}

fn config(value: &LuaValue) -> Reading<PoolConfig> {
    let mut fields = Fields::new("pool", value)?;
    let services = fields.take("services", |name, value| numbered(name, value, service::settings))?;
    let mut config =
        PoolConfig::new(services.ok_or_else(|| Wrong("pool: the field 'services' is missing".to_owned()))?);
    config.servers =
        fields.take("servers", |name, value| numbered(name, value, destination::settings))?.unwrap_or_default();
    config.sorry_server = fields.take("sorry_server", |_, value| destination::settings(value))?;
    for (name, field) in [
        ("quorum", &mut config.quorum),
        ("hysteresis", &mut config.hysteresis),
        ("rise", &mut config.rise),
        ("fall", &mut config.fall),
    ] {
        if let Some(number) = fields.take(name, |name, value| number(name, value, u32::MAX))? {
            *field = number;
        }
    }
    config.inhibit_on_failure = fields.take("inhibit_on_failure", switch)?.unwrap_or_default();
    config.sorry_server_inhibit = fields.take("sorry_server_inhibit", switch)?.unwrap_or_default();
    config.alpha = fields.take("alpha", switch)?.unwrap_or_default();
    fields.finish()?;
    Ok(config)
}

fn numbered<T>(name: &str, value: &LuaValue, read: impl Fn(&LuaValue) -> Reading<T>) -> Reading<Vec<T>> {
    list(name, "a list", value, |place, item| {
        read(item).map_err(|Wrong(text)| Wrong(format!("{name}: number {place}: {text}")))
    })
}

type Method = fn(&Lua, &LuaPool, &mut Arguments) -> Answer;

const METHODS: &[(&str, usize, Method)] = &[
    ("checked", 2, checked),
    ("set_weight", 2, set_weight),
    ("set_config", 1, set_config),
    ("table", 0, wanted),
    ("servers", 0, servers),
    ("has_quorum", 0, |_, pool, _| Ok(LuaValue::Boolean(pool.0.borrow().has_quorum()))),
    ("state", 0, state),
    ("adopt_state", 1, adopt_state),
];

impl LuaUserData for LuaPool {
    fn add_fields<F: LuaUserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "ipvs.Pool");
        fields.add_meta_field_with("__index", |lua| {
            let methods = lua.create_table()?;
            for &(name, most, method) in METHODS {
                let run = move |lua: &Lua, arguments: &mut Arguments| {
                    let pool = userdata::<LuaPool>(arguments, "pool")?;
                    method(lua, &pool, arguments)
                };
                methods.raw_set(name, function(lua, name, most + 1, run)?)?;
            }
            Ok(methods)
        });
    }
}

/// `additions`, `removals` and `events`.
fn changes_to_lua(lua: &Lua, changes: &PoolChanges) -> Answer {
    let table = table::plan_to_lua(lua, &changes.plan)?;
    let events = lua.create_table()?;
    for event in &changes.events {
        let entry = lua.create_table()?;
        entry.raw_set("event", event.name())?;
        entry.raw_set("server", event.server().map(|address| address.to_string()))?;
        entry.raw_set("message", event.to_string())?;
        events.raw_push(entry)?;
    }
    table.raw_set("events", events)?;
    Ok(LuaValue::Table(table))
}

/// What [`changes_to_lua`] made.
pub(crate) fn changes(value: &LuaValue) -> Reading<PoolChanges> {
    let mut fields = Fields::new("changes", value)?;
    let mut changes = PoolChanges::default();
    changes.plan = table::plan_from_lua(&mut fields)?;
    fields.ignore(&["events"]);
    fields.finish()?;
    Ok(changes)
}

fn checked(lua: &Lua, pool: &LuaPool, arguments: &mut Arguments) -> Answer {
    let address = arguments.next(destination::id)?;
    let is_well = arguments.next(|value| switch("is_well", value))?;
    let changes = pool.0.borrow_mut().checked(&address, is_well).map_err(|argument| arguments.wrong(&argument))?;
    changes_to_lua(lua, &changes)
}

fn set_weight(lua: &Lua, pool: &LuaPool, arguments: &mut Arguments) -> Answer {
    let address = arguments.next(destination::id)?;
    let weight = arguments.next(|value| optional(value, |value| number("weight", value, WEIGHT_MAX)))?;
    let changes = pool.0.borrow_mut().set_weight(&address, weight).map_err(|argument| arguments.wrong(&argument))?;
    changes_to_lua(lua, &changes)
}

fn set_config(lua: &Lua, pool: &LuaPool, arguments: &mut Arguments) -> Answer {
    let config = arguments.next(config)?;
    let changes = pool.0.borrow_mut().set_config(config).map_err(|argument| arguments.wrong(&argument))?;
    changes_to_lua(lua, &changes)
}

/// The table that it wants, as a snapshot shows one.
fn wanted(lua: &Lua, pool: &LuaPool, _: &mut Arguments) -> Answer {
    let wanted = pool.0.borrow().table();
    Ok(LuaValue::Table(table::to_lua(lua, &wanted)?))
}

/// What is known of each server.
fn servers(lua: &Lua, pool: &LuaPool, _: &mut Arguments) -> Answer {
    let known: Vec<_> = pool.0.borrow().servers().map(|(server, state)| (server.clone(), state)).collect();
    let servers = lua.create_table()?;
    for (server, state) in known {
        let entry = lua.create_table()?;
        entry.raw_set("id", server.address.to_string())?;
        entry.raw_set("is_up", state.is_up)?;
        entry.raw_set("weight", state.weight.unwrap_or(server.weight))?;
        servers.raw_push(entry)?;
    }
    Ok(LuaValue::Table(servers))
}

/// What is known, as text for a file.
fn state(lua: &Lua, pool: &LuaPool, _: &mut Arguments) -> Answer {
    let state = pool.0.borrow().state();
    Ok(state.into_lua(lua)?)
}

fn adopt_state(_: &Lua, pool: &LuaPool, arguments: &mut Arguments) -> Answer {
    let state = arguments.next(|value| text("state", value))?;
    let taken = pool.0.borrow_mut().adopt_state(&state);
    taken.map_err(|argument| Stop::Wrong(arguments.wrong(&argument)))?;
    Ok(LuaValue::Boolean(true))
}
