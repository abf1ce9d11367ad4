"""What is usual outlives pauses, forgetting and restarts; a pause teaches nothing."""

from __future__ import annotations

import pytest

from andon.breaker import State
from andon.commands import Command, Reason
from detectors.columns import Records
from detectors.forgetting import Bounds
from detectors.line import Line
from detectors.plan import compile_book
from detectors.snapshot import line_of, snapshot_of
from detectors.times import moment
from tests.detectors.newsletter import DAY, MONDAY_S, REACH, WEEK, WEEKS_6, daily, hour_of, send
from tests.eventlog import START, book


def paused_line(log: list[bytes]) -> Line:
    """A line on which an incident at the start of week 6 has paused the workflow."""
    watched = Line(compile_book(book(REACH)), read_out=True)
    (command,) = watched.take(Records([*log, send(6 * WEEK, 50_000)])).effects.commands
    assert command.state is State.OPEN
    return watched


def reset(watched: Line, hour: float) -> None:
    at = moment(int((START.timestamp() + MONDAY_S + hour * 3600) * 1e6))
    generation = watched.standings.of("refunds").generation + 1
    watched.obey(
        Command(
            command_id=f"reset-{hour}",
            workflow="refunds",
            generation=generation,
            state=State.CLOSED,
            reason=Reason(text="mended"),
            issued_at=at,
            issued_by="user:ana",
        )
    )


def bound_of(watched: Line, *log: bytes) -> float:
    return float(watched.take(Records(list(log))).readings[-1]["bound"])


def test_nothing_is_learned_while_the_workflow_is_paused() -> None:
    watched = paused_line(WEEKS_6)
    # Guards are gone: it sends on for four weeks, just below its bound.
    bound_of(watched, *daily(range(42, 70), 1900))
    reset(watched, 10 * WEEK)
    assert bound_of(watched, send(10 * WEEK + 14)) == 2000


@pytest.mark.parametrize(("released", "level"), [(13, 1900), (13.001, 500)])
def test_after_the_release_the_first_lesson_needs_a_full_window(
    released: float, level: float
) -> None:
    """The hour from 14:00 teaches only where the window was full when it began."""
    watched = paused_line(WEEKS_6)
    reset(watched, 6 * WEEK + released)
    watched.take(Records([send(6 * WEEK + 14, 1900), *daily([43])]))
    assert watched.windows.state.baselines["weeks"].max() == level


def test_a_paused_workflow_that_is_met_first_teaches_nothing_either() -> None:
    watched = Line(compile_book(book(REACH)), read_out=True)
    watched.obey(
        Command(
            command_id="trip",
            workflow="refunds",
            generation=1,
            state=State.FORCED_OPEN,
            reason=Reason(text="looks odd"),
            issued_at=moment(int(START.timestamp() * 1e6)),
            issued_by="user:ana",
        )
    )
    bound_of(watched, *daily(range(9), 3000))
    reset(watched, 9 * DAY)
    assert bound_of(watched, send(9 * DAY + 14)) == 4000
    assert bound_of(watched, *daily(range(10, 18))) == 2000


def test_a_workflow_that_the_windows_have_forgotten_finds_its_history_again() -> None:
    others = [send(41 * DAY + 20 + n / 100, workflow=f"other-{n}") for n in range(300)]
    tight = Line(
        compile_book(book(REACH)), bounds=Bounds(workflows_kept=10, workflows_max=20), read_out=True
    )
    for event in [*WEEKS_6, *others]:
        tight.take(Records([event]))
    assert tight.windows.forgotten + tight.windows.evicted > 200
    assert "refunds" not in tight.windows.numbers.workflows
    assert bound_of(tight, send(42 * DAY + 14)) == 2000


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_of_too_many_histories_those_that_spoke_last_are_kept(batch: int) -> None:
    log = [
        send(day * DAY + 14 + n / 100, 500, workflow=f"w{n}")
        for n in range(8)
        for day in range(n, 20)
    ]
    log = sorted(log, key=hour_of)
    late = [send(20 * DAY + n, workflow=f"w{n}") for n in range(8)]
    few = Line(compile_book(book(REACH)), bounds=Bounds(histories_max=6), read_out=True)
    told = [
        float(reading["bound"])
        for start in range(0, len(log + late), batch)
        for reading in few.take(Records((log + late)[start : start + batch])).readings
    ]
    # Of those that speak every day the three that came first hold their places.
    assert told[-8:] == [2000] * 3 + [4000] * 5


def test_a_snapshot_holds_what_is_usual() -> None:
    compiled = compile_book(book(REACH))
    whole = Line(compiled)
    whole.take(Records(WEEKS_6))
    again = line_of(compiled, snapshot_of(whole))
    incident = Records([send(6 * WEEK + 14, 50_000)])
    found = again.take(incident).effects
    assert [one.bound for one in found.detections] == [2000]
    assert found.commands == whole.take(incident).effects.commands


def test_a_replay_learns_what_was_learned_then() -> None:
    """Commands move the breakers in the same places; nothing trips anew."""
    live, again = (Line(compile_book(book(REACH))) for _ in range(2))
    paused = [*WEEKS_6, send(6 * WEEK, 50_000)]
    (command,) = live.take(Records(paused)).effects.commands
    again.replay(Records(paused))
    again.obey(command)
    for log, released in ((daily(range(42, 70), 1900), 10 * WEEK), (daily(range(70, 75)), None)):
        live.take(Records(log))
        again.replay(Records(log))
        for each in (live, again) if released else ():
            reset(each, released)
    for name in ("baselines", "histories"):
        assert getattr(live.windows.state, name).tobytes() == (
            getattr(again.windows.state, name).tobytes()
        )
