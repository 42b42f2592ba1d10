"""IPVS, the load balancer in the Linux kernel.

import ipvs

lb = ipvs.Client()
web = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
lb.add_service(web)
lb.add_destination(web, "192.168.1.10:8080", forwarding="masquerade", weight=5)
"""

from ipvs._ipvs import (
    Client,
    Destination,
    DestinationEntry,
    Error,
    Info,
    Service,
    ServiceEntry,
    Stats,
    __version__,
)

__all__ = [
    "Client",
    "Destination",
    "DestinationEntry",
    "Error",
    "Info",
    "Service",
    "ServiceEntry",
    "Stats",
    "__version__",
]
