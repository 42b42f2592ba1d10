"""IPVS at its job, on real traffic: two HTTP servers behind a director, and a health check that keeps them honest.

Runs in the guest, tells each step with the figures it found, and exits with 1 at the first step that did not hold. The
client's figures are compared with the kernel's own counters.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

if "IPVS_GUEST" not in os.environ:
    sys.exit("story.py: this changes the network and is for the guest only: run it with 'make demo'")

import ipvs

HERE = Path(__file__).resolve().parent
SERVICE = "tcp://10.0.0.1:80"
VIRTUAL_ADDRESS = "10.0.0.1:80"
SERVERS = {"blue": "192.168.1.11:8080", "green": "192.168.1.12:8080"}

POOL = f"""
interval = 0.2

[[pool]]
services = [{{ id = "{SERVICE}", scheduler = "rr" }}]
servers = [{", ".join(f'{{ id = "{address}" }}' for address in SERVERS.values())}]
alpha = true
check = {{ kind = "http", timeout = 3.0 }}
"""

NETWORK = """
ip netns add client
ip netns add director
ip netns add blue
ip netns add green
ip link add eth0 netns client type veth peer name outside netns director
ip link add eth0 netns blue type veth peer name blue netns director
ip link add eth0 netns green type veth peer name green netns director
ip -n director link add inside type bridge
ip -n director link set blue master inside up
ip -n director link set green master inside up
ip -n director link set inside up
ip -n director link set outside up
ip -n director link set lo up
ip -n director address add 10.0.0.1/24 dev outside
ip -n director address add 192.168.1.1/24 dev inside
ip -n client link set eth0 up
ip -n client address add 10.0.0.100/24 dev eth0
ip -n blue link set eth0 up
ip -n blue address add 192.168.1.11/24 dev eth0
ip -n blue route add default via 192.168.1.1
ip -n green link set eth0 up
ip -n green address add 192.168.1.12/24 dev eth0
ip -n green route add default via 192.168.1.1
"""

CLONE_NEWNET = 0x40000000

Value = TypeVar("Value")


class StepError(Exception):
    """A step of the story did not hold."""


def say(text: str) -> None:
    """Print at once, since the health check prints in between."""
    print(text, flush=True)


def expect(what: str, found: object, expected: object) -> None:
    """End the story unless what was found is what was expected."""
    if found != expected:
        message = f"{what}: expected {expected}, found {found}"
        raise StepError(message)


def wait_for(what: str, look: Callable[[], Value], expected: Value, seconds: float = 10.0) -> float:
    """Look until what is expected is there, and return how many seconds that took; end the story if it takes long."""
    start = time.monotonic()
    while (found := look()) != expected:
        if time.monotonic() - start > seconds:
            expect(f"{what}, after {seconds:.0f} s", found, expected)
        time.sleep(0.02)
    return time.monotonic() - start


def run(*command: str) -> str:
    """Run a command that has to succeed and return what it prints."""
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    expect(f"exit status of '{' '.join(command)}'", result.returncode, 0)
    return result.stdout


def in_namespace(namespace: str, program: str, *arguments: str) -> list[str]:
    """Return the command that runs one of the demo's programs in a network namespace."""
    return ["ip", "netns", "exec", namespace, sys.executable, str(HERE / program), *arguments]


@contextlib.contextmanager
def background(command: list[str], stdout: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a command next to the story, and kill it at the end if it is still there."""
    with subprocess.Popen(command, stdout=stdout, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def server(name: str) -> list[str]:
    """Return the command that starts a server."""
    return in_namespace(name, "server.py", name, *SERVERS[name].split(":"))


def make_network() -> None:
    """Make the four namespaces, join them, and enter the director's: the story's IPVS table is the one in there."""
    for command in NETWORK.strip().splitlines():
        run(*command.split())
    # Python has os.setns from 3.12 on only.
    with Path("/run/netns/director").open() as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the director's namespace")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


class Story:
    """The steps, with what all of them have counted."""

    def __init__(self, processes: contextlib.ExitStack) -> None:
        """Begin with an empty table; the processes started on the way are ended by `processes`."""
        self.processes = processes
        self.lb = ipvs.Client()
        self.answered: Counter[str] = Counter()
        self.failed = 0

    def table(self) -> list[str]:
        """Return the addresses of the destinations."""
        if not self.lb.services():
            return []
        return sorted(entry.id for entry in self.lb.destinations(SERVICE))

    def count(self, lines: list[str]) -> Counter[str]:
        """Count what the client printed, a line a request: the name of the server that answered, or a failure."""
        counts = Counter(lines)
        for name in SERVERS:
            self.answered[name] += counts[name]
        self.failed += len(lines) - sum(counts[name] for name in SERVERS)
        return counts

    def expected_counters(self) -> dict[str, int]:
        """Return what the kernel has to have counted.

        Every request is a connection, and all that failed went to blue, the one that is killed. The kernel keeps the
        counters of a destination that is deleted and comes back within two minutes.
        """
        return {
            SERVICE: self.answered.total() + self.failed,
            SERVERS["blue"]: self.answered["blue"] + self.failed,
            SERVERS["green"]: self.answered["green"],
        }

    def kernel_counters(self) -> dict[str, int]:
        """Return the kernel's counts of connections, of the service and of each destination."""
        counters = {SERVICE: self.lb.service(SERVICE).stats.connections}
        for entry in self.lb.destinations(SERVICE):
            counters[entry.id] = entry.stats.connections
        return counters

    def ask(self, requests: int, expected: dict[str, int]) -> None:
        """Send requests from the client, and expect so many answers of each server and no failure."""
        output = run(*in_namespace("client", "client.py", VIRTUAL_ADDRESS, str(requests)))
        counts = self.count(output.splitlines())
        expect(f"answers to {requests} requests", dict(counts), expected)
        who = ", ".join(f"{name} {counts[name]}" for name in SERVERS)
        say(f"   {requests} requests, answered by: {who}; failed: 0")

    def compare_counters(self) -> None:
        """Expect the kernel to have counted what the client did; its counters are up to two seconds late."""
        expected = self.expected_counters()
        wait_for("connections counted by IPVS", self.kernel_counters, expected)
        who = ", ".join(f"{name} {expected[address]}" for name, address in SERVERS.items())
        say(f"   IPVS counted the same: {expected[SERVICE]} connections in all, of them to: {who}")

    def start(self) -> subprocess.Popen[str]:
        """Start servers and health check, and return blue, which is going to be killed."""
        say("\n2. Two HTTP servers start, and a health check in the director, which finds an empty table.")
        expect("services at the start", len(self.lb.services()), 0)
        blue = self.processes.enter_context(background(server("blue")))
        self.processes.enter_context(background(server("green")))
        pool = Path("/run/pool.toml")
        pool.write_text(POOL)
        check = in_namespace("director", "../examples/checker.py", str(pool))
        self.check = self.processes.enter_context(background(check))
        seconds = wait_for("destinations", self.table, list(SERVERS.values()))
        say(f"   both servers are in the table after {seconds:.1f} s")
        return blue

    def balance(self) -> None:
        """Both servers answer, in turn."""
        say("\n3. The client sends 200 requests to the virtual address; the scheduler is round robin.")
        self.ask(200, {"blue": 100, "green": 100})
        self.compare_counters()

    def lose(self, blue: subprocess.Popen[str]) -> None:
        """Kill blue under load, and wait until it is out of the table."""
        say("\n4. The client asks without a pause, and blue is killed.")
        command = in_namespace("client", "client.py", VIRTUAL_ADDRESS)
        with background(command, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            lines = [client.stdout.readline() for _ in range(20)]
            blue.kill()
            seconds = wait_for("destinations", self.table, [SERVERS["green"]])
            client.terminate()
            lines += client.stdout.readlines()
            expect("exit status of the client", client.wait(), 0)
        counts = self.count([line.strip() for line in lines])
        failed = len(lines) - counts["blue"] - counts["green"]
        say(f"   blue is out of the table {seconds:.2f} s after it was killed")
        say(f"   {len(lines)} requests, answered by: blue {counts['blue']}, green {counts['green']}; failed: {failed}")

    def survive(self) -> None:
        """Ask for more, which green has to answer alone."""
        say("\n5. The client sends 100 more requests, of which none may fail.")
        self.ask(100, {"green": 100})

    def recover(self) -> None:
        """Start blue again, and wait until it has its share again."""
        say("\n6. Blue starts again.")
        self.processes.enter_context(background(server("blue")))
        seconds = wait_for("destinations", self.table, list(SERVERS.values()))
        say(f"   blue is back in the table {seconds:.1f} s after its start")
        self.ask(100, {"blue": 50, "green": 50})
        self.compare_counters()
        expect("exit status of the health check, which goes on", self.check.poll(), None)

    def show(self, title: str, *command: str, total: bool) -> None:
        """Print a listing, which has to name both servers, and the total of connections if it shows counts."""
        say(f"\n{title}")
        output = run(*command)
        say(output.rstrip())
        wanted = list(SERVERS.values())
        if total:
            wanted.append(str(self.expected_counters()[SERVICE]))
        missing = [word for word in wanted if word not in output.split()]
        expect("words missing in this listing", missing, [])


def main() -> int:
    """Tell the story and return the exit status."""
    try:
        with contextlib.ExitStack() as processes:
            # Debian's would do the same.
            expect("ipvsadm in PATH", shutil.which("ipvsadm"), str(HERE.parent / "target" / "debug" / "ipvsadm"))
            say("1. Four network namespaces are made: a client, a director, two servers.")
            make_network()
            say("   client 10.0.0.100 - 10.0.0.1 director 192.168.1.1 - blue 192.168.1.11, green 192.168.1.12")
            story = Story(processes)
            blue = story.start()
            story.balance()
            story.lose(blue)
            story.survive()
            story.recover()
            story.show("7. A Lua script lists the table.", "lua5.4", str(HERE / "list.lua"), total=True)
            story.show("8. ipvsadm -Ln lists it.", "ipvsadm", "-Ln", total=False)
            story.show("9. ipvsadm -Ln --stats has the counters.", "ipvsadm", "-Ln", "--stats", total=True)
    except (StepError, OSError) as error:
        say(f"   DID NOT HOLD: {error}")
        return 1
    say("\nEvery step held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
