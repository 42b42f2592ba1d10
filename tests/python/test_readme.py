"""What the README shows works as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Witness

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
BUILT = PROJECT / "target" / "debug"
RUN = {"python": ["python", "-c"], "lua": ["lua5.4", "-e"], "sh": ["sh", "-e", "-c"]}
#: The language and the text of each of its blocks that is a program.
PROGRAMS = re.findall(r"^```(python|lua|sh)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_ipvsadm_is_ours() -> None:
    """Debian's would run the shell's block too."""
    assert shutil.which("ipvsadm") == str(BUILT / "ipvsadm")


def test_there_is_one_of_each_language() -> None:
    """A block that is not found would not be run."""
    assert sorted(language for language, _ in PROGRAMS) == sorted(RUN)


def test_the_rust_is_what_the_library_opens_with() -> None:
    """There the compiler reads it."""
    library = (PROJECT / "core" / "src" / "lib.rs").read_text()
    [documented] = re.findall(r"^//! ```no_run\n(.*?)^//! # Ok", library, re.MULTILINE | re.DOTALL)
    [shown] = re.findall(r"^```rust\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown == re.sub("^//! ?", "", documented, flags=re.MULTILINE)


@pytest.mark.parametrize(("language", "program"), PROGRAMS)
def test_program(language: str, program: str, witness: Witness) -> None:
    """Each leaves the service and the drained server that the text beside it describes."""
    subprocess.run([*RUN[language], program], check=True)
    assert witness() == ["-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 0"]


def as_root(word: str, home: Path) -> None:
    """Run the block for root that has the word, and stop where it fails."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    [block] = (text for text in blocks if word in text)
    commands = re.sub("^[#>] ", "", block, flags=re.MULTILINE)
    subprocess.run(["sh", "-e", "-c", commands], check=True, env={**os.environ, "HOME": str(home)})


def test_ours_take_the_place_of_debian_s_and_give_it_back(tmp_path: Path, witness: Witness) -> None:
    """What names the path has ours then, such as Debian's own script: in the guest, whose files are its own."""
    names = ["ipvsadm", "ipvsadm-restore", "ipvsadm-save"]
    paths = [Path("/sbin") / name for name in names]
    debian_s = [path.read_bytes() for path in paths]
    installed = tmp_path / ".cargo" / "bin"
    installed.parent.mkdir()
    installed.symlink_to(BUILT)
    as_root("--add", tmp_path)
    try:
        assert [path.read_bytes() for path in paths] == [(BUILT / name).read_bytes() for name in names]
        aside = [path.with_name(f"{path.name}.debian") for path in paths]
        assert [path.read_bytes() for path in aside] == debian_s
        # Of `-p` Debian's would make 360.
        Path("/etc/ipvsadm.rules").write_text("-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.2 -p\n")
        for what in ["load", "save"]:
            subprocess.run(["/etc/init.d/ipvsadm", what], check=True)
        assert subprocess.run([aside[0], "-S", "-n"], check=True, capture_output=True).stdout
    finally:
        as_root("--remove", tmp_path)
    assert [path.read_bytes() for path in paths] == debian_s
    assert [path.exists() for path in aside] == [False] * 3
    # The table stays, and Debian's reads it.
    assert witness() == ["-A -t 10.0.0.1:80 -s rr", "-A -t 10.0.0.2:0 -s wlc -p 300"]
    assert Path("/etc/ipvsadm.rules").read_text().split("\n") == ["# ipvsadm.rules", *witness(), ""]


def test_the_examples_of_the_manual_page_and_of_the_json(witness: Witness) -> None:
    """Each does what it stands for, one after another; jq's of the JSON has the server without new connections."""
    page = subprocess.run(["ipvsadm", "--generate", "man"], check=True, capture_output=True, text=True).stdout
    examples = re.findall(r"^\.nf\n(.*?)^\.fi$", page.partition(".SH EXAMPLES")[2], re.MULTILINE | re.DOTALL)
    examples += re.findall(r"^```sh\n(.*?)^```$", (PROJECT / "docs" / "json.md").read_text(), re.MULTILINE | re.DOTALL)
    ran = [
        subprocess.run(["sh", "-e", "-c", example.replace("\\-", "-")], check=False, capture_output=True, text=True)
        for example in examples
    ]
    said = [(one.returncode, one.stdout, one.stderr) for one in ran]
    done, unchanged = (0, "", ""), (3, "", "")
    listed = [(0, "10.1.1.10:8080\t5\n10.1.1.11:8080\t0\n", ""), (0, "10.1.1.11:8080\t0\n", "")]
    assert said == [done, done, unchanged, *listed]
    assert witness() == [
        "-A -t 192.0.2.1:80 -s wrr",
        "-a -t 192.0.2.1:80 -r 10.1.1.10:8080 -m -w 5",
        "-a -t 192.0.2.1:80 -r 10.1.1.11:8080 -m -w 0",
    ]


def test_the_manual_page_and_the_completions_are_put_where_they_are_read(tmp_path: Path) -> None:
    """As the README puts them, for all three programs."""
    as_root("--generate bash", tmp_path)
    for name in ["ipvsadm", "ipvsadm-restore", "ipvsadm-save"]:
        # The pages of the two others send there, from where they are.
        page = subprocess.run(
            ["mandoc", f"man8/{name}.8"], cwd="/usr/local/share/man", check=True, capture_output=True, text=True
        )
        assert "--apply" in page.stdout
    for shell, program, shown in [
        ("bash", ". /etc/bash_completion.d/ipvsadm; complete -p ipvsadm-save", "complete -F _ipvsadm ipvsadm-save\n"),
        ("zsh", "autoload -Uz compinit; compinit -u -D; print $_comps[ipvsadm-save]", "_ipvsadm\n"),
        ("fish", "complete -C 'ipvsadm-save --outp'", "--output\twrite"),
    ]:
        said = subprocess.run([shell, "-c", program], check=True, capture_output=True, text=True).stdout
        assert said.startswith(shown), said
