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
    TunnelIgnored,
    Unavailable,
)
from ipvs._ipvs import (
    SCHEDULERS,
    SETTINGS,
    Client,
    Command,
    Connections,
    Destination,
    DestinationEntry,
    Report,
    Service,
    ServiceEntry,
    SyncDaemon,
    __version__,
    overview,
    parse_rules,
)

# Modules that cost milliseconds stay out until one of these is asked for.
_LATER = {
    "Ensured": "ipvs._enums",
    "Family": "ipvs._enums",
    "Forwarding": "ipvs._enums",
    "Outcome": "ipvs._enums",
    "Protocol": "ipvs._enums",
    "Role": "ipvs._enums",
    "SchedulerFlag": "ipvs._enums",
    "TunnelChecksum": "ipvs._enums",
    "TunnelType": "ipvs._enums",
    "Connection": "ipvs._records",
    "Endpoint": "ipvs._records",
    "Info": "ipvs._records",
    "OverviewDestination": "ipvs._records",
    "OverviewService": "ipvs._records",
    "PersistenceData": "ipvs._records",
    "ServiceTable": "ipvs._records",
    "Stats": "ipvs._records",
    "Timeouts": "ipvs._records",
    "Tunnel": "ipvs._records",
}

__all__ = [
    "SCHEDULERS",
    "SETTINGS",
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
    "Endpoint",
    "Ensured",
    "Error",
    "Family",
    "Forwarding",
    "Info",
    "InvalidArgument",
    "IoError",
    "KernelError",
    "Malformed",
    "NamespaceError",
    "NoSuchDaemon",
    "NoSuchDestination",
    "NoSuchInterface",
    "NoSuchPersistenceEngine",
    "NoSuchScheduler",
    "NoSuchService",
    "NoSuchSetting",
    "Outcome",
    "OverviewDestination",
    "OverviewService",
    "PermissionDenied",
    "PersistenceData",
    "Protocol",
    "Report",
    "Role",
    "RuleError",
    "SchedulerFlag",
    "Service",
    "ServiceEntry",
    "ServiceExists",
    "ServiceTable",
    "SettingDenied",
    "Stats",
    "SyncDaemon",
    "TimedOut",
    "Timeouts",
    "Tunnel",
    "TunnelChecksum",
    "TunnelIgnored",
    "TunnelType",
    "Unavailable",
    "__version__",
    "overview",
    "parse_rules",
]


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        message = f"module 'ipvs' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(__import__(module, fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
