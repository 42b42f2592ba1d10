"""The harness itself, as far as it can be seen from inside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_namespace_has_a_table_of_its_own(namespace: str) -> None:
    """What is added in one namespace is not in another."""
    subprocess.run(["/usr/sbin/ipvsadm", "-A", "-t", "10.0.0.1:80"], check=True)
    elsewhere = ["ip", "netns", "exec", namespace, "/usr/sbin/ipvsadm", "-Sn"]
    assert "10.0.0.1:80" in subprocess.run(elsewhere, check=True, capture_output=True, text=True).stdout
    outside = ["nsenter", "--net=/proc/1/ns/net", "/usr/sbin/ipvsadm", "-Sn"]
    assert "10.0.0.1:80" not in subprocess.run(outside, check=True, capture_output=True, text=True).stdout


def test_the_kernel_is_not_the_machine_s() -> None:
    """The guest says which kernel it is."""
    assert os.environ["IPVS_GUEST"] == os.uname().release
    assert "linux.uml" in Path("/proc/cpuinfo").read_text() or "User Mode Linux" in Path("/proc/cpuinfo").read_text()


def test_output_is_not_a_terminal() -> None:
    """Programs behave as in a pipe."""
    assert not sys.__stdout__ or not sys.__stdout__.isatty()
