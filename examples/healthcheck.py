"""A health checker: keeps the real servers of virtual services as a file in TOML says, less those that do not answer.

Each round asks all servers of all services at once, by TCP or HTTP, and ends when the longest `timeout` has passed at
the latest, however slowly a server answers. A server is down after `fall` failures in a row, and up again after `rise`
successes; the first answer decides. What others changed meanwhile in these services is mended; other services and other
servers are left alone. The table stays as it is when the program ends. It logs to standard error.

usage: healthcheck.py FILE    (healthcheck.toml beside this is one; Python 3.11, or the package tomli)
"""

from __future__ import annotations

import logging
import re
import signal
import socket
import sys
import threading
import time
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
#: No first line of an answer is longer, in bytes.
ANSWER_MAX = 1000


@dataclass(frozen=True)
class Check:
    """How a server is asked: by a connection, or by HTTP for a path, which has to answer with status 200."""

    kind: str = "tcp"
    path: str = "/"
    timeout: float = 2.0
    rise: int = 2
    fall: int = 3

    def __post_init__(self) -> None:
        """Refuse what would make every server look dead, or well."""
        if self.kind not in ("tcp", "http"):
            message = f"check: kind: {self.kind!r} is neither 'tcp' nor 'http'"
            raise ValueError(message)
        if not re.fullmatch("/[!-~]*", self.path):
            message = f"check: path: {self.path!r} does not begin with / or has other than visible ASCII characters"
            raise ValueError(message)
        for name, least in [("timeout", 0.001), ("rise", 1), ("fall", 1)]:
            if getattr(self, name) < least:
                message = f"check: {name}: {getattr(self, name)} is below {least}"
                raise ValueError(message)

    def fault(self, server: ipvs.Destination) -> str | None:
        """Return what is wrong with a server, or None if it is well: after `timeout` seconds at the latest."""
        end = time.monotonic() + self.timeout
        try:
            with socket.create_connection((str(server.address), server.port), self.timeout) as connection:
                return None if self.kind == "tcp" else self.http_fault(connection, server, end)
        except OSError as error:
            return str(error) or type(error).__name__

    def http_fault(self, connection: socket.socket, server: ipvs.Destination, end: float) -> str | None:
        """Ask by HTTP. Only the first line of the answer is read."""

        def limit() -> socket.socket:
            # A socket's own time is for each piece anew.
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")  # noqa: EM101, TRY003
            connection.settimeout(left)
            return connection

        request = f"GET {self.path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
        limit().sendall(request.encode())
        answer = b""
        while b"\n" not in answer and len(answer) < ANSWER_MAX and (piece := limit().recv(ANSWER_MAX)):
            answer += piece
        found = re.match(rb"HTTP/1\.[01] (\d{3})\b", answer)
        if found is None:
            return "the answer is not HTTP"
        return None if found[1] == b"200" else f"status {found[1].decode()}"


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


def read(file: Path) -> tuple[float, list[Pool]]:
    """Read the whole file: the seconds between two rounds, and the pools."""
    settings = tomllib.loads(file.read_text())
    interval = settings.pop("interval", 1.0)
    if interval <= 0:
        message = f"interval: {interval} is not above 0"
        raise ValueError(message)
    pools = [Pool(service) for service in settings.pop("service")]
    for name in settings:
        message = f"there is no setting '{name}'"
        raise TypeError(message)
    return interval, pools


def look(pools: list[Pool], threads: ThreadPoolExecutor) -> None:
    """Ask all servers at once."""
    pairs = [(pool.check, server) for pool in pools for server in pool.servers]
    faults = threads.map(lambda pair: pair[0].fault(pair[1].destination), pairs)
    for (check, server), fault in zip(pairs, faults):
        server.note(fault, check)


def run(interval: float, pools: list[Pool], stop: threading.Event) -> None:
    """Check until stopped. An error of IPVS is logged, and the next round tries again."""
    count = sum(len(pool.servers) for pool in pools)
    with ipvs.Client() as lb, ThreadPoolExecutor(max_workers=count or 1) as threads:
        while not stop.is_set():
            look(pools, threads)
            for pool in pools:
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
    try:
        interval, pools = read(Path(sys.argv[1]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        sys.exit(f"healthcheck: {sys.argv[1]}: {type(error).__name__}: {error}")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(interval, pools, stop)
    except ipvs.Error as error:
        sys.exit(f"healthcheck: {error}")


if __name__ == "__main__":
    main()
