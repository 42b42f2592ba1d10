"""The build backend (PEP 517): maturin's, which cannot put a module and programs into one wheel by itself.

The programs are built first and laid where maturin takes a wheel's scripts from.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import maturin
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

PROJECT = Path(__file__).resolve().parents[1]
SCRIPTS = PROJECT / "bindings-py" / "data" / "scripts"
# maturin wants the folder to be there, for metadata too.
SCRIPTS.mkdir(parents=True, exist_ok=True)


def build_programs() -> None:
    """Build ipvsadm, ipvsadm-save and ipvsadm-restore, and nothing else is in the folder of scripts then."""
    command = ["cargo", "build", "--locked", "--release", "--package", "ipvsadm"]
    message_format = "--message-format=json-render-diagnostics"
    built = subprocess.run([*command, message_format], cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    programs = [message["executable"] for message in messages if message.get("executable")]
    shutil.rmtree(SCRIPTS, ignore_errors=True)
    SCRIPTS.mkdir(parents=True)
    for program in programs:
        shutil.copy2(program, SCRIPTS)


def build_wheel(
    directory: str, config_settings: dict[str, object] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel with the programs in it."""
    build_programs()
    return str(maturin.build_wheel(directory, config_settings, metadata_directory))


def build_editable(
    directory: str, config_settings: dict[str, object] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel that points here, with the programs in it."""
    build_programs()
    return str(maturin.build_editable(directory, config_settings, metadata_directory))
