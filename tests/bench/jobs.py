"""Jobs for the benchmark, each measured by itself: a line with its name and a table's shape, answered with seconds.

The table is that of `table.rs`. A job begins with the texts that a program would have from its configuration, ends when
what it made is freed, and is done in the network namespace where the benchmark is then.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import ipvs
from pyroute2 import IPVS, IPVSDest, IPVSService

CLONE_NEWNET = 0x4000_0000
LIBC = ctypes.CDLL(None, use_errno=True)
FIRST_SERVICE = IPv4Address("10.0.0.1")
FIRST_DESTINATION = IPv4Address("172.16.0.1")
CHANGES = 100

Table = list[tuple[str, list[str]]]


def table(services: int, destinations: int) -> Iterator[tuple[str, list[str]]]:
    """Give the address of each service, and those of its destinations."""
    for service in range(services):
        first = service * destinations
        reals = [str(FIRST_DESTINATION + number) for number in range(first, first + destinations)]
        yield str(FIRST_SERVICE + service), reals


def ids(services: int, destinations: int) -> Table:
    """Give the id of each service, and those of its destinations."""
    return [
        (f"tcp://{address}:80", [f"{real}:8080" for real in reals]) for address, reals in table(services, destinations)
    ]


def clock(work: Callable[[], object]) -> float:
    """Give the seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def snapshot(lb: ipvs.Client, services: int, destinations: int) -> float:
    """List the whole table."""
    counts = []

    def work() -> None:
        found = lb.snapshot()
        counts.append((len(found), len(found[-1].destinations)))

    seconds = clock(work)
    assert counts == [(services, destinations)]
    return seconds


def add(lb: ipvs.Client, services: int, destinations: int) -> float:
    """Make the table, one by one."""
    given = ids(services, destinations)

    def work() -> None:
        for name, reals in given:
            service = ipvs.Service(name)
            lb.add_service(service)
            for real in reals:
                lb.add_destination(service, real, forwarding="masquerade")

    return clock(work)


def batch(lb: ipvs.Client, services: int, destinations: int) -> float:
    """Make the table in a batch."""
    given = ids(services, destinations)

    def work() -> None:
        lb.batch(commands(given)).check()

    return clock(work)


def commands(given: Table) -> list[ipvs.Command]:
    """Give what makes the table."""
    made = []
    for name, reals in given:
        service = ipvs.Service(name)
        made.append(ipvs.Command.add_service(service))
        made += [ipvs.Command.add_destination(service, real, forwarding="masquerade") for real in reals]
    return made


def make_commands(_: ipvs.Client, services: int, destinations: int) -> float:
    """Make the commands only."""
    given = ids(services, destinations)
    return clock(lambda: commands(given))


def weights(lb: ipvs.Client, _services: int, _destinations: int) -> float:
    """Change a weight again and again."""

    def work() -> None:
        service = lb.services()[0].id
        real = lb.destinations(service)[0].id
        for weight in range(CHANGES):
            lb.set_weight(service, real, weight)

    return clock(work)


def subprocess_weights(lb: ipvs.Client, _services: int, _destinations: int) -> float:
    """Change a weight by Debian's ipvsadm, a tenth as often."""
    service = lb.services()[0].id
    real = lb.destinations(service)[0].id
    command = ["/usr/sbin/ipvsadm", "-e", "-t", service[len("tcp://") :], "-r", real, "-m", "-w"]

    def work() -> None:
        for weight in range(CHANGES // 10):
            subprocess.run([*command, str(weight)], check=True)

    return clock(work) * 10


def pyroute2_list(_: ipvs.Client, services: int, destinations: int) -> float:
    """List the whole table by pyroute2."""
    counts = []
    with IPVS() as other:

        def work() -> None:
            for message in other.service("dump"):
                service = IPVSService.from_message(message)
                reals = [IPVSDest.from_message(real) for real in other.dest("dump", service=service)]
                counts.append(len(reals))

        seconds = clock(work)
    assert counts == [destinations] * services
    return seconds


def pyroute2_add(_: ipvs.Client, services: int, destinations: int) -> float:
    """Make the table by pyroute2."""
    made = list(table(services, destinations))
    with IPVS() as other:

        def work() -> None:
            for address, reals in made:
                service = IPVSService(addr=address, port=80, protocol=6, sched_name="wlc")
                other.service("add", service=service)
                for real in reals:
                    other.dest("add", service=service, dest=IPVSDest(addr=real, port=8080, fwd_method=0, weight=1))

        return clock(work)


JOBS: dict[str, Callable[[ipvs.Client, int, int], float]] = {
    "snapshot": snapshot,
    "add": add,
    "batch": batch,
    "make_commands": make_commands,
    "weights": weights,
    "subprocess_weights": subprocess_weights,
    "pyroute2_list": pyroute2_list,
    "pyroute2_add": pyroute2_add,
}


def enter(namespace: int) -> None:
    """Move into a network namespace."""
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def main() -> None:
    """Do jobs until there are no more."""
    with Path("/proc/self/ns/net").open() as home:
        for line in sys.stdin:
            name, services, destinations = line.split()
            with Path(f"/proc/{os.getppid()}/ns/net").open() as there:
                enter(there.fileno())
            with ipvs.Client() as lb:
                seconds = JOBS[name](lb, int(services), int(destinations))
            # A namespace ends when nobody is in it.
            enter(home.fileno())
            print(seconds, flush=True)


if __name__ == "__main__":
    main()
