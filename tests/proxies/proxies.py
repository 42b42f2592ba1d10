"""The proxies with the configurations of the examples, started as these say: as an ordinary user with a capability."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT / "demo"))
if "IPVS_GUEST" not in os.environ:
    pytest.exit("these tests need the guest kernel: run 'make test-proxies'", returncode=1)

from story import CLONE_NEWNET, SERVERS, SERVICE, server  # noqa: E402 the demo is no package

__all__ = ["SERVERS", "SERVICE"]

EXAMPLES = PROJECT / "bindings-lua" / "examples"
Value = TypeVar("Value")
TIMEOUT = 10


def ordinary(user: str, *capabilities: str) -> list[str]:
    """Return what starts a program as this user, who has these capabilities and nothing else."""
    given = ",".join(f"+{capability}" for capability in capabilities)
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return [*command, f"--inh-caps={given}", f"--ambient-caps={given}"] if given else command


def wait_for(look: Callable[[], Value], expected: Value, seconds: float = 40) -> None:
    """Look until what is expected is there."""
    end = time.monotonic() + seconds
    while (found := look()) != expected and time.monotonic() < end:
        time.sleep(0.05)
    assert found == expected


def witness() -> dict[str, int]:
    """Return the servers' weights as Debian's ipvsadm saves them."""
    saved = subprocess.run(["/usr/sbin/ipvsadm", "-S", "-n"], check=True, capture_output=True, text=True).stdout
    rules = [line.split() for line in saved.splitlines() if line.startswith("-a")]
    return {rule[rule.index("-r") + 1]: int(rule[rule.index("-w") + 1]) for rule in rules}


class Servers:
    """The real servers of the demo, by their names."""

    def __init__(self) -> None:
        """Begin with none."""
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start servers that do not run, and wait until they answer."""
        for name in names:
            if name not in self.running:
                self.running[name] = subprocess.Popen(server(name))
        for name in names:
            host, port = SERVERS[name].split(":")
            wait_for(partial(accepts, host, int(port)), expected=True)

    def kill(self, name: str) -> None:
        """Kill a server."""
        process = self.running.pop(name)
        process.kill()
        process.wait()


def enter(namespace: str) -> None:
    """Move the calling thread into a network namespace."""
    with Path("/run/netns", namespace).open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), namespace)


def accepts(host: str, port: int) -> bool:
    """Say whether somebody listens there."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Answer:
    """What came of a request."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:  # noqa: ANN401 whatever it is
        """The body."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@dataclass
class Descriptors:
    """How many descriptors a process has open."""

    module: int
    others: int


def descriptors(pid: int) -> Descriptors:
    """Count them; those of the module are its netlink sockets and the files of the namespace they belong to."""
    found = Descriptors(0, 0)
    sockets = netlink_sockets(pid)
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(file.readlink())
            if target.startswith("net:[") or target in sockets:
                found.module += 1
            else:
                found.others += 1
    return found


def netlink_sockets(pid: int) -> set[str]:
    """Return the generic netlink sockets of a process's namespace, as /proc/PID/fd shows them."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]]
    # The protocol is NETLINK_GENERIC; the last number is the inode.
    return {f"socket:[{line[-1]}]" for line in lines if line[1] == "16"}


class Proxy:
    """A proxy that runs."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path, reload: signal.Signals) -> None:
        """Take a proxy whose first process this is."""
        self.port, self.process, self.log, self.signal = port, process, log, reload
        self.expected_to_end = False

    def ask(self, method: str = "GET", body: object = None, path: str = "/lvs") -> Answer:
        """Send one request on a connection of its own; anything but bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"connection": "close"})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, response.read(), headers)
        finally:
            connection.close()

    def put(self, service: str, destination: str, weight: int) -> Answer:
        """Set a weight."""
        return self.ask("PUT", {"service": service, "destination": destination, "weight": weight})

    def workers(self) -> list[int]:
        """Return the processes that do the work."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def descriptors(self) -> list[Descriptors]:
        """Return what each process has open, the first one's before its workers'."""
        found = [descriptors(self.process.pid)]
        for pid in sorted(self.workers()):
            # A worker of before a reload may end just now.
            with suppress(FileNotFoundError, ProcessLookupError):
                found.append(descriptors(pid))
        return found

    def catches(self) -> bool:
        """Say whether its first process takes the signal to reload; HAProxy's ignores it while it starts."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (self.signal - 1) & 1)

    def reload(self) -> None:
        """Read the configuration again, and wait until new workers have taken over from the old ones."""
        wait_for(self.catches, expected=True)
        before = set(self.workers())
        self.process.send_signal(self.signal)
        wait_for(lambda: bool(self.workers()) and not before & set(self.workers()), expected=True)

    def said(self) -> str:
        """Return all that it has logged."""
        return self.log.read_text()


@contextmanager
def running(command: list[str], port: int, log: Path, reload: signal.Signals = signal.SIGHUP) -> Iterator[Proxy]:
    """Start a proxy, wait until it listens, and end it."""
    with log.open("a") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        proxy = Proxy(port, process, log, reload)
        try:
            wait_for(lambda: listens(proxy), expected=True)
            yield proxy
            assert proxy.expected_to_end or process.poll() is None, "it ended by itself"
        finally:
            process.terminate()
            try:
                process.wait(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def listens(proxy: Proxy) -> bool:
    """Say whether it answers yet; that it ended is an error."""
    assert proxy.process.poll() is None, proxy.said()
    try:
        return bool(proxy.ask().status)
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def haproxy(log: Path, config: str = "/etc/haproxy/lvs.cfg", start: list[str] | None = None) -> Iterator[Proxy]:
    """Start HAProxy."""
    started = ordinary("haproxy", "net_admin") if start is None else start
    with running([*started, "haproxy", "-W", "-f", config], 8404, log, signal.SIGUSR2) as proxy:
        yield proxy


@contextmanager
def nginx(log: Path, config: str = "/etc/nginx/lvs.conf", start: list[str] | None = None) -> Iterator[Proxy]:
    """Start nginx."""
    started = ordinary("www-data", "net_admin") if start is None else start
    with running([*started, "nginx", "-e", "stderr", "-c", config, "-g", "daemon off;"], 8405, log) as proxy:
        yield proxy


@contextmanager
def apache(log: Path, config: str = "/etc/apache2/lvs.conf", start: list[str] | None = None) -> Iterator[Proxy]:
    """Start Apache."""
    started = ordinary("www-data", "net_admin") if start is None else start
    with running([*started, "apache2", "-f", config, "-D", "FOREGROUND"], 8406, log, signal.SIGUSR1) as proxy:
        yield proxy
