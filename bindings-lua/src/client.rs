//! The client: what `ipvs.connect` returns, with the methods of core's client.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ipvs_core::rules::{self, parse_changes};
use ipvs_core::{Ensured, Options, WEIGHT_MAX};
use mlua::prelude::*;

use crate::argument::{self, Arguments, Fields, Reading, Wrong, number, optional, seconds, switch};
use crate::call::{Answer, function, loop_function, steps, userdata};
use crate::command::COMMANDS;
use crate::drain::{self, LuaDrain};
use crate::pool::{self, LuaPool};
use crate::table::{self, given};
use crate::{command, connection, daemon, destination, report, service, setting, stats, timeouts, watch};

/// How long an operation waits unless told otherwise: short, since the host is a proxy with other things to do.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

struct Client {
    /// Nothing once it is closed.
    open: RefCell<Option<Arc<ipvs_core::Client>>>,
    options: Options,
}

/// `ipvs.connect { timeout = 1.0, netns = "blue", load_module = true }`. The socket is opened by the first operation, so
/// that a proxy may connect before it has forked or has its privileges.
pub(crate) fn connect(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let options = arguments.next(|value| optional(value, options))?.unwrap_or_else(default_options);
    let client = ipvs_core::Client::connect_with(&options)?;
    Ok(Client { open: RefCell::new(Some(Arc::new(client))), options }.into_lua(lua)?)
}

fn default_options() -> Options {
    Options::default().with_timeout(Some(DEFAULT_TIMEOUT)).with_lazy(true)
}

fn options(value: &LuaValue) -> Reading<Options> {
    let mut fields = Fields::new("options", value)?;
    let mut options = default_options();
    if let Some(timeout) = fields.take("timeout", seconds)? {
        options.timeout = Some(timeout);
    }
    options.netns = fields.take("netns", argument::text)?;
    if let Some(load_module) = fields.take("load_module", switch)? {
        options.load_module = load_module;
    }
    fields.finish()?;
    Ok(options)
}

type Method = fn(&Lua, &Arc<ipvs_core::Client>, &mut Arguments) -> Answer;

/// Methods that are more than one command, and those that read, with how many arguments they take.
const METHODS: &[(&str, usize, Method)] = &[
    ("info", 0, info),
    ("service", 1, one_service),
    ("snapshot", 0, snapshot),
    ("timeouts", 0, |lua, client, _| Ok(LuaValue::Table(timeouts::to_lua(lua, &client.timeouts()?)?))),
    ("daemons", 0, daemons),
    ("total_stats", 0, |lua, client, _| Ok(LuaValue::Table(stats::to_lua(lua, &client.total_stats()?)?))),
    ("settings", 0, settings),
    ("setting", 1, one_setting),
    ("set_setting", 2, set_setting),
    ("ensure_service", 1, ensure_service),
    ("ensure_destination", 2, ensure_destination),
    ("remove_service", 1, remove_service),
    ("remove_destination", 2, remove_destination),
    ("set_weight", 3, set_weight),
    ("batch", 1, batch),
    ("save", 0, save),
    ("restore", 2, restore),
    ("current_table", 1, current_table),
    ("plan", 2, plan),
    ("apply", 2, apply),
    ("adopt", 1, adopt),
    ("follow", 2, follow),
    ("reconcile", 1, reconcile),
    ("drain", 3, drain),
    ("watch", 0, |lua, client, _| watch::watch(lua, Arc::clone(client))),
    ("set_sync_role", 1, set_sync_role),
    ("lock", 0, lock),
    ("other_writers", 0, other_writers),
];

/// Methods to be called in a loop.
const LOOPS: &[(&str, usize, Method)] =
    &[("services", 0, services), ("destinations", 1, destinations), ("connections", 0, connections)];

impl LuaUserData for Client {
    fn add_fields<F: LuaUserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "ipvs.Client");
        fields.add_meta_field_with("__index", methods);
        fields.add_meta_field_with("__close", |lua| function(lua, "close", 2, close));
        fields.add_meta_field_with("__tostring", |lua| function(lua, "tostring", 2, shown));
    }
}

fn methods(lua: &Lua) -> LuaResult<LuaTable> {
    let methods = lua.create_table()?;
    for &(name, most, method) in METHODS {
        methods.raw_set(name, function(lua, name, most + 1, on_client(method))?)?;
    }
    for &(name, most, method) in LOOPS {
        methods.raw_set(name, loop_function(lua, name, most + 1, on_client(method))?)?;
    }
    for &(name, most, reader) in COMMANDS {
        let change = on_client(move |_, client, arguments| {
            client.run(&command::read(arguments, reader)?)?;
            Ok(DONE)
        });
        methods.raw_set(name, function(lua, name, most + 1, change)?)?;
    }
    methods.raw_set("close", function(lua, "close", 1, close)?)?;
    Ok(methods)
}

/// A method of a client that is open.
fn on_client(
    method: impl Fn(&Lua, &Arc<ipvs_core::Client>, &mut Arguments) -> Answer,
) -> impl Fn(&Lua, &mut Arguments) -> Answer {
    move |lua, arguments| {
        let client = userdata::<Client>(arguments, "client")?.open.borrow().clone();
        method(lua, &client.ok_or_else(|| Wrong("the client is closed".to_owned()))?, arguments)
    }
}

/// Closes the socket, or what uses it at the moment does at its end. To close twice does nothing.
fn close(_: &Lua, arguments: &mut Arguments) -> Answer {
    userdata::<Client>(arguments, "client")?.open.take();
    Ok(DONE)
}

/// `ipvs.Client { timeout = 1, netns = "blue" }`.
fn shown(lua: &Lua, arguments: &mut Arguments) -> Answer {
    let client = userdata::<Client>(arguments, "client")?;
    let timeout = client.options.timeout.unwrap_or_default().as_secs_f64();
    let netns = client.options.netns.as_ref().map(|name| format!(", netns = {name:?}")).unwrap_or_default();
    let closed = if client.open.borrow().is_some() { "" } else { " (closed)" };
    Ok(format!("ipvs.Client {{ timeout = {timeout}{netns} }}{closed}").into_lua(lua)?)
}

/// The result of what has no other.
const DONE: LuaValue = LuaValue::Boolean(true);

fn info(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    let info = client.info()?;
    let table = lua.create_table()?;
    table.raw_set("version", info.version.to_string())?;
    table.raw_set("connection_table_size", info.connection_table_size)?;
    Ok(LuaValue::Table(table))
}

fn services(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    steps(lua, client.services()?.into_iter(), |lua, entry| Ok(service::entry_to_lua(lua, &entry)?))
}

fn one_service(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let entry = client.service(&arguments.next(service::id)?)?;
    Ok(LuaValue::Table(service::entry_to_lua(lua, &entry)?))
}

fn destinations(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let entries = client.destinations(&arguments.next(service::id)?)?;
    steps(lua, entries.into_iter(), |lua, entry| Ok(destination::entry_to_lua(lua, &entry)?))
}

fn connections(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    steps(lua, client.connections()?, |lua, entry| {
        // A loop has no place for an error: it is raised, as that of io.lines is.
        let entry = entry.map_err(|error| Wrong(error.to_string()))?;
        Ok(connection::to_lua(lua, &entry)?)
    })
}

fn snapshot(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    let services = lua.create_table()?;
    for table in client.snapshot()? {
        services.raw_push(service::table_to_lua(lua, &table)?)?;
    }
    Ok(LuaValue::Table(services))
}

fn daemons(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    let daemons = lua.create_table()?;
    for daemon in client.daemons()? {
        daemons.raw_push(daemon::to_lua(lua, &daemon)?)?;
    }
    Ok(LuaValue::Table(daemons))
}

fn settings(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    let settings = lua.create_table()?;
    for (setting, value) in client.settings()? {
        settings.raw_set(setting.name, setting::to_lua(lua, &value)?)?;
    }
    Ok(LuaValue::Table(settings))
}

fn one_setting(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let setting = arguments.next(setting::named)?;
    Ok(setting::to_lua(lua, &client.setting(setting.name)?)?)
}

fn set_setting(_: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let setting = arguments.next(setting::named)?;
    let value = arguments.next(|value| setting::value(setting, value))?;
    client.set_setting(setting.name, &value)?;
    Ok(DONE)
}

fn ensured(lua: &Lua, ensured: Ensured) -> Answer {
    let text = match ensured {
        Ensured::Created => "created",
        Ensured::Updated => "updated",
    };
    Ok(text.into_lua(lua)?)
}

fn ensure_service(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    ensured(lua, client.ensure_service(&arguments.next(service::settings)?)?)
}

fn ensure_destination(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let id = arguments.next(service::id)?;
    ensured(lua, client.ensure_destination(&id, &arguments.next(destination::settings)?)?)
}

fn remove_service(_: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    Ok(LuaValue::Boolean(client.remove_service(&arguments.next(service::id)?)?))
}

fn remove_destination(_: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let id = arguments.next(service::id)?;
    Ok(LuaValue::Boolean(client.remove_destination(&id, &arguments.next(destination::id)?)?))
}

/// Returns the weight before.
fn set_weight(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let id = arguments.next(service::id)?;
    let address = arguments.next(destination::id)?;
    let weight = arguments.next(|value| number("weight", value, WEIGHT_MAX))?;
    Ok(client.set_weight(&id, &address, weight)?.into_lua(lua)?)
}

fn batch(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let commands = arguments.next(|value| command::list("commands", value))?;
    report::answer(lua, &client.batch(&commands)?, None)
}

fn save(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    Ok(rules::print(&client.snapshot()?).into_lua(lua)?)
}

/// All lines are read and checked before the first is sent.
fn restore(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let text = arguments.next(|value| argument::text("text", value))?;
    let clear = arguments.next(|value| optional(value, clear))?.unwrap_or_default();
    let (lines, commands): (Vec<_>, Vec<_>) = parse_changes(&text)?.into_iter().unzip();
    if clear {
        client.flush()?;
    }
    report::answer(lua, &client.batch(&commands)?, Some(&lines))
}

fn clear(value: &LuaValue) -> Reading<bool> {
    let mut fields = Fields::new("options", value)?;
    let clear = fields.take("clear", switch)?.unwrap_or_default();
    fields.finish()?;
    Ok(clear)
}

fn current_table(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let scope = arguments.next(|value| optional(value, |value| table::scope("scope", value)))?.unwrap_or_default();
    Ok(LuaValue::Table(table::to_lua(lua, &client.current_table(&scope)?)?))
}

fn plan(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let given = arguments.next(given)?;
    let options = arguments.next(|value| optional(value, table::options))?.unwrap_or_default();
    Ok(LuaValue::Table(table::plan_to_lua(lua, &client.plan(&given.read()?, &options.scope)?)?))
}

fn apply(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let given = arguments.next(given)?;
    let options = arguments.next(|value| optional(value, table::options))?.unwrap_or_default();
    table::answer(lua, &client.apply(&given.read()?, &options)?)
}

fn pool(value: &LuaValue) -> Reading<LuaUserDataRef<LuaPool>> {
    let pool = value.as_userdata().and_then(|pool| pool.borrow::<LuaPool>().ok());
    pool.ok_or_else(|| argument::wrong_type("pool", "a pool", value))
}

fn adopt(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let pool = arguments.next(pool)?;
    let applied = client.adopt(&mut pool.0.borrow_mut())?;
    table::answer(lua, &applied)
}

fn follow(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let pool = arguments.next(pool)?;
    let changes = arguments.next(pool::changes)?;
    let applied = client.follow(&pool.0.borrow(), &changes)?;
    table::answer(lua, &applied)
}

fn reconcile(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let pool = arguments.next(pool)?;
    let applied = client.reconcile(&pool.0.borrow())?;
    table::answer(lua, &applied)
}

fn drain(lua: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let id = arguments.next(service::id)?;
    let address = arguments.next(destination::id)?;
    let options = arguments.next(|value| optional(value, drain::options))?.unwrap_or_default();
    let drain = client.drain(&id, &address, options)?;
    let drain = LuaDrain { client: Arc::clone(client), drain: RefCell::new(drain) };
    Ok(drain.into_lua(lua)?)
}

/// Says whether anything was changed; nil is no role.
fn set_sync_role(_: &Lua, client: &Arc<ipvs_core::Client>, arguments: &mut Arguments) -> Answer {
    let daemon = arguments.next(|value| optional(value, daemon::settings))?;
    Ok(LuaValue::Boolean(client.set_sync_role(daemon.as_ref())?))
}

/// Held until it is closed or collected.
struct Lock(RefCell<Option<ipvs_core::NamespaceLock>>);

impl LuaUserData for Lock {
    fn add_fields<F: LuaUserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "ipvs.Lock");
        fields.add_meta_field_with("__close", |lua| function(lua, "close", 2, release));
        fields.add_meta_field_with("__index", |lua| {
            lua.create_table_from([("close", function(lua, "close", 2, release)?)])
        });
    }
}

fn release(_: &Lua, arguments: &mut Arguments) -> Answer {
    userdata::<Lock>(arguments, "lock")?.0.take();
    Ok(DONE)
}

fn lock(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    Ok(Lock(RefCell::new(Some(client.lock()?))).into_lua(lua)?)
}

fn other_writers(lua: &Lua, client: &Arc<ipvs_core::Client>, _: &mut Arguments) -> Answer {
    Ok(LuaValue::Table(table::writers_to_lua(lua, &client.other_writers()?)?))
}
