"""Objects are values: immutable, comparable, hashable, and printed as what makes them. None of this needs a kernel."""

from __future__ import annotations

import copy
import inspect
import pickle
from ipaddress import ip_address
from unittest.mock import ANY

import ipvs
import pytest

WEB = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
SERVICES = [
    WEB,
    ipvs.Service("udp://[2001:db8::1]:53", one_packet=True, persistence_timeout=60, netmask=64),
    ipvs.Service("sctp://10.0.0.1:0", persistence_timeout=4294967, netmask="255.255.255.0"),
    ipvs.Service("fwmark:4294967295/ipv6", scheduler="mh", scheduler_flags=["mh-port", "flag-3", "mh-fallback"]),
    ipvs.Service("udp://10.0.0.1:5060", persistence_timeout=1, persistence_engine="sip"),
]
DESTINATIONS = [
    ipvs.Destination("192.168.1.10:8080"),
    ipvs.Destination("[2001:db8::a]:80", forwarding="tunnel", weight=0),
    ipvs.Destination("192.168.1.10:80", forwarding=ipvs.Forwarding.MASQUERADE, weight=2147483647),
    ipvs.Destination("192.168.1.10:80", forwarding="local-node", upper_threshold=2147483647, lower_threshold=7),
    ipvs.Destination("192.168.1.10:80", tunnel=ipvs.Tunnel("gue", 5555, "remote")),
    ipvs.Destination("192.168.1.10:80", tunnel="gre"),
]
DAEMONS = [
    ipvs.SyncDaemon("master", interface="eth0"),
    ipvs.SyncDaemon("backup", interface="eth0", sync_id=255, max_length=1400, group="ff02::81", port=8849, ttl=9),
]
STATS = ipvs.Stats(*range(10))
COMMANDS = [
    ipvs.Command.add_service(WEB),
    ipvs.Command.edit_service(SERVICES[1]),
    ipvs.Command.delete_service(WEB),
    ipvs.Command.add_destination(WEB, "192.168.1.10:80", forwarding="masquerade", weight=5),
    ipvs.Command.edit_destination(WEB.id, DESTINATIONS[3]),
    ipvs.Command.delete_destination("fwmark:7", DESTINATIONS[0]),
    ipvs.Command.zero(),
    ipvs.Command.zero(WEB),
    ipvs.Command.flush(),
    ipvs.Command.set_timeouts(tcp=900),
    ipvs.Command.start_daemon(DAEMONS[1]),
    ipvs.Command.stop_daemon(ipvs.Role.BACKUP),
]
RECORDS = [
    STATS,
    ipvs.Info("1.2.1", 4096),
    ipvs.Timeouts(udp=5),
    ipvs.Tunnel(),
    ipvs.Endpoint("2001:db8::1", 80),
    ipvs.ServiceTable(ipvs.ServiceEntry(WEB, stats=STATS), (ipvs.DestinationEntry(DESTINATIONS[0]),)),
    ipvs.Connection(
        ipvs.Protocol.TCP,
        ipvs.Endpoint("192.0.2.1", 51000),
        ipvs.Endpoint("10.0.0.1", 80),
        ipvs.Endpoint("192.168.1.10", 8080),
        "ESTABLISHED",
        899,
        ipvs.PersistenceData("sip", "id"),
    ),
    ipvs.OverviewService(
        "fwmark:7",
        "rr",
        persistent=True,
        one_packet=False,
        destinations=(ipvs.OverviewDestination("192.168.1.10:80", ipvs.Forwarding.TUNNEL, 1, 2, 3),),
    ),
    ipvs.PoolEvent(ipvs.PoolEventKind.QUORUM_LOST, None, "quorum lost"),
    ipvs.ServerState("192.168.1.10:80", is_up=True, weight=5),
    ipvs.DrainProgress(ipvs.DrainState.DEADLINE_PASSED, 1),
    ipvs.Change(
        ipvs.ChangeKind.SERVICE_CHANGED,
        "fwmark:7",
        None,
        None,
        (ipvs.FieldChange("scheduler", "rr", "wlc"),),
        "changed fwmark:7: scheduler rr -> wlc",
    ),
    ipvs.OtherWriter("keepalived", 1),
]
TABLES = [ipvs.Table(), ipvs.Table([(WEB, DESTINATIONS[3:4]), (SERVICES[3], ())])]
ENTRIES = [
    ipvs.ServiceEntry(SERVICES[3], stats=STATS),
    ipvs.ServiceEntry(WEB),
    ipvs.DestinationEntry(DESTINATIONS[4], active_connections=1, inactive_connections=2, persistent_connections=3),
    ipvs.DestinationEntry(DESTINATIONS[0], stats=STATS),
]
OBJECTS = [*SERVICES, *DESTINATIONS, *DAEMONS, *COMMANDS, *RECORDS, *ENTRIES, *TABLES]


@pytest.fixture(autouse=True)
def namespace() -> None:
    """None is needed."""


@pytest.mark.parametrize("value", OBJECTS, ids=repr)
def test_a_value_is_what_it_prints(value: object) -> None:
    """Its text evaluates to it, and it survives being sent to another process."""
    for again in [eval(repr(value), vars(ipvs)), pickle.loads(pickle.dumps(value)), copy.deepcopy(value)]:  # noqa: S301, S307
        assert again == value
        assert type(again) is type(value)
        assert hash(again) == hash(value)


def test_values_differ() -> None:
    """No two of them are taken for each other, and none for something else."""
    assert len(set(OBJECTS)) == len(OBJECTS)
    for value in OBJECTS:
        assert value != "tcp://10.0.0.1:80"
        assert value is not None


@pytest.mark.parametrize(
    "value", [WEB, DESTINATIONS[0], DAEMONS[0], COMMANDS[0], ENTRIES[1], ENTRIES[2], TABLES[1]], ids=repr
)
def test_nothing_can_be_set(value: object) -> None:
    """An attribute cannot be set or deleted or made."""
    for name in ["id", "weight", "interface", "operation", "stats", "new"]:
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, name, "other")


def test_a_service_has_its_settings() -> None:
    """What is given comes back, as the members of enumerations and with the parts of the id."""
    web, dns, _, mark, sip = SERVICES
    assert (web.id, web.scheduler, str(web)) == ("tcp://10.0.0.1:80", "wrr", "tcp://10.0.0.1:80")
    assert (web.protocol, web.address, web.port) == (ipvs.Protocol.TCP, ip_address("10.0.0.1"), 80)
    assert (web.fwmark, web.family, web.netmask) == (None, ipvs.Family.IPV4, "255.255.255.255")
    assert (web.scheduler_flags, web.persistence_timeout, web.persistence_engine) == ((), None, None)
    assert (dns.address, dns.one_packet, dns.netmask) == (ip_address("2001:db8::1"), True, "64")
    assert (mark.fwmark, mark.protocol, mark.address, mark.port) == (4294967295, None, None, None)
    flags = ipvs.SchedulerFlag
    assert mark.scheduler_flags == (flags.MH_FALLBACK, flags.MH_PORT, flags.FLAG_3)
    assert (sip.persistence_engine, sip.persistence_timeout) == ("sip", 1)


def test_a_destination_has_its_settings() -> None:
    """What is given comes back."""
    plain, wide, _, local, gue, gre = DESTINATIONS
    assert (plain.id, plain.address, plain.port) == ("192.168.1.10:8080", ip_address("192.168.1.10"), 8080)
    assert (plain.forwarding, plain.weight, plain.tunnel) == (ipvs.Forwarding.DIRECT_ROUTE, 1, None)
    assert (wide.id, wide.weight, wide.tunnel) == ("[2001:db8::a]:80", 0, ipvs.Tunnel("ipip"))
    assert (local.upper_threshold, local.lower_threshold) == (2147483647, 7)
    assert gue.tunnel == (ipvs.TunnelType.GUE, 5555, ipvs.TunnelChecksum.REMOTE)
    assert (gre.forwarding, gre.tunnel) == ("tunnel", ipvs.Tunnel("gre", None, "off"))


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1"])
def test_ids_from_parts(address: str) -> None:
    """An address may be a str or of the module ipaddress, in parts or with its port."""
    text = f"[{address}]" if ":" in address else address
    for given in [address, ip_address(address)]:
        service = ipvs.Service(protocol="tcp", address=given, port=80)
        assert service == ipvs.Service(protocol=ipvs.Protocol.TCP, address=given, port=80)
        assert service.id == f"tcp://{text}:80"
        assert ipvs.Destination(address=given, port=80).id == f"{text}:80"
        assert ipvs.Destination((given, 80)).id == f"{text}:80"
    group = "ff02::1" if ":" in address else "224.0.0.82"
    for given in [group, ip_address(group)]:
        assert ipvs.SyncDaemon("master", interface="eth0", group=given).group == ip_address(group)
    assert ipvs.SyncDaemon("master", interface="eth0", group=None).group is None
    assert ipvs.Service(fwmark=7).id == "fwmark:7"
    assert ipvs.Service(fwmark=7, family="ipv6").id == "fwmark:7/ipv6"
    assert str(ipvs.Endpoint(address, 80)) == f"{text}:80"


def test_replace() -> None:
    """A copy has other settings and keeps the rest."""
    service = ipvs.Service("tcp://10.0.0.1:80", scheduler="sh", scheduler_flags=["sh-port"], persistence_timeout=60)
    assert service.replace() == service
    assert service.replace(id="udp://10.0.0.1:80", persistence_timeout=None) == ipvs.Service(
        "udp://10.0.0.1:80", scheduler="sh", scheduler_flags=["sh-port"]
    )
    assert service.replace(id="tcp://[2001:db8::1]:80").netmask == "128"
    assert service.replace(scheduler="wlc").scheduler_flags == (ipvs.SchedulerFlag.FLAG_2,)
    real = ipvs.Destination("192.168.1.10:80", tunnel=ipvs.Tunnel("gue", 5555), weight=3)
    assert real.replace(id=(ip_address("192.168.1.11"), 81)) == real.replace(id="192.168.1.11:81")
    assert real.replace(weight=0, forwarding="tunnel") == ipvs.Destination(
        "192.168.1.10:80", tunnel=ipvs.Tunnel("gue", 5555), weight=0
    )
    assert real.replace(forwarding="masquerade").tunnel is None
    assert real.replace(address="192.168.1.11", port=81).id == "192.168.1.11:81"
    assert real.replace(tunnel=None) == ipvs.Destination("192.168.1.10:80", forwarding="tunnel", weight=3)
    assert DESTINATIONS[2].replace(tunnel=None) == DESTINATIONS[2]
    assert DAEMONS[1].replace(sync_id=0, group=None) == ipvs.SyncDaemon(
        "backup", interface="eth0", max_length=1400, port=8849, ttl=9
    )


def test_replace_a_part_of_the_id() -> None:
    """The other parts stay."""
    assert WEB.replace(port=443).id == "tcp://10.0.0.1:443"
    assert WEB.replace(address=ip_address("10.0.0.2")) == ipvs.Service("tcp://10.0.0.2:80", scheduler="wrr")
    assert WEB.replace(address="2001:db8::1").netmask == "128"
    assert WEB.replace(protocol="udp").id == "udp://10.0.0.1:80"
    assert WEB.replace(fwmark=7).id == "fwmark:7"
    mark = ipvs.Service("fwmark:7")
    assert mark.replace(family="ipv6").id == "fwmark:7/ipv6"
    assert mark.replace(family="ipv6").replace(fwmark=8).id == "fwmark:8/ipv6"
    real = DESTINATIONS[2]
    assert real.replace(port=81) == ipvs.Destination("192.168.1.10:81", forwarding="masquerade", weight=2147483647)
    assert real.replace(address="2001:db8::a").id == "[2001:db8::a]:80"


class Named(ipvs.Service):
    """A service with a name."""


class Server(ipvs.Destination):
    """A destination of a program's own class."""


def test_what_is_equal() -> None:
    """What else is compared to an object may say itself whether it is equal, and a class of one's own is no other."""
    for value in [WEB, DESTINATIONS[0], DAEMONS[0], COMMANDS[0], *ENTRIES, *TABLES]:
        assert value == ANY
    assert Named(WEB.id) == Named(WEB.id)
    assert Named(WEB.id) == ipvs.Service(WEB.id) == Named(WEB.id)
    assert hash(Named(WEB.id)) == hash(ipvs.Service(WEB.id))
    assert Named(WEB.id) != WEB
    assert Server("10.0.0.1:80") == ipvs.Destination("10.0.0.1:80")
    entries = [ipvs.ServiceEntry(WEB), ipvs.ServiceEntry(SERVICES[1])]
    assert WEB not in entries
    assert WEB in [entry.service for entry in entries]


def test_an_entry_is_its_object_and_more() -> None:
    """An entry may stand where its object may, has the same settings, and is equal to entries only."""
    entry = ipvs.ServiceEntry(WEB, stats=STATS)
    assert isinstance(entry, ipvs.Service)
    assert (entry.id, entry.scheduler, entry.stats, entry.service) == (WEB.id, "wrr", STATS, WEB)
    assert entry != WEB
    assert entry != ipvs.ServiceEntry(WEB)
    assert ipvs.Command.add_service(entry) == ipvs.Command.add_service(WEB)
    real = ipvs.DestinationEntry(DESTINATIONS[0], active_connections=4)
    assert isinstance(real, ipvs.Destination)
    assert (real.id, real.weight, real.active_connections, real.destination) == (real.id, 1, 4, DESTINATIONS[0])
    assert real != DESTINATIONS[0]
    assert real.replace(weight=0) == DESTINATIONS[0].replace(weight=0)


def test_enumerations_are_their_text() -> None:
    """A member is a member, and its text, as a key and in a format too."""
    member = ipvs.Forwarding("masquerade")
    assert member is ipvs.Forwarding.MASQUERADE
    text: str = member
    assert (text, f"{member}", str(member)) == ("masquerade", "masquerade", "masquerade")
    assert {"masquerade": 1}[member] == 1
    assert repr(member) == "Forwarding.MASQUERADE"
    unknown = ipvs.Protocol("47")
    assert (unknown, repr(unknown), pickle.loads(pickle.dumps(unknown))) == ("47", "Protocol('47')", "47")  # noqa: S301
    with pytest.raises(ValueError, match="'nat' is not a valid Forwarding"):
        ipvs.Forwarding("nat")


def test_only_what_the_kernel_may_extend_has_numbers() -> None:
    """A newer kernel's protocol is listed by its number; nothing of this library's own is."""
    for kind in [ipvs.Protocol, ipvs.Forwarding, ipvs.TunnelType]:
        assert kind("47") == "47"
        for wrong in ["047", "-1", "", "\u0661"]:
            with pytest.raises(ValueError, match="is not a valid"):
                kind(wrong)
    closed_kinds = [ipvs.Family, ipvs.TunnelChecksum, ipvs.SchedulerFlag, ipvs.Role, ipvs.Ensured, ipvs.Outcome]
    for closed in [*closed_kinds, ipvs.PoolEventKind, ipvs.DrainState, ipvs.ChangeKind]:
        with pytest.raises(ValueError, match="'9' is not a valid"):
            closed("9")


def test_signatures() -> None:
    """What `help` and editors show can be read by a program."""
    for name in ["Service", "ServiceEntry", "Destination", "DestinationEntry", "SyncDaemon", "Table", "Pool", "Client"]:
        assert inspect.signature(getattr(ipvs, name)).parameters
    assert str(inspect.signature(ipvs.ServiceEntry)) == "(service, *, stats=None)"


def test_what_is_known_cannot_be_changed() -> None:
    """The tables of the module are for everybody."""
    for table in [ipvs.SETTINGS, ipvs.SCHEDULERS]:
        with pytest.raises(TypeError):
            table["wlc"] = "mine"  # type: ignore[index]


def test_a_command_is_a_rule() -> None:
    """Its text is what ipvsadm takes, and it says what it is about."""
    command = ipvs.Command.add_destination(WEB, "192.168.1.10:80", forwarding="masquerade", weight=5)
    assert str(command) == "-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 5"
    assert (command.operation, command.object) == ("add_destination", "192.168.1.10:80 of tcp://10.0.0.1:80")
    assert command.arguments == (WEB.id, ipvs.Destination("192.168.1.10:80", forwarding="masquerade", weight=5))
    rules = "".join(f"{command}\n" for command in COMMANDS if command.operation != "edit_destination")
    assert ipvs.parse_rules(f"# saved\n\n{rules}") == [
        command for command in COMMANDS if command.operation != "edit_destination"
    ]


def test_a_line_that_is_no_rule_has_its_place() -> None:
    """The line and column are in the text and beside it."""
    with pytest.raises(ipvs.RuleError, match=r"^2:4: ") as caught:
        ipvs.parse_rules("-A -t 10.0.0.1:80\n-A -x\n")
    assert (caught.value.line, caught.value.column, caught.value.field) == (2, 4, "text")
    assert isinstance(caught.value, ipvs.InvalidArgument)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), ipvs.RuleError)  # noqa: S301
    with pytest.raises(ipvs.RuleError, match=r"^1: this changes nothing") as caught:
        ipvs.parse_rules("-L -n")
    assert (caught.value.line, caught.value.column) == (1, None)


def test_ranges_of_services() -> None:
    """For a pool: of the last part of an address, or of marks."""
    assert ipvs.service_ids("tcp://10.0.0.9-10:80") == ["tcp://10.0.0.9:80", "tcp://10.0.0.10:80"]
    assert ipvs.service_ids("fwmark:7") == ["fwmark:7"]
    with pytest.raises(ipvs.InvalidArgument, match="range: 'fwmark:9-7' ends before it begins"):
        ipvs.service_ids("fwmark:9-7")
    with pytest.raises(TypeError, match="text: a str is needed"):
        ipvs.service_ids(7)  # type: ignore[arg-type]
