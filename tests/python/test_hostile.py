"""Arguments that nobody should give: each is an error that names it, the kernel's table stays, and the host lives on.

Every public callable is walked with every argument. What is right for it stands in `CALLS`; a callable or an argument
that is not in there fails a test.
"""

from __future__ import annotations

import inspect
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import ipvs
import pytest
from conftest import Witness

WEB = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
NEW = ipvs.Service("udp://10.0.0.2:53")
REAL = ipvs.Destination("192.168.1.10:80", forwarding="masquerade")
RULES = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 1\n"
DAEMON = ipvs.SyncDaemon("master", interface="lo")
POOL = ipvs.Pool(services=[WEB], servers=[REAL], sorry_server="192.168.1.99:80")
CHANGES = POOL.set_weight(REAL, 5)

SERVICE: list[dict[str, Any]] = [
    {
        "id": NEW.id,
        "scheduler": "sh",
        "scheduler_flags": ["sh-port"],
        "persistence_timeout": 60,
        "netmask": "255.255.255.0",
        "persistence_engine": "sip",
        "one_packet": True,
    },
    {"protocol": "tcp", "address": "10.0.0.1", "port": 81},
    {"fwmark": 7, "family": "ipv6", "netmask": 64},
]
DESTINATION: dict[str, Any] = {
    "forwarding": "tunnel",
    "tunnel": ipvs.Tunnel("gue", 5555, "on"),
    "weight": 7,
    "upper_threshold": 9,
    "lower_threshold": 3,
}
NAMED: list[dict[str, Any]] = [{"id": REAL.id, **DESTINATION}, {"address": "192.168.1.11", "port": 80}]
DAEMON_SETTINGS: dict[str, Any] = {
    "role": "backup",
    "interface": "lo",
    "sync_id": 7,
    "max_length": 1400,
    "group": "224.0.0.82",
    "port": 8849,
    "ttl": 2,
}
CONFIG: dict[str, Any] = {
    "services": [WEB],
    "servers": [REAL],
    "sorry_server": "192.168.1.99:80",
    "quorum": 3,
    "hysteresis": 1,
    "inhibit_on_failure": True,
    "sorry_server_inhibit": True,
    "alpha": True,
    "rise": 2,
    "fall": 2,
}
CHANGE: dict[str, list[dict[str, Any]]] = {
    "add_service": [{"service": NEW}],
    "edit_service": [{"service": WEB}],
    "delete_service": [{"service": WEB.id}],
    "add_destination": [{"service": WEB, "destination": "192.168.1.12:80", **DESTINATION}],
    "edit_destination": [{"service": WEB, "destination": REAL.id, **DESTINATION}],
    "delete_destination": [{"service": WEB, "destination": REAL}],
    "zero": [{"service": WEB}],
    "set_timeouts": [{"timeouts": ipvs.Timeouts(900, 120, 300)}, {"tcp": 900, "tcp_fin": 120, "udp": 300}],
    "start_daemon": [{"daemon": DAEMON}],
    "stop_daemon": [{"role": "master"}],
}
#: Arguments that are right, for every public callable that takes any.
CALLS: dict[str, list[dict[str, Any]]] = {
    "Service": SERVICE,
    "Service.replace": SERVICE,
    "ServiceEntry": [{"service": WEB, "stats": ipvs.Stats(1)}],
    "Destination": NAMED,
    "Destination.replace": NAMED,
    "DestinationEntry": [
        {
            "destination": REAL,
            "active_connections": 1,
            "inactive_connections": 2,
            "persistent_connections": 3,
            "stats": ipvs.Stats(1),
        }
    ],
    "SyncDaemon": [DAEMON_SETTINGS],
    "SyncDaemon.replace": [DAEMON_SETTINGS],
    **{f"Command.{name}": arguments for name, arguments in CHANGE.items()},
    "Table": [{"services": [(WEB, [REAL])]}],
    "Table.from_rules": [{"text": RULES}],
    "Pool": [CONFIG],
    "Pool.checked": [{"server": REAL, "is_well": True}],
    "Pool.set_weight": [{"server": REAL.id, "weight": 4}],
    "Pool.set_config": [CONFIG],
    "Pool.adopt_state": [{"text": "quorum up\n"}],
    "Drain.wait": [{"interval": 0.1}],
    "Client": [{"timeout": 5.0, "netns": "/proc/self/ns/net", "load_module": True}],
    "Client.service": [{"service": WEB}],
    "Client.destinations": [{"service": WEB}],
    "Client.setting": [{"name": "conntrack"}],
    "Client.set_setting": [
        {"name": "conntrack", "value": True},
        {"name": "drop_entry", "value": 1},
        {"name": "sync_threshold", "value": (4, 60)},
    ],
    **{f"Client.{name}": arguments for name, arguments in CHANGE.items()},
    "Client.ensure_service": [{"service": WEB}],
    "Client.remove_service": [{"service": WEB}],
    "Client.ensure_destination": [{"service": WEB, "destination": REAL.id, **DESTINATION}],
    "Client.remove_destination": [{"service": WEB, "destination": REAL}],
    "Client.set_weight": [{"service": WEB, "destination": REAL, "weight": 4}],
    "Client.run": [{"command": ipvs.Command.zero()}],
    "Client.batch": [{"commands": [ipvs.Command.zero(WEB)]}],
    "Client.restore": [{"text": "-Z", "clear": True}],
    "Client.current_table": [{"scope": [WEB, "fwmark:1-9"]}],
    "Client.plan": [{"table": RULES, "scope": WEB}],
    "Client.apply": [{"table": [(WEB, [REAL])], "scope": "10.0.0.0/24", "rollback": True}],
    "Client.adopt": [{"pool": POOL}],
    "Client.follow": [{"pool": POOL, "changes": CHANGES}],
    "Client.reconcile": [{"pool": POOL}],
    "Client.drain": [
        {"service": WEB, "destination": REAL, "deadline": 60, "inactive": True, "persistent": True},
    ],
    "Client.watch": [{"interval": 0.1}],
    "Client.set_sync_role": [{"daemon": DAEMON}],
    "parse_rules": [{"text": RULES}],
    "service_ids": [{"text": "fwmark:1-9"}],
}
#: What an error may name besides the argument itself: a part of it, or what does not go with it.
ALSO: dict[str, set[str]] = {
    "id": {"service", "destination", "address", "port", "one_packet"},
    "address": {"service", "destination"},
    "port": {"service", "destination", "address"},
    "protocol": {"service"},
    "fwmark": {"service"},
    "family": {"service", "netmask"},
    "scheduler": {"scheduler_flags"},
    "persistence_timeout": {"persistence_engine"},
    "service": {"id", "port", "scheduler", "forwarding"},
    "destination": {"address", "port"},
    "server": {"destination", "address", "port"},
    "sorry_server": {"destination", "address", "port"},
    "servers": {"destination", "address", "port"},
    "services": {"service", "destinations", "destination", "address", "port"},
    "table": {"service", "destinations", "destination", "address", "port", "scope", "text"},
    "forwarding": {"tunnel"},
    "tunnel": {"type", "port", "checksum"},
    "upper_threshold": {"lower_threshold"},
    "timeouts": {"tcp", "tcp_fin", "udp"},
    "stats": {"connections"},
    "quorum": {"hysteresis"},
    "name": {"setting"},
    "value": {"conntrack", "drop_entry", "sync_threshold"},
    "text": {"range", "state", "service"},
    "max_length": {"group"},
}
#: How an argument that holds others may hold what is hostile.
INSIDE: dict[str, list[Callable[[Any], Any]]] = {
    "commands": [lambda value: [value]],
    "scheduler_flags": [lambda value: [value]],
    "scope": [lambda value: [value]],
    "servers": [lambda value: [value], lambda value: iter([REAL, value])],
    "id": [lambda value: (value, 80), lambda value: ("10.0.0.1", value)],
    "destination": [lambda value: (value, 80), lambda value: ("10.0.0.1", value)],
    "server": [lambda value: (value, 80), lambda value: ("10.0.0.1", value)],
    "sorry_server": [lambda value: (value, 80), lambda value: ("10.0.0.1", value)],
    "tunnel": [
        ipvs.Tunnel,
        lambda value: ipvs.Tunnel("gue", value),
        lambda value: ipvs.Tunnel("gue", 1, value),
    ],
    "timeouts": [lambda value: ipvs.Timeouts(udp=value)],
    "stats": [ipvs.Stats],
    "value": [lambda value: (value, 1), lambda value: (1, value)],
}
INSIDE["services"] = INSIDE["table"] = [
    lambda value: [value],
    lambda value: [(value, [])],
    lambda value: [(WEB, value)],
    lambda value: [(WEB, [REAL, value])],
]


def deep() -> list[Any]:
    """Nest lists, 100,000 deep."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def endless() -> list[Any]:
    """Make a list that holds itself."""
    nested: list[Any] = []
    nested += [nested, nested]
    return nested


class Calls:
    """Does something whenever it is asked for anything, and then is empty, 1, or an address."""

    packed = b""

    def __init__(self, work: Callable[[], object]) -> None:
        """Take what is done."""
        self.work = work

    def __iter__(self) -> Iterator[Any]:
        """Be empty."""
        self.work()
        return iter(())

    def __index__(self) -> int:
        """Be 1."""
        self.work()
        return 1

    def __float__(self) -> float:
        """Be 1."""
        self.work()
        return 1.0

    def __str__(self) -> str:
        """Be an address."""
        self.work()
        return "10.0.0.1"


#: What is right nowhere.
NEVER: dict[str, Any] = {
    "an object": object(),
    "-1": -1,
    "2**64": 2**64,
    "10**30": 10**30,
    "more digits than Python writes": 10**5000,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "bytes": b"\xff",
    "NUL": "\0",
    "a surrogate": "\udc80",
    "a long text": "x" * 100_000,
    "a function": deep,
    "a class": ipvs.Service,
    "a list of itself": endless(),
    "a deep list": deep(),
}
#: What may be right here or there.
MAYBE: dict[str, Any] = {
    "None": None,
    "[]": [],
    "{}": {},
    "()": (),
    "b''": b"",
    "''": "",
    "0": 0,
    "0.5": 0.5,
    "1e300": 1e300,
    "True": True,
    "2**31": 2**31,
    "2**32": 2**32,
    "2**63": 2**63,
}
#: The classes whose methods they are, and functions.
OWNERS = sorted({name.partition(".")[0] for name in CALLS})


class Mine(Exception):  # noqa: N818, it is no error of the library's
    """What no library raises."""


class Raiser:
    """Raises the same exception whatever is asked of it, and knows whether it did."""

    def __init__(self, error: BaseException) -> None:
        """Take the exception."""
        self.error = error
        self.has_raised = False

    def refuse(self, *_: object) -> Any:  # noqa: ANN401, it never returns
        """Raise."""
        self.has_raised = True
        raise self.error


METHODS = ["iter", "next", "len", "getitem", "index", "int", "float", "str", "repr", "eq", "hash", "bool", "call"]
#: It looks as an address of the module `ipaddress` does.
Evil = type("Evil", (Raiser,), {f"__{name}__": Raiser.refuse for name in METHODS} | {"packed": b""})
#: Too large for anything, and it cannot be shown.
EvilInt = type("EvilInt", (int,), {"__str__": Raiser.refuse, "__index__": Raiser.refuse, "__repr__": Raiser.refuse})


class EvilIterator(Raiser):
    """Begins well."""

    def __iter__(self) -> Iterator[Any]:
        """Raise when it is asked for more."""
        yield from ()
        self.refuse()


def raisers(kind: type[BaseException]) -> Iterator[Any]:
    """Make one of each that raises exceptions of a kind."""
    yield Evil(kind("mine"))
    yield EvilIterator(kind("mine"))
    large = EvilInt(2**70)
    large.error, large.has_raised = kind("mine"), False
    yield large


def compiled() -> dict[str, type]:
    """Give the classes that are no enumerations, tuples or exceptions."""
    values = {name: getattr(ipvs, name) for name in ipvs.__all__}
    others = (Enum, tuple, BaseException)
    return {name: value for name, value in values.items() if isinstance(value, type) and not issubclass(value, others)}


def parameters(function: Callable[..., object]) -> set[str]:
    """Give the names of its arguments."""
    return set(inspect.signature(function).parameters) - {"self"}


def callables() -> dict[str, set[str]]:
    """Give the public callables, and the names of the arguments of each."""
    values = {name: getattr(ipvs, name) for name in ipvs.__all__}
    functions = {name: value for name, value in values.items() if callable(value) and not isinstance(value, type)}
    found = {name: parameters(function) for name, function in functions.items()}
    for name, class_ in compiled().items():
        if vars(class_).get("__new__"):
            found[name] = parameters(class_)
        for method, what in vars(class_).items():
            if not method.startswith("_") and (callable(what) or isinstance(what, staticmethod)):
                found[f"{name}.{method}"] = parameters(getattr(class_, method))
    return found


def test_every_argument_is_walked() -> None:
    """And nothing that is not there any more."""
    expected = callables()
    for name in ["Service", "Destination", "SyncDaemon"]:
        expected[f"{name}.replace"] = expected[name]
    given = {name: set().union(*calls) for name, calls in CALLS.items()}
    assert given == {name: names for name, names in expected.items() if names}


@pytest.fixture
def lb() -> ipvs.Client:
    """Connect in the test's namespace, and make a table there."""
    lb = ipvs.Client()
    restore(lb)
    return lb


def restore(lb: ipvs.Client) -> None:
    """Make everything what it was at the start."""
    lb.set_sync_role(None)
    lb.set_timeouts(tcp=900, tcp_fin=120, udp=300)
    settings: dict[str, Any] = {"conntrack": False, "drop_entry": 0, "sync_threshold": (3, 50)}
    for name, value in settings.items():
        lb.set_setting(name, value)
    lb.restore(RULES, clear=True).check()


def state(lb: ipvs.Client) -> object:
    """Give what a call might change."""
    settings = [lb.setting(name) for name in ["conntrack", "drop_entry", "sync_threshold"]]
    return lb.save(), lb.timeouts(), lb.daemons(), settings


def find(lb: ipvs.Client, name: str) -> Callable[..., object]:
    """Give the callable of this name, a method with its object."""
    owner, _, method = name.partition(".")
    objects: dict[str, Callable[[], object]] = {
        "Client": lambda: lb,
        "Service": lambda: WEB,
        "Destination": lambda: REAL,
        "SyncDaemon": lambda: DAEMON,
        "Pool": lambda: ipvs.Pool(services=[WEB], servers=[REAL]),
        "Drain": lambda: drain(lb),
    }
    if not method:
        return getattr(ipvs, owner)  # type: ignore[no-any-return]
    made = objects[owner]() if owner in objects else getattr(ipvs, owner)
    return getattr(made, method)  # type: ignore[no-any-return]


def drain(lb: ipvs.Client) -> ipvs.Drain:
    """Begin to drain, and leave the table as it was."""
    begun = lb.drain(WEB, REAL)
    restore(lb)
    return begun


def names_it(error: BaseException, name: str) -> bool:
    """Say whether an error is of a kind that an argument may cause, and names the argument or a part of it."""
    if isinstance(error, ipvs.Error) and not isinstance(error, ipvs.InvalidArgument):
        return str(error).startswith("cannot ") and error.operation is not None
    words = {name} | ALSO.get(name, set())
    if isinstance(error, ipvs.RuleError):
        return error.field in words and (error.line is not None or "there is no rule" in str(error))
    if isinstance(error, ipvs.InvalidArgument):
        return error.field in words and re.search(rf"\b{error.field}: ", str(error)) is not None
    # The second is Python's own, for an argument that has to be given.
    said = re.match(r"(?:argument '\w+': )?(\w+): .* is needed|.*: '(\w+)'$", str(error), re.DOTALL)
    return type(error) is TypeError and said is not None and (said[1] or said[2]) in words


def attempt(call: Callable[..., object], arguments: dict[str, Any]) -> BaseException | None:
    """Give what a call raises, whatever it is."""
    try:
        call(**arguments)
    except BaseException as error:  # noqa: BLE001
        return error
    return None


def hostile(name: str) -> Iterator[tuple[str, Any, bool]]:
    """Give what an argument of this name is tried with, and whether that may be right."""
    for values, may_be_right in [(NEVER, False), (MAYBE, True)]:
        for title, value in values.items():
            yield title, value, may_be_right
            for place, wrap in enumerate(INSIDE.get(name, ())):
                yield f"{title}, inside ({place})", wrap(value), may_be_right


def ways(name: str) -> list[Callable[[Any], Any]]:
    """Give how an argument of this name is given a value: as it is, and inside of what it may hold."""
    return [lambda value: value, *INSIDE.get(name, ())]


def walk(owner: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give each argument of the callables of an owner, with right ones for the others."""
    for name, calls in CALLS.items():
        if name.partition(".")[0] == owner:
            for call in calls:
                for argument in call:
                    yield name, argument, {other: value for other, value in call.items() if other != argument}


@pytest.mark.parametrize("owner", OWNERS)
def test_values(lb: ipvs.Client, witness: Witness, owner: str) -> None:
    """Each is refused with its name and changes nothing, or is right."""
    before, rules = state(lb), witness()
    for name, argument, others in walk(owner):
        call = find(lb, name)
        for title, value, may_be_right in hostile(argument):
            case = f"{name}({argument}={title})"
            error = attempt(call, {**others, argument: value})
            if error is None:
                assert may_be_right, case
                restore(lb)
            else:
                assert names_it(error, argument), f"{case}: {error!r:.500}"
                # What is right nowhere is not left to the kernel; only a namespace is looked for.
                is_ours = isinstance(error, (ipvs.InvalidArgument, TypeError))
                assert is_ours or may_be_right or argument == "netns", f"{case}: {error!r:.500}"
            assert state(lb) == before, case
    assert witness() == rules


@pytest.mark.parametrize("owner", OWNERS)
def test_what_is_right(lb: ipvs.Client, owner: str) -> None:
    """Otherwise the arguments beside a hostile one could be what is refused."""
    for name, calls in CALLS.items():
        for arguments in calls if name.partition(".")[0] == owner else ():
            error = attempt(find(lb, name), arguments)
            assert error is None or (name, type(error)) == ("Client.stop_daemon", ipvs.NoSuchDaemon)
            restore(lb)


@pytest.mark.parametrize("owner", OWNERS)
def test_what_a_value_raises_comes_through(lb: ipvs.Client, witness: Witness, owner: str) -> None:
    """The very exception, and nothing has been done."""
    before, rules = state(lb), witness()
    for name, argument, others in walk(owner):
        call = find(lb, name)
        for wrap in ways(argument):
            for kind in [Mine, KeyError, ValueError, TypeError, OverflowError, KeyboardInterrupt]:
                for value in raisers(kind):
                    error = attempt(call, {**others, argument: wrap(value)})
                    case = f"{name}({argument}={type(value).__name__}): {error!r:.500}"
                    assert error is not None, case
                    assert error is value.error if value.has_raised else names_it(error, argument), case
        assert state(lb) == before, name
    assert witness() == rules


@pytest.mark.parametrize("owner", OWNERS)
def test_a_value_that_calls_the_client(lb: ipvs.Client, owner: str) -> None:
    """What is asked of the client in the middle of a call is answered."""
    asked = set()

    def work() -> None:
        assert lb.service(WEB).id == WEB.id
        asked.add(argument)

    for name, argument, others in walk(owner):
        for wrap in ways(argument):
            error = attempt(find(lb, name), {**others, argument: wrap(Calls(work))})
            assert error is None or names_it(error, argument), f"{name}({argument}): {error!r:.500}"
            restore(lb)
    iterables = {"services", "servers", "commands", "table", "scope", "scheduler_flags"}
    numbers = {"port", "weight", "quorum", "sync_id", "tcp", "deadline", "interval", "timeout", "active_connections"}
    walked = {argument for _, argument, _ in walk(owner)}
    assert asked >= walked & (iterables | numbers)


def test_a_value_that_closes_the_client(lb: ipvs.Client, witness: Witness) -> None:
    """Then it is closed, and nothing is sent."""
    rules = witness()
    seen = set()
    for name, argument, others in walk("Client"):
        here = ipvs.Client()
        error = attempt(find(here, name), {**others, argument: Calls(here.close)})
        if isinstance(error, ValueError) and str(error) == "the client is closed":
            seen.add(name)
        else:
            # To make a client needs none.
            assert name == "Client" or (error and names_it(error, argument)), f"{name}({argument}): {error!r:.500}"
    assert seen >= {"Client.batch", "Client.apply", "Client.set_weight", "Client.watch", "Client.drain"}
    assert witness() == rules
    assert lb.service(WEB)


def test_endless_recursion(lb: ipvs.Client) -> None:
    """A value that makes the same call again ends as any recursion of Python's does."""
    recursive: Any = Calls(lambda: lb.batch(recursive))
    with pytest.raises(RecursionError):
        lb.batch(recursive)
    recursive = Calls(lambda: lb.set_weight(WEB, REAL, recursive))
    with pytest.raises(RecursionError):
        lb.set_weight(WEB, REAL, recursive)
    assert lb.service(WEB)


class Text(str):
    """A text whose methods are not to be asked: it is its letters."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def refuse(self, *_: object, **__: object) -> Any:  # noqa: ANN401, it never returns
        """Raise."""
        raise Mine

    __str__ = __repr__ = __eq__ = __iter__ = __len__ = __getitem__ = __contains__ = encode = refuse


class Number(int):
    """A number whose methods are not to be asked: it is its digits. Only as a time it is what `__float__` says."""

    def refuse(self, *_: object) -> Any:  # noqa: ANN401, it never returns
        """Raise."""
        raise Mine

    __index__ = __int__ = __str__ = __repr__ = __eq__ = __hash__ = __bool__ = refuse


class Real(float):
    """A float whose methods are not to be asked."""

    __float__ = __index__ = __int__ = __str__ = __repr__ = __eq__ = __hash__ = __bool__ = Number.refuse


@pytest.mark.parametrize("owner", OWNERS)
def test_subclasses_of_text_and_numbers(lb: ipvs.Client, owner: str) -> None:
    """They are what they are made of, whatever their methods say."""

    def in_disguise(value: Any) -> Any:  # noqa: ANN401, anything
        if type(value) in {list, tuple}:
            return type(value)(map(in_disguise, value))
        disguise = {str: Text, int: Number, float: Real}.get(type(value))
        return disguise(value) if disguise else value

    for name, calls in CALLS.items():
        for arguments in calls if name.partition(".")[0] == owner else ():
            disguised = {argument: in_disguise(value) for argument, value in arguments.items()}
            error = attempt(find(lb, name), disguised)
            assert error is None or (name, type(error)) == ("Client.stop_daemon", ipvs.NoSuchDaemon)
            restore(lb)


def test_only_times_ask_for_a_float(lb: ipvs.Client) -> None:
    """Whatever a subclass of int is asked for."""

    class Time(Number):
        def __float__(self) -> float:
            raise TimeoutError

    asked = set()
    for owner in OWNERS:
        for name, argument, others in walk(owner):
            for wrap in ways(argument):
                if type(attempt(find(lb, name), {**others, argument: wrap(Time(1))})) is TimeoutError:
                    asked.add(f"{name} {argument}")
                restore(lb)
    assert asked == {"Client timeout", "Client.drain deadline", "Client.watch interval", "Drain.wait interval"}


def test_enumerations() -> None:
    """What is no text of theirs is a ValueError."""
    values = [getattr(ipvs, name) for name in ipvs.__all__]
    enums = [value for value in values if isinstance(value, type) and issubclass(value, Enum)]
    assert len(enums) == 12
    for kind in enums:
        for value in [*NEVER.values(), *MAYBE.values(), "1" * 5000, "²", "1\0"]:
            # Python's own words are about what it cannot show: a number that is too long, a list that is too deep.
            with pytest.raises((ValueError, RecursionError), match=r"is not a valid|limit|depth"):
                kind(value)


def test_intervals_beyond_python_s_clock(lb: ipvs.Client) -> None:
    """They are long, and nothing else: the first look is at once."""
    drain = lb.drain(WEB, REAL, deadline=2**63)
    assert next(drain.wait(interval=2**63)).state is ipvs.DrainState.DRAINED
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(lb.watch(interval=2**63))
    finally:
        timer.cancel()
