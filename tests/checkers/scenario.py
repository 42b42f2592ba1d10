"""What happens to clients of a service while its servers and its health checker are treated badly.

A director with a client before it and real servers behind it, each in a network namespace; the client never stops
asking. Each step does something to the servers or the checker, waits until the table has what follows from it, and goes
on for a while. The requests that ended meanwhile are the step's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import ipvs

HERE = Path(__file__).parent
SERVICE = "tcp://10.0.0.1:80"
#: Real servers, and the port that each of them listens to.
ADDRESSES = {
    "a": "192.168.1.11",
    "b": "192.168.1.12",
    "c": "192.168.1.13",
    "d": "192.168.1.14",
    "sorry": "192.168.1.99",
}
PORT = 8080
#: How often a checker asks each server, and how long it waits for an answer, in seconds.
INTERVAL = 0.5
PROBE_TIMEOUT = 0.5
#: How long after a server's death requests may still fail: both of the above, and as much again as the guest has only
#: one processor for everybody.
DETECTION = 2 * (INTERVAL + PROBE_TIMEOUT)
#: How long a step goes on when the table is as it should be, in seconds.
REST = 3.0

NETWORK = f"""
ip netns add director
ip netns add client
ip netns add servers
ip link add eth0 netns client type veth peer name outside netns director
ip link add eth0 netns servers type veth peer name inside netns director
ip -n director link set lo up
ip -n director link set outside up
ip -n director link set inside up
ip -n director address add 10.0.0.1/24 dev outside
ip -n director address add 192.168.1.1/24 dev inside
ip -n client link set eth0 up
ip -n client address add 10.0.0.100/24 dev eth0
ip -n servers link set eth0 up
{"".join(f"ip -n servers address add {address}/24 dev eth0{chr(10)}" for address in ADDRESSES.values())}
ip -n servers route add default via 192.168.1.1
ip netns exec director sysctl -q -w net.ipv4.ip_forward=1
"""


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(command, check=True)


@contextmanager
def network() -> Iterator[None]:
    """Make the namespaces, and take them away at the end."""
    for command in filter(None, NETWORK.splitlines()):
        run(*command.split())
    try:
        yield
    finally:
        for name in ("director", "client", "servers"):
            run("ip", "netns", "delete", name)


def start(namespace: str, command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program in a namespace, in a process group of its own, with its output in a file."""
    with log.open("ab") as output:
        inside = ["ip", "netns", "exec", namespace, *command]
        return subprocess.Popen(inside, stdout=output, stderr=output, start_new_session=True)


def end(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """Send a signal to a program and what it started, and wait for its end."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    process.wait(timeout=20)


class Checker:
    """A health checker: how its file is written, and how it is started."""

    name: str
    #: How its file is named.
    file = "checker.conf"

    def __init__(self, folder: Path) -> None:
        """Keep its files here."""
        self.config, self.log = folder / self.file, folder / "checker.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the command that starts it."""
        raise NotImplementedError

    def text(self, weights: dict[str, int]) -> str:
        """Return its file, with these servers."""
        raise NotImplementedError

    def write(self, weights: dict[str, int]) -> None:
        """Write its file."""
        self.config.write_text(self.text(weights))

    def start(self) -> None:
        """Start it."""
        self.process = start("director", self.command(), self.log)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it, and what it started, without a word."""
        if self.process is not None:
            end(self.process)


class Python(Checker):
    """The example."""

    name = "checker.py"

    def command(self) -> list[str]:
        """Return the command that starts it."""
        return [sys.executable, str(HERE.parents[1] / "examples" / "checker.py"), str(self.config)]

    def text(self, weights: dict[str, int]) -> str:
        """Return its file, with these servers."""
        servers = ", ".join(f'{{ id = "{ADDRESSES[name]}:{PORT}", weight = {weights[name]} }}' for name in weights)
        return f"""interval = {INTERVAL}
[[pool]]
services = [{{ id = "{SERVICE}", scheduler = "rr" }}]
servers = [{servers}]
sorry_server = {{ id = "{ADDRESSES["sorry"]}:{PORT}" }}
sorry_server_inhibit = true
check = {{ kind = "http", timeout = {PROBE_TIMEOUT} }}
"""


class Lua(Checker):
    """The example."""

    name = "checker.lua"

    def command(self) -> list[str]:
        """Return the command that starts it."""
        example = HERE.parents[1] / "bindings-lua" / "examples" / "checker" / "checker.lua"
        modules = HERE.parents[1] / "target" / "lua-dev" / "5.3" / "?.so;;"
        return ["env", f"LUA_CPATH={modules}", "lua5.3", str(example), str(self.config)]

    def text(self, weights: dict[str, int]) -> str:
        """Return its file, with these servers."""

        def server(name: str, weight: int) -> str:
            return f'{{ id = "{ADDRESSES[name]}:{PORT}", forwarding = "masquerade", weight = {weight} }}'

        servers = ", ".join(server(name, weight) for name, weight in weights.items())
        return f"""return {{ interval = {INTERVAL}, pools = {{ {{
services = {{ {{ id = "{SERVICE}", scheduler = "rr" }} }},
servers = {{ {servers} }},
sorry_server = {server("sorry", 1)},
sorry_server_inhibit = true,
check = {{ kind = "http", timeout = {PROBE_TIMEOUT} }},
}} }} }}
"""


class Keepalived(Checker):
    """Debian's, unpacked by `./setup keepalived`."""

    name = "keepalived"

    def command(self) -> list[str]:
        """Return the command that starts it."""
        root = HERE.parents[1] / "target" / "keepalived"
        libraries = f"LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
        numbers = [f"--{kind}={self.config.parent / kind}" for kind in ("pid", "checkers_pid")]
        program = [str(root / "usr" / "sbin" / "keepalived"), "--dont-fork", "--log-console", "--check", *numbers]
        return ["env", libraries, *program, f"--use-file={self.config}"]

    def text(self, weights: dict[str, int]) -> str:
        """Return its file, with these servers."""
        check = f"HTTP_GET {{ url {{ path /\n status_code 200\n }}\n connect_timeout {PROBE_TIMEOUT}\n retry 0\n }}"
        servers = "".join(
            f"real_server {ADDRESSES[name]} {PORT} {{ weight {weight}\n {check}\n }}\n"
            for name, weight in weights.items()
        )
        return f"""virtual_server 10.0.0.1 80 {{
delay_loop {INTERVAL}
lb_algo rr
lb_kind NAT
protocol TCP
sorry_server {ADDRESSES["sorry"]} {PORT}
sorry_server_inhibit
{servers}}}
"""


class Request(NamedTuple):
    """A line of the client's."""

    begin: float
    end: float
    kind: str
    outcome: str

    @property
    def is_answered(self) -> bool:
        """Whether a server answered it, whole."""
        return self.outcome in ADDRESSES


@dataclass
class Step:
    """What was done, when, and what became of the requests that ended meanwhile."""

    name: str
    begin: float
    #: How long it took until the table was as it should be.
    settled: float = 0.0
    requests: tuple[Request, ...] = ()

    def of(self, kind: str) -> list[Request]:
        """Return the requests of a kind."""
        return [request for request in self.requests if request.kind == kind]

    def failed(self, kind: str, after: float = 0.0) -> list[Request]:
        """Return those that failed, all of them or those that began so much later than the step."""
        requests = [request for request in self.of(kind) if after == 0.0 or request.begin > self.begin + after]
        return [request for request in requests if not request.is_answered]


class Stage:
    """The servers, the client, and the steps."""

    def __init__(self, processes: ExitStack, folder: Path) -> None:
        """Start the servers; everything is ended with `processes`, and has its files in the folder."""
        self.processes, self.folder = processes, folder
        self.lb = processes.enter_context(ipvs.Client(netns="director"))
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.steps: list[Step] = []
        processes.callback(lambda: self.kill_server(*self.servers))
        self.start_server("a", "b", "c", "sorry")

    def start_client(self) -> None:
        """Begin to ask."""
        command = [sys.executable, str(HERE / "client.py"), "10.0.0.1", "80"]
        self.client = start("client", command, self.folder / "answers")
        self.processes.callback(lambda: end(self.client))

    def start_server(self, *names: str) -> None:
        """Start servers and wait until they listen."""
        for name in names:
            command = [sys.executable, str(HERE / "server.py"), name, ADDRESSES[name], str(PORT)]
            self.servers[name] = start("servers", command, self.folder / "servers.log")
        connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
        probe = ["ip", "netns", "exec", "director", sys.executable, "-c", connect]
        limit = time.monotonic() + 20
        for name in names:
            while (
                subprocess.run([*probe, ADDRESSES[name], str(PORT)], check=False, capture_output=True).returncode != 0
            ):
                assert time.monotonic() < limit, f"the server {name} does not answer"

    def kill_server(self, *names: str) -> None:
        """Kill servers."""
        for name in names:
            end(self.servers.pop(name))

    def signal_server(self, name: str, number: int) -> None:
        """Send a server a signal."""
        os.killpg(self.servers[name].pid, number)

    def weights(self) -> dict[str, int]:
        """Return the weights in the table, without a sorry server that has nothing to do."""
        names = {f"{address}:{PORT}": name for name, address in ADDRESSES.items()}
        try:
            weights = {names[entry.id]: entry.weight for entry in self.lb.destinations(SERVICE)}
        except ipvs.NoSuchService:
            return {}
        return {name: weight for name, weight in weights.items() if (name, weight) != ("sorry", 0)}

    def wait_for(self, weights: dict[str, int]) -> None:
        """Wait until the table has these weights."""
        limit = time.monotonic() + 20
        while (found := self.weights()) != weights:
            logs = "\n".join(log.read_text() for log in self.folder.glob("*.log"))
            assert time.monotonic() < limit, f"{found} is not {weights}:\n{logs}"
            time.sleep(0.05)

    def step(self, name: str, act: Callable[[], object], weights: dict[str, int], rest: float = REST) -> None:
        """Do something, wait until the table has these weights, and go on for a while."""
        step = Step(name, time.monotonic())
        self.steps.append(step)
        act()
        self.wait_for(weights)
        step.settled = time.monotonic() - step.begin
        time.sleep(rest)

    def wait_for_long(self) -> None:
        """Wait until the next long request has ended."""
        answers = self.folder / "answers"
        before = answers.read_text().count(" long ")
        limit = time.monotonic() + 20
        while answers.read_text().count(" long ") == before:
            assert time.monotonic() < limit, "no long request has ended"
            time.sleep(0.05)

    def finish(self) -> list[Step]:
        """Return the steps, each with its requests."""
        end(self.client, signal.SIGTERM)
        lines = (line.split() for line in (self.folder / "answers").read_text().splitlines())
        requests = [Request(float(begin), float(end), kind, outcome) for begin, end, kind, outcome in lines]
        for step, after in zip(self.steps, [*(step.begin for step in self.steps[1:]), float("inf")], strict=True):
            step.requests = tuple(request for request in requests if step.begin <= request.end < after)
        return self.steps
