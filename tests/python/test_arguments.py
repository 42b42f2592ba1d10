"""A wrong argument is a ValueError or a TypeError that names it, and nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address, ip_interface
from typing import Any

import ipvs
import pytest
from conftest import new_namespace

WEB = "tcp://10.0.0.1:80"
REAL = "192.168.1.10:80"
SERVICE = ipvs.Service(WEB)
POOL = ipvs.Pool(services=[SERVICE], servers=[REAL])
Make = Callable[[], Any]

VALUES: list[tuple[Make, str]] = [
    (lambda: ipvs.Service("10.0.0.1:80"), "service: '10.0.0.1:80' is not an id; write tcp://"),
    (lambda: ipvs.Service("tcp://10.0.0.1:80\0"), "service: "),
    (lambda: ipvs.Service("\udc80"), "id: it has a lone surrogate"),
    (ipvs.Service, "id: an id is needed"),
    (lambda: ipvs.Service(WEB, port=80), "id: the id has its parts already"),
    (lambda: ipvs.Service(protocol="tcp", address="10.0.0.1"), "service: give an id, or protocol, address and port"),
    (lambda: ipvs.Service(protocol="icmp", address="10.0.0.1", port=1), "protocol: 'icmp' is none of tcp, udp"),
    (lambda: ipvs.Service(protocol="tcp", address="10.0.0", port=1), "address: '10.0.0' is no IP address"),
    (lambda: ipvs.Service(protocol="tcp", address="10.0.0.1", port=65536), "port: 65536 is not within 0 to 65535"),
    (lambda: ipvs.Service(fwmark=0), "fwmark: 0 marks no packet"),
    (lambda: ipvs.Service(fwmark=-1), "fwmark: -1 is not within 0 to 4294967295"),
    (lambda: ipvs.Destination(REAL, weight=-1), "weight: -1 is not within 0 to 2147483647"),
    (lambda: ipvs.Service(fwmark=7, family="ipx"), "family: 'ipx' is neither ipv4 nor ipv6"),
    (lambda: ipvs.Service(WEB, scheduler="a-name-of-16-byte"), "scheduler: "),
    (
        lambda: ipvs.Service(WEB, scheduler_flags=["sh-port"]),
        "scheduler_flags: 'sh-port' belongs to the scheduler 'sh'",
    ),
    (lambda: ipvs.Service(WEB, persistence_timeout=0), "persistence_timeout: 0 is not within 1 to 4294967"),
    (lambda: ipvs.Service(WEB, netmask=33), "netmask: the prefix length 33"),
    (lambda: ipvs.Service(WEB, netmask="255.0.255.0"), "netmask: 255.0.255.0 has holes"),
    (lambda: ipvs.Service(WEB, persistence_engine=""), "persistence_engine: the name is empty"),
    (lambda: ipvs.Service(WEB, one_packet=True), "one_packet: only a UDP service"),
    (lambda: ipvs.Service("tcp://10.0.0.1:0"), "port: 0 means every port"),
    (lambda: ipvs.Destination("192.168.1.10"), "destination: '192.168.1.10' is not an address"),
    (lambda: ipvs.Destination(address="192.168.1.10"), "destination: give the destination's address and its port"),
    (lambda: ipvs.Destination(REAL, weight=2147483648), "weight: 2147483648 is not within 0 to 2147483647"),
    (lambda: ipvs.Destination(REAL, weight=10**30), "weight: 1000000000000000000000000000000 is not within 0 to"),
    (lambda: ipvs.Destination(REAL, forwarding="nat"), "forwarding: 'nat' is none of masquerade, tunnel"),
    (lambda: ipvs.Destination(REAL, forwarding="masquerade", tunnel="gre"), "tunnel: masquerade has none"),
    (lambda: ipvs.Destination(REAL, tunnel=ipvs.Tunnel("gue")), "tunnel: a GUE tunnel needs a port"),
    (lambda: ipvs.Destination(REAL, tunnel=ipvs.Tunnel("gre", None, "remote")), "tunnel: a remote checksum is for"),
    (lambda: ipvs.Destination(REAL, tunnel=ipvs.Tunnel("vxlan")), "tunnel: 'vxlan' is none of ipip, gue and gre"),
    (lambda: ipvs.Destination(REAL, lower_threshold=1), "lower_threshold: 1 is above the upper threshold 0"),
    (lambda: ipvs.SyncDaemon("slave", interface="eth0"), "role: 'slave' is neither master nor backup"),
    (lambda: ipvs.SyncDaemon("master"), "interface: a daemon needs one"),  # type: ignore[call-arg]
    (lambda: ipvs.SyncDaemon("master", interface="eth0", sync_id=256), "sync_id: 256 is not within 0 to 255"),
    (lambda: ipvs.SyncDaemon("master", interface="eth0", group="10.0.0.1"), "group: 10.0.0.1 is not a multicast"),
    (lambda: ipvs.Command.set_timeouts(tcp=21474837), "tcp: 21474837 is above 21474836 seconds"),
    (lambda: ipvs.Command.add_destination(WEB, "[2001:db8::a]:80"), "forwarding: [2001:db8::a]:80 and tcp://10.0.0.1"),
    (lambda: ipvs.Command.delete_service(""), "service: '' is not an id"),
    (lambda: SERVICE.replace(fwmark=7, port=80), "service: give an id, or protocol, address and port"),
    (lambda: SERVICE.replace(family="ipv6"), "service: give an id, or protocol, address and port"),
    (lambda: ipvs.Service("fwmark:7").replace(port=80), "service: give an id, or protocol, address and port"),
    (lambda: ipvs.Destination(address=IPv6Address("fe80::1%eth0"), port=80), "address: 'fe80::1%eth0' is no IP"),
    (lambda: ipvs.Destination(address=ip_interface("10.0.0.1/8"), port=80), "address: '10.0.0.1/8' is no IP address"),
    (lambda: ipvs.Command.set_timeouts(ipvs.Timeouts(tcp=-1)), "tcp: -1 is not within 0 to 4294967295"),
    (lambda: ipvs.Command.set_timeouts(ipvs.Timeouts(udp=2**33)), "udp: 8589934592 is not within 0 to 4294967295"),
    (lambda: ipvs.ServiceEntry(SERVICE, stats=ipvs.Stats(-1)), "connections: -1 is not within 0 to"),
    (lambda: ipvs.ServiceEntry(SERVICE, stats=ipvs.Stats(bytes_in=2**64)), "bytes_in: 18446744073709551616 is not"),
    (lambda: ipvs.Client().set_setting("conntrack", 2**70), "value: 1180591620717411303424 is not"),
    (lambda: ipvs.Client(timeout=-1), "timeout: "),
    (lambda: ipvs.Client(timeout=float("nan")), "timeout: "),
    (lambda: ipvs.Client(timeout=float("inf")), "timeout: inf is no time in seconds; None waits for ever"),
    (lambda: ipvs.Client().drain(WEB, REAL, deadline=-1), "deadline: -1 is no time in seconds; None waits for ever"),
    (lambda: ipvs.Client().watch(interval=float("nan")), "interval: nan is no time in seconds"),
    (
        lambda: ipvs.Client().plan("-C", scope="10.0.0.1/24"),
        "scope: '10.0.0.1/24' is not the first address of its network",
    ),
    (lambda: ipvs.Client().plan("-C", scope=["tcp"]), "scope: 'tcp' names no services; write an id"),
    (lambda: ipvs.Table([(SERVICE, ["[2001:db8::a]:80"])]), "forwarding: [2001:db8::a]:80 and tcp://10.0.0.1"),
    (lambda: ipvs.Pool(services=[]), "services: a pool needs one at least"),
    (lambda: ipvs.Pool(services=[SERVICE, SERVICE]), "services: tcp://10.0.0.1:80 is there twice"),
    (lambda: ipvs.Pool(services=[SERVICE], servers=[REAL], sorry_server=REAL), "servers: 192.168.1.10:80 is there"),
    (lambda: ipvs.Pool(services=[SERVICE], quorum=0), "quorum: it must be at least 1"),
    (lambda: ipvs.Pool(services=[SERVICE], hysteresis=1), "hysteresis: 1 is not below the quorum 1"),
    (lambda: ipvs.Pool(services=[SERVICE], rise=-1), "rise: -1 is not within 0 to 4294967295"),
    (lambda: POOL.checked("192.168.1.9:80", is_well=True), "server: the pool has no server 192.168.1.9:80"),
    (lambda: POOL.set_weight(REAL, 2**31), "weight: 2147483648 is not within 0 to 2147483647"),
    (lambda: POOL.adopt_state("x"), "state: 'x' is no line of a pool's state"),
]

TYPES: list[tuple[Make, str]] = [
    (lambda: ipvs.Service(80), "id: a str is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Service(WEB, schedular="rr"), "there is no setting 'schedular'"),  # type: ignore[call-arg]
    (lambda: ipvs.Service(WEB, scheduler=None), "scheduler: a str is needed, not NoneType"),  # type: ignore[arg-type]
    (lambda: ipvs.Service(WEB, scheduler_flags="flag-1"), "scheduler_flags: an iterable of str is needed, not str"),
    (lambda: ipvs.Service(WEB, scheduler_flags=[1]), "scheduler_flags: a str is needed, not int"),  # type: ignore[list-item]
    (lambda: ipvs.Service(WEB, one_packet=1), "one_packet: a bool is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Service(WEB, persistence_timeout=1.5), "persistence_timeout: an int is needed, not float"),  # type: ignore[arg-type]
    (lambda: ipvs.Service(protocol="tcp", address=1, port=2), "address: an IP address, as a str or"),  # type: ignore[arg-type]
    (lambda: ipvs.Service(SERVICE), "id: a str is needed, not Service"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination(80), "id: a str such as '192.168.1.10:8080', or an address and a port, is needed"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination(ipvs.Destination(REAL)), "or an address and a port, is needed, not Destination"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination((1, 2, 3)), "or an address and a port, is needed, not tuple"),  # type: ignore[arg-type]
    (lambda: ipvs.Command.delete_destination(WEB, 80), "destination: a str such as '192.168.1.10:8080'"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination(REAL, tunnel=ipvs.Tunnel(5)), "type: a str is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Command.set_timeouts(ipvs.Timeouts("1")), "tcp: an int is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.ServiceEntry(SERVICE, stats=ipvs.Stats("1")), "connections: an int is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().batch(5), "commands: an iterable of Command is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().restore("-C", clear=1), "clear: a bool is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().set_setting("sync_threshold", (1, 2.5)), "value: an int in the tuple is needed, not float"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().set_setting("conntrack", 1.5), "value: a bool, an int, a tuple of two or a str"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination(REAL, weight="5"), "weight: an int is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination(REAL, tunnel=5), "tunnel: a Tunnel or the str of its type is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Client(timeout=True), "timeout: a number of seconds is needed, not bool"),
    (lambda: ipvs.Client().set_setting("sync_threshold", (True, 50)), "value: an int in the tuple is needed, not bool"),
    (lambda: ipvs.Service(WEB, persistence_timeout=True), "persistence_timeout: an int is needed, not bool"),
    (lambda: ipvs.Command.add_service(WEB), "service: a Service with its settings is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.Command.delete_service(80), "service: a Service or the str of an id is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Command.add_destination(WEB, REAL, port=5), "unexpected keyword argument 'port'"),  # type: ignore[call-arg]
    (lambda: ipvs.Client().add_destination(WEB, REAL, port=5), "unexpected keyword argument 'port'"),  # type: ignore[call-arg]
    (lambda: ipvs.Command.add_destination(WEB, REAL, weight=None), "weight: an int is needed, not NoneType"),  # type: ignore[arg-type]
    (lambda: ipvs.Command.add_destination(WEB, ipvs.Destination(REAL), weight=5), "has its settings already"),
    (lambda: ipvs.Command.set_timeouts((1, 2)), "timeouts: a Timeouts is needed, not tuple"),  # type: ignore[arg-type]
    (lambda: ipvs.Destination(REAL, **{"\udc80": 1}), "there is no setting '\ufffd\ufffd\ufffd'"),  # type: ignore[arg-type]
    (lambda: ipvs.Client(5), "positional"),  # type: ignore[call-arg]
    (lambda: ipvs.Client(timeout="5"), "timeout: a number of seconds is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.Client(netns=5), "netns: a str is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.parse_rules(b"-C"), "text: a str is needed, not bytes"),  # type: ignore[arg-type]
    (lambda: ipvs.ServiceEntry(SERVICE, stats=(1, 2)), "stats: a Stats is needed, not tuple"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().apply(5), "table: a Table, rules as a str or an iterable of pairs is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Table("-C"), "services: an iterable of pairs is needed, not str"),  # type: ignore[arg-type]
    (
        lambda: ipvs.Table([SERVICE]),  # type: ignore[list-item]
        "services: a pair of a Service and its destinations (rules are one str) is needed, not Service",
    ),
    (lambda: ipvs.Table([(WEB, [])]), "service: a Service with its settings is needed, not str"),  # type: ignore[list-item]
    (lambda: ipvs.Table([(SERVICE, REAL)]), "destinations: an iterable of Destination is needed, not str"),
    (lambda: ipvs.Client().plan("-C", scope=5), "scope: a str, a Service or an iterable of them is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().apply("-C", rollback=1), "rollback: a bool is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Pool(services=[SERVICE], qourum=1), "there is no setting 'qourum'"),  # type: ignore[call-arg]
    (lambda: ipvs.Pool(services=WEB), "services: an iterable of Service is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.Pool(services=[SERVICE], servers=REAL), "servers: an iterable of Destination is needed, not str"),
    (lambda: ipvs.Pool(services=[SERVICE], alpha=1), "alpha: a bool is needed, not int"),  # type: ignore[arg-type]
    (lambda: POOL.checked(REAL, 1), "is_well: a bool is needed, not int"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().follow(POOL, ()), "changes: a PoolChanges is needed, not tuple"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().reconcile(WEB), "pool: a Pool is needed, not str"),  # type: ignore[arg-type]
    (lambda: ipvs.Client().drain(WEB, REAL, timeout=5), "there is no setting 'timeout'"),  # type: ignore[call-arg]
    (lambda: ipvs.Client().set_sync_role("master"), "daemon: a SyncDaemon is needed, not str"),  # type: ignore[arg-type]
]


@pytest.fixture(autouse=True, scope="module")
def namespace() -> Iterator[str]:
    """Enter one for all: what is wrong changes nothing."""
    with new_namespace() as name:
        yield name


@pytest.mark.parametrize(("make", "message"), VALUES, ids=[message for _, message in VALUES])
def test_values(make: Make, message: str) -> None:
    """What is out of range or does not go together is a ValueError, and an Error with the field's name."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        make()
    assert isinstance(caught.value, ipvs.InvalidArgument)
    assert caught.value.field == message.split(":", 1)[0]
    assert caught.value.kind == "invalid_argument"


@pytest.mark.parametrize(("make", "message"), TYPES, ids=[message for _, message in TYPES])
def test_types(make: Make, message: str) -> None:
    """What is of another type is a TypeError."""
    with pytest.raises(TypeError, match=re.escape(message)):
        make()


#: With a value for each, and one that is wrong.
KEYWORDS: dict[str, Any] = {
    "forwarding": "tunnel",
    "tunnel": ipvs.Tunnel("gue", 5555),
    "weight": 7,
    "upper_threshold": 9,
    "lower_threshold": 3,
}
WRONG: dict[str, Any] = {
    "forwarding": "x",
    "tunnel": 5,
    "weight": -1,
    "upper_threshold": "x",
    "lower_threshold": 1.5,
}


def test_the_settings_of_a_destination_are_keywords_of_each_method() -> None:
    """Each means the same wherever it stands, and so does what is wrong with it."""
    wanted = ipvs.Destination(REAL, **KEYWORDS)
    lb = ipvs.Client()
    lb.add_service(SERVICE)
    add, edit = ipvs.Command.add_destination, ipvs.Command.edit_destination
    assert add(SERVICE, REAL, **KEYWORDS) == add(SERVICE, wanted)
    assert edit(SERVICE, REAL, **KEYWORDS) == edit(SERVICE, wanted)
    methods: list[Callable[..., object]] = [lb.add_destination, lb.edit_destination, lb.ensure_destination]
    for method in methods:
        method(SERVICE, REAL, **KEYWORDS)
        assert [entry.destination for entry in lb.destinations(SERVICE)] == [wanted]
        lb.edit_destination(SERVICE, REAL)
        if method is methods[-2]:
            lb.remove_destination(SERVICE, REAL)
    for name, value in WRONG.items():
        with pytest.raises((TypeError, ValueError)) as expected:
            ipvs.Destination(REAL, **{name: value})
        for method in [add, edit, *methods]:
            with pytest.raises(expected.type, match=f"^{re.escape(str(expected.value))}$"):
                method(SERVICE, REAL, **{name: value})
            with pytest.raises(TypeError, match="has its settings already"):
                method(SERVICE, wanted, **{name: value})
