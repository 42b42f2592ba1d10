"""Every test gets a network namespace of its own in the guest, and with it an empty IPVS table."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ipvs
import pytest

CLONE_NEWNET = 0x4000_0000
LIBC = ctypes.CDLL(None, use_errno=True)
COUNT = itertools.count()

Witness = Callable[[], list[str]]


def enter(namespace: Path) -> None:
    """Move the calling thread into a network namespace."""
    with namespace.open() as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(namespace))


@pytest.fixture(autouse=True)
def namespace() -> Iterator[str]:
    """Enter a new namespace for the test, and give its name."""
    with new_namespace() as name:
        yield name


@contextmanager
def new_namespace() -> Iterator[str]:
    """Be in a new namespace, and give its name. The guest takes the better part of a second for one."""
    if "IPVS_GUEST" not in os.environ:
        pytest.exit("these tests need the guest kernel: run 'make test-python'", returncode=1)
    name = f"python-{next(COUNT)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    enter(Path("/run/netns") / name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    yield name
    enter(Path("/proc/1/ns/net"))
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def witness() -> Witness:
    """Give what Debian's ipvsadm saves of the test's namespace: its rules, one a line."""

    def rules() -> list[str]:
        saved = subprocess.run(["/usr/sbin/ipvsadm", "-S", "-n"], check=True, capture_output=True, text=True)
        return [line.rstrip() for line in saved.stdout.splitlines()]

    return rules


def lists(lb: ipvs.Client, count: int) -> bool:
    """Say whether so many services are listed: a listing may miss some while the namespaces of other tests go away."""
    for _ in range(100):
        if len(lb.services()) == count:
            return True
        time.sleep(0.05)
    return False
