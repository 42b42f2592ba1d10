"""IPVS, the load balancer in the Linux kernel.

import ipvs

lb = ipvs.Client()
web = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
lb.add_service(web)
lb.add_destination(web, "192.168.1.10:8080", forwarding="masquerade", weight=5)

A service is named `tcp://10.0.0.1:80`, `udp://[2001:db8::1]:53`, `sctp://...`, `fwmark:7` or `fwmark:7/ipv6`, a
destination `192.168.1.10:8080` or `[2001:db8::a]:8080`, everywhere.
"""

from ipvs._errors import (
    DaemonExists,
    DaemonRefused,
    DestinationExists,
    DestinationRefused,
    Error,
    InvalidArgument,
    IoError,
    KernelError,
    Locked,
    Malformed,
    NamespaceError,
    NoSuchDaemon,
    NoSuchDestination,
    NoSuchInterface,
    NoSuchPersistenceEngine,
    NoSuchScheduler,
    NoSuchService,
    NoSuchSetting,
    PermissionDenied,
    RuleError,
    ServiceExists,
    SettingDenied,
    TimedOut,
    TimeoutsRefused,
    TunnelIgnored,
    Unavailable,
)
from ipvs._ipvs import (
    SCHEDULERS,
    SETTINGS,
    Applied,
    Client,
    Command,
    Connections,
    Destination,
    DestinationEntry,
    Drain,
    InternalError,
    NamespaceLock,
    Plan,
    Pool,
    PoolChanges,
    Report,
    Service,
    ServiceEntry,
    SyncDaemon,
    Table,
    Watch,
    __version__,
    overview,
    parse_rules,
    service_ids,
)

# What follows costs milliseconds, and is imported when it is asked for. Type checkers are told at once.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipvs._enums import (
        ChangeKind,
        DrainState,
        Ensured,
        Family,
        Forwarding,
        Outcome,
        PoolEventKind,
        Protocol,
        Role,
        SchedulerFlag,
        TunnelChecksum,
        TunnelType,
    )
    from ipvs._records import (
        Change,
        Connection,
        DrainProgress,
        Endpoint,
        FieldChange,
        Info,
        OtherWriter,
        OverviewDestination,
        OverviewService,
        PersistenceData,
        PoolEvent,
        ServerState,
        ServiceTable,
        Stats,
        Timeouts,
        Tunnel,
    )
else:

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in ("ipvs._enums", "ipvs._records"):
                value = getattr(__import__(module, fromlist=[name]), name, None)
                if value is not None:
                    globals()[name] = value
                    return value
        message = f"module 'ipvs' has no attribute {name!r}"
        raise AttributeError(message)


__all__ = [
    "SCHEDULERS",
    "SETTINGS",
    "Applied",
    "Change",
    "ChangeKind",
    "Client",
    "Command",
    "Connection",
    "Connections",
    "DaemonExists",
    "DaemonRefused",
    "Destination",
    "DestinationEntry",
    "DestinationExists",
    "DestinationRefused",
    "Drain",
    "DrainProgress",
    "DrainState",
    "Endpoint",
    "Ensured",
    "Error",
    "Family",
    "FieldChange",
    "Forwarding",
    "Info",
    "InternalError",
    "InvalidArgument",
    "IoError",
    "KernelError",
    "Locked",
    "Malformed",
    "NamespaceError",
    "NamespaceLock",
    "NoSuchDaemon",
    "NoSuchDestination",
    "NoSuchInterface",
    "NoSuchPersistenceEngine",
    "NoSuchScheduler",
    "NoSuchService",
    "NoSuchSetting",
    "OtherWriter",
    "Outcome",
    "OverviewDestination",
    "OverviewService",
    "PermissionDenied",
    "PersistenceData",
    "Plan",
    "Pool",
    "PoolChanges",
    "PoolEvent",
    "PoolEventKind",
    "Protocol",
    "Report",
    "Role",
    "RuleError",
    "SchedulerFlag",
    "ServerState",
    "Service",
    "ServiceEntry",
    "ServiceExists",
    "ServiceTable",
    "SettingDenied",
    "Stats",
    "SyncDaemon",
    "Table",
    "TimedOut",
    "Timeouts",
    "TimeoutsRefused",
    "Tunnel",
    "TunnelChecksum",
    "TunnelIgnored",
    "TunnelType",
    "Unavailable",
    "Watch",
    "__version__",
    "overview",
    "parse_rules",
    "service_ids",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
