"""What the example in Lua does besides the scenario: its other probes, its file, its lock, and what it says."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import ipvs
import pytest
from scenario import ADDRESSES, PORT, SERVICE, Lua, Stage, network

A, B, C = (f"{ADDRESSES[name]}:{PORT}" for name in "abc")
MAIL = "tcp://10.0.0.1:25"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give the network with its servers."""
    with network(), ExitStack() as processes:
        yield Stage(processes, tmp_path)


class File(Lua):
    """The checker, with a file that is written as it is."""

    def pools(self, *pools: str) -> None:
        """Write the file."""
        self.config.write_text(f"return {{ interval = 0.05, pools = {{ {', '.join(pools)} }} }}")

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        limit = time.monotonic() + 20
        while text not in (said := self.log.read_text()):
            assert time.monotonic() < limit, f"'{text}' is not in:\n{said}"
            time.sleep(0.05)


@pytest.fixture
def checker(stage: Stage, tmp_path: Path) -> Iterator[File]:
    """Give a checker that has not been started."""
    del stage
    checker = File(tmp_path)
    yield checker
    checker.kill()


def pool(services: list[str], servers: list[str], check: str) -> str:
    """Give one pool of the file."""

    def entries(ids: list[str], more: str) -> str:
        return ", ".join(f'{{ id = "{id_}"{more} }}' for id_ in ids)

    real = entries(servers, ', forwarding = "masquerade"')
    return f"{{ services = {{ {entries(services, '')} }}, servers = {{ {real} }}, check = {check} }}"


def table(lb: ipvs.Client) -> dict[str, list[str]]:
    """Give the servers of each service."""
    return {entry.entry.id: sorted(server.id for server in entry.destinations) for entry in lb.snapshot()}


def wait_for(look: Callable[[], object], expected: object) -> None:
    """Look until what is there is as expected."""
    limit = time.monotonic() + 20
    while (found := look()) != expected and time.monotonic() < limit:
        time.sleep(0.05)
    assert found == expected


def test_tcp_and_scripts(stage: Stage, checker: File, tmp_path: Path) -> None:
    """A connection is enough for one; a script gets address and port, and is ended when it takes too long."""
    script = tmp_path / "script"
    script.write_text(
        f'#!/bin/sh\ntest "$1 $2" = "{ADDRESSES["b"]} 99" || exit 3\ntest ! -e {tmp_path}/slow || sleep 60\n'
    )
    script.chmod(0o755)
    checker.pools(
        pool([SERVICE], [A, f"{ADDRESSES['c']}:9"], '{ kind = "tcp" }'),
        pool([MAIL], [B, C], f'{{ kind = "script", program = "{script}", port = 99, timeout = 2 }}'),
    )
    checker.start()
    wait_for(lambda: table(stage.lb), {SERVICE: [A], MAIL: [B]})
    stage.kill_server("a")
    (tmp_path / "slow").touch()
    wait_for(lambda: table(stage.lb), {SERVICE: [], MAIL: []})
    stage.start_server("a")
    (tmp_path / "slow").unlink()
    wait_for(lambda: table(stage.lb), {SERVICE: [A], MAIL: [B]})
    said = checker.log.read_text()
    assert f"checker: {SERVICE}: server {A} is down: " in said
    assert f"checker: {MAIL}: server {C} is down: exited 3\n" in said
    assert f"checker: {MAIL}: server {B} is down: timed out\n" in said
    assert f"checker: server {A} is down: -d -t 10.0.0.1:80 -r {A}\n" in said


def test_the_example_s_file_is_right(stage: Stage, checker: File) -> None:
    """What stands beside the program makes its services: those of its servers that are there answer."""
    example = Path(__file__).parents[2] / "bindings-lua" / "examples" / "checker" / "checker.conf.lua"
    checker.config.write_text(example.read_text())
    checker.start()

    def weights() -> dict[str, dict[str, int]]:
        return {
            service.entry.id: {entry.id: entry.weight for entry in service.destinations}
            for service in stage.lb.snapshot()
        }

    wait_for(weights, {service: {A: 5, B: 3} for service in [SERVICE, "tcp://10.0.0.1:8080"]})


def test_its_lock_and_what_others_do(stage: Stage, checker: File) -> None:
    """A second one does not start; what others change is mended, and told."""
    checker.pools(pool([SERVICE], [A], '{ kind = "http" }'))
    checker.start()
    wait_for(lambda: table(stage.lb), {SERVICE: [A]})
    second = subprocess.run(
        ["ip", "netns", "exec", "director", *checker.command()], check=False, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert "looks after the pools of this network namespace already; stop it first" in second.stderr
    program = "open('/proc/self/comm', 'w').write('keepalived'); print(flush=True); input()"
    command = ["ip", "netns", "exec", "director", "python3", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        stage.lb.delete_destination(SERVICE, A)
        wait_for(lambda: table(stage.lb), {SERVICE: [A]})
        checker.says(f"checker: keepalived ({other.pid}) may write here too\n")
        other.kill()
    assert f"checker: drift: -a -t 10.0.0.1:80 -r {A} -m -w 1\n" in checker.log.read_text()


def test_another_file(stage: Stage, checker: File) -> None:
    """A service that moves to another pool is there all the time; a wrong file changes nothing."""
    http = '{ kind = "http" }'
    checker.pools(pool([SERVICE, MAIL], [A], http), pool(["tcp://10.0.0.1:81"], [B], http))
    checker.start()
    wait_for(lambda: table(stage.lb), {SERVICE: [A], MAIL: [A], "tcp://10.0.0.1:81": [B]})
    watch = stage.lb.watch()
    checker.pools(pool([SERVICE], [A], http), pool(["tcp://10.0.0.1:81", MAIL], [B], http))
    checker.signal(signal.SIGHUP)
    moved = {SERVICE: [A], MAIL: [B], "tcp://10.0.0.1:81": [B]}
    wait_for(lambda: table(stage.lb), moved)
    assert [change.change for change in watch.look()] == ["destination_removed", "destination_added"]
    assert "-D -t 10.0.0.1:25" not in checker.log.read_text()
    for pools, message in [
        ([pool([SERVICE], [A], http)] * 2, "a service is in one pool only, once"),
        ([pool([SERVICE], [A], '{ kind = "tpc" }')], "check: 'tpc' is none of tcp, http and script"),
        ([pool([SERVICE], [A], '{ kind = "script" }')], "check: a script needs a program"),
        ([pool([SERVICE], [A], '{ kind = "http", status = "200" }')], "check: status: a number is needed"),
        (["{"], "'}' expected near <eof>"),
        ([pool(["tcp://10.0.0.1"], [A], http)], "service: 'tcp://10.0.0.1' is not an id"),
    ]:
        checker.pools(*pools)
        checker.signal(signal.SIGHUP)
        checker.says(message)
    assert table(stage.lb) == moved
    checker.pools(pool([SERVICE], [A], http))
    checker.signal(signal.SIGHUP)
    wait_for(lambda: table(stage.lb), {SERVICE: [A]})
    checker.signal(signal.SIGTERM)
    assert checker.process is not None
    assert checker.process.wait(timeout=20) == 0
    assert table(stage.lb) == {SERVICE: []}
