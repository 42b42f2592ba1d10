"""The examples inside the real proxies: what they answer, under load, with reloads, dying workers and dying servers."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import ipvs
import jsonschema
import pytest
from client import ask
from proxies import (
    EXAMPLES,
    PROJECT,
    SERVERS,
    SERVICE,
    TIMEOUT,
    Descriptors,
    Proxy,
    Servers,
    apache,
    enter,
    haproxy,
    netlink_sockets,
    nginx,
    wait_for,
    witness,
)
from story import VIRTUAL_ADDRESS

BLUE, GREEN = SERVERS.values()
SCHEMA = json.loads((PROJECT / "docs" / "ipvsadm.schema.json").read_text())
THREADS = 4
MEMORIES = [Path("/var/lib/lvs/haproxy/weights"), Path("/var/lib/lvs/nginx/weights")]


@contextmanager
def haproxy_with_one_lua(log: Path) -> Iterator[Proxy]:
    """HAProxy with one Lua for all threads."""
    config = Path("/etc/haproxy/one.cfg")
    config.write_text(Path("/etc/haproxy/lvs.cfg").read_text().replace("lua-load-per-thread", "lua-load"))
    with haproxy(log, str(config)) as proxy:
        yield proxy


Start = Callable[..., AbstractContextManager[Proxy]]
ALL: dict[str, Start] = {"haproxy": haproxy, "haproxy-one-lua": haproxy_with_one_lua, "nginx": nginx, "apache": apache}


@pytest.fixture
def proxy(request: pytest.FixtureRequest, lb: ipvs.Client, servers: Servers, tmp_path: Path) -> Iterator[Proxy]:
    """Give a proxy that runs beside the servers."""
    for memory in MEMORIES:
        memory.unlink(missing_ok=True)
    assert (len(lb.services()), len(servers.running)) == (1, 2)
    with ALL[request.param](tmp_path / "log") as proxy:
        yield proxy
    errors = Path("/run/apache2/error.log")
    said = proxy.said() + (errors.read_text() if errors.exists() else "")
    for word in ["runtime error", "panic", "traceback", "signal 11", "signal 6", "segmentation", "mistake in ipvs"]:
        assert word not in said.lower()


def by_id(table: dict[str, Any]) -> dict[str, Any]:
    """Make what has no order comparable."""
    for service in table["services"]:
        service["destinations"].sort(key=lambda destination: destination["id"])
    table["services"].sort(key=lambda service: service["id"])
    return table


@pytest.mark.parametrize("proxy", ALL, indirect=True)
def test_the_service(proxy: Proxy, lb: ipvs.Client) -> None:
    """The table is that of `ipvsadm --json`, weights are set, and what is wrong is said in JSON with a status."""
    lb.add_service(ipvs.Service("fwmark:7/ipv6", persistence_timeout=60))
    lb.add_service(ipvs.Service("udp://10.0.0.1:5060", persistence_timeout=60, persistence_engine="sip"))
    lb.add_destination("udp://10.0.0.1:5060", "192.168.1.11:5060", tunnel=ipvs.Tunnel("gue", port=5555))
    lb.add_service(ipvs.Service("sctp://10.0.0.1:36412", scheduler="sh", scheduler_flags=["sh-port"]))
    shown = proxy.ask()
    assert shown.status == 200
    jsonschema.validate(shown.json, SCHEMA)
    listed = subprocess.run(["ipvsadm", "-L", "--json"], check=True, capture_output=True).stdout
    assert by_id(shown.json) == by_id(json.loads(listed))
    head = proxy.ask("HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(shown.body)))

    done = proxy.put(SERVICE, GREEN, 7)
    assert (done.status, done.json) == (200, {"weight": 7, "before": 3})
    assert witness()[GREEN] == 7
    for method, body, status, kind, text in [
        (
            "PUT",
            {"service": "tcp://10.0.0.1:81", "destination": GREEN, "weight": 1},
            404,
            "no_such_service",
            "tcp://10.0.0.1:81",
        ),
        (
            "PUT",
            {"service": SERVICE, "destination": "192.168.1.99:1", "weight": 1},
            404,
            "no_such_destination",
            "192.168.1.99:1",
        ),
        (
            "PUT",
            {"service": SERVICE, "destination": GREEN, "weight": "7"},
            400,
            "bad_request",
            "weight: a number is needed",
        ),
        (
            "PUT",
            {"service": SERVICE, "destination": GREEN, "weight": -1},
            400,
            "bad_request",
            "weight: -1 is not within",
        ),
        ("PUT", {"service": SERVICE, "destination": GREEN}, 400, "bad_request", "weight: a number is needed, not nil"),
        ("PUT", {"service": "web", "destination": GREEN, "weight": 1}, 400, "bad_request", "service: 'web'"),
        ("PUT", {"service": SERVICE, "destination": None, "weight": 1}, 400, "bad_request", "destination: a string"),
        ("PUT", [SERVICE, GREEN, 1], 400, "bad_request", "service: a string"),
        ("PUT", 5, 400, "bad_request", "no JSON object"),
        ("PUT", b'{"service":', 400, "bad_request", "no JSON object"),
        ("PUT", None, 400, "bad_request", "no JSON object"),
        ("PUT", b"\xff" * 4000, 400, "bad_request", "no JSON object"),
        ("POST", {}, 405, "bad_method", "GET and PUT"),
        ("DELETE", None, 405, "bad_method", "GET and PUT"),
    ]:
        refused = proxy.ask(method, body)
        assert (refused.status, refused.json["error"]["kind"]) == (status, kind), refused.body
        assert text in refused.json["error"]["message"]
        assert refused.headers["allow"] == "GET, HEAD, PUT"
    # Apache does not tell one that is too large from none.
    assert proxy.ask("PUT", b" " * 20_000).status in (413, 400)
    assert proxy.ask(path="/other").status == 404
    assert witness()[GREEN] == 7


class Load:
    """Requests to the hook from several threads, until told to stop, with what came of them."""

    def __init__(self, proxy: Proxy) -> None:
        """Begin."""
        self.proxy, self.ending = proxy, threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(THREADS)
        self.threads = [self.pool.submit(self.run, number) for number in range(THREADS)]

    def run(self, number: int) -> None:
        """Ask for the table and set the weight of green in turn."""
        chance = random.Random(number)  # noqa: S311 it is for no secret
        while not self.ending.is_set():
            outcome = self.one(chance)
            with self.lock:
                self.outcomes[outcome] += 1

    def one(self, chance: random.Random) -> str:
        """Send one request; anything but a well-formed answer is an error, a connection that is cut is counted."""
        try:
            if chance.random() < 0.5:
                answer = self.proxy.ask()
                assert answer.status == 200, answer
                assert {entry["id"] for entry in answer.json["services"][0]["destinations"]} == {BLUE, GREEN}
                return "table"
            weight = chance.randrange(1, 1000)
            answer = self.proxy.put(SERVICE, GREEN, weight)
            assert answer.status == 200, answer
            assert answer.json["weight"] == weight
            assert answer.json["before"] > 0
        except (OSError, http.client.HTTPException):
            return "cut"
        return "weight"

    def stop(self) -> Counter[str]:
        """Stop, raise what was wrong, and say how many requests had which outcome."""
        self.ending.set()
        for thread in self.threads:
            thread.result()
        self.pool.shutdown()
        return self.outcomes

    def wait(self, requests: int) -> None:
        """Let so many more pass."""
        aim = self.outcomes.total() + requests
        wait_for(lambda: self.outcomes.total() >= aim or any(thread.done() for thread in self.threads), expected=True)


@contextmanager
def traffic() -> Iterator[Counter[str]]:
    """Ask the virtual address from the client's namespace meanwhile, without a pause, and count who answers."""
    answered: Counter[str] = Counter()
    ending = threading.Event()

    def run() -> None:
        enter("client")
        while not ending.is_set():
            answered[ask(VIRTUAL_ADDRESS)] += 1

    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(run)
        try:
            yield answered
        finally:
            ending.set()
        thread.result()


# How many Luas a process has, each with a client of its own; Apache makes one in each of a child's threads.
LUAS = {"haproxy": 4, "haproxy-one-lua": 1, "nginx": 1, "apache": 25}


def settled(proxy: Proxy) -> list[Descriptors]:
    """Return what its processes have open after many requests."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: proxy.ask(), range(80)))
    return proxy.descriptors()


def others(processes: list[Descriptors]) -> list[int]:
    """Return how many are not the module's: in the first process, and in the worker that has most."""
    return [processes[0].others, max((process.others for process in processes[1:]), default=0)]


def steady(proxy: Proxy) -> list[Descriptors]:
    """Return what two looks in a row agree upon: a connection that is being closed is open for a moment."""
    before = settled(proxy)
    for _ in range(20):
        after = settled(proxy)
        if others(after) == others(before):
            return after
        before = after
    pytest.fail("what the processes have open never stands still")


@pytest.mark.parametrize("proxy", ALL, indirect=True)
def test_under_load(proxy: Proxy, request: pytest.FixtureRequest) -> None:
    """Requests to the hook and traffic go on while it is reloaded and workers are killed; nothing leaks."""
    name = request.node.callspec.params["proxy"]
    # How many workers are killed. HAProxy ends with its own, which is tested below.
    kills = {"nginx": 2, "apache": 1}.get(name, 0)
    # HAProxy's master has three descriptors more after its first reload, and no more after the next ones.
    proxy.reload()
    before = steady(proxy)
    load = Load(proxy)
    with traffic() as answered:
        load.wait(150)
        proxy.reload()
        load.wait(40)
        assert load.outcomes["cut"] == 0
        if kills:
            workers = proxy.workers()
            killed = set(workers[:kills])
            for worker in killed:
                os.kill(worker, signal.SIGKILL)
            wait_for(lambda: len(proxy.workers()) >= len(workers) and not killed & set(proxy.workers()), expected=True)
            load.wait(40)
        outcomes = load.stop()
    # A request that was with a killed worker is lost.
    assert outcomes["cut"] <= kills * THREADS
    assert set(answered) == {"blue", "green"}
    assert proxy.put(SERVICE, GREEN, 42).status == 200
    assert witness() == {BLUE: 5, GREEN: 42}
    proxy.reload()
    print(f"{name}: hook {dict(outcomes)}; traffic {dict(answered)}; {before}, then {settled(proxy)}")
    # A connection that is being closed, or one to a server that is asked just now, is open for a moment.
    wait_for(lambda: others(settled(proxy)), others(before))
    # Some Lua may not have been asked yet: only those that were have a socket, and with it a file of their namespace.
    assert all(process.module <= 2 * LUAS[name] for process in proxy.descriptors())
    assert witness() == {BLUE: 5, GREEN: 42}


FORKED = """
    init_by_lua_block {
        require("lvs")
        early = require("ipvs").connect()
        assert(early:set_weight("SERVICE", "SERVER", 1) == 3)
    }
"""
FORKED_LOCATION = """
        location = /early {
            content_by_lua_block {
                for weight = 1, 50 do
                    assert(early:set_weight("SERVICE", "SERVER", weight))
                    assert(early:service("SERVICE").id == "SERVICE")
                end
                ngx.print(ngx.worker.pid())
            }
        }
        location = /lvs {"""


def test_a_client_that_is_used_before_the_fork(lb: ipvs.Client, tmp_path: Path) -> None:
    """The first process has used it: each worker opens a socket of its own, and none gets another's answers."""
    assert len(lb.services()) == 1
    text = Path("/etc/nginx/lvs.conf").read_text()
    for old, new in [
        ('    init_by_lua_block { require "lvs" }\n', FORKED),
        ("        location = /lvs {", FORKED_LOCATION),
    ]:
        assert old in text
        text = text.replace(old, new.replace("SERVICE", SERVICE).replace("SERVER", GREEN))
    config = Path("/etc/nginx/forked.conf")
    config.write_text(text)
    with nginx(tmp_path / "log", str(config)) as proxy, ThreadPoolExecutor(THREADS) as pool:
        asked: set[int] = set()

        def all_asked() -> bool:
            for answer in pool.map(lambda _: proxy.ask(path="/early"), range(20)):
                assert answer.status == 200, proxy.said()
                asked.add(int(answer.body))
            return asked == set(proxy.workers())

        wait_for(all_asked, expected=True)
        assert len(asked) == 4
        # Each has its own, and a copy of the first process's that it leaves alone.
        first = open_sockets(proxy.process.pid)
        own = [open_sockets(worker) - first for worker in asked]
        assert all(own)
        assert len(set.union(*own)) == sum(len(each) for each in own)
    assert witness()[GREEN] == 50


def open_sockets(pid: int) -> set[str]:
    """Return the generic netlink sockets that a process has open."""
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        # A connection may be closed just now.
        with suppress(FileNotFoundError):
            found.add(str(file.readlink()))
    return found & netlink_sockets(pid)


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"], indirect=True)
def test_servers_that_die_and_come_back(proxy: Proxy, lb: ipvs.Client, servers: Servers) -> None:
    """A dead server gets no traffic until it is back, and then its weight; what others set is kept."""
    six = "tcp://[2001:db8::1]:80"
    with socket.create_server(("::1", 8083), family=socket.AF_INET6):
        lb.add_service(ipvs.Service(six))
        lb.add_destination(six, "[::1]:8083", forwarding="masquerade", weight=4)
        # Whoever gives no such answer is no server to be asked.
        lb.add_service(ipvs.Service("udp://10.0.0.1:53"))
        lb.add_destination("udp://10.0.0.1:53", "192.168.1.11:53", forwarding="masquerade", weight=2)
        assert proxy.put(SERVICE, GREEN, 7).status == 200
        servers.kill("green")
        expected = {BLUE: 5, GREEN: 0, "[::1]:8083": 4, "192.168.1.11:53": 2}
        wait_for(witness, expected)
    with traffic() as answered:
        wait_for(lambda: answered.total() > 20, expected=True)
    assert set(answered) == {"blue"}

    # Two things are remembered over a reload: that green is out, and that a server was drained.
    assert proxy.put(SERVICE, BLUE, 0).json["before"] == 5
    wait_for(witness, {**expected, BLUE: 0, "[::1]:8083": 0})
    proxy.reload()
    # A weight for a server that is out is the one that it gets when it is back.
    assert proxy.put(SERVICE, GREEN, 8).json["before"] == 0
    wait_for(witness, {**expected, BLUE: 0, "[::1]:8083": 0})
    servers.start("green")
    with socket.create_server(("::1", 8083), family=socket.AF_INET6):
        wait_for(witness, {**expected, BLUE: 0, GREEN: 8})
    said = proxy.said()
    assert f"{GREEN} of {SERVICE} is down: " in said
    assert f"{GREEN} of {SERVICE} is up" in said
    assert f"{BLUE} of {SERVICE} is" not in said


@pytest.mark.parametrize("start", [haproxy, nginx])
def test_a_restart_while_a_server_is_out(start: Start, lb: ipvs.Client, servers: Servers, tmp_path: Path) -> None:
    """What a proxy took out, the next one puts back, also when the first was killed."""
    assert len(lb.services()) == 1
    for memory in MEMORIES:
        memory.unlink(missing_ok=True)
    with start(tmp_path / "first") as proxy:
        servers.kill("green")
        wait_for(witness, {BLUE: 5, GREEN: 0})
        if start is haproxy:
            # Its master ends when a worker dies, and systemd starts it again.
            os.kill(proxy.workers()[0], signal.SIGKILL)
            assert proxy.process.wait(timeout=TIMEOUT) == 128 + signal.SIGKILL
            proxy.expected_to_end = True
    assert witness() == {BLUE: 5, GREEN: 0}
    servers.start("green")
    with start(tmp_path / "second") as proxy:
        wait_for(witness, {BLUE: 5, GREEN: 3})
        assert f"{GREEN} of {SERVICE} is up" in proxy.said()


@pytest.mark.parametrize("lua", ["lua5.3", "luajit"])
def test_the_check_by_itself(lua: str) -> None:
    """What does not happen on demand, on the Luas of the proxies that have the check."""
    env = {**os.environ, "LUA_PATH": f"{EXAMPLES}/?.lua;;"}
    test = Path(__file__).with_name("check.lua")
    ran = subprocess.run([lua, test], check=False, capture_output=True, text=True, env=env, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("lua", ["lua5.1", "lua5.4", "luajit"])
def test_the_script(lua: str, lb: ipvs.Client) -> None:
    """Weights from the shell, with any Lua."""
    version = lua.removeprefix("lua")
    env = {**os.environ, "LUA_CPATH": f"{PROJECT}/target/lua-dev/{version}/?.so;;"}

    def run(*arguments: str) -> tuple[int, str, str]:
        ran = subprocess.run(
            [lua, EXAMPLES / "weights.lua", *arguments], check=False, capture_output=True, text=True, env=env
        )
        return ran.returncode, ran.stdout, ran.stderr

    assert len(lb.services()) == 1
    assert run(SERVICE, GREEN, "9") == (0, f"{GREEN} of {SERVICE}: 9, was 3\n", "")
    assert witness()[GREEN] == 9
    status, listed, _ = run()
    assert (status, sorted(line.split() for line in listed.splitlines())) == (
        0,
        [[SERVICE, BLUE, "5"], [SERVICE, GREEN, "9"]],
    )
    status, _, wrong = run(SERVICE, "192.168.1.99:1", "9")
    assert (status, "the service has no such destination" in wrong) == (1, True)
    status, _, wrong = run(SERVICE, GREEN, "heavy")
    assert (status, "bad argument #3 to 'set_weight' (weight: a number is needed, not nil)" in wrong) == (1, True)
