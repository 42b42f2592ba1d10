"""The example of a health checker, beside real servers that are killed, slowed and revived."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import ipvs
import pytest

PROJECT = Path(__file__).parents[2]
CHECKER = [sys.executable, str(PROJECT / "examples" / "checker.py")]
WEB = "tcp://10.0.0.1:80"
MAIL = "tcp://10.0.0.1:25"
DRIPPING, FIRST, SECOND = (f"127.0.0.{host}:8080" for host in (13, 11, 12))
SORRY = "127.0.0.99:8080"
CONFIG = """
interval = 0.05

[[pool]]
services = [{ id = "tcp://10.0.0.1:80", scheduler = "wrr" }]
servers = [
    { id = "127.0.0.13:8080", weight = 9 },
    { id = "127.0.0.11:8080", weight = 5 },
    { id = "127.0.0.12:8080", weight = 3 },
]
sorry_server = { id = "127.0.0.99:8080" }
inhibit_on_failure = true
alpha = true
rise = 2
fall = 2
check = { kind = "http", timeout = 0.5 }

[[pool]]
services = [{ id = "tcp://10.0.0.1:25" }]
servers = [{ id = "127.0.0.11:8080" }, { id = "127.0.0.13:25" }]
check = { kind = "tcp", timeout = 0.5 }
fall = 3
"""
#: A service, which may get more settings.
ONE = '[[pool]]\nservices = [{ id = "fwmark:7" }]\nservers = []\n'
Start = Callable[[str], "subprocess.Popen[bytes]"]
Check = Callable[[], "subprocess.Popen[bytes]"]


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
def config(tmp_path: Path) -> Path:
    """Write the file."""
    config = tmp_path / "pool.toml"
    config.write_text(CONFIG)
    return config


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give what the checker says."""
    return tmp_path / "log"


@pytest.fixture
def check(processes: ExitStack, config: Path, log: Path) -> Check:
    """Give what starts the checker."""

    def check() -> subprocess.Popen[bytes]:
        file = processes.enter_context(log.open("a"))
        checker = processes.enter_context(subprocess.Popen([*CHECKER, str(config)], stderr=file))
        processes.callback(checker.kill)
        return checker

    return check


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
    return DRIPPING


def table() -> dict[str, dict[str, int]]:
    """Give the weights of the servers of each service."""
    return {
        table.entry.id: {entry.id: entry.weight for entry in table.destinations} for table in ipvs.Client().snapshot()
    }


def wait_for(expected: object, look: Callable[[], object] = table) -> None:
    """Look until what is there is as expected."""
    end = time.monotonic() + 20
    while (found := look()) != expected and time.monotonic() < end:
        time.sleep(0.02)
    assert found == expected


def test_servers_that_die_and_come_back(start: Start, dripping: str, check: Check, log: Path) -> None:
    """The table has what answers, with its weights; what does not is drained or deleted, and comes back.

    One that never comes to the end of its answer is down, and holds nothing up.
    """
    blue, green = start("127.0.0.11"), start("127.0.0.12")
    checker = check()
    both = {WEB: {dripping: 0, FIRST: 5, SECOND: 3}, MAIL: {FIRST: 1}}
    wait_for(both)

    blue.kill()
    blue.wait()
    wait_for({WEB: {dripping: 0, FIRST: 0, SECOND: 3}, MAIL: {}})

    # It accepts connections and answers nothing: nobody is left, and the sorry server takes over until somebody is.
    green.send_signal(signal.SIGSTOP)
    wait_for({WEB: {dripping: 0, FIRST: 0, SECOND: 0, SORRY: 1}, MAIL: {}})
    green.send_signal(signal.SIGCONT)
    wait_for({WEB: {dripping: 0, FIRST: 0, SECOND: 3}, MAIL: {}})
    blue = start("127.0.0.11")
    wait_for(both)

    # What others do to these services is mended, and the rest left alone.
    lb = ipvs.Client()
    lb.add_service(ipvs.Service("udp://10.0.0.1:53"))
    lb.add_destination("udp://10.0.0.1:53", "127.0.0.99:80", forwarding="masquerade")
    lb.delete_destination(WEB, FIRST)
    lb.set_weight(WEB, SECOND, 0)
    lb.delete_service(MAIL)
    lb.add_destination(WEB, "127.0.0.99:80", forwarding="masquerade")
    mended = {**both, "udp://10.0.0.1:53": {"127.0.0.99:80": 1}}
    wait_for(mended)

    checker.send_signal(signal.SIGINT)
    assert checker.wait(timeout=20) == 0
    assert table() == mended
    said = log.read_text()
    assert f"checker: {WEB}: server {FIRST} is down: [Errno 111] Connection refused\n" in said
    assert f"checker: {WEB}: server {SECOND} is down: timed out\n" in said
    assert f"checker: server {FIRST} is down: -e -t 10.0.0.1:80 -r {FIRST} -m -w 0\n" in said
    assert f"checker: drift: -a -t 10.0.0.1:80 -r {FIRST} -m -w 5\n" in said
    assert dripping not in "".join(line for line in said.splitlines() if "is up" in line)
    assert said.count(f"checker: {WEB}: quorum lost: timed out\n") == 1
    # At the start nobody had proved himself.
    assert said.count(f"checker: {WEB}: quorum gained\n") == 2


def test_killed_and_started_again(start: Start, check: Check, config: Path, log: Path) -> None:
    """It goes on where it was, holds the lock meanwhile, and reads its file again when it is told."""
    start("127.0.0.11")
    start("127.0.0.12")
    checker = check()
    both = {WEB: {DRIPPING: 0, FIRST: 5, SECOND: 3}, MAIL: {FIRST: 1}}
    wait_for(both)
    other = subprocess.run([*CHECKER, str(config)], check=False, capture_output=True, text=True)
    assert other.returncode == 1
    assert "looks after the pools of this network namespace already" in other.stderr
    checker.kill()
    checker.wait()
    before = len(log.read_text())
    watch = ipvs.Client().watch()
    # It mends what is not right, and touches nothing else.
    ipvs.Client().delete_destination(WEB, DRIPPING)
    checker = check()
    wait_for(both)
    assert [change.message for change in watch.look()] == []
    assert "is up" not in log.read_text()[before:]

    config.write_text("pool = [")
    checker.send_signal(signal.SIGHUP)
    wait_for(1, lambda: log.read_text().count("TOMLDecodeError"))
    assert table() == both
    config.write_text(CONFIG[: CONFIG.rindex("[[pool]]")].replace("weight = 3", "weight = 4"))
    checker.send_signal(signal.SIGHUP)
    wait_for({WEB: {DRIPPING: 0, FIRST: 5, SECOND: 4}})


def test_a_service_that_moves_to_another_pool_is_there_all_the_time(
    start: Start, check: Check, config: Path, log: Path
) -> None:
    """Its servers are others, and its counters go on. Servers of firewall marks have the check's port."""
    start("127.0.0.11")
    start("127.0.0.12")
    first = '[[pool]]\nservices = [{{ id = "tcp://10.0.0.1:80" }}{}]\nservers = [{{ id = "127.0.0.11:8080" }}]\n'
    second = (
        '[[pool]]\nservices = [{{ id = "fwmark:7-8" }}{}]\nservers = [{{ id = "127.0.0.12:0" }}]\ncheck.port = 8080\n'
    )
    moved = ', { id = "tcp://10.0.0.1:25" }'
    config.write_text(f"interval = 0.05\n{first.format(moved)}{second.format('')}")
    checker = check()
    marks = {"fwmark:7": {"127.0.0.12:0": 1}, "fwmark:8": {"127.0.0.12:0": 1}}
    wait_for({WEB: {FIRST: 1}, MAIL: {FIRST: 1}, **marks})
    watch = ipvs.Client().watch()
    config.write_text(f"interval = 0.05\n{first.format('')}{second.format(moved)}")
    checker.send_signal(signal.SIGHUP)
    wait_for({WEB: {FIRST: 1}, MAIL: {"127.0.0.12:0": 1}, **marks})
    checker.kill()
    assert "-D -t 10.0.0.1:25" not in log.read_text()
    assert [change.change for change in watch.look()] == ["destination_removed", "destination_added"]


def test_a_pool_with_another_first_service_goes_on(start: Start, check: Check, config: Path) -> None:
    """What is known of it comes from the kernel, so that nobody has to prove himself again."""
    start("127.0.0.11")
    pool = 'interval = 0.05\n[[pool]]\nservices = [{}{{ id = "tcp://10.0.0.1:80" }}]\n'
    pool += 'servers = [{{ id = "127.0.0.11:8080", weight = 5 }}]\nalpha = true\nrise = 3\n'
    config.write_text(pool.format(""))
    checker = check()
    wait_for({WEB: {FIRST: 5}})
    watch = ipvs.Client().watch()
    config.write_text(pool.format('{ id = "tcp://10.0.0.1:25" }, '))
    checker.send_signal(signal.SIGHUP)
    wait_for({WEB: {FIRST: 5}, MAIL: {FIRST: 5}})
    assert [change.service for change in watch.look()] == [MAIL, MAIL]


def test_rise_and_fall_are_those_of_the_file(start: Start, check: Check, config: Path) -> None:
    """One result is enough, or a million are not."""
    start("127.0.0.12")
    gone, there = "127.0.0.11:8080", "127.0.0.12:8080"
    pools = [
        (gone, "fall = 1"),
        (gone, "fall = 1000000"),
        (there, "alpha = true\nrise = 1"),
        (there, "alpha = true\nrise = 1000000"),
    ]
    config.write_text(
        "interval = 0.05\n"
        + "".join(
            f'[[pool]]\nservices = [{{ id = "tcp://10.0.0.1:{port}" }}]\n'
            f'servers = [{{ id = "{server}" }}]\n{settings}\n'
            'check = { kind = "tcp", timeout = 0.5 }\n'
            for port, (server, settings) in enumerate(pools, 1)
        )
    )
    check()
    tables: list[dict[str, int]] = [{}, {gone: 1}, {there: 1}, {}]
    wait_for({f"tcp://10.0.0.1:{port}": table for port, table in enumerate(tables, 1)})


def test_what_is_refused_takes_nothing_s_place(check: Check, config: Path, log: Path) -> None:
    """A service stays until what replaces it is there, and then it goes."""
    config.write_text('interval = 0.05\n[[pool]]\nservices = [{ id = "fwmark:7" }]\nservers = []\n')
    checker = check()
    wait_for({"fwmark:7": {}})
    config.write_text(
        'interval = 0.05\n[[pool]]\nservices = [{ id = "tcp://10.0.0.1:80", scheduler = "nosuch" }]\nservers = []\n'
    )
    checker.send_signal(signal.SIGHUP)
    wait_for(expected=True, look=lambda: "no scheduler 'nosuch'" in log.read_text())
    time.sleep(0.5)
    assert table() == {"fwmark:7": {}}
    # When it is to be had, the other goes by itself.
    config.write_text('interval = 0.05\n[[pool]]\nservices = [{ id = "tcp://10.0.0.1:80" }]\nservers = []\n')
    checker.send_signal(signal.SIGHUP)
    wait_for({WEB: {}})


def test_a_drain_that_was_cut_short_leaves_no_pool_without_servers(check: Check, config: Path) -> None:
    """On a second signal it ends at once; started again, what was drained is well."""
    subprocess.run(["ip", "address", "add", "10.0.0.1/32", "dev", "lo"], check=True)
    config.write_text(
        'interval = 0.05\n[[pool]]\nservices = [{ id = "tcp://10.0.0.1:80" }]\n'
        'servers = [{ id = "127.0.0.11:8080", weight = 3 }]\n'
    )
    with socket.create_server(("127.0.0.11", 8080)) as server:
        checker = check()
        wait_for({WEB: {FIRST: 3}})
        with socket.create_connection(("10.0.0.1", 80)):
            checker.send_signal(signal.SIGTERM)
            wait_for({WEB: {FIRST: 0}})
            checker.send_signal(signal.SIGTERM)
            assert checker.wait(timeout=20) == 0
        assert table() == {WEB: {FIRST: 0}}
        check()
        wait_for({WEB: {FIRST: 3}})
        del server


def test_it_drains_at_its_end(check: Check, config: Path) -> None:
    """On SIGTERM connections go on until they end."""
    subprocess.run(["ip", "address", "add", "10.0.0.1/32", "dev", "lo"], check=True)
    config.write_text('[[pool]]\nservices = [{ id = "tcp://10.0.0.1:80" }]\nservers = [{ id = "127.0.0.11:8080" }]\n')
    with socket.create_server(("127.0.0.11", 8080)) as server:
        checker = check()
        wait_for({WEB: {FIRST: 1}})
        # The checks connect, too.
        with socket.create_connection(("10.0.0.1", 80)) as client:
            checker.send_signal(signal.SIGTERM)
            wait_for({WEB: {FIRST: 0}})
            time.sleep(0.5)
            assert checker.poll() is None
            port = client.getsockname()[1]
            connection, address = server.accept()
            while address[1] != port:
                connection.close()
                connection, address = server.accept()
            connection.sendall(b"on")
            assert client.recv(10) == b"on"
            client.close()
            connection.close()
        assert checker.wait(timeout=20) == 0
    assert table() == {WEB: {}}


def test_a_script_decides(check: Check, config: Path, tmp_path: Path, log: Path) -> None:
    """It gets address and port; exit status 0 is well, and one that takes too long is not."""
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\ntest "$1 $2" = "127.0.0.11 8080" || exit 1\ntest ! -e {tmp_path}/slow || sleep 60\n')
    script.chmod(0o755)
    config.write_text(
        'interval = 0.05\n[[pool]]\nservices = [{ id = "tcp://10.0.0.1:80" }]\n'
        'servers = [{ id = "127.0.0.11:8080" }, { id = "127.0.0.12:8080" }]\n'
        f'check = {{ kind = "script", program = "{script}", timeout = 2 }}\n'
    )
    checker = check()
    wait_for({WEB: {FIRST: 1}})
    (tmp_path / "slow").touch()
    # There is no sorry server.
    wait_for({WEB: {}})
    (tmp_path / "slow").unlink()
    wait_for({WEB: {FIRST: 1}})
    checker.terminate()
    assert checker.wait(timeout=20) == 0
    assert "timed out after" in log.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pool = [", "TOMLDecodeError"),
        ("", "KeyError: 'pool'"),
        ('[[pool]]\nservices = [{ id = "tcp://10.0.0.1" }]', "InvalidArgument: service: 'tcp://10.0.0.1' is not an id"),
        ("intervall = 9\npool = []", "ValueError: there is no setting 'intervall'"),
        ("interval = 0\npool = []", "ValueError: interval: 0 is not above 0 and below 65536"),
        (f'{ONE}check = {{ kind = "tpc" }}', "ValueError: check: kind: 'tpc' is none of tcp, http and script"),
        ("drain = inf\npool = []", "ValueError: drain: inf is not above 0 and below 65536"),
        (f"{ONE}{ONE}", "ValueError: pool: a service is in one only, once"),
        (ONE.replace("[]", '[{ id = "127.0.0.11:0" }]'), "ValueError: check: port: is none"),
        (ONE.replace("fwmark:7", "fwmark:7-x"), "InvalidArgument: range: 'fwmark:7-x' is no range of ids"),
        (f"{ONE}rise = 0", "InvalidArgument: rise: it must be at least 1"),
        (f"{ONE}fall = -5", "InvalidArgument: fall: -5 is not within 0 to"),
        (f"{ONE}qourum = 2", "TypeError: there is no setting 'qourum'"),
        (f"{ONE}check = {{ timeout = 0 }}", "ValueError: check: timeout: 0 is not above 0 and below 65536"),
        (f"{ONE}check = {{ timeout = inf }}", "ValueError: check: timeout: inf is not above 0 and below 65536"),
        (f'{ONE}check = {{ kind = "http", status = "200" }}', "ValueError: check: status: '200' is no int"),
        (ONE.replace("[[pool]]", "[pool]"), "ValueError: pool: it stands in two brackets"),
        (f'{ONE}check = {{ kind = "http", path = "/a b" }}', "ValueError: check: path: '/a b' does not begin with /"),
        (f'{ONE}check = {{ kind = "script" }}', "ValueError: check: program: a script has one"),
        (f"{ONE}check = {{ interval = 1 }}", "TypeError: "),
    ],
)
def test_a_wrong_file_is_an_error(text: str, message: str, config: Path) -> None:
    """Nothing is done, and the message says what is wrong."""
    config.write_text(text)
    ran = subprocess.run([*CHECKER, str(config)], check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"checker: {config}: {message}")
    assert table() == {}


@pytest.mark.parametrize("program", ["examples/checker.py", "bindings-lua/examples/checker/checker.lua"])
def test_a_checker_is_short(program: str) -> None:
    """What it would need besides is in the library."""
    assert len((PROJECT / program).read_text().splitlines()) < 200


def test_the_example_s_file_is_right(check: Check, config: Path, log: Path) -> None:
    """What stands beside the program, with the addresses of nobody, makes its services."""
    text = (PROJECT / "examples" / "checker.toml").read_text()
    config.write_text(text.replace("192.168.1.", "127.0.0.").replace("interval = 1.0", "interval = 0.1"))
    program = "open('/proc/self/comm', 'w').write('keepalived'); print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        check()
        web = {FIRST: 0, SECOND: 0, SORRY: 1}
        wait_for({WEB: web, "tcp://10.0.0.1:8080": web, MAIL: {}})
        assert (
            f"checker: keepalived (process {other.pid}) runs in this network namespace, and may change"
            in log.read_text()
        )
        other.kill()
