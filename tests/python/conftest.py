"""Every test gets a network namespace of its own in the guest, and with it an empty IPVS table."""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import signal
import socket
import struct
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ipvs
import pytest

CLONE_NEWNET = 0x4000_0000
MS_BIND, MS_SHARED, MNT_DETACH = 0x1000, 0x10_0000, 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
NAMESPACES = Path("/run/netns")
LIBC = ctypes.CDLL(None, use_errno=True)
COUNT = itertools.count()

Witness = Callable[[], list[str]]


def check(result: int) -> None:
    """Raise what a function of the C library says it failed with."""
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def enter(namespace: Path) -> None:
    """Move the calling thread into a network namespace."""
    with namespace.open() as file:
        check(LIBC.setns(file.fileno(), CLONE_NEWNET))


@pytest.fixture(autouse=True)
def namespace() -> Iterator[str]:
    """Enter a new namespace for the test, and give its name."""
    with new_namespace() as name:
        yield name


@contextmanager
def new_namespace() -> Iterator[str]:
    """Be in a new namespace, and give its name: as by `ip netns`, whose start alone takes the guest 60 ms each time."""
    if "IPVS_GUEST" not in os.environ:
        pytest.exit("these tests need the guest kernel: run 'make test-python'", returncode=1)
    if not NAMESPACES.exists():
        NAMESPACES.mkdir()
        # `ip netns` does so where it finds that nobody has, and covers what is there.
        check(LIBC.mount(bytes(NAMESPACES), bytes(NAMESPACES), None, MS_BIND, None))
        check(LIBC.mount(None, bytes(NAMESPACES), None, MS_SHARED, None))
    file = NAMESPACES / f"python-{next(COUNT)}"
    file.touch(exist_ok=False)
    check(LIBC.unshare(CLONE_NEWNET))
    check(LIBC.mount(b"/proc/thread-self/ns/net", bytes(file), None, MS_BIND, None))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    yield file.name
    enter(Path("/proc/1/ns/net"))
    check(LIBC.umount2(bytes(file), MNT_DETACH))
    file.unlink()


@pytest.fixture
def witness() -> Witness:
    """Give what Debian's ipvsadm saves of the test's namespace: its rules, one a line."""

    def rules() -> list[str]:
        saved = subprocess.run(["/usr/sbin/ipvsadm", "-S", "-n"], check=True, capture_output=True, text=True)
        return [line.rstrip() for line in saved.stdout.splitlines()]

    return rules


def forked(work: Callable[[], int]) -> int:
    """Return the exit status of a forked child that does this and nothing else."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)
            status = work()
        except BaseException:  # noqa: BLE001 - it must not go on as a second pytest
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sockets() -> set[str]:
    """Return this process's sockets, each by its number."""
    targets = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]  # noqa: PTH115
    return {target for target in targets if target.startswith("socket:")}


def lists(lb: ipvs.Client, count: int) -> bool:
    """Say whether so many services are listed: a listing may miss some while the namespaces of other tests go away."""
    for _ in range(100):
        if len(lb.services()) == count:
            return True
        time.sleep(0.05)
    return False
