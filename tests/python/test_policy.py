"""Tables that are applied, pools, drains, watches, the sync role and the lock, against the real kernel."""

from __future__ import annotations

import copy
import errno
import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import ipvs
import pytest
from conftest import Witness

WEB = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
FIRST, SECOND, SORRY = (
    ipvs.Destination(f"192.168.1.{host}:80", forwarding="masquerade", weight=weight)
    for host, weight in [(1, 5), (2, 1), (99, 1)]
)
RULES = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 5\n"
EVENTS = ipvs.PoolEventKind


@pytest.fixture
def lb() -> ipvs.Client:
    """Connect in the test's namespace."""
    return ipvs.Client()


def kinds(changes: ipvs.PoolChanges) -> list[str]:
    """Give what happened."""
    return [str(event.event) for event in changes.events]


def test_a_table_is_a_value() -> None:
    """Rules make one and it makes rules; it is equal to one with the same settings, and prints as what makes it."""
    table = ipvs.Table.from_rules(RULES)
    assert table == ipvs.Table([(WEB, [FIRST])]) == ipvs.Table(iter([(WEB, iter([FIRST]))]))
    assert (table.to_rules(), str(table), len(table)) == (RULES, RULES, 1)
    assert list(table) == [(WEB, (FIRST,))]
    assert table != ipvs.Table([(WEB, [FIRST.replace(weight=4)])])
    assert ipvs.Table() == ipvs.Table.from_rules("")
    assert not ipvs.Table()
    for again in [eval(repr(table), vars(ipvs)), pickle.loads(pickle.dumps(table)), copy.deepcopy(table)]:  # noqa: S301, S307
        assert again == table
        assert hash(again) == hash(table)
    with pytest.raises(ipvs.RuleError, match=r"^2: -A .*: it exists already") as caught:
        ipvs.Table.from_rules("-A -f 7\n-A -f 7\n")
    assert caught.value.line == 2


def test_what_came_out_empty_by_mistake_deletes_nothing(lb: ipvs.Client, witness: Witness) -> None:
    """An iterator that was used up, an empty file, no bytes: a list, a Table or `-C` says that nothing is wanted."""
    lb.apply(RULES).check()
    used_up = ((WEB, [FIRST]) for _ in range(1))
    assert list(used_up)
    with Path(os.devnull).open(encoding="utf-8") as empty:
        mistakes: list[tuple[str, str, Callable[[], object]]] = [
            ("table", "", lambda: lb.apply(used_up)),
            ("table", "", lambda: lb.apply(empty)),  # type: ignore[arg-type]
            ("table", "", lambda: lb.apply(map(str, []))),  # type: ignore[arg-type]
            ("destinations", " of tcp://10.0.0.1:80", lambda: lb.apply([(WEB, used_up)])),  # type: ignore[list-item]
            ("services", "", lambda: ipvs.Table(used_up)),
            ("services", "", lambda: ipvs.Pool(services=used_up)),  # type: ignore[arg-type]
            ("servers", "", lambda: ipvs.Pool(services=[WEB], servers=used_up)),  # type: ignore[arg-type]
        ]
        for argument, whose, mistake in mistakes:
            said = f"^{argument}: the iterator{whose} gives nothing, as one that was used up; an empty list says that"
            said += " nothing is wanted$"
            with pytest.raises(ipvs.InvalidArgument, match=said) as caught:
                mistake()
            assert caught.value.field == argument
    for no_table in (b"", b"-C", {}, {WEB: [FIRST]}):
        said = f"table: a Table, rules as a str or an iterable of pairs is needed, not {type(no_table).__name__}$"
        with pytest.raises(TypeError, match=said):
            lb.apply(no_table)  # type: ignore[arg-type]
    with pytest.raises(ipvs.InvalidArgument, match=r"^services: tcp://10.0.0.1:80 is there twice$"):
        lb.apply([(WEB, [FIRST]), (WEB, [])])
    said = "^destinations: 192.168.1.1:80 of tcp://10.0.0.1:80 is there twice$"
    with pytest.raises(ipvs.InvalidArgument, match=said):
        lb.apply([(WEB, [FIRST, FIRST])])
    assert witness() == RULES.splitlines()
    plans = [lb.plan([]), lb.plan(()), lb.plan(set()), lb.plan(ipvs.Table()), lb.plan("-C")]
    assert [plan.removals for plan in plans] == [(ipvs.Command.delete_service(WEB),)] * 5
    assert lb.plan([(WEB, set())]).removals == (ipvs.Command.delete_destination(WEB, FIRST),)


def test_apply(lb: ipvs.Client, witness: Witness) -> None:
    """A table is made what it should be, whatever form that is given in; done twice, it is not touched."""
    plan = lb.plan(RULES)
    assert str(plan) == RULES
    assert (len(plan), len(plan.additions), plan.removals) == (2, 2, ())
    assert list(plan) == ipvs.parse_rules(RULES)
    assert plan == lb.plan([(WEB, [FIRST])])
    assert hash(plan) == hash(lb.plan(ipvs.Table.from_rules(RULES)))
    assert witness() == []
    applied = lb.apply(RULES)
    applied.check()
    assert (applied.is_done, applied.is_changed, applied.done) == (True, True, (*plan,))
    assert (applied.failed, applied.unknown, applied.not_sent, applied.interrupted) == ([], (), (), None)
    assert (applied.rollback, applied.other_writers) == (None, [])
    assert repr(applied) == "<Applied: 2 done, 0 failed, 0 not sent>"
    assert witness() == RULES.splitlines()
    for plan in [lb.plan(RULES), lb.plan(lb.snapshot()), lb.plan(lb.current_table())]:
        assert not plan
    assert not lb.apply(lb.snapshot()).is_changed
    done = lb.apply([(WEB, [FIRST.replace(weight=0), SECOND]), (ipvs.Service("fwmark:7"), ())]).done
    assert [command.operation for command in done] == ["add_destination", "add_service", "edit_destination"]


def test_a_scope(lb: ipvs.Client, witness: Witness) -> None:
    """Only what it names is read or touched."""
    lb.apply(f"{RULES}-A -f 7\n-A -f 100\n-A -u 10.9.0.1:53").check()
    mark = ipvs.Service("fwmark:7")
    assert lb.current_table("10.0.0.0/24") == ipvs.Table.from_rules(RULES)
    assert lb.current_table(mark) == lb.current_table("fwmark:7") == ipvs.Table([(mark, [])])
    assert len(lb.current_table([])) == 0
    assert str(lb.plan("-C", scope=[WEB, "fwmark:1-99"])) == "-D -t 10.0.0.1:80\n-D -f 7\n"
    lb.apply(ipvs.Table(), scope=["fwmark:1-99", "10.9.0.0/16"]).check()
    assert sorted(witness()) == ["-A -f 100 -s wlc", *RULES.splitlines()]
    with pytest.raises(ipvs.InvalidArgument, match=r"scope: the service tcp://10\.0\.0\.1:80 is not in it") as caught:
        lb.apply(RULES, scope="fwmark:1-9")
    assert (caught.value.field, caught.value.operation) == ("scope", "apply")


def test_a_refusal(lb: ipvs.Client, witness: Witness, caplog: pytest.LogCaptureFixture) -> None:
    """It says what was and was not done, and nothing is taken away; what was there comes back if asked."""
    lb.apply(RULES).check()
    wanted = "-A -t 10.0.0.2:80\n-A -t 10.0.0.3:80 -s nosuch"
    applied = lb.apply(wanted)
    assert (applied.is_done, applied.is_changed) == (False, True)
    assert [str(command) for command in applied.done] == ["-A -t 10.0.0.2:80 -s wlc"]
    [(command, error)] = applied.failed
    assert (str(command), type(error)) == ("-A -t 10.0.0.3:80 -s nosuch", ipvs.NoSuchScheduler)
    assert [str(command) for command in applied.not_sent] == ["-D -t 10.0.0.1:80"]
    with pytest.raises(ipvs.NoSuchScheduler):
        applied.check()
    assert len(witness()) == 3
    lb.flush()
    lb.apply(RULES).check()
    with caplog.at_level(logging.INFO, logger="ipvs"):
        back = lb.apply(wanted, rollback=True).rollback
    assert back is not None
    assert (back.is_done, [str(command) for command in back.done]) == (True, ["-D -t 10.0.0.2:80"])
    assert caplog.messages == ["apply: -A -t 10.0.0.2:80 -s wlc", "apply, taken back: -D -t 10.0.0.2:80"]
    assert witness() == RULES.splitlines()


def test_a_pool(lb: ipvs.Client, witness: Witness) -> None:
    """Servers fail and come back, the quorum is lost and gained, weights are kept, and drift is repaired."""
    pool = ipvs.Pool(services=[WEB], servers=[FIRST, SECOND], sorry_server=SORRY, fall=2)
    assert repr(pool) == "<Pool of tcp://10.0.0.1:80: 2 of 2 servers up>"
    assert lb.adopt(pool).is_changed
    none = pool.checked(FIRST, is_well=False)
    assert (bool(none), len(none.plan), none.events) == (False, 0, ())
    changes = pool.checked(FIRST.id, is_well=False)
    assert changes.events == ((EVENTS.SERVER_DOWN, FIRST.id, f"server {FIRST.id} is down"),)
    assert str(changes.plan) == "-d -t 10.0.0.1:80 -r 192.168.1.1:80\n"
    assert changes
    assert repr(changes) == "<PoolChanges: 1 commands, 1 events>"
    lb.follow(pool, changes).check()
    assert sorted(witness())[1:] == ["-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 1"]
    pool.checked(SECOND, is_well=False)
    changes = pool.checked(SECOND, is_well=False)
    assert kinds(changes) == ["server_down", "quorum_lost"]
    assert [command.operation for command in changes.plan] == ["add_destination", "delete_destination"]
    lb.follow(pool, changes).check()
    assert not pool.has_quorum
    assert pool.table() == ipvs.Table([(WEB, [SORRY])]) == lb.current_table()
    changes = pool.checked((FIRST.address, 80), is_well=True)
    assert kinds(changes) == ["server_up", "quorum_gained"]
    lb.follow(pool, changes).check()
    lb.follow(pool, pool.set_weight(FIRST, 7)).check()
    assert witness()[1:] == ["-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 7"]
    assert pool.servers() == [ipvs.ServerState(FIRST.id, is_up=True, weight=7), (SECOND.id, False, 1)]
    assert not lb.reconcile(pool).is_changed
    lb.delete_destination(WEB, FIRST)
    lb.add_destination(WEB, "192.168.1.50:80")
    assert [command.operation for command in lb.reconcile(pool).done] == ["add_destination", "delete_destination"]
    # A restart goes on where it was.
    again = ipvs.Pool(services=[WEB], servers=[FIRST])
    assert not lb.adopt(again).is_changed
    assert again.state() == "quorum up\n192.168.1.1:80 up 7\n"
    again.adopt_state("192.168.1.1:80 down -\n")
    assert list(again.table()) == [(WEB, ())]
    again.adopt_state(pool.state())
    assert again.servers() == [(FIRST.id, True, 7)]
    changes = again.set_config(services=[WEB], servers=[FIRST.replace(weight=3)], inhibit_on_failure=True)
    assert str(changes.plan) == "-e -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 3\n"
    assert kinds(again.set_config(services=[WEB])) == ["quorum_lost"]


def test_a_pool_s_policy() -> None:
    """What is given counts."""
    pool = ipvs.Pool(
        services=[WEB, ipvs.Service("fwmark:7")],
        servers=[FIRST, "192.168.1.3:80"],
        quorum=4,
        hysteresis=2,
        sorry_server=SORRY,
        inhibit_on_failure=True,
        sorry_server_inhibit=True,
        alpha=True,
        rise=2,
    )
    assert [len(destinations) for _, destinations in pool.table()] == [3, 3]
    assert [server.is_up for server in pool.servers()] == [False, False]
    assert not pool.has_quorum
    assert not pool.checked(FIRST, is_well=True)
    assert kinds(pool.checked(FIRST, is_well=True)) == ["server_up"]
    pool.checked("192.168.1.3:80", is_well=True)
    assert kinds(pool.checked("192.168.1.3:80", is_well=True)) == ["server_up", "quorum_gained"]
    assert str(pool.table()).count(f"-r {SORRY.id} -m -w 0") == 2
    assert kinds(pool.checked("192.168.1.3:80", is_well=False)) == ["server_down"]
    assert pool.has_quorum


def test_threads_share_a_pool(lb: ipvs.Client) -> None:
    """And in the end the kernel has what the pool wants."""
    servers = [ipvs.Destination(f"192.168.2.{host}:80", forwarding="masquerade") for host in range(1, 9)]
    pool = ipvs.Pool(services=[WEB], servers=servers)
    lb.adopt(pool).check()

    def work(server: ipvs.Destination) -> None:
        for number in range(21):
            lb.follow(pool, pool.checked(server, bool(number % 2))).check()

    threads = [threading.Thread(target=work, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pool.table() == ipvs.Table([(WEB, [])]) == lb.current_table()


def test_changes_are_logged_with_their_reason(lb: ipvs.Client, caplog: pytest.LogCaptureFixture) -> None:
    """What an apply and a pool do, as rules, at the level of information."""
    pool = ipvs.Pool(services=[WEB], servers=[FIRST, SECOND])
    with caplog.at_level(logging.INFO, logger="ipvs"):
        lb.apply(RULES).check()
        with pytest.raises(ipvs.RuleError, match="there is no rule, which would delete everything"):
            lb.apply("")
        lb.adopt(pool).check()
        lb.follow(pool, pool.checked(SECOND, is_well=True)).check()
        lb.follow(pool, pool.set_weight(FIRST, 9)).check()
        lb.follow(pool, pool.checked(FIRST, is_well=False)).check()
        lb.delete_service(WEB)
        lb.reconcile(pool).check()
        lb.apply("-A -f 7 -s nosuch\n-A -f 8", scope="fwmark:1-9", rollback=True)
    web = "-t 10.0.0.1:80"
    assert caplog.messages == [
        f"apply: -A {web} -s wrr",
        f"apply: -a {web} -r 192.168.1.1:80 -m -w 5",
        f"server 192.168.1.2:80 is up: -a {web} -r 192.168.1.2:80 -m -w 1",
        f"weight: -e {web} -r 192.168.1.1:80 -m -w 9",
        f"server 192.168.1.1:80 is down: -d {web} -r 192.168.1.1:80",
        f"drift: -A {web} -s wrr",
        f"drift: -a {web} -r 192.168.1.2:80 -m -w 1",
        "apply: -A -f 8 -s wlc",
        "apply, taken back: -D -f 8",
    ]
    assert {(record.name, record.levelname) for record in caplog.records} == {("ipvs", "INFO")}


@pytest.fixture
def datagram(lb: ipvs.Client) -> tuple[str, str]:
    """Make a UDP service with one connection, and give the service and its destination."""
    lb.apply("-A -u 127.0.0.2:5353\n-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m -w 4\n").check()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.2", 5353))
    return "udp://127.0.0.2:5353", "127.0.0.1:5353"


def test_a_drain(lb: ipvs.Client, witness: Witness, caplog: pytest.LogCaptureFixture) -> None:
    """Without connections the first step ends it."""
    lb.apply(RULES).check()
    with caplog.at_level(logging.INFO, logger="ipvs"):
        drain = lb.drain(WEB, FIRST)
        assert repr(drain) == "<Drain of 192.168.1.1:80 of tcp://10.0.0.1:80>"
        assert "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 0" in witness()
        assert drain.step() == ipvs.DrainProgress(ipvs.DrainState.DRAINED)
        assert drain.step().state is ipvs.DrainState.DRAINED
    assert caplog.messages == [
        "drain: set the weight of destination 192.168.1.1:80 of service tcp://10.0.0.1:80 to 0",
        "drained: delete destination 192.168.1.1:80 of service tcp://10.0.0.1:80",
    ]
    assert not drain.cancel()
    assert witness() == RULES.splitlines()[:1]
    with pytest.raises(ipvs.NoSuchDestination):
        lb.drain(WEB, FIRST)


def test_a_drain_waits(
    lb: ipvs.Client, witness: Witness, datagram: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Until its deadline, and may be cancelled before; the interval is no longer than the deadline."""
    caplog.set_level(logging.INFO, logger="ipvs")
    drain = lb.drain(*datagram, deadline=60)
    assert drain.step() == ("waiting", 0, 1, 0)
    assert [drain.cancel(), drain.cancel()] == [True, False]
    assert [progress.state for progress in drain.wait()] == [ipvs.DrainState.CANCELLED]
    assert witness()[1] == "-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m -w 4"
    start = time.monotonic()
    states = [progress.state for progress in lb.drain(*datagram, deadline=0.5).wait(interval=60)]
    assert states == ["waiting", "deadline-passed"]
    assert 0.5 <= time.monotonic() - start < 10
    assert len(witness()) == 1
    server = "destination 127.0.0.1:5353 of service udp://127.0.0.2:5353"
    assert caplog.messages == [
        f"drain: set the weight of {server} to 0",
        f"drain cancelled: set the weight of {server} to 4",
        f"drain: set the weight of {server} to 0",
        f"deadline-passed: delete {server}",
    ]


@pytest.mark.parametrize(
    ("persistence", "waits", "ends"),
    [(None, {"inactive": True}, {"persistent": True}), (300, {"persistent": True}, {})],
)
def test_a_drain_waits_for_what_it_is_told(
    lb: ipvs.Client, persistence: int | None, waits: dict[str, bool], ends: dict[str, bool]
) -> None:
    """An inactive connection, and a client that persistence binds, are waited for each by its own option."""
    service = ipvs.Service("tcp://127.0.0.2:8080", persistence_timeout=persistence)
    real, bound = "127.0.0.1:8081", int(persistence is not None)
    with socket.create_server(("127.0.0.1", 8081)) as server:
        lb.apply([(service, [ipvs.Destination(real, forwarding="masquerade")])]).check()
        with socket.create_connection(("127.0.0.2", 8080)) as client, server.accept()[0]:
            # It is reset at the end, and the kernel remembers it for ten seconds.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert lb.destinations(service)[0].persistent_connections == bound
            drain = lb.drain(service, real)
            assert drain.step() == ("waiting", 1, 0, bound)
            assert drain.cancel()
    drain = lb.drain(service, real, **waits)
    assert drain.step() == ("waiting", 0, 1, bound)
    assert drain.cancel()
    assert lb.drain(service, real, **ends).step().state is ipvs.DrainState.DRAINED


def test_a_drain_that_others_end(lb: ipvs.Client, datagram: tuple[str, str]) -> None:
    """It says so and leaves it alone."""
    drain = lb.drain(*datagram)
    steps = drain.wait(interval=0.01)
    assert next(steps).state is ipvs.DrainState.WAITING
    lb.set_weight(*datagram, 5)
    assert [progress.state for progress in steps] == ["overruled"]
    drain = lb.drain(*datagram)
    lb.delete_destination(*datagram)
    assert drain.step().state is ipvs.DrainState.GONE
    assert not drain.cancel()


def test_other_threads_and_signals_come_while_it_waits(lb: ipvs.Client, datagram: tuple[str, str]) -> None:
    """A wait holds neither up."""
    count = 0
    done = threading.Event()

    def work() -> None:
        nonlocal count
        while not done.wait(0.01):
            count += 1

    thread = threading.Thread(target=work)
    thread.start()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(lb.drain(*datagram).wait(interval=60))
    done.set()
    thread.join()
    assert count > 5
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(lb.watch(interval=60))


def test_a_watch(lb: ipvs.Client) -> None:
    """Each change is told once, by the loop or by a look."""
    lb.apply(RULES).check()
    watch = lb.watch(interval=0.01)
    assert watch.look() == []
    lb.set_weight(WEB, FIRST, 0)
    lb.add_service(ipvs.Service("fwmark:7"))
    change = next(watch)
    assert change == ipvs.Change(
        ipvs.ChangeKind.DESTINATION_CHANGED,
        WEB.id,
        FIRST.id,
        None,
        (ipvs.FieldChange("weight", "5", "0"),),
        "changed 192.168.1.1:80 of tcp://10.0.0.1:80: weight 5 -> 0",
    )
    [change] = watch.look()
    assert (change.change, change.service, change.destination) == ("service_added", "fwmark:7", None)
    assert (change.settings, change.fields) == (ipvs.Service("fwmark:7"), ())
    lb.flush()
    assert [next(watch).change, next(watch).change] == [ipvs.ChangeKind.SERVICE_REMOVED] * 2
    threading.Timer(0.1, lambda: ipvs.Client().apply(RULES)).start()
    assert [next(watch).settings, next(watch).settings] == [WEB, FIRST]
    assert iter(watch) is watch
    with pytest.raises(ValueError, match="interval: it must be above 0"):
        lb.watch(interval=0)
    lb.apply(RULES).check()
    with pytest.raises(ValueError, match="interval: it must be above 0"):
        lb.drain(WEB, FIRST).wait(interval=0)


def test_the_sync_role(lb: ipvs.Client, caplog: pytest.LogCaptureFixture) -> None:
    """One call makes a director master or backup, and does nothing the second time."""
    backup = ipvs.SyncDaemon("backup", interface="lo")
    with caplog.at_level(logging.INFO, logger="ipvs"):
        assert [lb.set_sync_role(backup), lb.set_sync_role(backup)] == [True, False]
        assert lb.set_sync_role(ipvs.SyncDaemon("master", interface="lo"))
        listing = subprocess.run(["/usr/sbin/ipvsadm", "-L", "--daemon"], check=True, capture_output=True, text=True)
        assert [line.split()[0] for line in listing.stdout.splitlines()] == ["master"]
        assert [lb.set_sync_role(None), lb.set_sync_role(None)] == [True, False]
    assert caplog.messages == ["sync role: backup on lo", "sync role: master on lo", "sync role: none"]
    assert lb.daemons() == []


def test_the_lock(lb: ipvs.Client) -> None:
    """One at a time in a namespace has it."""
    with lb.lock() as lock:
        with pytest.raises(ipvs.Locked, match="this process looks after the pools of this network namespace") as caught:
            ipvs.Client().lock()
        assert isinstance(caught.value, BlockingIOError)
        assert (caught.value.kind, caught.value.operation, caught.value.errno) == ("locked", "lock", errno.EWOULDBLOCK)
        ask = "import ipvs; ipvs.Client().lock()"
        other = subprocess.run([sys.executable, "-c", ask], check=False, capture_output=True, text=True)
        assert other.stderr.rstrip().endswith(
            f"process {os.getpid()} looks after the pools of this network namespace already; stop it first"
        )
    lock.close()
    for _ in range(2):
        # It goes with what holds it.
        ipvs.Client().lock()


def test_a_forked_child_has_the_lock_too(lb: ipvs.Client) -> None:
    """Until it ends; a program that is run from there has it not."""
    with lb.lock():
        program = subprocess.Popen(["sleep", "60"], close_fds=False)
        process = os.fork()
        if process == 0:
            signal.alarm(60)
            signal.pause()
            os._exit(0)
    try:
        with pytest.raises(ipvs.Locked, match=f"process {process} "):
            lb.lock()
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        lb.lock().close()
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


def test_any_user_s_program_can_hold_the_lock(lb: ipvs.Client) -> None:
    """It is a name that is free to all."""
    program = "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0ipvs/pools'); print(flush=True); input()"
    command = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/env", "python3", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"
        with pytest.raises(ipvs.Locked, match=f"process {other.pid} "):
            lb.lock()
        other.communicate(b"\n")
    lb.lock().close()


def test_other_writers(lb: ipvs.Client, caplog: pytest.LogCaptureFixture) -> None:
    """A process with the name of one is found, in this namespace only; who looks after a pool is told of it."""
    assert lb.other_writers() == []
    pool = ipvs.Pool(services=[WEB], servers=[FIRST])
    assert lb.adopt(pool).other_writers == []
    program = "import sys, time; open('/proc/self/comm', 'w').write('keepalived'); print(flush=True); time.sleep(60)"
    with subprocess.Popen(["python3", "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        writers = [ipvs.OtherWriter("keepalived", other.pid)]
        assert lb.other_writers() == writers
        lb.set_weight(WEB, FIRST, 1)
        assert lb.reconcile(pool).other_writers == writers
        assert lb.reconcile(pool).other_writers == []
        assert lb.adopt(pool).other_writers == writers
        other.kill()
    message = f"keepalived (process {other.pid}) runs in this network namespace, and may change its table too"
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [message, message]
