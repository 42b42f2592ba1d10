"""A health checker for pools of real servers, as a whole program: TCP, HTTP and script probes, quorum, sorry server.

Each round asks all servers at once, and ends with the slowest one. What others change in its services is mended. On
SIGHUP it reads its file again; on SIGTERM it drains its servers and ends, at once on a second one; on SIGINT it leaves
the table as it is. Killed and started again, it goes on. Its argument is a file: see checker.toml. Needs Python 3.11.
"""

import logging
import queue
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipvs

log = logging.getLogger("checker")
asked: queue.SimpleQueue[int] = queue.SimpleQueue()  # signals that came


def require(is_right: object, message: str) -> None:
    """Refuse a file with a wrong value."""
    if not is_right:
        raise ValueError(message)


@dataclass(frozen=True)
class Check:
    """How a server is asked: by a connection, by HTTP for a path, or by a program that gets its address and port."""

    kind: str = "tcp"
    timeout: float = 2.0
    port: int = 0  # that of the server
    path: str = "/"
    host: str | None = None
    status: int = 200
    program: str = ""

    def __post_init__(self) -> None:
        """Refuse what would make every server look dead, or well."""
        require(self.kind in ("tcp", "http", "script"), f"check: kind: {self.kind!r} is none of tcp, http and script")
        require(re.fullmatch("/[!-~]*", self.path), f"check: path: {self.path!r} does not begin with /, or has spaces")
        for name, kind in (("port", int), ("path", str), ("status", int), ("program", str)):
            require(type(getattr(self, name)) is kind, f"check: {name}: {getattr(self, name)!r} is no {kind.__name__}")
        require(0 < self.timeout < 2**16, f"check: timeout: {self.timeout} is not above 0 and below {2**16}")
        require(bool(self.program) == (self.kind == "script"), "check: program: a script has one, and nothing else")

    def fault(self, server: ipvs.Destination) -> str | None:
        """Return what is wrong with a server, or None if it is well: after `timeout` seconds at the latest."""
        end, port = time.monotonic() + self.timeout, self.port or server.port
        try:
            if self.kind == "script":
                command = [self.program, str(server.address), str(port)]
                subprocess.run(command, check=True, timeout=self.timeout, stdin=subprocess.DEVNULL)
                return None
            with socket.create_connection((str(server.address), port), self.timeout) as connection:
                if self.kind == "tcp":
                    return None
                connection.sendall(f"GET {self.path} HTTP/1.0\r\nHost: {self.host or server}\r\n\r\n".encode())
                answer = b""
                while b"\n" not in answer and len(answer) < 1000:  # noqa: PLR2004, no first line is longer
                    connection.settimeout(max(end - time.monotonic(), 1e-6))
                    answer += connection.recv(1000) or b"\n"
        except (OSError, subprocess.SubprocessError) as error:
            return str(error) or type(error).__name__
        found = re.match(rb"HTTP/1\.[01] (\d{3})\b", answer)
        return None if found and int(found[1]) == self.status else f"answered {answer!r}"


class Pool:
    """One [[pool]] of the file."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Read it; what it does not know is an error."""
        forwarding = settings.pop("forwarding", "masquerade")
        self.check = Check(**settings.pop("check", {}))
        self.services = [ipvs.Service(i, **s) for s in settings.pop("services") for i in ipvs.service_ids(s.pop("id"))]
        self.servers = [ipvs.Destination(**{"forwarding": forwarding, **server}) for server in settings.pop("servers")]
        if sorry := settings.get("sorry_server"):
            settings["sorry_server"] = ipvs.Destination(**{"forwarding": forwarding, **sorry})
        require(all(0 < (self.check.port or server.port) < 2**16 for server in self.servers), "check: port: is none")
        self.settings = {**settings, "services": self.services, "servers": self.servers}
        self.policy = ipvs.Pool(**self.settings)


def read(file: Path) -> tuple[float, float, list[Pool]]:
    """Read the file: the seconds between two rounds and those to drain, and the pools. Nothing is done to the table."""
    settings = tomllib.loads(file.read_text())
    interval, drain = settings.pop("interval", 1.0), settings.pop("drain", 30.0)
    require(isinstance(settings["pool"], list), "pool: it stands in two brackets, [[pool]]")
    pools = [Pool(pool) for pool in settings.pop("pool")]
    ids = [service.id for pool in pools for service in pool.services]
    require(len(ids) == len(set(ids)), "pool: a service is in one only, once")
    for name, value in (("interval", interval), ("drain", drain)):
        require(0 < value < 2**16, f"{name}: {value} is not above 0 and below {2**16}")
    require(not settings, f"there is no setting {', '.join(map(repr, settings))}")
    return interval, drain, pools


def act(change: Callable[..., ipvs.Applied], *arguments: object, **options: object) -> bool:
    """Change the table, which `ipvs` logs. What fails is said, and tried again by the next round."""
    try:
        change(*arguments, **options).check()
    except ipvs.Error as error:
        log.error("%s", error)  # noqa: TRY400, the message says it all
        return False
    return True


def settle(lb: ipvs.Client, pools: list[Pool], before: list[Pool], undone: set[str]) -> None:
    """Let pools go on with what those of before know, and make the table theirs; what no pool has goes last."""
    known = {pool.services[0].id: pool.policy for pool in before}
    for pool in pools:
        if policy := known.get(pool.services[0].id):
            for event in policy.set_config(**pool.settings).events:
                log.warning("%s: %s", pool.services[0], event.message)
            pool.policy = policy
        else:
            act(lb.adopt, pool.policy)
    undone |= {service.id for pool in (*before, *pools) for service in pool.services}
    if act(lb.apply, [pair for pool in pools for pair in pool.policy.table()], scope=undone):
        undone.clear()


def look(lb: ipvs.Client, pools: list[Pool], threads: ThreadPoolExecutor) -> None:
    """Ask all servers at once, and do what follows."""
    tasks = {threads.submit(pool.check.fault, server): (pool, server) for pool in pools for server in pool.servers}
    for task in as_completed(tasks):
        (pool, server), fault = tasks[task], task.result()
        changes = pool.policy.checked(server, fault is None)
        for event in changes.events:
            log.warning("%s: %s", pool.services[0], ": ".join(filter(None, [event.message, fault])))
        act(lb.follow, pool.policy, changes)
    for pool in pools:
        act(lb.reconcile, pool.policy)


def asked_within(seconds: float) -> int | None:
    """Wait so long for a signal."""
    with suppress(queue.Empty):
        return asked.get(timeout=seconds)
    return None


def drain(lb: ipvs.Client, pools: list[Pool], seconds: float) -> None:
    """Drain all servers at once, until another signal comes."""
    table = lb.current_table(service for pool in pools for service in pool.services)
    drains = [lb.drain(service, server, deadline=seconds) for service, servers in table for server in servers]
    while any([drain.step().state == "waiting" for drain in drains]) and asked_within(0.2) is None:  # noqa: C419
        pass


def run(lb: ipvs.Client, file: Path) -> None:
    """Check until a signal ends it."""
    (interval, seconds, pools), undone = read(file), set[str]()
    for pool in pools:
        act(lambda applied: applied, lb.adopt(pool.policy))
    with ThreadPoolExecutor(max_workers=1000) as threads:
        look(lb, pools, threads)
        while (number := asked_within(interval)) in (None, signal.SIGHUP):
            before = pools
            try:
                interval, seconds, pools = read(file) if number else (interval, seconds, pools)
            except (OSError, ValueError, TypeError, KeyError) as error:
                log.error("%s: %s: %s", file, type(error).__name__, error)  # noqa: TRY400
            if number or undone:
                settle(lb, pools, before, undone)
            look(lb, pools, threads)
    if number == signal.SIGTERM:
        try:
            drain(lb, pools, seconds)
        except ipvs.Error:  # somebody else may be at work on a server
            drain(lb, pools, seconds)


def main() -> None:
    """Read the file, and check until a signal comes."""
    logging.basicConfig(format="checker: %(message)s", level=logging.INFO)
    file = Path(sys.argv[1] if len(sys.argv) == 2 else sys.exit("usage: checker.py FILE"))  # noqa: PLR2004, a file
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: asked.put(number))
    try:
        with ipvs.Client() as lb, lb.lock():
            run(lb, file)
    except (OSError, ValueError, TypeError, KeyError) as error:
        sys.exit(f"checker: {file}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
