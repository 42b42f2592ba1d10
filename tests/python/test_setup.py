"""The set-up script where something is missing: it says what, in one line. The guest's files may be changed freely."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


STATUS = Path("/var/lib/dpkg/status")


@contextmanager
def missing(package: str, file: str) -> Iterator[None]:
    """Without a package, in this guest: neither its file is there nor does dpkg know of it."""
    status = STATUS.read_text()
    stanzas = status.split("\n\n")
    STATUS.write_text("\n\n".join(stanza for stanza in stanzas if not stanza.startswith(f"Package: {package}\n")))
    Path(file).rename(f"{file}.away")
    try:
        yield
    finally:
        Path(f"{file}.away").rename(file)
        STATUS.write_text(status)


def setup(env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and all output."""
    ran = subprocess.run("./setup", check=False, cwd=ROOT, env=os.environ | (env or {}), capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


def test_nothing_missing() -> None:
    """Nothing is said and nothing is done."""
    assert setup() == (0, "")


def test_no_rust(tmp_path: Path) -> None:
    """A missing toolchain."""
    for tool in ["bash", "dirname"]:
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    status, output = setup(env={"PATH": str(tmp_path)})
    assert status == 1
    assert output == "setup: no Rust toolchain: install one (rustup, 1.88 or newer) and call make again\n"


def test_old_rust(tmp_path: Path) -> None:
    """Debian 12's own toolchain is too old."""
    (tmp_path / "cargo").write_text("#!/bin/sh\necho 'cargo 1.65.0'\n")
    (tmp_path / "cargo").chmod(0o755)
    status, output = setup(env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert status == 1
    assert output == (
        "setup: the Rust toolchain is 1.65.0: 1.88 or newer is needed, install it by rustup and call make again\n"
    )


def test_no_network_for_apt() -> None:
    """The guest has no network: the kernel's package cannot be installed."""
    with missing("user-mode-linux", "/usr/bin/linux.uml"):
        status, output = setup()
    assert status == 1
    lines = output.splitlines()
    assert lines[0] == "setup: installing user-mode-linux"
    assert lines[1].startswith("setup: cannot install user-mode-linux (as root: apt-get install user-mode-linux): ")
    assert "Could not resolve" in lines[1] or "Temporary failure resolving" in lines[1], lines
    assert len(lines) == 2


def test_no_root_and_no_sudo() -> None:
    """An ordinary user is told the command for root."""
    folder = Path("/run/ordinary")
    folder.mkdir()
    for tool in ["bash", "dirname", "cat", "cut", "id", "paste", "python3", "apt-get", "sort"]:
        (folder / tool).symlink_to(f"/usr/bin/{tool}")
    (folder / "cargo").write_text("#!/bin/sh\necho 'cargo 1.88.0'\n")
    (folder / "cargo").chmod(0o755)
    shutil.copy(ROOT / "setup", folder)
    with missing("user-mode-linux", "/usr/bin/linux.uml"):
        ran = subprocess.run(
            ["/usr/bin/setpriv", "--reuid=65534", folder / "setup"],
            check=False,
            env={"PATH": str(folder)},
            capture_output=True,
            text=True,
        )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "setup: missing: user-mode-linux; run 'apt-get install user-mode-linux' as root, then call make again\n"
    )
