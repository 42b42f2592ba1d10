"""The two checkers, and a worker in each language, for long: memory, descriptors and latency have to stay flat.

Meanwhile servers die and come back, the checkers read their files again, and the module is unloaded and loaded again
under everybody. Prints what was seen, and ends with 1 if anything grew from the second sixth of the time to the last
one: the first is for what is kept from then on.

usage: long_run.py SECONDS
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import ipvs
from scenario import ADDRESSES, HERE, PORT, SERVICE, Checker, Lua, Python, Stage, end, network, run, start

#: What may be more at the end: of memory, in KiB and as a ratio, since a heap is not laid out the same twice; of the
#: time that a call takes beside that of a yardstick, which is longer, too, while others work on the same machine.
MEMORY_KIB, MEMORY_RATIO, LATENCY_RATIO = 256, 1.02, 1.25
#: Seconds between two samples.
PERIOD = 10.0
#: Cycles between two losses of the module.
RELOAD = 5
MODULES = ("ip_vs_rr", "ip_vs_wlc", "ip_vs")


class Elsewhere(Lua):
    """The checker in Lua, where the servers are: in one network namespace there is one checker."""

    def start(self) -> None:
        """Start it."""
        self.process = start("servers", self.command(), self.log)


class Watched:
    """A process, and what was seen of it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Nothing is seen yet."""
        self.name, self.process = name, process
        self.memory: list[int] = []
        self.descriptors: list[int] = []

    def look(self, said: Callable[[], str]) -> None:
        """Take a sample."""
        folder = Path("/proc") / str(self.process.pid)
        assert self.process.poll() is None, f"{self.name} has ended:\n{said()}"
        status = (folder / "status").read_text()
        self.memory.append(int(status.split("VmRSS:")[1].split()[0]))
        self.descriptors.append(len(list((folder / "fd").iterdir())))


def sixths(seen: list[float] | list[int]) -> list[float]:
    """Return the median of each sixth of the time."""
    size = len(seen) // 6
    assert size > 0, "too few samples: run it for longer"
    return [statistics.median(seen[-size * (6 - number) :][:size]) for number in range(6)]


def show(what: str, medians: list[float], verdict: str = "", digits: int = 0) -> None:
    """Print a line."""
    columns = " | ".join(f"{median:,.{digits}f}" for median in medians)
    print(f"| {what} | {columns} | {verdict} |", flush=True)


def judge(what: str, medians: list[float], most: Callable[[float], float], digits: int = 0) -> bool:
    """Print a line, and return whether it is flat."""
    is_flat = medians[-1] <= most(medians[1])
    show(what, medians, "flat" if is_flat else "GREW", digits)
    return is_flat


def latencies(log: Path) -> dict[str, list[float]]:
    """Return what a worker said of its calls: the fastest tenth of a period took no longer, in microseconds."""
    times: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        for word in line.split():
            kind, _, time_ = word.partition("=")
            times.setdefault(kind, []).append(float(time_))
    return times


def servers(table: ipvs.Client) -> dict[str, int]:
    """Return the servers of the checkers' service that get connections."""
    try:
        return {entry.id: entry.weight for entry in table.destinations(SERVICE) if entry.weight}
    except ipvs.NoSuchService:
        return {}


class LongRun:
    """Everything that goes on at once: Python in the director's namespace, Lua in that of the servers."""

    def __init__(self, processes: ExitStack, folder: Path) -> None:
        """Start it; everything is ended with `processes`, and has its files in the folder."""
        self.folder = folder
        self.stage = Stage(processes, folder)
        self.tables = [processes.enter_context(ipvs.Client(netns=name)) for name in ("director", "servers")]
        self.checkers: list[Checker] = []
        self.watched: list[Watched] = []
        self.logs: dict[str, Path] = {}
        self.weights = {"a": 1, "b": 1, "c": 1}
        for kind in (Python, Elsewhere):
            home = folder / kind.name
            home.mkdir()
            checker = kind(home)
            processes.callback(checker.kill)
            checker.write(self.weights)
            checker.start()
            assert checker.process is not None
            self.checkers.append(checker)
            self.watched.append(Watched(kind.name, checker.process))
        modules = HERE.parents[1] / "target" / "lua-dev" / "5.3" / "?.so;;"
        in_lua = ["env", f"LUA_CPATH={modules}", "lua5.3", str(HERE / "long_worker.lua")]
        self.start_worker(processes, "Python", "director", [sys.executable, str(HERE / "long_worker.py")])
        self.start_worker(processes, "Lua", "servers", in_lua)
        self.settle()

    def start_worker(self, processes: ExitStack, language: str, namespace: str, command: list[str]) -> None:
        """Start one that says what its calls take."""
        self.logs[language] = self.folder / f"{language}.log"
        process = start(namespace, [*command, str(PERIOD)], self.logs[language])
        processes.callback(end, process)
        self.watched.append(Watched(f"a worker in {language}", process))

    def settle(self) -> None:
        """Wait until both checkers' services have the servers that are there."""
        there = {name: weight for name, weight in self.weights.items() if name in self.stage.servers}
        expected = {f"{ADDRESSES[name]}:{PORT}": weight for name, weight in there.items()}
        limit = time.monotonic() + 30
        while any(servers(table) != expected for table in self.tables):
            assert time.monotonic() < limit, f"not {expected} after 30 s:\n{self.said()}"
            time.sleep(0.2)

    def said(self) -> str:
        """Return the end of what each program said."""
        return "\n".join(f"{log}: {log.read_text()[-2000:]}" for log in self.folder.rglob("*.log"))

    def cycle(self, number: int) -> None:
        """Let a server die and come back, and the checkers read files with other weights."""
        self.stage.kill_server("a")
        self.settle()
        self.stage.start_server("a")
        self.settle()
        self.weights = {"a": 1 + number % 2, "b": 1 + number % 3, "c": 1}
        for checker in self.checkers:
            checker.write(self.weights)
            checker.signal(signal.SIGHUP)
        self.settle()
        if number % RELOAD == 0:
            self.reload_module()
            self.settle()

    def send_all(self, number: int) -> None:
        """Send a signal to all that are watched."""
        for watched in self.watched:
            watched.process.send_signal(number)

    def reload_module(self) -> None:
        """Unload the module and load it again, while all stand still."""
        limit = time.monotonic() + 30
        while True:
            self.send_all(signal.SIGSTOP)
            for table in self.tables:
                table.flush()
            removed = subprocess.run(["modprobe", "--remove", *MODULES], check=False, capture_output=True, text=True)
            if removed.returncode == 0:
                break
            # Somebody was stopped in the middle of a listing, which keeps the module.
            assert time.monotonic() < limit, removed.stderr
            self.send_all(signal.SIGCONT)
            time.sleep(0.2)
        run("modprobe", "--all", *reversed(MODULES))
        self.send_all(signal.SIGCONT)

    def go_on(self, seconds: float) -> int:
        """Go on for so long, with samples, and return how many cycles it were."""
        begin = time.monotonic()
        sample = begin + PERIOD
        number = 0
        while time.monotonic() < begin + seconds:
            number += 1
            self.cycle(number)
            if time.monotonic() >= sample:
                sample += PERIOD
                for watched in self.watched:
                    watched.look(self.said)
        return number

    def is_flat(self) -> bool:
        """Print what was seen."""
        print("| | 1st sixth | 2nd | 3rd | 4th | 5th | 6th | |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
        flat = []
        for watched in self.watched:
            flat.append(judge(f"{watched.name}: memory, KiB", sixths(watched.memory), most_memory))
            flat.append(judge(f"{watched.name}: descriptors", sixths(watched.descriptors), lambda before: before))
        for name, log in self.logs.items():
            times = {kind: sixths(seen) for kind, seen in latencies(log).items()}
            yardstick = times.pop("yardstick")
            show(f"{name}: a yardstick, µs", yardstick)
            for kind, medians in times.items():
                show(f"{name}: a {kind}, µs", medians)
                ratios = [median / unit for median, unit in zip(medians, yardstick, strict=True)]
                what = f"{name}: a {kind}, in yardsticks"
                flat.append(judge(what, ratios, lambda before: before * LATENCY_RATIO, digits=2))
        return all(flat)


def most_memory(before: float) -> float:
    """Return how much memory is still the same."""
    return max(before + MEMORY_KIB, before * MEMORY_RATIO)


def main() -> int:
    """Run it for so long."""
    with network(), ExitStack() as processes, tempfile.TemporaryDirectory() as folder:
        # The checker in Lua asks servers of its own namespace.
        run("ip", "-n", "servers", "link", "set", "lo", "up")
        long_run = LongRun(processes, Path(folder))
        begin = time.monotonic()
        cycles = long_run.go_on(float(sys.argv[1]))
        print(f"{cycles} cycles in {time.monotonic() - begin:.0f} s, with {cycles // RELOAD} losses of the module")
        return 0 if long_run.is_flat() else 1


if __name__ == "__main__":
    sys.exit(main())
