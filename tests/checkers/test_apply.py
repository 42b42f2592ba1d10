"""A large table is changed under traffic: by an apply, and as it was done before, by clearing and restoring it."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from scenario import ADDRESSES, PORT, Stage, Step, network

SERVERS = ("a", "b", "c")
#: Other services, and destinations of each.
SERVICES, DESTINATIONS = 1000, 10
#: One in so many destinations differs between the two tables.
CHANGED = 100
APPLIES = 20


def rules(weight: int) -> str:
    """Return services, a hundredth of whose destinations have this weight, and the one that is asked."""
    lines = []
    for number in range(SERVICES):
        service = f"10.1.{number // 250}.{number % 250 + 1}:80"
        lines.append(f"-A -t {service} -s wlc")
        for host in range(DESTINATIONS):
            is_changed = (number * DESTINATIONS + host) % CHANGED == 0
            lines.append(f"-a -t {service} -r 192.168.2.{host + 1}:80 -m -w {weight if is_changed else 1}")
    # The last one, so that it is not there until a restore is over.
    lines.append("-A -t 10.0.0.1:80 -s rr")
    lines += [f"-a -t 10.0.0.1:80 -r {ADDRESSES[name]}:{PORT} -m" for name in SERVERS]
    return "\n".join(lines) + "\n"


def test_an_apply_loses_no_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Clearing and restoring does."""
    tables = [rules(2), rules(3)]
    weights = dict.fromkeys(SERVERS, 1)

    def apply(number: int) -> str:
        command = ["ipvsadm", "--apply", "--netns", "director", "--verbose"]
        return subprocess.run(command, input=tables[number % 2], text=True, check=True, stderr=subprocess.PIPE).stderr

    def restore() -> None:
        for option, text in [("-C", ""), ("-R", tables[0])]:
            command = ["ip", "netns", "exec", "director", "/usr/sbin/ipvsadm", option]
            subprocess.run(command, input=text, text=True, check=True)

    with network(), ExitStack() as processes:
        stage = Stage(processes, tmp_path)
        apply(1)
        stage.wait_for(weights)
        stage.start_client()
        stage.step("nothing happens", lambda: None, weights)
        said: list[str] = []
        stage.step("applied", lambda: said.extend(apply(number) for number in range(APPLIES)), weights)
        stage.step("cleared and restored", restore, weights)
        steps = stage.finish()
    with capsys.disabled():
        print(f"\n{len(said)} applies, and cleared and restored by Debian's ipvsadm")
        for step in steps:
            print(figures(step))
    _, applied, cleared = steps
    changes = SERVICES * DESTINATIONS // CHANGED
    assert [text.splitlines()[-1] for text in said] == [f"ipvsadm: {changes} done"] * APPLIES, said
    assert len(applied.of("short")) > APPLIES
    assert applied.of("long")
    assert applied.failed("short") + applied.failed("long") == []
    assert cleared.failed("short") != []


def figures(step: Step) -> str:
    """Return the counts of a step."""
    counts = " ".join(f"{kind}: {len(step.of(kind))}, failed {len(step.failed(kind))};" for kind in ("short", "long"))
    return f"{step.name}: {counts} {step.settled:.1f} s"
