"""The example of a health checker, beside real servers that are killed, slowed and revived."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Callable

import ipvs
import pytest

PROJECT = Path(__file__).parents[2]
WEB = "tcp://10.0.0.1:80"
MAIL = "tcp://10.0.0.1:25"
CONFIG = """
interval = 0.05

[[service]]
id = "tcp://10.0.0.1:80"
scheduler = "wrr"
keep = true
check = { kind = "http", timeout = 0.5, rise = 2, fall = 2 }
server = [
    { id = "127.0.0.13:8080", weight = 9 },
    { id = "127.0.0.11:8080", weight = 5 },
    { id = "127.0.0.12:8080", weight = 3 },
]

[[service]]
id = "tcp://10.0.0.1:25"
check = { kind = "tcp", timeout = 0.5, rise = 1, fall = 3 }
server = [{ id = "127.0.0.11:8080" }, { id = "127.0.0.13:25" }]
"""
#: A service, which may get more settings.
ONE = '[[service]]\nid = "fwmark:7"\nserver = []\n'
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """End what the test started."""
    with ExitStack() as processes:
        yield processes


@pytest.fixture
def start(processes: ExitStack) -> Start:
    """Give what starts a server that answers HTTP at this address, port 8080."""

    def start(address: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(PROJECT / "demo" / "server.py"), "a", address, "8080"]
        server = processes.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        processes.callback(server.kill)
        return server

    return start


@pytest.fixture
def dripping(processes: ExitStack) -> str:
    """Start a server that answers a byte at a time and never comes to the end of its first line; give its address."""
    server = processes.enter_context(socket.create_server(("127.0.0.13", 8080)))

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 ")
            while True:
                connection.sendall(b"O")
                time.sleep(0.1)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return "127.0.0.13:8080"


def table() -> dict[str, dict[str, int]]:
    """Give the weights of the servers of each service."""
    return {
        table.entry.id: {entry.id: entry.weight for entry in table.destinations} for table in ipvs.Client().snapshot()
    }


def wait_for(expected: dict[str, dict[str, int]]) -> None:
    """Look until the table is as expected."""
    end = time.monotonic() + 20
    while (found := table()) != expected and time.monotonic() < end:
        time.sleep(0.02)
    assert found == expected


def test_servers_that_die_and_come_back(start: Start, dripping: str, processes: ExitStack, tmp_path: Path) -> None:
    """The table has what answers, with its weights; what does not is drained or deleted, and comes back.

    One that never comes to the end of its answer is down, and holds nothing up.
    """
    first, second, mail = "127.0.0.11:8080", "127.0.0.12:8080", "127.0.0.11:8080"
    blue, green = start("127.0.0.11"), start("127.0.0.12")
    config = tmp_path / "pool.toml"
    config.write_text(CONFIG)
    command = [sys.executable, str(PROJECT / "examples" / "healthcheck.py"), str(config)]
    log = tmp_path / "log"
    with log.open("w") as file:
        checker = processes.enter_context(subprocess.Popen(command, stderr=file))
    processes.callback(checker.kill)
    both = {WEB: {dripping: 0, first: 5, second: 3}, MAIL: {mail: 1}}
    wait_for(both)

    blue.kill()
    blue.wait()
    wait_for({WEB: {dripping: 0, first: 0, second: 3}, MAIL: {}})
    blue = start("127.0.0.11")
    wait_for(both)

    # It accepts connections and answers nothing.
    green.send_signal(signal.SIGSTOP)
    wait_for({**both, WEB: {dripping: 0, first: 5, second: 0}})
    green.send_signal(signal.SIGCONT)
    wait_for(both)

    # What others do to these services is mended, and the rest left alone.
    lb = ipvs.Client()
    lb.delete_destination(WEB, first)
    lb.set_weight(WEB, second, 99)
    lb.delete_service(MAIL)
    lb.add_service(ipvs.Service("udp://10.0.0.1:53"))
    lb.add_destination(WEB, "127.0.0.99:80", forwarding="masquerade")
    mended = {**both, WEB: {**both[WEB], "127.0.0.99:80": 1}, "udp://10.0.0.1:53": {}}
    wait_for(mended)

    checker.send_signal(signal.SIGTERM)
    assert checker.wait(timeout=10) == 0
    wait_for(mended)
    said = log.read_text()
    assert f"healthcheck: {first} is down: [Errno 111] Connection refused\n" in said
    assert f"healthcheck: {second} is down: timed out\n" in said
    assert said.count(f"{dripping} is ") == said.count(f"{dripping} is down: timed out\n") == 1
    assert said.count(f"{second} is up\n") == 2
    assert f"-e -t 10.0.0.1:80 -r {first} -m -w 0\n" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service = [", "TOMLDecodeError"),
        ("", "KeyError: 'service'"),
        ('[[service]]\nid = "tcp://10.0.0.1"\nserver = []', "InvalidArgument: service: 'tcp://10.0.0.1' is not an id"),
        ("intervall = 9\nservice = []", "TypeError: there is no setting 'intervall'"),
        ("interval = 0\nservice = []", "ValueError: interval: 0 is not above 0"),
        (f'{ONE}check = {{ kind = "tpc" }}', "ValueError: check: kind: 'tpc' is neither 'tcp' nor 'http'"),
        (f"{ONE}check = {{ rise = 0 }}", "ValueError: check: rise: 0 is below 1"),
        (f"{ONE}check = {{ fall = -5 }}", "ValueError: check: fall: -5 is below 1"),
        (f"{ONE}check = {{ timeout = 0 }}", "ValueError: check: timeout: 0 is below 0.001"),
        (f'{ONE}check = {{ kind = "http", path = "/a b" }}', "ValueError: check: path: '/a b' does not begin with /"),
        (f"{ONE}check = {{ interval = 1 }}", "TypeError: "),
        ('[[service]]\nid = "fwmark:7"\nschedular = "rr"\nserver = []', "TypeError: there is no setting 'schedular'"),
    ],
)
def test_a_wrong_file_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    """Nothing is done, and the message says what is wrong."""
    config = tmp_path / "pool.toml"
    config.write_text(text)
    command = [sys.executable, str(PROJECT / "examples" / "healthcheck.py"), str(config)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"healthcheck: {config}: {message}")
    assert table() == {}


def test_the_example_s_file_is_right(tmp_path: Path) -> None:
    """What stands beside the program, with the addresses of nobody, makes its services."""
    config = tmp_path / "pool.toml"
    text = (PROJECT / "examples" / "healthcheck.toml").read_text()
    config.write_text(text.replace("192.168.1.", "127.0.0.").replace("interval = 1.0", "interval = 0.1"))
    command = [sys.executable, str(PROJECT / "examples" / "healthcheck.py"), str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as checker:
        try:
            wait_for({WEB: {"127.0.0.11:8080": 0, "127.0.0.12:8080": 0}, MAIL: {}})
        finally:
            checker.terminate()
