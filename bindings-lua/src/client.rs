//! The client.

use std::time::Duration;

use mlua::prelude::*;

use crate::destination;
use crate::error::answer;
use crate::service;
use crate::table::{check_fields, field};

/// How long an operation waits unless told otherwise: short, since the host is a proxy with other things to do.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

struct Client(ipvs_core::Client);

/// What every method returns: a value, or `nil` and an error.
type Answer = LuaResult<(LuaValue, Option<LuaTable>)>;

/// `ipvs.connect{ timeout = 1.0 }`: a client in the network namespace of the calling thread; 0 waits for ever.
pub(crate) fn connect(lua: &Lua, options: Option<LuaTable>) -> Answer {
    let mut timeout = Some(DEFAULT_TIMEOUT);
    if let Some(options) = options {
        check_fields("connect", &options, &["timeout"])?;
        if let Some(seconds) = field("connect", &options, "timeout")? {
            timeout = Some(
                Duration::try_from_secs_f64(seconds)
                    .map_err(|error| LuaError::runtime(format!("connect: timeout: {error}")))?,
            );
        }
    }
    answer(lua, ipvs_core::Client::connect_with(&ipvs_core::Options::default().with_timeout(timeout)), |client| {
        Client(client).into_lua(lua)
    })
}

/// A list of tables, one an entry.
fn list<T>(lua: &Lua, entries: &[T], table: impl Fn(&Lua, &T) -> LuaResult<LuaTable>) -> LuaResult<LuaValue> {
    let list = lua.create_table_with_capacity(entries.len(), 0)?;
    for entry in entries {
        list.raw_push(table(lua, entry)?)?;
    }
    Ok(LuaValue::Table(list))
}

fn done(lua: &Lua, result: Result<(), ipvs_core::Error>) -> Answer {
    answer(lua, result, |()| Ok(LuaValue::Boolean(true)))
}

impl LuaUserData for Client {
    fn add_methods<M: LuaUserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("info", |lua, client, ()| {
            answer(lua, client.0.info(), |info| {
                let table = lua.create_table()?;
                table.set("version", info.version.to_string())?;
                table.set("connection_table_size", info.connection_table_size)?;
                Ok(LuaValue::Table(table))
            })
        });
        methods.add_method("services", |lua, client, ()| {
            answer(lua, client.0.services(), |entries| list(lua, &entries, service::entry_table))
        });
        methods.add_method("service", |lua, client, id: service::Id| {
            answer(lua, client.0.service(&id.0), |entry| service::entry_table(lua, &entry)?.into_lua(lua))
        });
        methods.add_method("add_service", |lua, client, service: service::Settings| {
            done(lua, client.0.add_service(&service.0))
        });
        methods.add_method("edit_service", |lua, client, service: service::Settings| {
            done(lua, client.0.edit_service(&service.0))
        });
        methods.add_method("delete_service", |lua, client, id: service::Id| done(lua, client.0.delete_service(&id.0)));
        methods.add_method("destinations", |lua, client, id: service::Id| {
            answer(lua, client.0.destinations(&id.0), |entries| list(lua, &entries, destination::entry_table))
        });
        methods.add_method(
            "add_destination",
            |lua, client, (id, destination): (service::Id, destination::Settings)| {
                done(lua, client.0.add_destination(&id.0, &destination.0))
            },
        );
        methods.add_method(
            "edit_destination",
            |lua, client, (id, destination): (service::Id, destination::Settings)| {
                done(lua, client.0.edit_destination(&id.0, &destination.0))
            },
        );
        methods.add_method("delete_destination", |lua, client, (id, address): (service::Id, destination::Address)| {
            done(lua, client.0.delete_destination(&id.0, &address.0))
        });
        methods.add_method("flush", |lua, client, ()| done(lua, client.0.flush()));
    }
}
