"""Keeps each error that the tests meet for the page of all messages: `make messages` has pytest load it."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from _typeshed import TraceFunction

    Met = tuple[type[BaseException], BaseException, TracebackType]

TESTS = str(Path(__file__).parent)


def keep(frame: FrameType, event: str, what: Met) -> TraceFunction:
    """Write down what a line of a test raises, or meets of a function that is none of Python's."""
    frame.f_trace_lines = False
    if event == "exception" and what[2].tb_next is None:
        kind, error, _ = what
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        message = f"{kind.__name__}: {error!s:.500}".replace("\n", " ")
        with Path(os.environ["IPVS_MESSAGES"]).open("a", errors="backslashreplace") as file:
            file.write(f"Python\t{Path(frame.f_code.co_filename).name}: {line}\t{message}\n")
    return keep


def look(frame: FrameType, event: str, what: Met) -> TraceFunction | None:
    """Look at the functions of the tests only."""
    return keep(frame, event, what) if frame.f_code.co_filename.startswith(TESTS) else None


threading.settrace(look)
sys.settrace(look)
