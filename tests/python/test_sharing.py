"""Objects that others use, close or outlive: threads, callbacks, logs, and the end of the interpreter."""

from __future__ import annotations

import inspect
import logging
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ipvs
import pytest
from conftest import Witness

WEB = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
REAL = ipvs.Destination("192.168.1.10:80", forwarding="masquerade", weight=5)
RULES = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 5\n"
UDP = "udp://127.0.0.2:5353"
POOL = ipvs.Pool(services=[WEB], servers=[REAL])
#: Arguments for the methods of a client that need some.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(["add_service", "edit_service", "ensure_service"], (WEB,)),
    **dict.fromkeys(["delete_service", "remove_service", "service", "destinations"], (WEB,)),
    **dict.fromkeys(["add_destination", "edit_destination", "ensure_destination"], (WEB, REAL)),
    **dict.fromkeys(["delete_destination", "remove_destination", "drain"], (WEB, REAL)),
    "set_weight": (WEB, REAL, 3),
    "setting": ("conntrack",),
    "set_setting": ("conntrack", True),
    "start_daemon": (ipvs.SyncDaemon("master", interface="lo"),),
    "stop_daemon": ("master",),
    "set_sync_role": (None,),
    "run": (ipvs.Command.flush(),),
    "batch": ([ipvs.Command.flush()],),
    "restore": ("-Z",),
    **dict.fromkeys(["plan", "apply"], ("-C",)),
    **dict.fromkeys(["adopt", "reconcile"], (POOL,)),
    "follow": (POOL, POOL.set_weight(REAL, 7)),
}


@pytest.fixture
def lb() -> ipvs.Client:
    """Connect in the test's namespace, and make a table there."""
    lb = ipvs.Client()
    lb.restore(RULES).check()
    return lb


def methods() -> list[str]:
    """Give the names of the client's methods but `close`."""
    return [name for name, what in vars(ipvs.Client).items() if callable(what) and name[0] != "_" and name != "close"]


def test_every_method_of_a_closed_client(witness: Witness, lb: ipvs.Client) -> None:
    """It says that it is closed, whatever the arguments, and nothing is done."""
    rules = witness()
    lb.close()
    for name in methods():
        method = getattr(lb, name)
        parameters = inspect.signature(method).parameters.values()
        needed = [one.name for one in parameters if one.default is one.empty and one.name != "self"]
        assert bool(needed) == (name in ARGUMENTS), name
        with pytest.raises(ValueError, match=r"^the client is closed$"):
            method(*ARGUMENTS.get(name, ()))
    with lb as same:
        assert same is lb
    lb.close()
    assert repr(lb) == "<ipvs.Client closed>"
    assert witness() == rules


@pytest.fixture
def connection(lb: ipvs.Client) -> None:
    """Make a service with one connection."""
    lb.restore(f"-A -u {UDP[6:]}\n-a -u {UDP[6:]} -r 127.0.0.1:5353 -m -w 4\n").check()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.2", 5353))


@pytest.mark.usefixtures("connection")
def test_what_outlives_its_client(lb: ipvs.Client, witness: Witness) -> None:
    """Iterators, watches, drains, reports and locks go on, and close what is open when they end."""
    connections, watch, lock = lb.connections(), lb.watch(interval=0.01), lb.lock()
    waiting, steps = lb.drain(UDP, "127.0.0.1:5353"), lb.drain(WEB, REAL).wait(interval=0.01)
    report = lb.batch([ipvs.Command.add_service(WEB)])
    lb.close()
    del lb
    assert [str(connection.virtual) for connection in connections] == ["127.0.0.2:5353"]
    assert (waiting.step().state, waiting.cancel()) == ("waiting", True)
    assert [progress.state for progress in steps] == ["drained"]
    assert witness()[-1] == "-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m -w 4"
    assert next(watch).change is ipvs.ChangeKind.DESTINATION_REMOVED
    assert watch.look() == []
    with pytest.raises(ipvs.ServiceExists):
        report.check()
    with pytest.raises(ipvs.Locked):
        ipvs.Client().lock()
    lock.close()
    lock.close()
    with ipvs.Client().lock():
        pass


def test_a_client_that_is_closed_in_the_middle_of_a_call(lb: ipvs.Client, handle: Handle) -> None:
    """Another thread closes it: the call that is under way comes to its end, and the next one says so."""
    closers = list[threading.Thread]()

    def close() -> None:
        if not closers:
            closers.append(threading.Thread(target=lb.close))
            closers[0].start()
            closers[0].join()

    # Its first piece is told of while the others are still to come.
    handle(close)
    report = lb.batch(ipvs.Command.add_service(ipvs.Service(f"fwmark:{mark}")) for mark in range(1, 20_001))
    assert repr(lb) == "<ipvs.Client closed>"
    assert (report.is_done, len(report.outcomes), len(closers)) == (True, 20_000, 1)
    with pytest.raises(ValueError, match="the client is closed"):
        lb.flush()
    assert ipvs.Client().service("fwmark:20000")


#: What races of this kind may say.
EXPECTED = (ipvs.NoSuchService, ipvs.NoSuchDestination, ipvs.ServiceExists, ipvs.DestinationExists, ipvs.Locked)
ROUNDS = 20


def uses(shared: dict[str, Any], pool: ipvs.Pool) -> list[Callable[[], object]]:
    """Give what may be done with shared objects at any time."""

    def renew() -> None:
        shared["lb"].close()
        shared["lb"] = ipvs.Client()

    def use(name: str, method: str, *arguments: object) -> Callable[[], object]:
        return lambda: getattr(shared[name], method)(*arguments)

    def replace(name: str, maker: str, method: str, *arguments: object) -> Callable[[], object]:
        return lambda: shared.update({name: getattr(shared[maker], method)(*arguments)})

    return [
        renew,
        use("lb", "services"),
        use("lb", "snapshot"),
        use("lb", "set_weight", WEB, REAL, 3),
        use("lb", "ensure_destination", WEB, REAL),
        use("lb", "batch", [ipvs.Command.zero(), ipvs.Command.delete_service(UDP)]),
        use("lb", "apply", RULES),
        use("lb", "reconcile", pool),
        use("lb", "adopt", pool),
        lambda: shared["lb"].follow(pool, pool.checked(REAL, random.random() < 0.5)),  # noqa: S311
        lambda: (pool.table(), pool.servers(), pool.state(), pool.has_quorum, repr(pool)),
        lambda: pool.set_config(services=[WEB], servers=[REAL]),
        use("connections", "__next__"),
        replace("connections", "lb", "connections"),
        use("watch", "look"),
        replace("watch", "lb", "watch"),
        use("drain", "step"),
        use("drain", "cancel"),
        replace("drain", "lb", "drain", WEB, REAL),
        use("steps", "__next__"),
        lambda: shared.update(steps=shared["drain"].wait(interval=0.001)),
        use("lock", "close"),
        replace("lock", "lb", "lock"),
    ]


@pytest.mark.usefixtures("connection")
def test_everything_from_many_threads_at_once(lb: ipvs.Client) -> None:
    """A client that is closed and made anew, iterators, a watch, a drain, a pool, a lock: nothing hangs or breaks."""
    pool = ipvs.Pool(services=[WEB], servers=[REAL], sorry_server="192.168.1.99:80")
    drain = lb.drain(UDP, "127.0.0.1:5353")
    shared: dict[str, Any] = {"lb": lb, "watch": lb.watch(), "connections": lb.connections(), "lock": lb.lock()}
    shared |= {"drain": drain, "steps": drain.wait(interval=0.001)}
    works = uses(shared, pool)
    failures = list[BaseException]()

    def attempt(use: Callable[[], object]) -> None:
        try:
            use()
        except (*EXPECTED, StopIteration):
            pass
        except BaseException as error:  # noqa: BLE001, whatever it is
            if str(error) != "the client is closed":
                failures.append(error)

    def work() -> None:
        for _ in range(ROUNDS):
            for use in random.sample(works, len(works)):
                attempt(use)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    assert ipvs.Client().apply(RULES).is_done
    assert len(ipvs.Client().destinations(WEB)) == 1


class Handler(logging.Handler):
    """Does something with each record, once at a time."""

    def __init__(self, work: Callable[[], object]) -> None:
        """Take what is done."""
        super().__init__()
        self.work = work
        self.is_busy = False
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Do it."""
        assert record.name == "ipvs"
        if not self.is_busy:
            self.is_busy = True
            self.seen += 1
            try:
                self.work()
            finally:
                self.is_busy = False


@pytest.fixture
def handle() -> Iterator[Handle]:
    """Install a handler of the log for the test."""
    logger = logging.getLogger("ipvs")
    before = logger.level

    def install(work: Callable[[], object]) -> Handler:
        handler = Handler(work)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.DEBUG)
        return handler

    yield install
    logger.handlers[:] = []
    logger.setLevel(before)


Handle = Callable[[Callable[[], object]], Handler]


def call_all(lb: ipvs.Client, after: Callable[[str], None], before: Callable[[], object] = lambda: None) -> None:
    """Call every method of a client, on the same table."""
    for name in methods():
        other = ipvs.Client()
        other.set_sync_role(None)
        other.restore(RULES, clear=True)
        before()
        try:
            getattr(lb, name)(*ARGUMENTS.get(name, ()))
        except ipvs.Error as error:
            assert name in {"add_service", "add_destination", "stop_daemon"}, f"{name}: {error}"  # noqa: PT017
        after(name)


def test_a_log_that_asks_the_client(lb: ipvs.Client, handle: Handle) -> None:
    """Nothing is held while Python logs."""
    handler = handle(lambda: (lb.info(), POOL.state()))
    seen = [0]
    logged = []

    def after(name: str) -> None:
        if handler.seen > seen[-1]:
            logged.append(name)

    call_all(lb, after, lambda: seen.append(handler.seen))
    assert logged == methods()
    drains: list[ipvs.Drain] = []
    handler = handle(lambda: [(drain.step(), drain.cancel()) for drain in drains])
    drains.append(lb.drain(WEB, REAL))
    before = handler.seen
    assert drains[0].step().state is ipvs.DrainState.DRAINED
    assert handler.seen > before


def test_a_log_that_closes_the_client(handle: Handle) -> None:
    """The call that is logged comes to its end all the same."""
    names: list[str] = []
    opened: list[ipvs.Client] = []

    class Fresh:
        """A client that is closed as soon as it does anything."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401, any method
            opened.append(ipvs.Client())
            return getattr(opened[-1], name)

    def close() -> None:
        for lb in opened:
            lb.close()

    handle(close)
    call_all(Fresh(), names.append)  # type: ignore[arg-type]
    assert names == methods()
    assert all(repr(lb) == "<ipvs.Client closed>" for lb in opened)


def test_a_restore_whose_log_closes_the_client(witness: Witness, lb: ipvs.Client, handle: Handle) -> None:
    """Clearing is logged before the rest is done."""
    handle(lb.close)
    assert lb.restore(RULES, clear=True).is_done
    assert witness() == RULES.splitlines()
    with pytest.raises(ValueError, match="the client is closed"):
        lb.flush()


def test_a_log_that_raises(witness: Witness, lb: ipvs.Client, handle: Handle) -> None:
    """It comes through, what was logged is done, and the next call works."""
    problem = KeyError("mine")
    pool = ipvs.Pool(services=[WEB], servers=[REAL.replace(weight=7)])
    service, server = RULES.splitlines()

    def fail() -> None:
        raise problem

    handler = handle(fail)
    steps: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: lb.set_weight(WEB, REAL, 0), [service, server.replace("-w 5", "-w 0")]),
        (lambda: lb.apply(RULES), [service, server]),
        (lambda: lb.drain(WEB, REAL), [service, server.replace("-w 5", "-w 0")]),
        (lambda: lb.batch([ipvs.Command.delete_service(WEB)]), []),
        (lambda: lb.delete_service(WEB), []),
        (lambda: lb.restore(service), [service]),
        (lambda: lb.add_destination(WEB, REAL), [service, server]),
        (lambda: lb.reconcile(pool), [service, server.replace("-w 5", "-w 7")]),
        (lambda: lb.restore("", clear=True), []),
        (ipvs.Client, []),
    ]
    for number, (step, rules) in enumerate(steps):
        with pytest.raises(KeyError) as caught:
            step()
        assert caught.value is problem
        assert witness() == rules, number
        # The batch and the restores say what was done.
        assert (vars(problem).pop("report", None) is not None) == (number in {3, 5, 8})
    assert handler.seen == len(steps)
    logging.getLogger("ipvs").handlers[:] = []
    lb.restore(RULES).check()


def test_a_log_that_raises_loses_no_change_of_a_watch(lb: ipvs.Client, handle: Handle) -> None:
    """What a look has found is there for the next one."""
    watches = [lb.watch(interval=0.01), lb.watch(interval=0.01)]
    lb.delete_destination(WEB, REAL)

    def fail() -> None:
        raise KeyError

    handle(fail)
    looks: list[Callable[[], object]] = [watches[0].look, lambda: next(watches[1])]
    for look in looks:
        with pytest.raises(KeyError):
            look()
    logging.getLogger("ipvs").handlers[:] = []
    lb.restore(RULES, clear=True).check()
    for change in [watches[0].look()[0], next(watches[1])]:
        assert change.message == f"removed {REAL} of {WEB}"


#: At the end of the interpreter objects go in any order, and threads are stopped wherever they are.
ENDS = {
    "a finalizer": """
        class Late:
            def __init__(self):
                self.lb = ipvs.Client()
            def __del__(self):
                self.lb.services()
                ipvs.Client().close()
        late = Late()
        late.itself = late
    """,
    "a thread in a call": """
        def work():
            while True:
                lb.services()
                lb.set_weight("tcp://10.0.0.1:80", "192.168.1.10:80", 3)
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)
    """,
    "a thread that waits": """
        def work():
            next(lb.watch(interval=60))
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)
    """,
    "an exit handler": """
        import atexit
        steps = lb.drain("tcp://10.0.0.1:80", "192.168.1.10:80").wait()
        connections = lb.connections()
        atexit.register(lambda: (list(steps), list(connections), lb.close()))
    """,
}


@pytest.mark.parametrize("what", ENDS)
def test_the_end_of_the_interpreter(what: str) -> None:
    """The process ends as any other does."""
    begin = f"import threading, time, ipvs\nlb = ipvs.Client()\nlb.restore({RULES!r}, clear=True)\n"
    program = begin + inspect.cleandoc(ENDS[what])
    for _ in range(5):
        ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30)
        assert (ran.returncode, ran.stderr) == (0, "")
