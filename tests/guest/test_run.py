"""The harness seen from the machine: what passes through, and what is said when it cannot work."""

import os
import subprocess
import sys
import time
from pathlib import Path

RUN = Path(__file__).with_name("run")
#: Prints what reached it, and ends with a status of its own.
PROGRAM = """
import json, os, sys
from pathlib import Path
Path("/etc/written-in-the-guest").touch()
Path("written-in-the-guest").touch()
seen = {"arguments": sys.argv[1:], "variable": os.environ["VARIABLE"], "directory": os.getcwd()}
seen["stdin"] = sys.stdin.read()
print(json.dumps(seen))
print("to standard error", file=sys.stderr)
sys.exit(7)
"""


def guest(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run something in the guest."""
    environment = os.environ | (env or {})
    return subprocess.run(
        [RUN, *arguments], check=False, capture_output=True, text=True, cwd=cwd, env=environment, timeout=100
    )


def test_everything_passes_through(tmp_path: Path) -> None:
    """Arguments, environment, working directory, both outputs and exit status; and nothing else leaves the guest."""
    directory = tmp_path / "a folder"
    directory.mkdir()
    arguments = ["", "two words", 'it\'s "quoted"', "$HOME *", "line\nbreak", "ümläut", "-x"]
    ran = guest("--", sys.executable, "-c", PROGRAM, *arguments, cwd=directory, env={"VARIABLE": "a  b\n=c"})
    assert ran.stderr == "to standard error\n"
    assert eval(ran.stdout) == {  # noqa: S307
        "arguments": arguments,
        "variable": "a  b\n=c",
        "directory": str(directory),
        "stdin": "",
    }
    assert ran.returncode == 7
    assert [path.name for path in directory.iterdir()] == ["written-in-the-guest"]
    assert not Path("/etc/written-in-the-guest").exists()


def test_binary_output_is_whole(tmp_path: Path) -> None:
    """Ten megabytes of arbitrary bytes arrive, and what the program leaves running does not hold them up."""
    data = os.urandom(10_000_000)
    (tmp_path / "data").write_bytes(data)
    ran = subprocess.run(
        [RUN, "sh", "-c", "sleep 1000 & cat data"], check=True, capture_output=True, cwd=tmp_path, timeout=60
    )
    assert ran.stdout == data


def test_the_time_limit_ends_the_guest() -> None:
    """What was printed before is kept; the end of the console is shown."""
    begin = time.monotonic()
    ran = guest("--timeout", "5", "sh", "-c", "echo before; sleep 1000")
    assert ran.returncode == 124
    assert ran.stdout == "before\n"
    assert "ended after the time limit of 5 s" in ran.stderr
    assert "guest:   init: ready" in ran.stderr
    assert time.monotonic() - begin < 30


def test_a_dying_guest_shows_its_console() -> None:
    """A kernel panic is told from the program's own end."""
    ran = guest("sh", "-c", "echo c >/proc/sysrq-trigger")
    assert ran.returncode == 125
    assert "died" in ran.stderr
    assert "Kernel panic" in ran.stderr


def test_a_missing_kernel_says_what_to_install(tmp_path: Path) -> None:
    """No skip, no trace: one line."""
    for tool in ["bash", "uname", "dirname"]:
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    ran = guest("true", env={"PATH": str(tmp_path)})
    assert ran.returncode == 125
    assert ran.stderr == "guest: no 'linux.uml' here; install it: apt-get install user-mode-linux\n"
