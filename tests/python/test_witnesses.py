"""What ours writes, Debian's ipvsadm and pyroute2 read the same, and what ours reads is what they do."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import ExitStack
from typing import Any

import ipvs
import pytest
from conftest import Witness
from pyroute2 import IPVS, IPVSService

Table = list[tuple[ipvs.Service, list[ipvs.Destination]]]

#: Services with their destinations.
TABLE: Table = [
    (
        ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr", persistence_timeout=60, netmask="255.255.255.0"),
        [
            ipvs.Destination("192.168.1.10:8080", forwarding="masquerade", weight=5),
            ipvs.Destination("192.168.1.11:80", weight=0, upper_threshold=100, lower_threshold=50),
        ],
    ),
    (
        ipvs.Service("udp://10.0.0.1:53", one_packet=True),
        [ipvs.Destination("192.168.1.12:53", tunnel=ipvs.Tunnel("gre", None, "on"), weight=2147483647)],
    ),
    (ipvs.Service("sctp://10.0.0.2:36412", scheduler="sh", scheduler_flags=["sh-port", "sh-fallback"]), []),
    (ipvs.Service("fwmark:7", scheduler="lblcr"), [ipvs.Destination("127.0.0.1:1", forwarding="masquerade")]),
]
#: What pyroute2 does not read: IPv6, persistence engines, the ports of tunnels.
MORE: Table = [
    (
        ipvs.Service("tcp://[2001:db8::1]:443", persistence_timeout=60, netmask=64),
        [
            ipvs.Destination("[2001:db8::a]:8443", forwarding="masquerade"),
            ipvs.Destination("192.168.1.13:443", tunnel=ipvs.Tunnel("gue", 5555, "remote"), weight=3),
        ],
    ),
    (ipvs.Service("fwmark:7/ipv6"), [ipvs.Destination("[2001:db8::b]:80")]),
    (ipvs.Service("udp://10.0.0.1:5060", persistence_timeout=60, persistence_engine="sip"), []),
]


def write(lb: ipvs.Client, table: Table) -> None:
    """Make the services and their destinations."""
    for service, destinations in table:
        lb.add_service(service)
        for destination in destinations:
            lb.add_destination(service, destination)


@pytest.fixture
def lb() -> ipvs.Client:
    """Write the table."""
    # Were it loaded by the command that names it while a namespace goes away, the kernel might stand still for ever.
    subprocess.run(["modprobe", "ip_vs_lblcr"], check=True)
    lb = ipvs.Client()
    write(lb, TABLE)
    return lb


def test_ours_reads_what_it_wrote(lb: ipvs.Client) -> None:
    """Each service and destination is as it was given."""
    write(lb, MORE)
    read = {table.entry.service: {entry.destination for entry in table.destinations} for table in lb.snapshot()}
    assert read == {service: set(destinations) for service, destinations in TABLE + MORE}


def test_debian_s_reads_the_same(lb: ipvs.Client, witness: Witness) -> None:
    """Rules, but what 1.31 leaves out of them; and a table that Debian's makes of ours is the same."""
    write(lb, MORE)
    ours = sorted(lb.save().splitlines())
    assert sorted(witness()) == [line.replace(" -x 100 -y 50", "") for line in ours]
    plain = [line for line in lb.save().splitlines() if "-x" not in line]
    subprocess.run(["/usr/sbin/ipvsadm", "-C"], check=True)
    subprocess.run(["/usr/sbin/ipvsadm", "-R"], input="\n".join([*plain, ""]), check=True, text=True)
    # The kernel lists the destinations of a service the newest first.
    assert sorted(lb.save().splitlines()) == sorted(plain)


def test_pyroute2_reads_the_same(lb: ipvs.Client) -> None:
    """Another library that speaks netlink sees the same numbers."""
    protocols = {6: ipvs.Protocol.TCP, 17: ipvs.Protocol.UDP, 132: ipvs.Protocol.SCTP}
    methods = {"masquerade": 0, "local-node": 1, "tunnel": 2, "direct-route": 3}
    names = {(entry.protocol, entry.port, entry.fwmark): entry for entry in lb.services()}
    seen = 0
    with IPVS() as other:
        for message in other.service("dump"):
            read = dict(message.get("service")["attrs"])

            def of(name: str, read: dict[str, Any] = read) -> Any:  # noqa: ANN401, pyroute2 has no types
                return read.get(f"IPVS_SVC_ATTR_{name}")

            ours = names.pop((protocols.get(of("PROTOCOL")), of("PORT"), of("FWMARK")))
            assert of("ADDR") == (None if ours.address is None else str(ours.address))
            assert (of("SCHED_NAME"), of("TIMEOUT")) == (ours.scheduler, ours.persistence_timeout or 0)
            assert of("NETMASK") == ours.netmask
            flags = of("FLAGS")["flags"]
            assert bool(flags & 1) == (ours.persistence_timeout is not None)
            assert bool(flags & 4) == ours.one_packet
            assert flags >> 3 == sum({"sh-fallback": 1, "sh-port": 2}[flag] for flag in ours.scheduler_flags)
            entries = {(str(entry.address), entry.port): entry for entry in lb.destinations(ours)}
            for dump in other.dest("dump", service=IPVSService.from_message(message)):
                real = {name[len("IPVS_DEST_ATTR_") :]: value for name, value in dump.get("dest")["attrs"]}
                entry = entries.pop((real["ADDR"], real["PORT"]))
                assert (real["WEIGHT"], real["FWD_METHOD"]) == (entry.weight, methods[entry.forwarding])
                assert (real["U_THRESH"], real["L_THRESH"]) == (entry.upper_threshold, entry.lower_threshold)
                tunnel = entry.tunnel
                assert real["TUN_TYPE"] == (0 if tunnel is None else {"ipip": 0, "gue": 1, "gre": 2}[tunnel.type])
                assert real["TUN_FLAGS"] == int(tunnel is not None and tunnel.checksum == ipvs.TunnelChecksum.ON)
                seen += 1
            assert entries == {}
    assert names == {}
    assert seen == sum(len(destinations) for _, destinations in TABLE)


def test_rates_are_those_of_debian_s() -> None:
    """Of traffic in which no two of the five are the same."""
    lb = ipvs.Client()
    lb.apply("-A -u 127.0.0.2:5353\n-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m\n").check()
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 5353))
    server.settimeout(10)
    end = time.monotonic() + 30
    found: tuple[int, ...] = (0,) * 5
    listed: tuple[int, ...] = ()
    with server, ExitStack() as clients:
        while not (found == listed and len(set(found)) == 5) and time.monotonic() < end:
            client = clients.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            for _ in range(40):
                client.sendto(bytes(100), ("127.0.0.2", 5353))
                answer = server.recvfrom(200)[1]
            for _ in range(5):
                server.sendto(bytes(50), answer)
            time.sleep(0.2)
            found = tuple(lb.service("udp://127.0.0.2:5353").stats[5:])
            ran = subprocess.run(["/usr/sbin/ipvsadm", "-Ln", "--rate"], check=True, capture_output=True, text=True)
            listed = tuple(int(word) for word in ran.stdout.splitlines()[3].split()[-5:])
    assert (found, len(set(found))) == (listed, 5)
