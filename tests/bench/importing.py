"""How long `import ipvs` takes, beside an extension that is empty. It needs no kernel, and runs on the machine itself.

usage: importing.py FOLDER, in which the module is
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

ROUNDS = 41
#: The example of an extension that comes with Python.
EMPTY = "xxlimited"
MOST = 5.0


def milliseconds(module: str, folder: str) -> float:
    """Let a Python of its own import a module."""
    program = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": folder})
    return float(ran.stdout) * 1e3


def main() -> None:
    """Import both in turns, and print the medians."""
    folder = sys.argv[1]
    times = [(milliseconds("ipvs", folder), milliseconds(EMPTY, folder)) for _ in range(ROUNDS)]
    ours, empty = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"importing, {ROUNDS} rounds, Python {sys.version.split()[0]}")
    print(f"  import ipvs                        {ours:9.2f} ms")
    print(f"  an empty extension                 {empty:9.2f} ms")
    word = "PASS" if ours - empty <= MOST else "MISS"
    print(f"  import ipvs takes more by          {ours - empty:9.2f} ms  target {MOST:.2f} ms  {word}")


if __name__ == "__main__":
    main()
