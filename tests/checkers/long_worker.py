"""Lists, changes weights and loads its rules anew, again and again, and says each period how long the quick ones took.

usage: long_worker.py PERIOD
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import ipvs

SCOPE = "10.1.0.0/24"
SERVICES = 10
DESTINATIONS = 10
#: Rounds between two loads of rules.
LOAD = 20
#: Seconds between two rounds: the kernel takes longer for each new destination when it has seen many go.
PAUSE = 0.2
YARDSTICK = Path("/proc/net/dev")


def rules(last: int) -> str:
    """Return the rules of all services. The last destination of each differs from one load to the next."""
    lines = []
    for number in range(1, SERVICES + 1):
        service = f"-t 10.1.0.{number}:80"
        lines.append(f"-A {service} -s rr")
        ends = [*range(1, DESTINATIONS), DESTINATIONS + last]
        lines += [f"-a {service} -r 172.16.{number}.{end}:8080 -m -w 5" for end in ends]
    return "\n".join(lines)


def quick(times: list[float]) -> float:
    """Return what the fastest tenth took at most: all share a processor, and most calls wait for others."""
    return sorted(times)[len(times) // 10]


def yardstick() -> None:
    """Do what is none of ours: it takes longer only if the machine or the kernel does."""
    for _ in range(20):
        YARDSTICK.read_bytes()


def main() -> None:
    """Go on until killed."""
    period = float(sys.argv[1])
    took: defaultdict[str, list[float]] = defaultdict(list)

    def timed(kind: str, work: Callable[[], object]) -> None:
        start = time.perf_counter()
        work()
        took[kind].append(time.perf_counter() - start)

    def load(last: int) -> None:
        # What was under way when the module went is done the next time.
        if not any(lb.apply(rules(last), scope=SCOPE).is_done for _ in range(3)):
            sys.exit("three loads in a row were not done")

    lb = ipvs.Client()
    end = time.monotonic() + period
    number = 0
    while True:
        number += 1
        service = f"tcp://10.1.0.{number % SERVICES + 1}:80"
        real = f"172.16.{number % SERVICES + 1}.1:8080"
        try:
            timed("weight", lambda: lb.set_weight(service, real, number % 100))  # noqa: B023
            timed("yardstick", yardstick)
            timed("listing", lb.snapshot)
            if number % LOAD == 0:
                timed("load", lambda: load(number // LOAD % 2))  # noqa: B023
        except (ipvs.NoSuchService, ipvs.NoSuchDestination):
            # The table is lost with the module.
            load(0)
        if time.monotonic() >= end:
            end += period
            print(*(f"{kind}={quick(times) * 1e6:.0f}" for kind, times in sorted(took.items())), flush=True)
            took.clear()
        time.sleep(PAUSE)


main()
