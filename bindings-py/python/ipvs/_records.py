"""What the kernel says, as named tuples: immutable, comparable, and printed as what makes them."""

from __future__ import annotations

from collections import namedtuple  # `typing` takes as long to import as Python to start

_COUNTERS = "connections packets_in packets_out bytes_in bytes_out"
_RATES = " ".join(f"{name}_per_second" for name in _COUNTERS.split())

Stats = namedtuple("Stats", f"{_COUNTERS} {_RATES}", defaults=[0] * 10)
Stats.__doc__ = """The counters of a service or a destination: totals since it was made or last zeroed, and rates.

All of them lag by up to 2 s and stand still while the setting run_estimation is 0. A service that is deleted and added
again starts at zero. `_in` is from clients; `_out` is what passed this machine on its way back, which only masquerading
makes; rates are a second.
"""

Tunnel = namedtuple("Tunnel", "type port checksum", defaults=["ipip", None, None])
Tunnel.__doc__ = (
    """How packets are wrapped: a TunnelType, the UDP port at the destination (GUE), a TunnelChecksum (GUE, GRE)."""
)

Timeouts = namedtuple("Timeouts", "tcp tcp_fin udp", defaults=[0, 0, 0])
Timeouts.__doc__ = """How long the kernel remembers an idle connection, in seconds. To set, 0 leaves what is in force.

`tcp` is an established connection, `tcp_fin` one that one side has ended.
"""

Info = namedtuple("Info", "version connection_table_size")
Info.__doc__ = """Version of IPVS in the kernel, such as "1.2.1", and buckets of its connection hash table."""

ServiceTable = namedtuple("ServiceTable", "entry destinations")
ServiceTable.__doc__ = """A service with all its destinations: a ServiceEntry and a tuple of DestinationEntry."""

PersistenceData = namedtuple("PersistenceData", "engine data")
PersistenceData.__doc__ = (
    """What a persistence engine knows of a connection, such as a SIP call's id. It comes from the client."""
)

OverviewService = namedtuple("OverviewService", "id scheduler persistent one_packet destinations")
OverviewService.__doc__ = """A service as everybody may see it. A mark's id names no address family."""

OverviewDestination = namedtuple("OverviewDestination", "id forwarding weight active_connections inactive_connections")
OverviewDestination.__doc__ = """A destination as everybody may see it."""


_Endpoint = namedtuple("_Endpoint", "address port")


class Endpoint(_Endpoint):
    """An address and a port. Its text is `192.0.2.1:51000` or `[2001:db8::1]:51000`."""

    __slots__ = ()

    def __new__(cls, address: object, port: int) -> Endpoint:  # noqa: PYI034, `Self` is younger than Python 3.10
        """Take an address of the module `ipaddress`, or its text."""
        if isinstance(address, str):
            from ipaddress import ip_address  # noqa: PLC0415, it takes milliseconds

            address = ip_address(address)
        return super().__new__(cls, address, port)

    def __repr__(self) -> str:
        """Return what evaluates to it."""
        return f"Endpoint('{self.address}', {self.port})"

    def __str__(self) -> str:
        """Return the text form."""
        return f"[{self.address}]:{self.port}" if ":" in str(self.address) else f"{self.address}:{self.port}"


Connection = namedtuple("Connection", "protocol client virtual destination state expires persistence")
Connection.__doc__ = """One connection, or a persistence template: an entry with client port 0.

`client`, `virtual` and `destination` are Endpoints; `expires` is in how many seconds it is forgotten if nothing comes.
The template of a firewall mark has the protocol "ip" and the mark as its virtual address.
"""

PoolEvent = namedtuple("PoolEvent", "event server message")
PoolEvent.__doc__ = """Something that happened in a pool: a PoolEventKind, the server or None, and both in words."""

ServerState = namedtuple("ServerState", "id is_up weight")
ServerState.__doc__ = (
    """What a pool knows of a server: its id, whether it is well, and the weight that it has while it is."""
)

DrainProgress = namedtuple(
    "DrainProgress", "state active_connections inactive_connections persistent_connections", defaults=[0] * 3
)
DrainProgress.__doc__ = """How a drain stands, a DrainState, and how many connections a look showed."""

FieldChange = namedtuple("FieldChange", "field before after")
FieldChange.__doc__ = """A setting that has another value: its name, and both values as text."""

Change = namedtuple("Change", "change service destination settings fields message")
Change.__doc__ = """One change of the table: a ChangeKind, the service's id, and the destination's or None.

`settings` is the Service or Destination that is new, or None; `fields` are the FieldChanges of one that has other
settings; `message` is all of it in words.
"""

OtherWriter = namedtuple("OtherWriter", "name process")
OtherWriter.__doc__ = """A program that changes IPVS tables by itself: its name and its process number."""

for _public in list(vars().values()):
    if isinstance(_public, type) and issubclass(_public, tuple):
        _public.__module__ = "ipvs"
