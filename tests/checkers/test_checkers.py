"""The examples of health checkers, and keepalived, through the same scenario."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from scenario import DETECTION, INTERVAL, Checker, Keepalived, Lua, Python, Stage, Step, network

#: Steps in which a server dies under its connections, so that some cannot but fail.
DEADLY = ("a dies", "b hangs", "a is slow", "all die")
#: How long such a step goes on, so that they have failed by its end.
LONG_REST = 5.0


def play(checker: Checker, folder: Path) -> list[Step]:
    """Play all steps and return what became of the requests."""
    with network(), ExitStack() as processes:
        story = Stage(processes, folder)
        processes.callback(checker.kill)
        checker.write({"a": 1, "b": 1, "c": 1})
        checker.start()
        story.wait_for({"a": 1, "b": 1, "c": 1})
        story.start_client()
        story.step("nothing happens", lambda: None, {"a": 1, "b": 1, "c": 1})
        story.step("a dies", lambda: story.kill_server("a"), {"b": 1, "c": 1}, rest=LONG_REST)
        story.step("a is back", lambda: story.start_server("a"), {"a": 1, "b": 1, "c": 1})
        story.step("b hangs", lambda: story.signal_server("b", signal.SIGSTOP), {"a": 1, "c": 1}, rest=LONG_REST)
        story.step("b goes on", lambda: story.signal_server("b", signal.SIGCONT), {"a": 1, "b": 1, "c": 1})

        story.step("a is slow", lambda: story.signal_server("a", signal.SIGUSR1), {"b": 1, "c": 1}, rest=LONG_REST)
        story.step("a is quick again", lambda: story.signal_server("a", signal.SIGUSR1), {"a": 1, "b": 1, "c": 1})

        def reload(weights: dict[str, int]) -> None:
            checker.write(weights)
            checker.signal(signal.SIGHUP)

        story.start_server("d")
        story.step("c is drained", lambda: reload({"a": 1, "b": 1, "c": 0}), {"a": 1, "b": 1, "c": 0})
        story.step("d replaces c", lambda: reload({"a": 1, "b": 1, "d": 1}), {"a": 1, "b": 1, "d": 1})

        def restart() -> None:
            checker.kill()
            time.sleep(2 * INTERVAL)
            checker.start()

        story.step("the checker is killed and started again", restart, {"a": 1, "b": 1, "d": 1})
        story.step("all die", lambda: story.kill_server("a", "b", "d"), {"sorry": 1}, rest=LONG_REST)
        story.step("all are back", lambda: story.start_server("a", "b", "d"), {"a": 1, "b": 1, "d": 1})

        def stop() -> None:
            # When a long request ends, the next one begins.
            story.wait_for_long()
            story.client.send_signal(signal.SIGTERM)
            # What it began is on its way; it begins no more.
            time.sleep(0.3)
            checker.signal(signal.SIGTERM)

        story.step("the checker ends", stop, {}, rest=1.0)
        return story.finish()


def excused(step: Step) -> float:
    """Return how much later than the step a request has to begin that must not fail."""
    return DETECTION if step.name in DEADLY else 0.0


def show(checker: Checker, steps: list[Step]) -> None:
    """Print the figures as docs/health-checkers.md has them."""
    print(
        f"\n{checker.name}: short and long requests that failed of all, those that were reset, and those without excuse"
    )
    for step in steps:
        short, long = step.failed("short"), step.failed("long")
        resets = sum(request.outcome == "reset" for request in short + long)
        late = [request for kind in ("short", "long") for request in step.failed(kind, excused(step))]
        figures = f"{len(short)} + {len(long)} of {len(step.of('short'))} + {len(step.of('long'))} ({resets})"
        print(f"| {step.name} | {figures} | {len(late)} | {step.settled:.1f} s |")


@pytest.mark.parametrize("kind", [Python, Lua, Keepalived])
def test_clients_notice_deaths_only(kind: type[Checker], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Requests fail for a stated time after a server's death, and not otherwise; a drain breaks no connection."""
    checker = kind(tmp_path)
    steps = play(checker, tmp_path)
    with capsys.disabled():
        show(checker, steps)
    if kind is Keepalived:
        # Its figures are for the document.
        return
    for step in steps:
        after = excused(step)
        # At the end nothing new begins.
        assert len(step.of("long" if step.name == "the checker ends" else "short")) >= 3, step.name
        assert step.failed("short", after) + step.failed("long", after) == [], step.name
