"""What the README shows works as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Witness

README = (Path(__file__).parents[2] / "README.md").read_text()
RUN = {"python": ["python", "-c"], "lua": ["lua5.4", "-e"], "sh": ["sh", "-e", "-c"]}
#: The language and the text of each of its blocks that is a program.
PROGRAMS = re.findall(r"^```(python|lua|sh)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_ipvsadm_is_ours() -> None:
    """Debian's would run the shell's block too."""
    assert shutil.which("ipvsadm") == str(Path(__file__).parents[2] / "target" / "debug" / "ipvsadm")


def test_there_is_one_of_each_language() -> None:
    """A block that is not found would not be run."""
    assert sorted(language for language, _ in PROGRAMS) == sorted(RUN)


def test_the_rust_is_what_the_library_opens_with() -> None:
    """There the compiler reads it."""
    library = (Path(__file__).parents[2] / "core" / "src" / "lib.rs").read_text()
    [documented] = re.findall(r"^//! ```no_run\n(.*?)^//! # Ok", library, re.MULTILINE | re.DOTALL)
    [shown] = re.findall(r"^```rust\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown == re.sub("^//! ?", "", documented, flags=re.MULTILINE)


@pytest.mark.parametrize(("language", "program"), PROGRAMS)
def test_program(language: str, program: str, witness: Witness) -> None:
    """Each leaves the service and the drained server that the text beside it describes."""
    subprocess.run([*RUN[language], program], check=True)
    assert witness() == ["-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 0"]
