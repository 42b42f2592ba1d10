"""A health checker: keeps the real servers of virtual services as a file in TOML says, less those that do not answer.

Each round asks all servers at once, by TCP or HTTP. A server is down after `fall` failures in a row, and up again
after `rise` successes; the first answer decides. What others changed meanwhile in these services is mended; other
services and other servers are left alone. The table stays as it is when the program ends. It logs to standard error.

usage: healthcheck.py FILE    (healthcheck.toml beside this is one; Python 3.11, or the package tomli)
"""

from __future__ import annotations

import http.client
import logging
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipvs

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

log = logging.getLogger("healthcheck")


@dataclass
class Check:
    """How a server is asked."""

    kind: str = "tcp"
    path: str = "/"
    timeout: float = 2.0
    rise: int = 2
    fall: int = 3

    def fault(self, server: ipvs.Destination) -> str | None:
        """Return what is wrong with a server, or None if it is well."""
        address = str(server.address)
        try:
            if self.kind == "tcp":
                socket.create_connection((address, server.port), self.timeout).close()
                return None
            connection = http.client.HTTPConnection(address, server.port, timeout=self.timeout)
            try:
                connection.request("GET", self.path)
                status = connection.getresponse().status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        return None if status == http.HTTPStatus.OK else f"status {status}"


@dataclass
class Server:
    """A real server as it should be, and what the checks found."""

    destination: ipvs.Destination
    is_up: bool | None = None
    streak: int = 0

    def note(self, fault: str | None, check: Check) -> None:
        """Take in what a check found."""
        is_well = fault is None
        self.streak = 0 if is_well == self.is_up else self.streak + 1
        if self.is_up is None or self.streak >= (check.rise if is_well else check.fall):
            self.is_up, self.streak = is_well, 0
            log.warning("%s is %s", self.destination, "up" if is_well else f"down: {fault}")


class Pool:
    """A virtual service and its real servers."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Read one [[service]] of the file; what it does not know is an error."""
        servers = settings.pop("server")
        forwarding = settings.pop("forwarding", "masquerade")
        self.keep = settings.pop("keep", False)
        self.check = Check(**settings.pop("check", {}))
        self.service = ipvs.Service(**settings)
        self.servers = [Server(ipvs.Destination(forwarding=forwarding, **server)) for server in servers]

    def look(self, threads: ThreadPoolExecutor) -> None:
        """Ask all servers at once."""
        faults = threads.map(self.check.fault, [server.destination for server in self.servers])
        for server, fault in zip(self.servers, faults):
            server.note(fault, self.check)

    def commands(self, lb: ipvs.Client) -> list[ipvs.Command]:
        """Give what makes the kernel's table as it should be: nothing if it is."""
        commands = []
        try:
            found = lb.service(self.service).service
            present = {entry.id: entry.destination for entry in lb.destinations(self.service)}
            if found != self.service:
                commands.append(ipvs.Command.edit_service(self.service))
        except ipvs.NoSuchService:
            present = {}
            commands.append(ipvs.Command.add_service(self.service))
        for server in self.servers:
            wanted = server.destination if server.is_up else server.destination.replace(weight=0)
            there = present.get(wanted.id)
            if there is not None and not server.is_up and not self.keep:
                commands.append(ipvs.Command.delete_destination(self.service, wanted))
            elif there is not None and there != wanted:
                commands.append(ipvs.Command.edit_destination(self.service, wanted))
            elif there is None and (server.is_up or self.keep):
                commands.append(ipvs.Command.add_destination(self.service, wanted))
        return commands


def run(settings: dict[str, Any], stop: threading.Event) -> None:
    """Check until stopped. An error of IPVS is logged, and the next round tries again."""
    interval = settings.pop("interval", 1.0)
    pools = [Pool(service) for service in settings.pop("service")]
    with ipvs.Client() as lb, ThreadPoolExecutor(max_workers=64) as threads:
        while not stop.is_set():
            for pool in pools:
                pool.look(threads)
                try:
                    commands = pool.commands(lb)
                    lb.batch(commands).check()
                except ipvs.Error as error:
                    log.error("%s", error)  # noqa: TRY400, the message says it all
                    continue
                for command in commands:
                    log.info("%s", command)
            stop.wait(interval)


def main() -> None:
    """Read the file, and check until a signal comes."""
    logging.basicConfig(format="healthcheck: %(message)s", level=logging.INFO)
    if len(sys.argv) != 2:  # noqa: PLR2004, a file
        sys.exit("usage: healthcheck.py FILE")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(tomllib.loads(Path(sys.argv[1]).read_text()), stop)
    except (OSError, ValueError, TypeError, KeyError) as error:
        sys.exit(f"healthcheck: {sys.argv[1]}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
