//! Listings as JSON. `docs/json.md` describes them, and `docs/ipvsadm.schema.json` is their schema.

use std::io::{self, Write};
use std::net::SocketAddr;

use ipvs_core::rules::{List, Listed};
use ipvs_core::{
    Change, Client, Connection, Destination, DestinationEntry, FieldChange, Forwarding, Service, ServiceId,
    ServiceTable, Stats, SyncDaemon, Tunnel, TunnelParts,
};
use serde_json::{Value, json};

use crate::Failure;
use crate::names::Names;
use crate::table::{self, Reading};

pub(crate) fn write(list: &List, client: &Client, names: &Names, output: &mut impl Write) -> Result<(), Failure> {
    match &list.what {
        Listed::Table { service, .. } => write_table(service.as_ref(), !list.nosort, (client, names), output),
        Listed::Connections { .. } => {
            for entry in client.connections()? {
                write_line(&connection(&entry?), output)?;
            }
            Ok(())
        }
        Listed::Timeouts => {
            let timeouts = client.timeouts()?;
            let (tcp, tcp_fin, udp) = (timeouts.tcp, timeouts.tcp_fin, timeouts.udp);
            Ok(write_line(&json!({ "timeouts": { "tcp": tcp, "tcp_fin": tcp_fin, "udp": udp } }), output)?)
        }
        Listed::Daemons => {
            let daemons: Vec<Value> = client.daemons()?.iter().map(daemon).collect();
            Ok(write_line(&json!({ "sync_daemons": daemons }), output)?)
        }
    }
}

pub(crate) fn write_line(value: &Value, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "{value}")
}

/// One object, but written service by service: the table may be large.
fn write_table(
    only: Option<&ServiceId>,
    sorted: bool,
    (client, names): (&Client, &Names),
    output: &mut impl Write,
) -> Result<(), Failure> {
    let reading = Reading { numeric: true, sorted, counted: true };
    let table = table::read(only, reading, client, names)?;
    let info = client.info()?;
    let (version, size) = (info.version.to_string(), info.connection_table_size);
    write!(output, r#"{{"version":{},"connection_table_size":{size},"services":["#, json!(version))?;
    for (number, table) in table.services.enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(output, "{comma}{}", service(&table?))?;
    }
    Ok(writeln!(output, "]}}")?)
}

fn service(table: &ServiceTable) -> Value {
    let mut value = service_settings(&table.entry.service);
    value["stats"] = stats(&table.entry.stats);
    value["destinations"] = table.destinations.iter().map(destination).collect();
    value
}

fn service_settings(service: &Service) -> Value {
    let (address, fwmark) = match service.id {
        ServiceId::Address { address, .. } => (Some(address), None),
        ServiceId::Fwmark { mark, .. } => (None, Some(mark)),
    };
    let family = service.id.family();
    json!({
        "id": service.id.to_string(),
        "family": family.to_string(),
        "protocol": service.id.protocol().map(|protocol| protocol.to_string()),
        "address": address.map(|address| address.ip()),
        "port": address.map(|address| address.port()),
        "fwmark": fwmark,
        "scheduler": service.scheduler,
        "scheduler_flags": service.scheduler_flags.names(&service.scheduler).collect::<Vec<_>>(),
        "persistence_timeout": service.persistence_timeout,
        "netmask": service.netmask.text(family),
        "persistence_engine": service.persistence_engine,
        "one_packet": service.one_packet,
    })
}

fn destination(entry: &DestinationEntry) -> Value {
    let mut value = destination_settings(&entry.destination);
    value["active_connections"] = entry.active_connections.into();
    value["inactive_connections"] = entry.inactive_connections.into();
    value["persistent_connections"] = entry.persistent_connections.into();
    value["stats"] = stats(&entry.stats);
    value
}

fn destination_settings(destination: &Destination) -> Value {
    json!({
        "id": destination.address.to_string(),
        "address": destination.address.ip(),
        "port": destination.address.port(),
        "forwarding": destination.forwarding.to_string(),
        "tunnel": match destination.forwarding { Forwarding::Tunnel(kind) => Some(tunnel(kind)), _ => None },
        "weight": destination.weight,
        "upper_threshold": destination.upper_threshold,
        "lower_threshold": destination.lower_threshold,
    })
}

/// A change that was seen at this time.
pub(crate) fn change(time: &str, change: &Change) -> Value {
    let settings = match change {
        Change::ServiceAdded(service) => Some(service_settings(service)),
        Change::DestinationAdded(_, destination) => Some(destination_settings(destination)),
        _ => None,
    };
    let fields = match change {
        Change::ServiceChanged(_, fields) | Change::DestinationChanged(_, _, fields) => Some(fields),
        _ => None,
    };
    let field = |field: &FieldChange| json!({ "field": field.field, "before": field.before, "after": field.after });
    json!({
        "time": time,
        "change": change.name(),
        "message": change.to_string(),
        "service": change.service().to_string(),
        "destination": change.destination().map(|address| address.to_string()),
        "settings": settings,
        "fields": fields.map(|fields| fields.iter().map(field).collect::<Vec<_>>()),
    })
}

fn tunnel(tunnel: Tunnel) -> Value {
    let TunnelParts { kind, port, checksum } = tunnel.into();
    json!({ "type": kind, "port": port, "checksum": checksum.map(|checksum| checksum.to_string()) })
}

fn stats(stats: &Stats) -> Value {
    json!({
        "connections": stats.connections,
        "packets_in": stats.packets_in,
        "packets_out": stats.packets_out,
        "bytes_in": stats.bytes_in,
        "bytes_out": stats.bytes_out,
        "connections_per_second": stats.connections_per_second,
        "packets_in_per_second": stats.packets_in_per_second,
        "packets_out_per_second": stats.packets_out_per_second,
        "bytes_in_per_second": stats.bytes_in_per_second,
        "bytes_out_per_second": stats.bytes_out_per_second,
    })
}

fn connection(connection: &Connection) -> Value {
    let end = |address: SocketAddr| json!({ "address": address.ip(), "port": address.port() });
    json!({
        "protocol": connection.protocol.to_string(),
        "client": end(connection.client),
        "virtual": end(connection.virtual_address),
        "destination": end(connection.destination),
        "state": connection.state,
        "expires": connection.expires,
        "persistence": connection
            .persistence
            .as_ref()
            .map(|known| json!({ "engine": known.engine, "data": known.data })),
    })
}

fn daemon(daemon: &SyncDaemon) -> Value {
    json!({
        "role": daemon.role.to_string(),
        "interface": daemon.interface,
        "sync_id": daemon.sync_id,
        "max_length": daemon.max_length,
        "group": daemon.group,
        "port": daemon.port,
        "ttl": daemon.ttl,
    })
}
