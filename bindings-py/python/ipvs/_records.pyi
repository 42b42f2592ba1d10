from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from typing_extensions import Self

from ipvs._enums import ChangeKind, DrainState, Forwarding, PoolEventKind, Protocol, TunnelChecksum, TunnelType
from ipvs._ipvs import Destination, DestinationEntry, Service, ServiceEntry

class Stats(NamedTuple):
    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connections_per_second: int = 0
    packets_in_per_second: int = 0
    packets_out_per_second: int = 0
    bytes_in_per_second: int = 0
    bytes_out_per_second: int = 0

class Tunnel(NamedTuple):
    type: TunnelType | str = "ipip"
    port: int | None = None
    checksum: TunnelChecksum | str | None = None

class Timeouts(NamedTuple):
    tcp: int = 0
    tcp_fin: int = 0
    udp: int = 0

class Info(NamedTuple):
    version: str
    connection_table_size: int

class ServiceTable(NamedTuple):
    entry: ServiceEntry
    destinations: tuple[DestinationEntry, ...]

class PersistenceData(NamedTuple):
    engine: str
    data: str

class OverviewDestination(NamedTuple):
    id: str
    forwarding: Forwarding
    weight: int
    active_connections: int
    inactive_connections: int

class OverviewService(NamedTuple):
    id: str
    scheduler: str
    persistent: bool
    one_packet: bool
    destinations: tuple[OverviewDestination, ...]

class _Endpoint(NamedTuple):
    address: IPv4Address | IPv6Address
    port: int

class Endpoint(_Endpoint):
    def __new__(cls, address: str | IPv4Address | IPv6Address, port: int) -> Self: ...

class Connection(NamedTuple):
    protocol: Protocol
    client: Endpoint
    virtual: Endpoint
    destination: Endpoint
    state: str
    expires: int
    persistence: PersistenceData | None

class PoolEvent(NamedTuple):
    event: PoolEventKind
    server: str | None
    message: str

class ServerState(NamedTuple):
    id: str
    is_up: bool
    weight: int

class DrainProgress(NamedTuple):
    state: DrainState
    active_connections: int = 0
    inactive_connections: int = 0
    persistent_connections: int = 0

class FieldChange(NamedTuple):
    field: str
    before: str
    after: str

class Change(NamedTuple):
    change: ChangeKind
    service: str
    destination: str | None
    settings: Service | Destination | None
    fields: tuple[FieldChange, ...]
    message: str

class OtherWriter(NamedTuple):
    name: str
    process: int
