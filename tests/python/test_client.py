"""The client against the real kernel."""

from __future__ import annotations

import errno
import signal
import subprocess
import threading
import time

import ipvs
import pytest
from conftest import Witness, forked, lists, sockets

WEB = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")


@pytest.fixture
def lb() -> ipvs.Client:
    """Connect in the test's namespace."""
    return ipvs.Client()


def test_info(lb: ipvs.Client) -> None:
    """What the kernel says of itself is what Debian's ipvsadm prints."""
    listing = subprocess.run(["/usr/sbin/ipvsadm", "-Ln"], check=True, capture_output=True, text=True).stdout
    info = lb.info()
    assert listing.startswith(f"IP Virtual Server version {info.version} (size={info.connection_table_size})\n")


def test_services(lb: ipvs.Client, witness: Witness) -> None:
    """Services are added, edited, listed and deleted."""
    dns = ipvs.Service("udp://[2001:db8::1]:53")
    lb.add_service(WEB)
    lb.add_service(dns)
    assert sorted(witness()) == ["-A -t 10.0.0.1:80 -s wrr", "-A -u [2001:db8::1]:53 -s wlc"]
    assert {entry.service for entry in lb.services()} == {WEB, dns}
    lb.edit_service(ipvs.Service(WEB.id, scheduler="rr"))
    entry = lb.service(WEB)
    assert (entry.id, entry.scheduler, str(entry)) == ("tcp://10.0.0.1:80", "rr", "tcp://10.0.0.1:80")
    assert entry.stats.connections == 0
    lb.delete_service(entry)
    lb.delete_service("udp://[2001:db8::1]:53")
    assert witness() == []


def test_destinations(lb: ipvs.Client, witness: Witness) -> None:
    """Destinations are added, edited, listed and deleted."""
    lb.add_service(WEB)
    lb.add_destination(WEB, "192.168.1.10:8080", forwarding="masquerade", weight=5)
    lb.add_destination(WEB.id, ipvs.Destination("192.168.1.11:80", forwarding="tunnel"))
    assert witness() == [
        "-A -t 10.0.0.1:80 -s wrr",
        "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5",
        "-a -t 10.0.0.1:80 -r 192.168.1.11:80 -i -w 1 --tun-type ipip",
    ]
    first = next(entry for entry in lb.destinations(WEB) if entry.weight == 5)
    assert first.destination == ipvs.Destination("192.168.1.10:8080", forwarding="masquerade", weight=5)
    assert (first.id, str(first.forwarding), first.active_connections) == ("192.168.1.10:8080", "masquerade", 0)
    lb.edit_destination(WEB, "192.168.1.10:8080", forwarding="masquerade", weight=0)
    assert "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 0" in witness()
    lb.delete_destination(WEB, first)
    lb.delete_destination(WEB, "192.168.1.11:80")
    assert lb.destinations(WEB) == []


def test_flush(lb: ipvs.Client, witness: Witness) -> None:
    """A flush leaves nothing."""
    lb.add_service(WEB)
    lb.flush()
    assert witness() == []


def test_errors_tell_what_failed_on_which_object(lb: ipvs.Client) -> None:
    """An error is an OSError with the kernel's number, the operation and the object."""
    lb.add_service(WEB)
    with pytest.raises(ipvs.Error, match=r"cannot add service tcp://10\.0\.0\.1:80: it exists already") as caught:
        lb.add_service(WEB)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.EEXIST
    assert (caught.value.kind, caught.value.operation) == ("service_exists", "add_service")
    assert caught.value.object == "tcp://10.0.0.1:80"
    with pytest.raises(ipvs.Error) as caught:
        lb.delete_destination(WEB, "192.168.1.10:80")
    assert (caught.value.kind, caught.value.errno) == ("no_such_destination", errno.ENOENT)
    assert caught.value.object == "192.168.1.10:80 of tcp://10.0.0.1:80"


def test_other_threads_run_meanwhile(lb: ipvs.Client) -> None:
    """Threads share a client."""
    failures = []

    def work(host: int) -> None:
        try:
            for port in range(1, 11):
                service = ipvs.Service(f"tcp://10.0.1.{host}:{port}")
                lb.add_service(service)
                lb.service(service)
        except ipvs.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(host,)) for host in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert lists(lb, 40)


def test_the_lock_is_released_while_the_kernel_works(lb: ipvs.Client) -> None:
    """A Python thread runs on while another waits for the kernel, which loads a module for a scheduler."""
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    before = ticks
    for name in ["nosuch-1", "nosuch-2", "nosuch-3"]:
        with pytest.raises(ipvs.Error, match=f"no scheduler '{name}'"):
            lb.add_service(ipvs.Service("tcp://10.0.0.1:81", scheduler=name))
    during = ticks - before
    done.set()
    ticker.join()
    # The thread would get one turn at most each time that a call returned.
    assert during > 2 * 3


def test_a_child_made_during_an_exchange_works() -> None:
    """A fork while another thread is inside an exchange: the child has a connection of its own and hangs on no lock."""
    lb = ipvs.Client()
    for port in range(1, 201):
        lb.add_service(ipvs.Service(f"tcp://10.0.0.1:{port}"))
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            lb.services()

    def lists_by_its_own() -> int:
        return 0 if lists(lb, 200) and not sockets() <= parents else 1

    def child() -> int:
        return forked(lists_by_its_own) or lists_by_its_own()

    parents = sockets()
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert forked(child) == 0
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert lists(lb, 200)


def test_signals_all_the_time_disturb_nothing() -> None:
    """Every interrupted system call is made again."""
    lb = ipvs.Client()
    web = ipvs.Service("tcp://10.0.0.1:80")
    count = 0

    def count_signal(_signal: int, _frame: object) -> None:
        nonlocal count
        count += 1

    before = signal.signal(signal.SIGALRM, count_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        while count < 100:
            lb.add_service(web)
            assert [entry.service for entry in lb.services()] == [web]
            lb.delete_service(web)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert lb.services() == []
