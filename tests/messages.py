"""Writes the page of everything that is said to people: the help of the programs, and each message once.

The messages are those of the tests that ran with IPVS_MESSAGES, one a line: the face, what was called or the line of
the test that did, the message. Those of core are one of each kind of error, also of those that no kernel here gives.
Those that differ in what was typed, in a number or in the argument's name are one.

usage: messages.py FILE >PAGE
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import ipvs

PROGRAMS = ("ipvsadm", "ipvsadm-save", "ipvsadm-restore")
PREFIXES = tuple(f"{program}: " for program in PROGRAMS)
FACES = ["core", "Lua", "Python", "ipvsadm"]
#: What a message repeats of its caller's: its place, the method, quoted text, ids and addresses, numbers, the argument,
#: the type of its value.
TYPED = re.compile(
    r"^\S+\.lua:\d+: |(?<=write )\w+:\w+|'[^']*'|\w+://\S+|fwmark:\S+|\[[0-9a-f:]+\](?::\d+)?|-?\d[\d.:]*\w*|test-\S+"
    r"|(?<=Error: )\w+(?=: )|(?<=Argument: )\w+(?=: )|(?<=\()\w+(?=: )|(?<=, not )\w+"
)
#: What has to be there, as it is met late, in a child, or returned.
RARE = {
    "Lua": ["the client is closed", "cannot delete service", "broke: "],
    "Python": ["Locked: ", "TimedOut: ", "the client is closed", "InternalError: "],
    "ipvsadm": ["interrupted; ", "modprobe ip_vs", "No space left", "drained and deleted"],
}
LONG, CONTROL = re.compile(r"(x{8})x+"), re.compile(r"[^ -\U0010ffff]")


def main() -> int:
    """Print the page."""
    seen: dict[str, dict[str, tuple[str, str]]] = {face: {} for face in FACES}
    for line in Path(sys.argv[1]).read_text(errors="replace").split("\n")[:-1]:
        face, called, message = (CONTROL.sub("?", LONG.sub(r"\1...", part)) for part in line.split("\t", 2))
        # Beside what the programs say there is what others do, and what a rule repeats.
        if face != "ipvsadm" or message.startswith(PREFIXES):
            seen[face].setdefault(TYPED.sub("*", message), (message, called))
    assert all(seen.values()), f"one of {FACES} said nothing"
    kinds = {error.kind for error in ipvs.Error.__subclasses__()}
    assert kinds == {called for _, called in seen["core"].values()}
    for face, words in RARE.items():
        for word in words:
            assert any(word in message for message, _ in seen[face].values()), f"{face} never said {word!r}"
    print("# Everything that is said\n")
    for program in PROGRAMS:
        help_text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
        print(f"## {program} --help\n\n```text\n{help_text}```\n")
    for face, messages in seen.items():
        print(f"## {face}: {len(messages)} messages\n")
        for _, (message, called) in sorted(messages.items()):
            print(f"- `{message}`\n  - {called:.200}")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
