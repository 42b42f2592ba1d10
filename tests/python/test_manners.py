"""What Python's users expect of a library: batches, threads, forks, signals, logs, and no leaks."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import ipvs
import pytest
from conftest import Witness, forked, lists, sockets

WEB = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")


def services(count: int) -> list[ipvs.Command]:
    """Give commands that add so many services."""
    ids = (f"tcp://10.{number >> 16}.{number >> 8 & 255}.{number & 255}:80" for number in range(count))
    return [ipvs.Command.add_service(ipvs.Service(id)) for id in ids]  # noqa: A001, the word for it


def test_a_batch_says_what_became_of_each(witness: Witness) -> None:
    """One that fails does not stop the rest, and is in the report with its place."""
    lb = ipvs.Client()
    add = ipvs.Command.add_service(WEB)
    report = lb.batch(iter([add, add, ipvs.Command.add_destination(WEB, "192.168.1.10:80", forwarding="masquerade")]))
    outcomes = ipvs.Outcome
    assert report.outcomes == (outcomes.DONE, outcomes.FAILED, outcomes.DONE)
    assert not report.is_done
    assert report.interrupted is None
    [(place, error)] = report.failed
    assert (place, type(error), error.object) == (1, ipvs.ServiceExists, WEB.id)
    with pytest.raises(ipvs.ServiceExists, match="it exists already"):
        report.check()
    assert repr(report) == "<Report of 3 commands: 2 done, 1 failed>"
    assert len(witness()) == 2
    done = lb.batch([])
    done.check()
    assert (done.is_done, done.outcomes) == (True, ())


def test_failures_of_a_long_batch_keep_their_places() -> None:
    """However the batch is cut, the places are those of the commands."""
    lb = ipvs.Client()
    commands = services(9000)
    # The first one's scheduler may not be loaded, and so it is alone; behind it are pieces of 4,096.
    places = [1, 4096, 4097, 4098, 8192, 8193]
    lb.batch([commands[place] for place in places]).check()
    report = lb.batch(commands)
    assert [place for place, _ in report.failed] == places
    outcomes = enumerate(report.outcomes)
    assert [place for place, outcome in outcomes if outcome == ipvs.Outcome.FAILED] == places
    assert lists(lb, 9000)


def test_a_wrong_command_stops_a_batch_before_it_begins(witness: Witness) -> None:
    """Nothing is sent."""
    lb = ipvs.Client()
    with pytest.raises(TypeError, match="commands: a Command is needed, not str"):
        lb.batch([*services(3), "-C"])  # type: ignore[list-item]
    with pytest.raises(ipvs.RuleError, match=r"^2:1: "):
        lb.restore("-A -t 10.0.0.1:80\nnonsense\n", clear=True)
    assert witness() == []


def test_save_and_restore(witness: Witness) -> None:
    """A saved table comes back, in place of what is there if asked."""
    lb = ipvs.Client()
    lb.add_service(WEB)
    lb.add_destination(WEB, "192.168.1.10:80", forwarding="masquerade", upper_threshold=5)
    saved = lb.save()
    lb.flush()
    lb.add_service(ipvs.Service("udp://10.0.0.1:53"))
    assert lb.restore(saved, clear=True).is_done
    assert lb.save() == saved
    assert len(witness()) == 2
    again = lb.restore(saved).failed
    assert [(place, type(error)) for place, error in again] == [(0, ipvs.ServiceExists), (1, ipvs.DestinationExists)]
    assert len(lb.restore(saved, clear=True).outcomes) == 2


def test_a_restore_s_errors_have_their_lines() -> None:
    """The position counts commands, the line those of the text, with what is no command."""
    lb = ipvs.Client()
    add = "-A -t 10.0.0.1:80\n"
    report = lb.restore(f"# saved\n\n{add}\n{add}# again\n{add}")
    assert [(place, error.line) for place, error in report.failed] == [(1, 5), (2, 7)]
    with pytest.raises(ipvs.ServiceExists) as caught:
        report.check()
    assert caught.value.line == 5
    [(_, error)] = lb.batch([ipvs.Command.add_service(WEB)]).failed
    assert error.line is None


def test_every_other_method(namespace: str) -> None:
    """Settings, timeouts, daemons, weights, and what is there or not."""
    lb = ipvs.Client()
    created, updated = ipvs.Ensured.CREATED, ipvs.Ensured.UPDATED
    assert [lb.ensure_service(WEB), lb.ensure_service(WEB)] == [created, updated]
    real = ("192.168.1.10", 80)
    assert lb.ensure_destination(WEB, real, forwarding="masquerade", weight=3) is created
    assert lb.ensure_destination(WEB, ipvs.Destination(real, forwarding="masquerade", weight=4)) is updated
    assert lb.set_weight(WEB, real, 0) == 4
    assert [(entry.weight, entry.forwarding) for entry in lb.destinations(WEB)] == [(0, ipvs.Forwarding.MASQUERADE)]
    assert [lb.remove_destination(WEB, real), lb.remove_destination(WEB, real)] == [True, False]
    lb.zero()
    lb.zero(WEB)
    assert lb.total_stats() == ipvs.Stats()
    assert lb.service(WEB).stats.connections == 0
    assert [lb.remove_service(WEB), lb.remove_service(WEB)] == [True, False]
    lb.set_timeouts(tcp=901)
    lb.set_timeouts(ipvs.Timeouts(udp=302))
    assert (lb.timeouts().tcp, lb.timeouts().udp) == (901, 302)
    lb.run(ipvs.Command.set_timeouts(tcp_fin=121))
    assert lb.timeouts() == ipvs.Timeouts(901, 121, 302)
    lb.start_daemon(ipvs.SyncDaemon("master", interface="lo", sync_id=7, max_length=1000, group="224.0.0.82", ttl=3))
    [daemon] = lb.daemons()
    assert (daemon.role, daemon.interface, daemon.sync_id, daemon.port) == (ipvs.Role.MASTER, "lo", 7, 8848)
    assert (daemon.max_length, str(daemon.group), daemon.ttl) == (1000, "224.0.0.82", 3)
    lb.stop_daemon(daemon.role)
    assert lb.daemons() == []
    settings = lb.settings()
    assert settings.keys() <= ipvs.SETTINGS.keys()
    assert (settings["conntrack"], settings["sync_threshold"]) == (False, (3, 50))
    values: dict[str, bool | int | tuple[int, int]] = {"conntrack": True, "sync_threshold": (4, 60), "drop_entry": 1}
    for name, value in values.items():
        lb.set_setting(name, value)
        assert lb.setting(name) == value
    lb.set_setting("conntrack", 0)
    assert lb.setting("conntrack") is False
    with pytest.raises(ipvs.InvalidArgument, match="setting: 'nosuch' is none of am_droprate"):
        lb.set_setting("nosuch", 1)
    with pytest.raises(ipvs.InvalidArgument, match="value: 7 is not a number from 0 to 3"):
        lb.set_setting("drop_entry", 7)
    assert list(lb.connections()) == []
    assert namespace


def test_a_namespace_by_name(namespace: str, witness: Witness) -> None:
    """A client works in another namespace than its thread."""
    subprocess.run(["ip", "netns", "add", f"{namespace}-b"], check=True)
    try:
        with ipvs.Client(netns=f"{namespace}-b") as there, ipvs.Client() as here:
            there.add_service(WEB)
            assert (len(there.services()), here.services(), witness()) == (1, [], [])
            assert repr(there) == f'<ipvs.Client netns="{namespace}-b">'
    finally:
        subprocess.run(["ip", "netns", "delete", f"{namespace}-b"], check=True)


def test_a_closed_client_says_so() -> None:
    """Leaving its block closes it, once more does nothing, and its socket is gone."""
    before = sockets()
    with ipvs.Client() as lb:
        assert len(sockets()) == len(before) + 1
    assert sockets() == before
    lb.close()
    with pytest.raises(ValueError, match="the client is closed"):
        lb.info()
    assert repr(lb) == "<ipvs.Client closed>"


def connect_and_list(_: int) -> list[ipvs.ServiceEntry]:
    """Connect and list in another process."""
    return ipvs.Client().services()


def test_multiprocessing() -> None:
    """Objects come back from other processes as they are, whichever way those start."""
    lb = ipvs.Client()
    lb.add_service(WEB)
    for method in ["fork", "spawn"]:
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(connect_and_list, range(4)) == [lb.services()] * 4


def chrooted(lb: ipvs.Client, root: str) -> list[str]:
    """Use a client in a child that gave up /proc, and so opens a socket anew without it."""
    os.chroot(root)
    lb.flush()

    def said(read: Callable[[], object]) -> str:
        try:
            read()
        except ipvs.IoError as error:
            return str(error)
        return "it was read"

    return [
        said(lb.connections),
        said(lb.total_stats),
        said(lb.settings),
        said(lambda: lb.setting("conntrack")),
        said(lambda: lb.set_setting("conntrack", value=True)),
        said(lb.other_writers),
        said(ipvs.overview),
    ]


def test_a_child_without_proc_works_on(tmp_path: Path) -> None:
    """As the workers of a proxy do, which change their root."""
    with ipvs.Client() as lb:
        lb.add_service(ipvs.Service("tcp://10.0.0.1:80"))
        context = multiprocessing.get_context("fork")
        receive, send = context.Pipe(duplex=False)
        child = context.Process(target=lambda: send.send(chrooted(lb, str(tmp_path))))
        child.start()
        assert receive.poll(10)
        assert receive.recv() == [
            f"cannot {what}: the kernel cannot be reached: /proc is not there, as after a chroot"
            for what in (
                "list the connections",
                "read the counters of all services together",
                "read the settings",
                "read the setting conntrack",
                "write the setting conntrack",
                "look for other programs that change the table",
                "read the public part of the table",
            )
        ]
        child.join()
        assert lb.services() == []


def test_control_c_ends_a_long_batch() -> None:
    """A KeyboardInterrupt comes between two pieces, with what was done until then in the table."""
    commands = services(100_000)
    lb = ipvs.Client()

    def interrupt() -> None:
        while not other.batch([ipvs.Command.zero(commands[0].object)]).is_done:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    def work() -> None:
        lb.batch(commands)
        thread.join()

    with ipvs.Client() as other:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            work()
        thread.join()
    assert hasattr(caught.value, "report"), "the batch had ended before"
    outcomes = caught.value.report.outcomes
    done = outcomes.index(ipvs.Outcome.NOT_SENT)
    assert done > 0
    assert outcomes == (ipvs.Outcome.DONE,) * done + (ipvs.Outcome.NOT_SENT,) * (len(commands) - done)
    # No listing is exact while the kernel clears up the namespaces of other tests.
    lb.service(commands[done - 1].object or "")
    with pytest.raises(ipvs.NoSuchService):
        lb.service(commands[done].object or "")
    lb.batch(commands[done : done + 1]).check()


def test_an_exception_of_a_signal_s_handler_comes_through_without_a_report() -> None:
    """If it takes none: the program waits for that very exception."""

    class StopError(Exception):
        report = property(lambda _: "its own")

    def stop(*_: object) -> None:
        raise StopError

    lb, commands = ipvs.Client(), [ipvs.Command.zero()] * 10**6
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(StopError) as caught:
            lb.batch(commands)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caught.value.report == "its own"


def test_another_interpreter_of_the_process_is_refused() -> None:
    """It would get the first one's errors, which its `except` does not catch."""
    program = (
        "import ipvs\n"
        "try:\n import _interpreters as others\n"
        "except ImportError:\n import _xxsubinterpreters as others\n"
        "there = 'try:\\n import ipvs\\nexcept ImportError as error:\\n print(error, flush=True)'\n"
        "others.run_string(others.create(), there)"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    # The words of newer Pythons are their own.
    assert ran.stdout.rstrip() in {
        "ipvs works in the first interpreter of a process that imports it, and in no other",
        "module ipvs._ipvs does not support loading in subinterpreters",
    }


def test_control_c_ends_a_batch_whose_commands_are_slow() -> None:
    """For each of these the kernel looks for a module, which takes a tenth of a second or so."""
    commands = [ipvs.Command.add_service(WEB.replace(scheduler=f"nosuch-{number}")) for number in range(60)]
    lb = ipvs.Client()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        lb.batch(commands)
    assert time.monotonic() - start < 2
    timer.join()
    outcomes = caught.value.report.outcomes  # type: ignore[attr-defined]
    assert outcomes.count(ipvs.Outcome.FAILED) + outcomes.count(ipvs.Outcome.NOT_SENT) == len(commands)
    assert ipvs.Outcome.NOT_SENT in outcomes
    assert outcomes[0] is ipvs.Outcome.FAILED


@pytest.mark.parametrize(("seconds", "text"), [(0.02, "20ms"), (1e-10, "1ns")])
def test_a_deadline_is_kept(seconds: float, text: str) -> None:
    """Whoever waits for another thread, for which the kernel looks for a module, waits no longer than it said.

    A time that is next to nothing is not taken for none at all.
    """
    lb = ipvs.Client(timeout=seconds)
    begun, ended = threading.Event(), threading.Event()

    def search() -> None:
        begun.set()
        end = time.monotonic() + 10
        while not ended.is_set() and time.monotonic() < end:
            # It may be the one that waits, too.
            with pytest.raises((ipvs.NoSuchScheduler, ipvs.TimedOut)):
                lb.add_service(WEB.replace(scheduler="nosuch"))

    def ask() -> None:
        while thread.is_alive():
            lb.info()

    thread = threading.Thread(target=search)
    thread.start()
    begun.wait()
    with pytest.raises(TimeoutError, match=f"other threads used the client for {text}") as caught:
        ask()
    ended.set()
    assert isinstance(caught.value, ipvs.TimedOut)
    thread.join()
    assert ipvs.Client().services() == []


def test_connections_and_counters() -> None:
    """A client that talks to a server through the service is listed, and counted soon after."""
    subprocess.run(["ip", "address", "add", "10.0.0.1/32", "dev", "lo"], check=True)
    lb = ipvs.Client()
    lb.add_service(WEB)
    with socket.create_server(("127.0.0.11", 8080)) as server:
        lb.add_destination(WEB, server.getsockname(), forwarding="masquerade")
        with socket.create_connection(("10.0.0.1", 80)) as client, server.accept()[0]:
            connections = lb.connections()
            [connection] = connections
            assert list(connections) == []
            address, port = client.getsockname()
            assert connection.client == ipvs.Endpoint(address, port)
            assert str(connection.virtual) == "10.0.0.1:80"
            assert str(connection.destination) == "127.0.0.11:8080"
            assert (connection.protocol, connection.state) == (ipvs.Protocol.TCP, "ESTABLISHED")
            assert 800 < connection.expires <= 900
            assert connection.persistence is None
            [real] = lb.destinations(WEB)
            assert (real.active_connections, real.inactive_connections) == (1, 0)
            end = time.monotonic() + 10
            while lb.service(WEB).stats.connections == 0 and time.monotonic() < end:
                time.sleep(0.1)
            for stats in [lb.service(WEB).stats, lb.destinations(WEB)[0].stats, lb.total_stats()]:
                assert (stats.connections, stats.packets_in > 1, stats.bytes_in > 80) == (1, True, True)
            lb.zero()
            assert [lb.service(WEB).stats.connections, lb.total_stats().connections] == [0, 0]


def test_counters_stand_still_without_estimation() -> None:
    """As the guide says of the setting."""
    lb = ipvs.Client()
    lb.set_setting("run_estimation", value=False)
    lb.apply("-A -u 127.0.0.2:5353\n-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m\n").check()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.2", 5353))
    time.sleep(3)
    assert len(list(lb.connections())) == 1
    assert lb.service("udp://127.0.0.2:5353").stats == ipvs.Stats()


def test_what_a_persistence_engine_knows() -> None:
    """It is with the connection."""
    lb = ipvs.Client()
    rules = "-A -u 127.0.0.2:5060 -s rr -p 60 -o --pe sip\n-a -u 127.0.0.2:5060 -r 127.0.0.1:5070 -m\n"
    lb.apply(rules).check()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(
            b"INVITE sip:user@host SIP/2.0\r\nCall-ID: one@host\r\nCSeq: 1 INVITE\r\n\r\n", ("127.0.0.2", 5060)
        )
    known = [connection.persistence for connection in lb.connections() if connection.persistence is not None]
    assert known == [ipvs.PersistenceData("sip", "one@host")]


def test_everything_is_documented() -> None:
    """Each public class, method and property says what it is."""
    for name in ipvs.__all__:
        value = getattr(ipvs, name)
        if callable(value):
            # A named tuple's own words are its fields.
            assert not (value.__doc__ or f"{name}(").startswith(f"{name}("), name
        if isinstance(value, type) and value.__module__ == "ipvs" and not issubclass(value, tuple):
            for member, what in vars(value).items():
                if not member.startswith("_") and (callable(what) or hasattr(what, "__get__")):
                    assert what.__doc__, f"{name}.{member}"
    assert ipvs.SCHEDULERS["wlc"].startswith("weighted least connections")
    assert ipvs.SETTINGS.keys() >= {"conntrack", "expire_nodest_conn"}


def test_operations_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Each, with its object and how it ended, at the level of debugging only."""
    lb = ipvs.Client()
    lb.add_service(WEB)
    assert caplog.messages == []
    with caplog.at_level(logging.DEBUG, logger="ipvs"):
        lb.set_timeouts(tcp=900)
        lb.ensure_service(WEB)
        lb.ensure_service(ipvs.Service("fwmark:7"))
        lb.set_setting("conntrack", 0)
        lb.batch([ipvs.Command.flush(), ipvs.Command.delete_service(WEB)])
        with pytest.raises(ipvs.NoSuchService):
            lb.service(WEB)
        lb.save()
        ipvs.overview()
    assert caplog.messages == [
        "set the timeouts: done",
        "edit service tcp://10.0.0.1:80: done",
        "add service fwmark:7: done",
        "write the setting conntrack: done",
        "delete all services: done",
        "cannot delete service tcp://10.0.0.1:80: there is no such service",
        "cannot read service tcp://10.0.0.1:80: there is no such service",
        "list the services: done",
        "read the public part of the table: done",
    ]
    assert {(record.name, record.levelname) for record in caplog.records} == {("ipvs", "DEBUG")}


def test_what_follows_from_them_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    """Also where nothing was to be done, and what fails."""
    lb, pool = ipvs.Client(), ipvs.Pool(services=[WEB], servers=["10.9.0.1:80"])
    lb.adopt(pool).check()
    watch, drain, other = lb.watch(), lb.drain(WEB, "10.9.0.1:80"), lb.drain(WEB, "10.9.0.1:80")
    calls: list[Callable[[], object]] = [
        lambda: lb.adopt(pool),
        lambda: lb.reconcile(pool),
        lambda: lb.apply(pool.table()),
    ]
    with caplog.at_level(logging.DEBUG, logger="ipvs"):
        for call in [
            *calls,
            lambda: lb.follow(pool, pool.set_weight("10.9.0.1:80", None)),
            watch.look,
            drain.step,
            other.step,
        ]:
            caplog.clear()
            call()
            assert caplog.messages != [], call
        caplog.clear()
        other.cancel()
        assert caplog.messages == ["set the weight of destination 10.9.0.1:80 of service tcp://10.0.0.1:80: done"]


@pytest.mark.parametrize("what", ["pool", "watch", "drain"])
def test_what_was_in_use_at_a_fork_is_an_error_in_the_child(what: str) -> None:
    """Nobody gives it back there. It is that or an answer, and never a wait for ever."""
    lb = ipvs.Client()
    pool = ipvs.Pool(services=[ipvs.Service(f"fwmark:{mark}") for mark in range(1, 1000)], servers=["10.9.0.1:80"])
    lb.adopt(pool).check()
    lb.add_service(ipvs.Service("udp://127.0.0.2:5353"))
    lb.add_destination("udp://127.0.0.2:5353", "127.0.0.1:5353", forwarding="masquerade")
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.2", 5353))
    # It has a connection for five minutes, and each step looks.
    watch, drain = lb.watch(), lb.drain("udp://127.0.0.2:5353", "127.0.0.1:5353")
    use: Callable[[], object] = {"pool": lambda: lb.reconcile(pool), "watch": watch.look, "drain": drain.step}[what]
    look: Callable[[], object] = {"pool": pool.servers, "watch": watch.look, "drain": drain.step}[what]
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            use()

    def child() -> int:
        try:
            look()
        except RuntimeError as error:
            return 3 if "when this process was forked" in str(error) else 1
        return 0

    thread = threading.Thread(target=work)
    thread.start()
    try:
        results = [forked(child) for _ in range(20)]
    finally:
        done.set()
        thread.join()
    assert set(results) <= {0, 3}
    assert 3 in results


def test_signals_are_heard_while_the_kernel_is_slow() -> None:
    """Adding a destination takes many times as long where many were deleted, as the kernel keeps those."""
    commands: list[ipvs.Command] = []
    for number in range(5000):
        service = ipvs.Service(f"fwmark:{number + 1}")
        commands.append(ipvs.Command.add_service(service))
        commands += [ipvs.Command.add_destination(service, f"192.168.2.{host}:80") for host in range(1, 11)]
    lb, heard = ipvs.Client(), 0

    def hear(_signal: int, _frame: object) -> None:
        nonlocal heard
        heard += 1

    lb.batch(commands).check()
    lb.flush()
    before = signal.signal(signal.SIGALRM, hear)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        report = lb.batch(commands[:6600])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    report.check()
    # Pieces that are as long as they may be would be four: 11 up to the second service, 128, 4096 and the rest. With
    # those before and after the batch six may be heard.
    assert heard > 8


def test_a_listing_runs_no_python_for_each_entry() -> None:
    """However many there are."""
    lb = ipvs.Client()
    lb.add_service(WEB)
    lb.batch(
        [ipvs.Command.add_destination(WEB, f"10.9.{host // 200}.{host % 200 + 1}:80") for host in range(2000)]
    ).check()
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        found = lb.destinations(WEB)
    finally:
        sys.setprofile(None)
    assert (len(found), calls < 10) == (2000, True)


def test_importing_loads_nothing_dear() -> None:
    """Enumerations and named tuples load when they are asked for; `logging` is left to the program."""
    program = (
        "import sys; before = set(sys.modules); import ipvs; "
        "print(*sorted(set(sys.modules) - before)); ipvs.Forwarding; assert 'enum' in sys.modules; "
        "assert set(ipvs.__all__) <= set(dir(ipvs)); from ipvs import *; assert Stats().connections == 0; "
        "import ipvs as again\ntry:\n    again.nosuch\nexcept AttributeError as e:\n    print(e)"
    )
    # Not by `site`, which has imported all kinds of things.
    environment = {**os.environ, "PYTHONPATH": str(Path(ipvs.__file__).parents[1])}
    command = [sys.executable, "-S", "-c", program]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    loaded = "__future__ ipvs ipvs._errors ipvs._ipvs"
    assert ran.stdout.splitlines() == [loaded, "module 'ipvs' has no attribute 'nosuch'"]


def resident() -> int:
    """Give the memory of this process in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def descriptors() -> int:
    """Count the open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_is_left_behind_is_freed() -> None:
    """Clients that are dropped, connections that nobody reads to the end, and what never came to be."""
    shared = ipvs.Client()

    def work(rounds: int) -> None:
        for _ in range(rounds):
            lb = ipvs.Client()
            assert lb.services() == []
            next(lb.connections(), None)
            iter(shared.connections())
            shared.adopt(ipvs.Pool(services=[WEB], servers=["10.0.0.1:80"])).check()
            shared.drain(WEB, "10.0.0.1:80").wait()
            shared.lock()
            iter(shared.watch())
            shared.apply("-C").check()
            with pytest.raises(ipvs.NamespaceError):
                ipvs.Client(netns="nosuch")
            with pytest.raises(ipvs.RuleError):
                ipvs.parse_rules("-A -t 10.0.0.1:80\n-A -x\n")
            with pytest.raises(ipvs.InvalidArgument):
                ipvs.Service("tcp://10.0.0.1")
            with pytest.raises(TypeError):
                ipvs.Destination("10.0.0.1:80", weight="5")  # type: ignore[arg-type]

    work(300)
    memory, files = resident(), descriptors()
    work(2000)
    # 2000 of the smallest that are kept take 400.
    assert resident() - memory < 256
    # Those of earlier tests may have been closed meanwhile.
    assert descriptors() <= files


def test_nothing_grows() -> None:
    """100,000 operations, errors among them, leave memory and descriptors as they were."""
    lb = ipvs.Client()
    lb.add_service(WEB)
    lb.add_destination(WEB, "192.168.1.10:80", forwarding="masquerade")

    def work(rounds: int) -> None:
        for weight in range(rounds):
            lb.set_weight(WEB, "192.168.1.10:80", weight)
            with pytest.raises(ipvs.NoSuchService):
                lb.delete_service("udp://10.0.0.1:53")
            assert len(lb.destinations(WEB)) == 1
            assert lb.service(WEB).stats.connections == 0
            report = lb.batch([ipvs.Command.add_service(WEB)])
            with pytest.raises(ipvs.ServiceExists):
                report.check()

    work(1000)
    memory, files = resident(), descriptors()
    work(20_000)
    assert resident() - memory < 512
    assert descriptors() == files
