"""Each kind of error has its class, with the bases that Python's users expect."""

from __future__ import annotations

import errno
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ipvs
import pytest
from conftest import forked

WEB = ipvs.Service("tcp://10.0.0.1:80")
REAL = "192.168.1.10:80"
CORE = Path(__file__).parents[2] / "core" / "src" / "error.rs"


def classes() -> list[type[ipvs.Error]]:
    """Give the classes below `Error`."""
    return ipvs.Error.__subclasses__()


def test_every_kind_of_core_has_a_class() -> None:
    """The names are core's, and no two classes share one."""
    arm = r'^ +Self::\w+(?:\(_\)| \{ \.\. \})?(?: \| Self::\w+\(_\))? => "(\w+)",$'
    kinds = re.findall(arm, CORE.read_text(), re.MULTILINE)
    kinds = kinds[kinds.index("service_exists") :]
    assert sorted(kinds) == sorted(error.kind for error in classes())
    assert all(getattr(ipvs, error.__name__) is error for error in classes())


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (ipvs.ServiceExists, FileExistsError),
        (ipvs.DestinationExists, FileExistsError),
        (ipvs.DaemonExists, FileExistsError),
        (ipvs.PermissionDenied, PermissionError),
        (ipvs.SettingDenied, PermissionError),
        (ipvs.TimedOut, TimeoutError),
        (ipvs.Locked, BlockingIOError),
        (ipvs.InvalidArgument, ValueError),
        (ipvs.RuleError, ValueError),
        (ipvs.Error, OSError),
        (ipvs.InternalError, RuntimeError),
    ],
)
def test_bases(error: type[Exception], base: type[Exception]) -> None:
    """Whoever knows Python's own exceptions catches them by those."""
    assert issubclass(error, base)


def test_refusals_of_the_kernel() -> None:
    """Each has its class, the kernel's number, operation and object, and tells them."""
    lb = ipvs.Client()
    lb.add_service(WEB)
    lb.add_destination(WEB, REAL, forwarding="masquerade")
    lb.start_daemon(ipvs.SyncDaemon("master", interface="lo"))
    missing = "udp://10.0.0.1:53"
    other = ipvs.Service(missing, scheduler="nosuch")
    cases: list[tuple[Callable[[], object], type[ipvs.Error], int, str, str | None]] = [
        (lambda: lb.add_service(WEB), ipvs.ServiceExists, errno.EEXIST, "add_service", WEB.id),
        (lambda: lb.service(missing), ipvs.NoSuchService, errno.ESRCH, "service", missing),
        (lambda: lb.destinations(missing), ipvs.NoSuchService, errno.ESRCH, "destinations", missing),
        (lambda: lb.edit_service(ipvs.Service(missing)), ipvs.NoSuchService, errno.ESRCH, "edit_service", missing),
        (lambda: lb.delete_service(missing), ipvs.NoSuchService, errno.ESRCH, "delete_service", missing),
        (lambda: lb.zero(missing), ipvs.NoSuchService, errno.ESRCH, "zero", missing),
        (lambda: lb.add_service(other), ipvs.NoSuchScheduler, errno.ENOENT, "add_service", missing),
        (
            lambda: lb.add_service(ipvs.Service(missing, persistence_timeout=1, persistence_engine="nosuch")),
            ipvs.NoSuchPersistenceEngine,
            errno.ENOENT,
            "add_service",
            missing,
        ),
        (
            lambda: lb.add_destination(WEB, REAL, forwarding="masquerade"),
            ipvs.DestinationExists,
            errno.EEXIST,
            "add_destination",
            f"{REAL} of {WEB.id}",
        ),
        (
            lambda: lb.edit_destination(WEB, "192.168.1.11:80"),
            ipvs.NoSuchDestination,
            errno.ENOENT,
            "edit_destination",
            f"192.168.1.11:80 of {WEB.id}",
        ),
        (
            lambda: lb.set_weight(WEB, "192.168.1.11:80", 5),
            ipvs.NoSuchDestination,
            errno.ENOENT,
            "set_weight",
            f"192.168.1.11:80 of {WEB.id}",
        ),
        (
            lambda: lb.add_destination(WEB, "224.0.0.1:80"),
            ipvs.DestinationRefused,
            errno.EINVAL,
            "add_destination",
            f"224.0.0.1:80 of {WEB.id}",
        ),
        (
            lambda: lb.start_daemon(ipvs.SyncDaemon("master", interface="lo")),
            ipvs.DaemonExists,
            errno.EEXIST,
            "start_daemon",
            "master",
        ),
        (
            lambda: lb.start_daemon(ipvs.SyncDaemon("backup", interface="nosuch")),
            ipvs.NoSuchInterface,
            errno.ENODEV,
            "start_daemon",
            "backup",
        ),
        (lambda: lb.stop_daemon("backup"), ipvs.NoSuchDaemon, errno.ESRCH, "stop_daemon", "backup"),
        (lambda: lb.setting("timeout_icmp"), ipvs.NoSuchSetting, errno.ENOENT, "setting", "timeout_icmp"),
        (lambda: ipvs.Client(netns="nosuch"), ipvs.NamespaceError, errno.ENOENT, "connect", None),
    ]
    for run, kind, number, operation, about in cases:
        with pytest.raises(ipvs.Error) as caught:
            run()
        error = caught.value
        assert type(error) is kind
        assert (error.errno, error.operation, error.object) == (number, operation, about)
        assert str(error).startswith("cannot ")
        assert about is None or all(part in str(error) for part in about.split(" of "))
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert (type(again), str(again), again.kind, again.object) == (kind, str(error), error.kind, about)


def test_one_s_own() -> None:
    """An exception that a test makes says what it was made with."""
    assert str(ipvs.TimedOut("x")) == "x"
    assert str(ipvs.ServiceExists()) == ""
    assert str(ipvs.ServiceExists(errno.EEXIST, "it is there")) == "it is there"


def test_without_privilege() -> None:
    """Importing and connecting need none, nor does root for a setting; what asks the kernel says what is missing."""
    program = (
        "import ipvs\nlb = ipvs.Client()\nlb.set_setting('conntrack', True)\nassert lb.setting('conntrack')\n"
        "try:\n    lb.info()\nexcept PermissionError as error:\n    print(error.errno, error)"
    )
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    ran = subprocess.run([*without, sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.startswith(f"{errno.EPERM} cannot read the IPVS version: permission denied: CAP_NET_ADMIN")


def test_what_everybody_may_see() -> None:
    """Files of `/proc` need no privilege."""
    lb = ipvs.Client()
    settings = lb.settings()
    lb.add_service(ipvs.Service("tcp://10.0.0.1:80", persistence_timeout=60))
    lb.add_destination(WEB, REAL, forwarding="masquerade", weight=5)

    def child() -> int:
        os.setuid(65534)
        real = ipvs.OverviewDestination(REAL, ipvs.Forwarding.MASQUERADE, 5, 0, 0)
        expected = ipvs.OverviewService(
            "tcp://10.0.0.1:80", "wlc", persistent=True, one_packet=False, destinations=(real,)
        )
        nobody = ipvs.Client()
        assert ipvs.overview() == [expected]
        assert list(nobody.connections()) == []
        assert nobody.total_stats() == ipvs.Stats()
        assert nobody.settings() == settings
        assert {name: nobody.setting(name) for name in settings} == settings
        with pytest.raises(ipvs.SettingDenied, match="it needs root, or CAP_NET_ADMIN for the network namespace"):
            nobody.set_setting("conntrack", value=True)
        assert nobody.settings() == settings
        return 0

    assert forked(child) == 0
