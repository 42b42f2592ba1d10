"""A health check: a server that answers HTTP is a destination of the virtual service, one that does not is none.

Every round looks at the kernel's table anew, so what others changed in it is mended too; destinations that are not on
the command line are left alone. An error of IPVS ends it, for its service manager to start it again.

usage: healthcheck.py SERVICE SERVER...
e.g.   healthcheck.py tcp://10.0.0.1:80 192.168.1.11:8080 192.168.1.12:8080
"""

from __future__ import annotations

import contextlib
import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import ipvs

PAUSE = 0.2
TIMEOUT = 3.0


def fault(server: ipvs.Destination) -> str | None:
    """Return what is wrong with a server, or None if it is well."""
    connection = http.client.HTTPConnection(server.id, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"status {status}"


def ensure_service(lb: ipvs.Client, service: ipvs.Service) -> None:
    """Add the service, unless it is there."""
    with contextlib.suppress(ipvs.ServiceExists):
        lb.add_service(service)
        print(f"healthcheck: {service.id} was not there: added it", flush=True)


def check(lb: ipvs.Client, service: ipvs.Service, servers: list[ipvs.Destination], pool: ThreadPoolExecutor) -> None:
    """Ask all servers at once, then add and delete destinations so that the table says what is true."""
    ensure_service(lb, service)
    faults = list(pool.map(fault, servers))
    present = {entry.id for entry in lb.destinations(service)}
    for server, reason in zip(servers, faults, strict=True):
        if reason is None and server.id not in present:
            print(f"healthcheck: {server.id} answers: adding it", flush=True)
            lb.add_destination(service, server)
        elif reason is not None and server.id in present:
            print(f"healthcheck: {server.id} does not answer ({reason}): deleting it", flush=True)
            lb.delete_destination(service, server)


def main() -> None:
    """Check until killed; the table stays as it is then."""
    if len(sys.argv) < 3:  # noqa: PLR2004, a service and a server
        sys.exit("usage: healthcheck.py SERVICE SERVER...")
    service = ipvs.Service(sys.argv[1], scheduler="rr")
    servers = [ipvs.Destination(address, forwarding="masquerade") for address in sys.argv[2:]]
    lb = ipvs.Client()
    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        while True:
            check(lb, service, servers, pool)
            time.sleep(PAUSE)


if __name__ == "__main__":
    try:
        main()
    except (ipvs.Error, ValueError) as error:
        sys.exit(f"healthcheck: {error}")
