"""The wheel and the sdist: what is in them, that they install anywhere, and the tests of the module on other Pythons.

These run on the machine itself: they build, look into archives and make virtual environments. What needs IPVS they run
in the guest.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VERSION = re.search(r'^version = "(.*)"$', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)[1]  # type: ignore[index]
PROGRAMS = ["ipvsadm", "ipvsadm-restore", "ipvsadm-save"]
MODULE = ["__init__.py", "_enums.py", "_errors.py", "_ipvs.abi3.so", "_ipvs.pyi", "_records.py"]
#: What a build of ours leaves behind is not built again.
BUILD = {**os.environ, "CARGO_TARGET_DIR": str(PROJECT / "target")}
#: The tests of the module.
NAMES = ["objects", "arguments", "hostile", "client", "sharing", "errors", "manners", "policy", "witnesses", "guide"]
#: Those of the guest, `setup`, Lua, ipvsadm, the example, and panics.
OTHERS = ["guest", "setup", "readme", "json", "checker", "panic"]
#: What makes a release build a quick one.
QUICK = {"OPT_LEVEL": "0", "LTO": "off", "CODEGEN_UNITS": "16"}
#: What a checked sum says: there only where sums are checked.
CHECKED = b"attempt to add with overflow"
#: How pyo3 is told of a free-threaded Python that is not on this machine.
FREE_THREADED = """implementation=CPython
version=3.14
shared=true
pointer_width=64
build_flags=Py_GIL_DISABLED
suppress_build_script_link_lines=true
"""


def run(*command: object, **options: object) -> str:
    """Run a program, and show what it said if it fails."""
    ran = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return str(ran.stdout)


def version_of(python: Path) -> tuple[int, int] | None:
    """Give the version of an interpreter; None if it cannot run, is no CPython or cannot make environments."""
    program = (
        "import sys, venv, ensurepip; print(*sys.version_info[:2] if sys.implementation.name == 'cpython' else 'no')"
    )
    ran = subprocess.run([python, "-c", program], check=False, capture_output=True, text=True)
    numbers = ran.stdout.split()
    return (int(numbers[0]), int(numbers[1])) if ran.returncode == 0 and len(numbers) == 2 else None


def pythons() -> list[Path]:
    """Find the oldest and the newest Python of this machine that the module is for."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += Path.home().glob(".pyenv/versions/3.*/bin")
    found = {(3, sys.version_info.minor): Path(sys.executable)}
    for minor in range(10, 30):
        for folder in folders:
            python = folder / f"python3.{minor}"
            if (3, minor) not in found and python.exists() and version_of(python) == (3, minor):
                found[(3, minor)] = python
    return [found[min(found)], found[max(found)]]


PYTHONS = {".".join(map(str, version_of(python) or ())): python for python in pythons()}


#: The C library that a released wheel needs, for `MATURIN_PEP517_ARGS` as CONTRIBUTING.md has it.
TAG = re.search(r"--compatibility (manylinux_2_(\d+))", (PROJECT / "CONTRIBUTING.md").read_text())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    assert TAG
    environment = {**BUILD, "MATURIN_PEP517_ARGS": TAG[0]}
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, PROJECT, env=environment)
    [wheel] = folder.iterdir()
    return wheel


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist by the hook for that."""
    folder = tmp_path_factory.mktemp("sdist")
    program = f"import wheel_backend; wheel_backend.build_sdist({str(folder)!r})"
    run(sys.executable, "-c", program, cwd=PROJECT, env={**BUILD, "PYTHONPATH": "bindings-py"})
    [sdist] = folder.iterdir()
    return sdist


def environment(python: Path, folder: Path) -> Path:
    """Make an empty virtual environment, and give its folder of programs."""
    run(python, "-m", "venv", "--clear", folder)
    return folder / "bin"


def check_installation(programs: Path) -> None:
    """Look for the module and the native programs, in the same version."""
    program = "import ipvs; print(ipvs.__version__, ipvs.Service('fwmark:7').replace(scheduler='rr'))"
    assert run(programs / "python", "-c", program, cwd="/") == f"{VERSION} fwmark:7\n"
    for name in PROGRAMS:
        assert (programs / name).read_bytes().startswith(b"\x7fELF")
        assert run(programs / name, "--version").startswith(f"{name} {VERSION}: ")


def test_the_wheel_has_what_it_should(wheel: Path) -> None:
    """One file for every Python from 3.10 on: the typed module, the programs, licences and metadata, and no more."""
    assert TAG
    assert wheel.name == f"ipvs-{VERSION}-cp310-abi3-{TAG[1]}_x86_64.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        information = f"ipvs-{VERSION}.dist-info"
        module = [f"ipvs/{name}" for name in [*MODULE, "_records.pyi", "py.typed"]]
        scripts = [f"ipvs-{VERSION}.data/scripts/{name}" for name in PROGRAMS]
        assert sorted(name for name in names if not name.startswith(information)) == sorted([*module, *scripts])
        for name in scripts:
            assert archive.read(name).startswith(b"\x7fELF")
            assert archive.getinfo(name).external_attr >> 16 & stat.S_IXUSR
            # maturin looks into the module only.
            assert max(int(minor) for minor in re.findall(rb"\bGLIBC_2\.(\d+)", archive.read(name))) <= int(TAG[2])
        for name in [*scripts, "ipvs/_ipvs.abi3.so"]:
            assert CHECKED in archive.read(name)
        for name in ["LICENSE-MIT", "LICENSE-APACHE"]:
            assert archive.read(f"{information}/licenses/{name}") == (PROJECT / name).read_bytes()
        metadata = archive.read(f"{information}/METADATA").decode()
    for line in [
        "Name: ipvs",
        f"Version: {VERSION}",
        "License-Expression: MIT OR Apache-2.0",
        "Requires-Python: >=3.10",
        "Classifier: Typing :: Typed",
    ]:
        assert f"\n{line}\n" in metadata
    assert "Requires-Dist" not in metadata


def test_the_sdist_has_what_building_needs(sdist: Path) -> None:
    """Everything that git has, and nothing that a build made."""
    tracked = set(run("git", "ls-files", cwd=PROJECT).splitlines())
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert tracked - names == set()
    assert names - tracked == {"PKG-INFO"}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_installs(wheel: Path, version: str, tmp_path: Path) -> None:
    """Into an empty environment, without anything else."""
    programs = environment(PYTHONS[version], tmp_path / "environment")
    run(programs / "pip", "install", "--no-index", wheel)
    check_installation(programs)
    run(programs / "pip", "uninstall", "--yes", "ipvs")
    assert [name for name in PROGRAMS if (programs / name).exists()] == []


def test_an_upgrade_leaves_what_runs_alone(wheel: Path, tmp_path: Path) -> None:
    """A program that has the module goes on with the one that it has."""
    programs = environment(Path(sys.executable), tmp_path / "environment")
    run(programs / "pip", "install", "--no-index", wheel)
    program = "import ipvs; print(1, flush=True); input(); print(ipvs.parse_rules('-C'))"
    with subprocess.Popen(
        [programs / "python", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "1\n"
        run(programs / "pip", "install", "--no-index", "--force-reinstall", wheel)
        assert running.communicate("\n", timeout=60)[0] == "[Command.flush()]\n"
    assert running.returncode == 0
    check_installation(programs)


def test_cargo_installs_and_removes_the_programs(tmp_path: Path) -> None:
    """Once more for an upgrade."""
    programs = tmp_path / "bin"
    root = ["--root", tmp_path]
    for force in [[], ["--force"]]:
        run("cargo", "install", "--locked", "--path", "cli", *root, *force, cwd=PROJECT, env=BUILD)
        for name in PROGRAMS:
            assert run(programs / name, "--version").startswith(f"{name} {VERSION}: ")
            assert CHECKED in (programs / name).read_bytes()
    run("cargo", "uninstall", *root, "ipvsadm", env=BUILD)
    assert list(programs.iterdir()) == []


def test_the_sdist_installs(sdist: Path, tmp_path: Path) -> None:
    """Into an empty environment: it builds module and programs, all of them."""
    programs = environment(Path(sys.executable), tmp_path / "environment")
    # Of another folder, cargo takes for built what the wheel left; and to optimise it all once more takes minutes.
    settings = {f"CARGO_PROFILE_RELEASE_{name}": value for name, value in QUICK.items()}
    run(programs / "pip", "install", sdist, env={**BUILD, **settings, "CARGO_TARGET_DIR": str(tmp_path / "target")})
    check_installation(programs)


def test_the_checkout_installs(tmp_path: Path) -> None:
    """`pip install .`."""
    programs = environment(Path(sys.executable), tmp_path / "environment")
    run(programs / "pip", "install", ".", cwd=PROJECT, env=BUILD)
    check_installation(programs)


def test_it_builds_for_free_threaded_pythons(tmp_path: Path) -> None:
    """They have no stable ABI of ours, so this is another build, which the compiler looks at here."""
    config = tmp_path / "pyo3.txt"
    config.write_text(FREE_THREADED)
    environment = {
        **BUILD,
        "CARGO_TARGET_DIR": str(PROJECT / "target" / "free-threaded"),
        "PYO3_CONFIG_FILE": str(config),
    }
    run("cargo", "check", "--locked", "--package", "ipvs-python", cwd=PROJECT, env=environment)


@pytest.mark.parametrize("version", PYTHONS)
def test_the_module_behaves_the_same_everywhere(wheel: Path, version: str) -> None:
    """The module's own tests in the guest, on the oldest and the newest Python."""
    assert sorted([*NAMES, *OTHERS]) == sorted(path.stem[5:] for path in (PROJECT / "tests/python").glob("test_*.py"))
    programs = environment(PYTHONS[version], PROJECT / "target" / "pythons" / version)
    run(programs / "pip", "install", "pytest", "pyroute2", wheel)
    suite = [f"tests/python/test_{name}.py" for name in NAMES]
    # That memory does not grow takes half a minute each, and is looked at on one Python.
    others = "not test_nothing_grows and not test_what_is_left_behind_is_freed"
    arguments = ["-m", "pytest", "-q", "--basetemp=/run/pytest", "-k", others, *suite]
    said = run(PROJECT / "tests/guest/run", "--timeout", 1200, "--", programs / "python", *arguments, cwd=PROJECT)
    assert re.search(r"\b\d{3} passed", said)
    assert "failed" not in said
    assert "skipped" not in said
