"""Keeps each error that the tests meet for the page of all messages: `make messages` has pytest load it."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import ipvs

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from _typeshed import TraceFunction

    Met = tuple[type[BaseException], BaseException, TracebackType]

TESTS = str(Path(__file__).parent)
#: Open, as a test may be in a root of its own.
PAGE = os.open(os.environ["IPVS_MESSAGES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
KINDS = (ipvs.Error, TypeError, ValueError, RuntimeError)


def keep(frame: FrameType, event: str, what: Met) -> TraceFunction:
    """Write down what a line of a test raises, or meets of a function that is none of Python's."""
    frame.f_trace_lines = False
    if event == "exception" and what[2].tb_next is None and issubclass(what[0], KINDS):
        kind, error, _ = what
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        message = f"{kind.__name__}: {error!s:.500}".replace("\n", " ")
        text = f"Python\t{Path(frame.f_code.co_filename).name}: {line}\t{message}\n"
        os.write(PAGE, text.encode(errors="backslashreplace"))
    return keep


def look(frame: FrameType, event: str, what: Met) -> TraceFunction | None:
    """Look at the functions of the tests only."""
    return keep(frame, event, what) if frame.f_code.co_filename.startswith(TESTS) else None


def pytest_runtest_setup() -> None:
    """Begin anew with each test: what fails in `keep`, as where there is no room for another call, ends it."""
    threading.settrace(look)
    sys.settrace(look)
