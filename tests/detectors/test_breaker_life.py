"""The breaker of a running line against its table, through all that may happen to a workflow."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from andon.breaker import MAY_BRING, TRANSITIONS, Authority, Breaker, Cause, State
from andon.commands import Command, Reason
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.eventlog import START, book, line

WAIT_S, PASSES = 600, 3
BOOK = book(
    {"rate": "error", "over": "1m", "above": "0%"},
    recover={"after": "10m", "trial": {"permits": PASSES, "pass": PASSES}, "then": "closed"},
)
BY_PEOPLE = [cause for cause, who in MAY_BRING.items() if who is Authority.PERSON]


class Life(RuleBasedStateMachine):
    """What the table says beside what a line does.

    An error is a detection, an event after the wait ends it, and three good actions in a row pass
    a trial.
    """

    @initialize()
    def begin(self) -> None:
        self.line = Line(compile_book(BOOK))
        self.told = Breaker()
        self.now, self.events = 0.0, 0
        self.since, self.passed = 0.0, 0

    def _moves(self, cause: Cause) -> None:
        if (self.told.state, cause) in TRANSITIONS:
            self.told = Breaker(TRANSITIONS[self.told.state, cause], self.told.generation + 1)
            self.since, self.passed = self.now, 0

    def _event(self, outcome: str) -> None:
        """One event a second after the last; a wait that is over by then ends before it."""
        self.now, self.events = self.now + 1, self.events + 1
        if self.told.state is State.OPEN and self.now >= self.since + WAIT_S:
            self._moves(Cause.WAITED)
        self.line.take(Records([line(f"e{self.events}", self.now, outcome=outcome)]))

    @rule()
    def good_action(self) -> None:
        self._event("success")
        # One at the very time of the move was on its way before.
        if self.told.state is State.HALF_OPEN and self.now > self.since:
            self.passed += 1
            if self.passed == PASSES:
                self._moves(Cause.PASSED)

    @rule()
    def bad_action(self) -> None:
        self._event("error")
        self._moves(Cause.DETECTION)

    @rule(quietly_s=st.sampled_from([61, 300, WAIT_S]))
    def time_passes(self, quietly_s: int) -> None:
        """Longer than the window, so that the next error is a detection anew."""
        self.now += quietly_s

    @rule(cause=st.sampled_from(BY_PEOPLE))
    def person(self, cause: Cause) -> None:
        if not self.told.can(cause):
            return
        self.now += 61
        self._moves(cause)
        self.line.obey(
            Command(
                command_id=f"c{self.told.generation}",
                workflow="refunds",
                generation=self.told.generation,
                state=self.told.state,
                reason=Reason(text="a person"),
                issued_at=START + timedelta(seconds=self.now),
                issued_by="user:ana",
            )
        )

    @precondition(lambda self: self.told.state in (State.FORCED_OPEN, State.DISABLED))
    @rule(outcomes=st.lists(st.sampled_from(["success", "error"]), min_size=1, max_size=20))
    def nothing_that_an_automation_does_ends_it(self, outcomes: list[str]) -> None:
        for outcome in outcomes:
            self._event(outcome)

    @invariant()
    def the_line_stands_as_the_table_says(self) -> None:
        if hasattr(self, "line"):
            assert self.line.standings.of("refunds") == self.told


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
