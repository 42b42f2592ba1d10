"""The Lua module as people install it: by luarocks, by `make install`, and what is in the file."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "bindings-lua"
VERSION = re.search(r'^version = "(.*)"$', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)
VERSIONS = ["5.1", "5.2", "5.3", "5.4", "jit"]
# What `make build` built already is taken: a release build of each would take minutes.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LUA_")} | {"PROFILE": "dev"}


def run(*command: str | Path, **variables: str) -> str:
    """Run a command in the module's folder and give what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=SOURCE,
        env={**ENVIRONMENT, **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loads(lua: str, folder: Path) -> None:
    """See that the interpreter finds the module in the folder, and that it has this project's version."""
    assert VERSION
    said = run(lua, "-e", 'print(require("ipvs")._VERSION)', LUA_CPATH=f"{folder}/?.so")
    assert said == f"{VERSION[1]}\n"


@pytest.fixture(scope="module")
def modules() -> Path:
    """Build the module for every Lua by the one command for that, and give the folder they are in."""
    run("make")
    return Path(os.environ["CARGO_TARGET_DIR"]) / "lua-dev"


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_entry_is_exported(modules: Path, version: str) -> None:
    """A proxy has modules of others in the same process."""
    symbols = run("nm", "--dynamic", "--defined-only", "--format=just-symbols", modules / version / "ipvs.so")
    assert symbols.split() == ["luaopen_ipvs"]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_lua_is_linked(modules: Path, version: str) -> None:
    """The host brings the Lua that the module runs on."""
    needed = run("objdump", "-p", modules / version / "ipvs.so")
    assert "liblua" not in needed
    assert re.search(r"NEEDED +libc\.so\.6", needed)


@pytest.mark.parametrize("version", VERSIONS)
def test_make_install(tmp_path: Path, version: str) -> None:
    """It copies to where that Lua looks, below DESTDIR."""
    run("make", "install", f"LUA=lua{version}", f"DESTDIR={tmp_path}")
    number = "5.1" if version == "jit" else version
    loads(f"lua{version}", tmp_path / "usr/local/lib/lua" / number)


def test_an_upgrade_leaves_what_runs_alone(tmp_path: Path) -> None:
    """A proxy that has loaded the module goes on with the one that it has, until it starts anew."""
    install = ["make", "install", "LUA=lua5.4", f"LIBDIR={tmp_path}"]
    run(*install)
    program = 'local ipvs = require "ipvs" print(1) io.flush() io.read() print(#ipvs.parse_rules "-C")'
    with subprocess.Popen(
        ["lua5.4", "-e", program],
        env={**ENVIRONMENT, "LUA_CPATH": f"{tmp_path}/?.so"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "1\n"
        before = (tmp_path / "ipvs.so").stat().st_ino
        run(*install)
        assert (tmp_path / "ipvs.so").stat().st_ino != before
        assert running.communicate("\n", timeout=60)[0] == "1\n"
    assert running.returncode == 0


@pytest.mark.parametrize("version", ["5.1", "5.4"])
def test_luarocks_make(tmp_path: Path, version: str) -> None:
    """It builds by cargo, installs, and removes what it installed."""
    rocks = ["luarocks", "--lua-version", version, "--tree", str(tmp_path)]
    run(*rocks, "make")
    folder = tmp_path / "lib/lua" / version
    loads(f"lua{version}", folder)
    run(*rocks, "remove", "ipvs")
    assert not (folder / "ipvs.so").exists()


def test_the_rock_is_a_release() -> None:
    """It is built with the profile that checks for overflow."""
    said = run("env", "--unset=PROFILE", "make", "--dry-run", "build", "LUA=lua5.4")
    assert "--profile release " in said
    assert "\noverflow-checks = true\n" in (PROJECT / "Cargo.toml").read_text().split("[profile.release]")[1]


def test_the_rock_has_the_project_s_version() -> None:
    """The file's name has it too."""
    assert VERSION
    rockspec = SOURCE / f"ipvs-{VERSION[1]}-1.rockspec"
    assert f'version = "{VERSION[1]}-1"' in rockspec.read_text()
