"""The enumerations. Each member is its text, too: `Forwarding.MASQUERADE == "masquerade"`."""

from __future__ import annotations

from enum import Enum


class _Text(str, Enum):
    """Members that are their text."""

    def __new__(cls, value: str) -> _Text:  # noqa: PYI034, `Self` is younger than Python 3.10
        """Make a member of its text."""
        member = str.__new__(cls, value)
        member._value_ = value
        return member

    def __str__(self) -> str:
        """Return the text."""
        return str.__str__(self)

    def __reduce_ex__(self, protocol: object) -> tuple[type[_Text], tuple[str]]:
        """Pickle by the text: some versions of Python do by the name, which a number does not have."""
        return type(self), (str(self),)

    def __repr__(self) -> str:
        """Return what evaluates to it."""
        known = self.name in type(self).__members__
        return f"{type(self).__name__}.{self.name}" if known else f"{type(self).__name__}({self.value!r})"

    def __format__(self, spec: str) -> str:
        """Format the text."""
        return str.__format__(self, spec)


class _Extensible(_Text):
    """Members that are their text; a newer kernel may have more."""

    @classmethod
    def _missing_(cls, value: object) -> _Text | None:
        """Take the number of what this library has no name for. It is only ever listed."""
        if not isinstance(value, str) or not (value.isascii() and value.isdigit() and value == str(int(value))):
            return None
        member = str.__new__(cls, value)
        member._name_ = f"NUMBER_{value}"
        member._value_ = value
        return member


class Protocol(_Extensible):
    """A transport protocol. IP is that of a firewall mark's persistence template; no service has it."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    IP = "ip"


class Family(_Text):
    """An address family."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Forwarding(_Extensible):
    """How packets reach a destination.

    MASQUERADE: addresses are rewritten both ways (NAT). TUNNEL: packets are wrapped. DIRECT_ROUTE: packets go to the
    destination's hardware address unchanged. LOCAL_NODE: the destination is this machine.
    """

    MASQUERADE = "masquerade"
    LOCAL_NODE = "local-node"
    TUNNEL = "tunnel"
    DIRECT_ROUTE = "direct-route"


class TunnelType(_Extensible):
    """How packets are wrapped on their way to a destination."""

    IPIP = "ipip"
    GUE = "gue"
    GRE = "gre"


class TunnelChecksum(_Text):
    """The checksum of a tunnel. REMOTE is remote checksum offload, for GUE only."""

    OFF = "off"
    ON = "on"
    REMOTE = "remote"


class SchedulerFlag(_Text):
    """A flag whose meaning the scheduler gives.

    FALLBACK: another destination when the chosen one is not available; PORT: the client's port is hashed too.
    """

    SH_FALLBACK = "sh-fallback"
    SH_PORT = "sh-port"
    MH_FALLBACK = "mh-fallback"
    MH_PORT = "mh-port"
    FLAG_1 = "flag-1"
    FLAG_2 = "flag-2"
    FLAG_3 = "flag-3"


class Role(_Text):
    """What a synchronisation daemon does: the MASTER sends its connections out, the BACKUP takes connections in."""

    MASTER = "master"
    BACKUP = "backup"


class Ensured(_Text):
    """Whether an object was made or only changed."""

    CREATED = "created"
    UPDATED = "updated"


class Outcome(_Text):
    """What became of one command of a batch: UNKNOWN was sent, and whether it was done is not known."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_SENT = "not-sent"


class PoolEventKind(_Text):
    """What happened in a pool."""

    SERVER_UP = "server_up"
    SERVER_DOWN = "server_down"
    QUORUM_GAINED = "quorum_gained"
    QUORUM_LOST = "quorum_lost"


class DrainState(_Text):
    """How a drain stands.

    WAITING: connections are left. DRAINED: none was left, and the destination is deleted. DEADLINE_PASSED: it is
    deleted with the connections that it had. GONE: somebody else deleted it. OVERRULED: somebody else gave it a weight
    again, and it is left alone. CANCELLED: its weight is restored.
    """

    WAITING = "waiting"
    DRAINED = "drained"
    DEADLINE_PASSED = "deadline-passed"
    GONE = "gone"
    OVERRULED = "overruled"
    CANCELLED = "cancelled"


class ChangeKind(_Text):
    """What a change of the table is.

    TRAFFIC_BEGAN and TRAFFIC_ENDED: new connections reach a service or a destination again, or no more.
    COUNTERS_ZEROED: they went back, by hand or because the service was deleted and added again.
    """

    SERVICE_ADDED = "service_added"
    SERVICE_REMOVED = "service_removed"
    SERVICE_CHANGED = "service_changed"
    DESTINATION_ADDED = "destination_added"
    DESTINATION_REMOVED = "destination_removed"
    DESTINATION_CHANGED = "destination_changed"
    TRAFFIC_BEGAN = "traffic_began"
    TRAFFIC_ENDED = "traffic_ended"
    COUNTERS_ZEROED = "counters_zeroed"


for _public in list(vars().values()):
    if isinstance(_public, type) and issubclass(_public, _Text):
        _public.__module__ = "ipvs"
