"""The harness seen from the machine: what passes through, and what is said when it cannot work.

`make test-guest` boots User-Mode Linux only, `make test-debian-kernel` boots Debian's kernel in the same tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run")
DEBIAN = RUN.parents[2] / "target" / "debian-kernel"
#: Seconds after which a program has surely begun.
BOOT = {"uml": 15, "debian": 40}
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


@pytest.fixture(params=["uml", pytest.param("debian", marks=pytest.mark.debian_kernel)])
def kernel(request: pytest.FixtureRequest) -> str:
    """Each kernel in turn."""
    return str(request.param)


def guest(
    *arguments: str, kernel: str = "uml", cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run something in the guest."""
    environment = os.environ | (env or {})
    return subprocess.run(
        [RUN, "--kernel", kernel, "--timeout", "60", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=100,
    )


def test_everything_passes_through(kernel: str, tmp_path: Path) -> None:
    """Arguments, environment, working directory, both outputs and exit status; and nothing else leaves the guest.

    The folder is reached through a link, the program's path has a `=`, and the environment is larger than a pipe.
    """
    directory = tmp_path / "a folder"
    directory.mkdir()
    link = tmp_path / "link"
    link.symlink_to(directory)
    python = tmp_path / "a=b"
    python.symlink_to(sys.executable)
    arguments = ["", "two words", 'it\'s "quoted"', "$HOME *", "line\nbreak", "ümläut", "-x"]
    environment = {"VARIABLE": "a  b\n='c'"} | {f"LARGE_{number}": "x" * 50_000 for number in range(4)}
    ran = guest(str(python), "-c", PROGRAM, *arguments, kernel=kernel, cwd=link, env=environment)
    assert ran.stderr == "to standard error\n"
    assert eval(ran.stdout) == {  # noqa: S307
        "arguments": arguments,
        "variable": "a  b\n='c'",
        "directory": str(directory),
        "stdin": "",
    }
    assert ran.returncode == 7
    assert [path.name for path in directory.iterdir()] == ["written-in-the-guest"]
    assert not Path("/etc/written-in-the-guest").exists()


def test_an_ordinary_user_can_run_it(kernel: str) -> None:
    """Root of the machine is not needed for being root of the guest."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        run = Path(folder) / "tests" / "guest" / "run"
        run.parent.mkdir(parents=True)
        for file in ["run", "init", "initrd"]:
            shutil.copy(RUN.with_name(file), run.parent)
        if kernel == "debian":
            shutil.copytree(DEBIAN, Path(folder) / "target" / "debian-kernel")
        as_user = ["setpriv", "--reuid=65534", "--clear-groups"] if os.getuid() == 0 else []
        start = [*as_user, str(run), "--kernel", kernel, "--timeout", "60"]
        program = [*start, "sh", "-c", "id -u; /usr/sbin/ipvsadm -A -f 1"]
        ran = subprocess.run(program, check=False, capture_output=True, text=True, cwd=folder, timeout=100)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\n", "")


def test_the_kernel_is_the_one_that_was_asked_for(kernel: str) -> None:
    """It says so itself, and loads modules when told to and when it needs them."""
    modules = "ip_vs veth bridge dummy ipip ip_gre fou sctp ip_tables iptable_mangle xt_mark nf_tables"
    script = f"""
        set -e
        modprobe --all {modules}
        ip link add dummy0 type dummy
        /usr/sbin/ipvsadm -A -f 1 -s mh
        /usr/sbin/ipvsadm -Ln | tail -n 1
        uname -r
        echo "$IPVS_GUEST"
        nproc
        uname -v | grep -c SMP || true
    """
    ran = guest("sh", "-c", script, kernel=kernel)
    assert (ran.returncode, ran.stderr) == (0, "")
    service, release, variable, processors, smp = ran.stdout.splitlines()
    assert service == "FWM  1 mh"
    assert release == variable
    modules_of = {"uml": Path("/usr/lib/uml/modules"), "debian": DEBIAN / "lib" / "modules"}
    assert (modules_of[kernel] / release).is_dir()
    assert (processors, smp) == {"uml": ("1", "0"), "debian": ("2", "1")}[kernel]


def processes(word: str) -> list[str]:
    """Give the processes of this machine that have a word among their arguments or in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if word.encode() in seen and process.name != str(os.getpid()):
                found.append(process.name)
    return found


def at_the_terminal() -> None:
    """Take standard input as the terminal, and end at signals that `nohup` or a shell's `&` have the tests ignore."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for ending in (signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)


def start_at_a_terminal(kernel: str, program: str, word: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start the guest with a terminal of its own, and wait until its program says so."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [RUN, "--kernel", kernel, "--timeout", "60", "sh", "-c", program],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=at_the_terminal,  # noqa: PLW1509
        env=os.environ | {"MARK": word},
    )
    seen = b""
    while b"ready" not in seen:
        seen += os.read(controller, 1000)
    return process, controller, terminal


@pytest.mark.parametrize(("ending", "status"), [("\x03", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_end_from_outside_leaves_nothing_behind(kernel: str, ending: str | signal.Signals, status: int) -> None:
    """Ctrl-C at a terminal, and the signals that end a program; the terminal's modes stay as they are meanwhile."""
    word = f"mark-{os.getpid()}-{status}"
    process, controller, terminal = start_at_a_terminal(kernel, "echo ready; sleep 1000", word)
    modes = termios.tcgetattr(terminal)
    assert modes[3] & termios.ISIG
    if isinstance(ending, str):
        os.write(controller, ending.encode())
    else:
        process.send_signal(ending)
    assert process.wait(timeout=30) == status
    assert termios.tcgetattr(terminal) == modes
    time.sleep(0.5)
    assert processes(word) == []


def test_a_program_at_a_terminal_sees_pipes(kernel: str) -> None:
    """It does not write for a terminal."""
    process, _, _ = start_at_a_terminal(kernel, "test -t 1 || test -t 2 || echo ready; exit 5", "no-mark")
    assert process.wait(timeout=30) == 5


def test_a_short_time_limit_never_hangs(kernel: str) -> None:
    """The limit may come at any moment of the boot."""
    word = f"mark-{os.getpid()}-limit"
    for _ in range(8):
        ran = subprocess.run(
            [RUN, "--kernel", kernel, "--timeout", "1", "true"],
            check=False,
            capture_output=True,
            timeout=30,
            env=os.environ | {"MARK": word},
        )
        assert ran.returncode == 124
    time.sleep(0.5)
    assert processes(word) == []


@pytest.mark.parametrize(
    "arguments",
    [("--timeout",), ("--timeout", "5m"), ("--timeout", "0"), ("--memory", "9", "true"), ("--kernel", "bsd", "true")],
)
def test_wrong_arguments_are_one_line(arguments: tuple[str, ...]) -> None:
    """They are told from the program's failure by the status."""
    ran = subprocess.run([RUN, *arguments], check=False, capture_output=True, text=True, timeout=10)
    assert ran.returncode == 125
    assert ran.stderr.startswith("guest: ")
    assert ran.stderr.count("\n") == 1


def test_a_folder_that_the_guest_has_of_its_own_is_refused() -> None:
    """What the guest mounts anew cannot be passed through."""
    assert "the working directory is /:" in guest("true", cwd=Path("/")).stderr
    ran = guest("true", cwd=Path("/dev"))
    assert ran.returncode == 125
    assert ran.stderr == "guest: the working directory /dev is in a part that the guest has of its own\n"


def test_the_demo_tells_when_a_step_does_not_hold() -> None:
    """Without our ipvsadm in PATH its last steps would show Debian's: it says so at once."""
    ran = guest(sys.executable, str(RUN.parents[2] / "demo" / "story.py"), env={"PATH": "/usr/sbin:/usr/bin"})
    assert ran.returncode == 1
    assert "DID NOT HOLD: ipvsadm in PATH: expected" in ran.stdout


def test_binary_output_is_whole(kernel: str, tmp_path: Path) -> None:
    """Ten megabytes of arbitrary bytes arrive, and what the program leaves running does not hold them up."""
    data = os.urandom(10_000_000)
    (tmp_path / "data").write_bytes(data)
    ran = subprocess.run(
        [RUN, "--kernel", kernel, "--timeout", "60", "sh", "-c", "sleep 1000 & cat data"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        timeout=100,
    )
    assert ran.stdout == data


def test_the_time_limit_ends_the_guest(kernel: str) -> None:
    """What was printed before is kept; the end of the console is shown."""
    begin = time.monotonic()
    limit = BOOT[kernel]
    ran = guest("--timeout", str(limit), "sh", "-c", "echo before; sleep 1000", kernel=kernel)
    assert ran.returncode == 124
    assert ran.stdout == "before\n"
    assert f"ended after the time limit of {limit} s" in ran.stderr
    assert "guest:   init: ready" in ran.stderr
    assert time.monotonic() - begin < 60


def test_a_dying_guest_shows_its_console(kernel: str) -> None:
    """A kernel panic is told from the program's own end."""
    ran = guest("sh", "-c", "echo c >/proc/sysrq-trigger", kernel=kernel)
    assert ran.returncode == 125
    assert "died" in ran.stderr
    assert "Kernel panic" in ran.stderr


@pytest.mark.parametrize(
    ("kernel", "program", "package"),
    [("uml", "linux.uml", "user-mode-linux"), ("debian", "qemu-system-x86_64", "qemu-system-x86")],
)
def test_a_missing_kernel_says_what_to_install(kernel: str, program: str, package: str, tmp_path: Path) -> None:
    """No skip, no trace: one line."""
    for tool in ["bash", "uname", "dirname"]:
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    ran = guest("true", kernel=kernel, env={"PATH": str(tmp_path)})
    assert ran.returncode == 125
    assert ran.stderr == f"guest: no '{program}' here; install it: apt-get install {package}\n"
