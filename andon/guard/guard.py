"""The guard: stands between an automation and the world, and tells what passed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, Self, TypeVar, Unpack, get_args

from andon.breaker import Breaker, State
from andon.events import By, Capability, Mode
from andon.guard import process, settings
from andon.guard.action import ACTION, Action, Classify
from andon.guard.answers import Answers
from andon.guard.attempt import Attempt
from andon.guard.fields import Fields
from andon.guard.follower import Follower
from andon.guard.gate import Clock, Fail, Gate
from andon.guard.outbox import Outbox, WhenFull
from andon.guard.patterns.backlog import HeldCalls
from andon.guard.patterns.ledger import Ledger
from andon.guard.patterns.options import ActionOptions, read, split
from andon.guard.patterns.people import People
from andon.guard.patterns.policies import Given, Policies, PolicyFollower, book_of
from andon.guard.patterns.rails import Rails
from andon.guard.patterns.reviews import Review, Reviews
from andon.guard.patterns.rulebook import Guardrails, Rulebook
from andon.guard.patterns.undo import Undos
from andon.guard.permits import PermitFollower
from andon.guard.recorder import Author, Recorder
from andon.guard.scopes import Scopes
from andon.guard.tally import Tally
from andon.guard.transport import Transport

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Guards the actions of one automation in one workflow. Thread-safe, for asyncio too.

    Args:
        workflow: the unit that is paused; or ANDON_WORKFLOW.
        automation: the agent, bot or flow that acts; or ANDON_AUTOMATION.
        bootstrap_servers: host:port, several by commas; or KAFKA_BOOTSTRAP_SERVERS; else
            localhost:9092.
        fail: what happens while the workflow's state is not known: `open` goes by the last
            known state (running, before any), `closed` refuses, `careful`, the default, refuses
            `transact` and a `send` over a limit. Or ANDON_FAIL.
        stale_after_s: how long the last known state is good for once no commands are heard.
        policy: a Policy, a PolicyBook, what a policy file says as a dict, or "topic" for what
            was pushed to `andon.policies`: `limits` and `scope` are enforced before an action runs.
        guardrails: `enforce`, the default, `shadow` (all is checked and counted, nothing
            refused; pauses are obeyed all the same), or `off`. Or ANDON_GUARDRAILS.
        ledger: the file in which the guards of this host keep the sums of limits with a window;
            `:memory:` is for this guard alone. Or ANDON_LEDGER.
        review: how people are asked: `{"people": 1, "expires": "1h", "wait": "10m"}`.
        reversible_only: refuse actions that have no `undo`; True, or the capabilities.
        audit: keep a decision trace of every action, not only of those with patterns.
        when_full: what happens when `queue_max` events wait for the broker: `drop_oldest`, the
            default, `drop_newest`, or `block` the caller. Or ANDON_WHEN_FULL.
        mode: of all events: `live`, the default, `shadow` or `sandbox`. Or ANDON_MODE.
        queue_max: the most events held in memory, about 1 kB each.
        exit_timeout_s: how long the end of the process waits for the last events.
        verify_keys: public keys, several by commas; commands and approvals that none of them has
            signed are refused. Or ANDON_VERIFY_KEYS; without keys all are obeyed.
        tenant_label: the label that names an action's tenant, or ANDON_TENANT_LABEL.
        kafka: further settings of kafka-python's clients, such as security_protocol.
        clock: tells the time, with an offset.
        transport: another way to the event stream, such as MemoryTransport in tests.

    Raises:
        ValueError: a setting is missing or cannot be; names it and what it may be.
    """

    def __init__(
        self,
        workflow: str | None = None,
        automation: str | None = None,
        *,
        bootstrap_servers: str | Sequence[str] | None = None,
        fail: Fail | None = None,
        stale_after_s: float = 10.0,
        policy: Given | None = None,
        guardrails: Guardrails | None = None,
        ledger: str | None = None,
        review: Review | Mapping[str, Any] | None = None,
        reversible_only: bool | Collection[str] = False,
        audit: bool = False,
        when_full: WhenFull | None = None,
        mode: Mode | str | None = None,
        queue_max: int = 10_000,
        exit_timeout_s: float = 5.0,
        verify_keys: str | Sequence[str] | None = None,
        tenant_label: str | None = None,
        kafka: Mapping[str, Any] | None = None,
        clock: Clock = settings.now,
        transport: Transport | None = None,
    ) -> None:
        settings.check(queue_max, clock)
        self.workflow = settings.workflow(workflow)
        self.automation = settings.text("automation", automation)
        self.exit_timeout_s = exit_timeout_s
        self._transport = transport or settings.kafka(bootstrap_servers, kafka or {})
        self._tally = Tally(self.workflow)
        tenant_label = settings.text("tenant_label", tenant_label, "tenant")
        scopes = Scopes(self.automation, tenant_label, lambda name: Gate(name, "open", clock))
        fail = settings.choice("fail", fail, get_args(Fail))
        self._gate = Gate(self.workflow, fail, clock, stale_after_s=stale_after_s, scopes=scopes)
        self._outbox = Outbox(
            self._transport,
            self._tally,
            queue_max=queue_max,
            when_full=settings.choice("when_full", when_full, get_args(WhenFull)),
            on_start=process.close_at_exit,
        )
        author = Author(self.workflow, self.automation, settings.choice("mode", mode, tuple(Mode)))
        self.policies = Policies(self.workflow, self.automation)
        self._listeners: list[PolicyFollower | Follower | People | PermitFollower] = []
        if policy == "topic":
            self._listeners += [PolicyFollower(self.policies, self._transport, self._tally)]
        elif policy is not None:
            self.policies.use(book_of(policy))
        verifier, put_first = settings.verifier(verify_keys), self._outbox.put_first
        on_stream = (self.workflow, lambda: self.id, self._transport)
        self._people = People(*on_stream, put_first, self._tally, verifier)
        rules = settings.rules(guardrails, reversible_only, audit)
        rulebook = Rulebook(author, self.policies, rules)
        reviews = Reviews(author, self._people, clock, read(Review, review or {}, "review"))
        sums = Ledger(settings.ledger(ledger))
        self._rails = Rails(author, rulebook, sums, self._gate, reviews, self._tally, clock)
        self._recorder = Recorder(author, self._gate, self._rails, self._outbox, self._tally, clock)
        names = (self.workflow, self.automation)
        self._answers = Answers(*names, self._gate, self._recorder, self._outbox, clock)
        told = (self._gate, self._tally)
        permits = PermitFollower(*on_stream, *told, verifier)
        self._follower = Follower(
            self.workflow, self._transport, *told, self._answers, scopes, permits, verifier
        )
        self._lazy = (self._people, permits)  # heard from the first question, the first pause on
        self._listeners += [self._follower, *self._lazy]
        self._undos = Undos(self._people, self._recorder, self._outbox)
        self.backlog = HeldCalls(self._recorder, self._rails, self.policies, *told)
        process.register(self)
        self._start()

    def action(
        self,
        capability: Capability | str,
        action: str,
        *,
        classify: Classify | None = None,
        **options: Unpack[ActionOptions],
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function or a coroutine function: each call is one action and one event.

        Sources say where the event's fields come from; `andon.guard.extract` has the rule.
        `limits` and `scope` are those of a policy, for this action alone. `classify` is given
        what the function returned or the exception it raised, and tells the outcome, or an
        outcome and a reason, or None for the rule that exceptions are errors.

        Raises:
            ValueError: a capability, a source or another option cannot be.
            TypeError: the function is a generator.
        """
        known = settings.capability(capability)
        patterns, sources = split(options)
        if patterns and patterns.undo:
            self._undos.register(action, patterns.undo)

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            made = Action(
                self._recorder, self._tally, known, action, function, classify, sources, patterns
            )
            return made.wrap(function)

        return decorate

    def rehearse(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the sandbox of a decorated function instead of it: what would happen, a Rehearsal.

        For a coroutine function, to be awaited. Its event is of mode sandbox.

        Raises:
            TypeError: it is no decorated function, or has no sandbox.
        """
        action = getattr(function, ACTION, None)
        if action is None:
            raise TypeError(f"{function!r} is not decorated with @guard.action")
        return action.rehearse(args, kwargs)

    def attempt(
        self, capability: Capability | str, action: str, **fields: Unpack[Fields]
    ) -> Attempt:
        """One action as a context manager, for `with` and `async with`.

        Raises:
            ValueError: there is no such capability.
        """
        return Attempt(self._recorder, settings.capability(capability), action, fields)

    def reversed(
        self,
        event_id: str,
        *,
        by: By | str,
        capability: Capability | str | None = None,
        action: str | None = None,
        **fields: Unpack[Fields],
    ) -> str:
        """Report that an earlier action was undone; never refused. Returns the new event's id.

        Capability, action, target, value and currency are those of the earlier action while this
        guard remembers it (the last 10,000), unless they are given.

        Raises:
            ValueError: there is no such capability, or `by` is not automation, human or system.
        """
        known = settings.capability(capability) if capability else None
        event = self._recorder.reversal(event_id, By(by), known, action, fields)
        self._recorder.emit(event)
        return str(event["event_id"])

    def check(self) -> None:
        """Raise BreakerOpen where any action would be refused; uses no permit, tells nothing."""
        if self._gate.barred and (refusal := self._gate.judge(take=False)):
            raise refusal.error

    @property
    def id(self) -> str:
        """Tells this guard from all others; a forked child has one of its own."""
        return self._answers.guard_id

    @property
    def state(self) -> Breaker:
        """The state obeyed and its generation; CLOSED, 0 before any command was heard."""
        return self._gate.state

    def ready(self, timeout_s: float = 10.0) -> bool:
        """Wait until the commands that stood in the log are known; False where time ran out."""
        self._follower.tail.start()
        return self._follower.known.wait(timeout_s)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the broker has all events; False where time ran out."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Drop held calls, deliver what waits, stop; False where time ran out, events were dropped.

        Actions go on to be judged by the last known state, but their events are dropped.
        """
        process.forget(self)
        timeout_s = self.backlog.close(self.exit_timeout_s if timeout_s is None else timeout_s)
        for listener in self._listeners:
            listener.tail.stop()
        self._undos.stop()
        self._answers.leave()
        delivered = self._outbox.close(timeout_s)
        for listener in self._listeners:
            listener.tail.join(1.0)
        return delivered

    def stats(self) -> dict[str, float | dict[str, int]]:
        """The guard's metrics by name; those with a label beside `workflow` by its values."""
        return {
            **self._tally.snapshot(),
            "andon_guard_held_calls": len(self.backlog),
            "andon_guard_queued_events": len(self._outbox),
            "andon_guard_state": list(State).index(self.state.state),
            "andon_guard_connected": int(self._gate.connected),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Guard of {self.automation!r} in {self.workflow!r}: {self.state.state.label}>"

    def forked(self) -> None:
        """In a forked child: another guard, with connections of its own from its first use on."""
        self._answers.forked()
        self._recorder.forked()
        self._rails.forked()
        self._tally.reset()
        self._transport.forked()
        self._outbox.forked()
        for listener in self._listeners:
            listener.forked()
        self._undos.forked()
        self.backlog.forked()
        self._gate.forked(on_first_use=self._start)

    def _start(self) -> None:
        for listener in self._listeners:
            if listener not in self._lazy:
                listener.tail.start()
        self._undos.resume()
