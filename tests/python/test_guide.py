"""What `docs/python.md` shows works as it stands, and the two columns of its last table do the same."""

from __future__ import annotations

import logging
import re
import shlex
import subprocess
from pathlib import Path

import ipvs
import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| `(ipvsadm .*?)` \| `(lb\..*)` \|$", GUIDE, re.MULTILINE)
TABLE = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5\n"


def test_the_snippets_run_one_after_another() -> None:
    """As a reader would type them."""
    assert len(SNIPPETS) > 14
    program = "\n".join(SNIPPETS)
    try:
        exec(compile(program, "docs/python.md", "exec"), {"__name__": "guide"})  # noqa: S102
    finally:
        logging.getLogger("ipvs").setLevel(logging.NOTSET)
    lb = ipvs.Client()
    assert lb.timeouts().tcp == 1800
    assert sorted(lb.save().splitlines()) == [
        "-A -t 10.0.0.1:80 -s wlc -p 300",
        "-A -u [2001:db8::1]:53 -s wlc -o",
        "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5",
        "-a -u [2001:db8::1]:53 -r [2001:db8::a]:53 -m -w 1",
    ]


def state() -> list[str]:
    """Give all that Debian's ipvsadm shows of the namespace."""
    options = [["-S", "-n"], ["-L", "-n", "--thresholds"], ["-L", "--timeout"], ["-L", "--daemon"]]
    return [
        subprocess.run(["/usr/sbin/ipvsadm", *shown], check=True, capture_output=True, text=True).stdout
        for shown in options
    ]


def begin(lb: ipvs.Client) -> None:
    """Make the table that the guide's rows change."""
    lb.restore(TABLE, clear=True).check()
    lb.set_timeouts(tcp=901, tcp_fin=121, udp=301)
    for daemon in lb.daemons():
        lb.stop_daemon(daemon.role)


def test_the_table_is_found() -> None:
    """A row that is not found would not be tried."""
    assert len(ROWS) == GUIDE.count("\n| `ipvsadm ") == 16


@pytest.mark.parametrize(("command", "call"), ROWS, ids=[command for command, _ in ROWS])
def test_a_call_does_what_the_command_does(command: str, call: str) -> None:
    """Debian's ipvsadm, run with the left column, leaves the same as the right one."""
    lb = ipvs.Client()
    begin(lb)
    before = state()
    subprocess.run(["/usr/sbin/ipvsadm", *shlex.split(command)[1:]], check=True)
    theirs = state()
    begin(lb)
    eval(call, {"ipvs": ipvs, "lb": lb, "web": lb.service("tcp://10.0.0.1:80")})  # noqa: S307
    assert state() == theirs
    assert theirs != before or command.endswith("-Z")
