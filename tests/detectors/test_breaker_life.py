"""The breaker of a running line against its table, through all that may happen to a workflow."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from andon.breaker import MAY_BRING, TRANSITIONS, Authority, Breaker, Cause, State
from andon.commands import Command, Reason, Reopened
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from detectors.snapshot import line_of, snapshot_of
from tests.eventlog import START, book, line

WAIT_S, WAIT_MAX_S, PASSES, SLOW_S = 600, 1500, 3, 300
RULE = {"rate": "error", "over": "1m", "above": "0%"}
TRIAL = {"after": "10m", "trial": {"permits": PASSES, "pass": PASSES}, "then": "closed"}
SLOW = TRIAL | {"after_max": "25m", "slow": {"permits": 2, "for": "5m"}, "second_person": "1h"}
BY_PEOPLE = [cause for cause, who in MAY_BRING.items() if who is Authority.PERSON]
RETURNING = {State.OPEN, State.FORCED_OPEN, State.HALF_OPEN}


class Life(RuleBasedStateMachine):
    """What the table says beside what a line does.

    An error is a detection, an event after the wait ends it, and three good actions in a row pass
    a trial. Where the policy has it, five minutes at a limited rate follow, and pauses in a row
    last longer each time.
    """

    @initialize(slow=st.booleans())
    def begin(self, slow: bool) -> None:
        self.slow, self.compiled = slow, compile_book(book(RULE, recover=SLOW if slow else TRIAL))
        self.line = Line(self.compiled)
        self.told = Breaker()
        self.now, self.events = 0.0, 0
        self.since, self.passed = 0.0, 0
        self.limited, self.in_a_row, self.healthy_since = False, 0, 0.0
        self.reopened: Reopened | None = None
        self.commands: list[Command] = []

    def _moves(self, cause: Cause) -> None:
        before = self.told.state
        if (before, cause) not in TRANSITIONS:
            return
        self.told = Breaker(TRANSITIONS[before, cause], self.told.generation + 1)
        self.since, self.passed = self.now, 0
        self.limited = cause is Cause.LIMITED
        if cause is Cause.DETECTION:
            if before is State.CLOSED:
                while self.in_a_row and self.healthy_since + WAIT_S <= self.now:
                    self.in_a_row, self.healthy_since = (
                        self.in_a_row - 1,
                        self.healthy_since + WAIT_S,
                    )
            self.in_a_row += 1
        elif MAY_BRING[cause] is Authority.PERSON and not {before, self.told.state} <= RETURNING:
            self.in_a_row = 0
        if self.told.state is State.CLOSED:
            self.healthy_since = self.now

    def _time_moves(self) -> None:
        wait_s = min(self.in_a_row * WAIT_S, WAIT_MAX_S) if self.slow else WAIT_S
        if self.told.state is State.OPEN and self.now >= self.since + wait_s:
            self._moves(Cause.WAITED)
        elif self.limited and self.now >= self.since + SLOW_S:
            self._moves(Cause.ELAPSED)

    def _event(self, outcome: str) -> None:
        """One event a second after the last; time that is over by then moves the breaker first."""
        self.now, self.events = self.now + 1, self.events + 1
        self._time_moves()
        record = line(f"e{self.events}", self.now, outcome=outcome)
        self.commands = self.line.take(Records([record])).effects.commands

    @rule()
    def good_action(self) -> None:
        self._event("success")
        # One at the very time of the move was on its way before.
        trial = self.told.state is State.HALF_OPEN and not self.limited
        if trial and self.now > self.since:
            self.passed += 1
            if self.passed == PASSES:
                self._moves(Cause.LIMITED if self.slow else Cause.PASSED)

    @rule()
    def bad_action(self) -> None:
        self._event("error")
        self._moves(Cause.DETECTION)

    @rule(quietly_s=st.sampled_from([61, SLOW_S, WAIT_S, 2 * WAIT_S]))
    def time_passes(self, quietly_s: int) -> None:
        """Longer than the window, so that the next error is a detection anew."""
        self.now += quietly_s

    @rule()
    def trial_is_passed(self) -> None:
        """So that hypothesis gets there often enough."""
        self.now += WAIT_MAX_S
        for _ in range(PASSES + 1):
            self.good_action()

    @rule(cause=st.sampled_from(BY_PEOPLE))
    def person(self, cause: Cause) -> None:
        if not self.told.can(cause):
            return
        self.now, self.commands = self.now + 61, []
        paused = self.told.state.refuses
        self._moves(cause)
        if paused and cause is not Cause.TRIP:
            at = START + timedelta(seconds=self.now)
            generation = self.told.generation
            self.reopened = Reopened(at=at, by=["user:ana"], generation=generation)
        self.line.obey(
            Command(
                command_id=f"c{self.told.generation}",
                workflow="refunds",
                generation=self.told.generation,
                state=self.told.state,
                reason=Reason(text="a person"),
                issued_at=START + timedelta(seconds=self.now),
                issued_by="user:ana",
                trips=self.in_a_row if self.slow else None,
                reopened=self.reopened,
            )
        )

    @rule()
    def is_written_down_and_read_back(self) -> None:
        self.line = line_of(self.compiled, snapshot_of(self.line))

    @precondition(lambda self: self.told.state in (State.FORCED_OPEN, State.DISABLED))
    @rule(outcomes=st.lists(st.sampled_from(["success", "error"]), min_size=1, max_size=20))
    def nothing_that_an_automation_does_ends_it(self, outcomes: list[str]) -> None:
        for outcome in outcomes:
            self._event(outcome)

    @invariant()
    def the_line_stands_as_the_table_says(self) -> None:
        if hasattr(self, "line"):
            assert self.line.standings.of("refunds") == self.told

    @invariant()
    def its_last_command_says_which_pause_in_a_row_it_was(self) -> None:
        for command in getattr(self, "commands", [])[-1:]:
            if command.generation == self.told.generation:
                assert (command.trips or 0) == (self.in_a_row if self.slow else 0)
                assert (command.limited_until is not None) is self.limited

    @invariant()
    def the_monitor_carries_on_what_decides_whether_it_takes_two_people(self) -> None:
        for command in getattr(self, "commands", []):
            assert command.reopened == self.reopened
            assert command.second_person_s == (3600 if self.slow else None)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
