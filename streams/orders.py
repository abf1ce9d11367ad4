"""An order of a person on its way into the log.

The log alone decides: of two commands of one generation the first holds. So it is read again after
the write. Where another came first, a trip is tried anew on top of it; a reset is not, since it
would undo a pause that its person has not seen.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from andon.alert_text import resume_command, title
from andon.breaker import Authority, Breaker, Cause, State
from andon.commands import Alert, AlertKind, Audit, Command, Reason, Reopened
from andon.errors import BrokerError, TransitionError
from andon.ids import derived_id
from andon.reopening import WAY_BACK, lets_go, needs_second_person, why
from andon.scope_names import Kind, scope_of
from andon.signing import NO_KEYS, Keys
from andon.topics import ALERTS, AUDIT, COMMANDS
from streams.commands_log import CommandsLog, open_log

_VERBS = {
    Cause.TRIP: "paused",
    Cause.SHADOW: "put in shadow mode",
    Cause.DISABLE: "switched off",
}
TRIES = 5

_KINDS: dict[State, AlertKind] = {
    State.FORCED_OPEN: "paused",
    State.HALF_OPEN: "on_trial",
    State.CLOSED: "resumed",
    State.METRICS_ONLY: "shadowed",
    State.DISABLED: "disabled",
}


class GenerationError(TransitionError):
    """The breaker has moved on since the caller looked; tells how it stands."""


class AloneError(TransitionError):
    """It takes two people to let it go again so soon after `last`, the command that holds."""

    def __init__(self, last: Command) -> None:
        super().__init__(f"{last.workflow}: {why(last)}")
        self.last = last


class Order(NamedTuple):
    """What a person wants.

    `expected` is the generation that must still stand, None takes any; `approved_by` is the second
    person, where it takes two.
    """

    cause: Cause
    workflow: str
    reason: str
    user: str
    permits: int | None = None
    expected: int | None = None
    targets: tuple[str, ...] = ()
    expires_at: datetime | None = None
    approved_by: str | None = None

    def check(self) -> None:
        """Raises ValueError, naming the field."""
        for field, longest in (("workflow", 200), ("reason", 1_000), ("user", 200)):
            text = getattr(self, field)
            if not text.strip() or len(text) > longest:
                raise ValueError(f"{field}: must have 1 to {longest:,} characters, not only blanks")
        if self.permits is not None and self.permits < 1:
            raise ValueError("permits: must be 1 or more; nobody could pass the trial")
        if self.expires_at is not None and self.expires_at <= datetime.now(UTC):
            raise ValueError("expires_at: must be ahead")
        scope = scope_of(self.workflow)
        if self.targets and not (scope and scope.kind is Kind.TARGET):
            raise ValueError("targets: are of a target's scope; name one, as andon:target:stripe")

    def command(self, last: Command | None) -> Command:
        """The next command of the workflow after `last`.

        Raises:
            GenerationError: `last` is not the expected one.
            TransitionError: the breaker's table does not have it.
            AloneError: it takes two people, and only one wants it.
        """
        now = datetime.now(UTC)
        before = Breaker(last.state, last.generation) if last else Breaker()
        if self.expected not in (None, before.generation):
            raise GenerationError(_moved_on(self, last))
        if not before.can(self.cause):
            raise TransitionError(_refusal(self, last))
        if last and not self.approved_by and needs_second_person(last, self.cause, now):
            raise AloneError(last)
        after = before.step(self.cause, Authority.PERSON)
        # Among these a person's word leaves the count of pauses in a row; all else begins it anew.
        goes_on = {before.state, after.state} <= WAY_BACK
        reopened = last.reopened if last else None
        if lets_go(before.state, self.cause):
            reopened = Reopened(at=now, by=self._people(), generation=after.generation)
        return Command(
            command_id=derived_id("command", self.workflow, after.generation, self.cause),
            workflow=self.workflow,
            generation=after.generation,
            state=after.state,
            reason=Reason(text=self._text()),
            issued_at=now,
            issued_by=f"user:{self.user}",
            permits=self.permits,
            expires_at=self.expires_at,
            previous=before.state,
            targets=list(self.targets) or (last.targets if last else None),
            cause=self.cause,
            permits_every_s=last.permits_every_s if last and goes_on else None,
            trips=last.trips if last and goes_on else None,
            second_person_s=last.second_person_s if last else None,
            reopened=reopened,
        )

    def _people(self) -> list[str]:
        return [f"user:{name}" for name in (self.user, self.approved_by) if name]

    def _text(self) -> str:
        return (
            f"{self.reason} (approved by {self.approved_by})" if self.approved_by else self.reason
        )


async def carry_out(bootstrap_servers: str, order: Order, keys: Keys) -> Command:
    """Write the command, and tell auditors and people.

    Returns the command that holds now. Raises ValueError and BrokerError, and as `Order.command`.
    """
    order.check()
    async with open_log(bootstrap_servers, COMMANDS, ALERTS, verifier=keys.verifier) as log:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
        try:
            await producer.start()
            command = await accepted(log, producer, order, keys)
            await _tell(producer, command, log.alerts.get(order.workflow))
        except KafkaError as error:
            raise BrokerError(
                f"the broker failed halfway: {error!r}; `andon status` tells what holds"
            ) from None
        finally:
            await producer.stop()
    return command


async def accepted(log: CommandsLog, producer: Any, order: Order, keys: Keys = NO_KEYS) -> Command:
    """Write commands until one is the accepted one of its generation."""
    for _ in range(TRIES):
        command = keys.sign(order.command(log.commands.get(order.workflow)))
        await _write(producer, COMMANDS, command)
        if command in await log.refresh():
            return command
        await _uphold(log, producer, order.workflow)
        if order.cause is not Cause.TRIP:
            break
    holds = log.commands[order.workflow]
    raise TransitionError(
        f"{order.workflow} moved just now: it is {_standing(holds)}; look, then try again"
    )


async def _uphold(log: CommandsLog, producer: Any, workflow: str) -> None:
    """Ours was too late, and compaction keeps the newest record: write the one that holds again."""
    while (holds := log.commands[workflow]) != log.newest.get(workflow):
        await _write(producer, COMMANDS, holds)
        await log.refresh()


async def _tell(producer: Any, command: Command, last: Alert | None) -> None:
    """The audit record, and an alert to those who heard of the workflow's last one."""
    await _write(producer, AUDIT, _audit(command))
    await _write(producer, ALERTS, _alert(command, last))


async def _write(producer: Any, topic: str, record: Command | Audit | Alert) -> None:
    await producer.send_and_wait(topic, record.to_json(), key=record.workflow.encode())


def _audit(command: Command) -> Audit:
    return Audit(
        audit_id=derived_id("audit", command.command_id),
        ts=command.issued_at,
        kind="transition",
        workflow=command.workflow,
        actor=command.issued_by,
        state=command.state,
        previous=command.previous,
        generation=command.generation,
        reason=command.reason,
    )


def _alert(command: Command, last: Alert | None) -> Alert:
    kind = _KINDS[command.state]
    return Alert(
        alert_id=derived_id("alert", command.command_id),
        kind=kind,
        workflow=command.workflow,
        generation=command.generation,
        state=command.state,
        severity="warning" if kind == "paused" else "info",
        since=command.issued_at,
        title=title(kind, command.workflow, command.reason, command.issued_by),
        reason=command.reason,
        issued_by=command.issued_by,
        resume=resume_command(command.workflow, now=kind == "on_trial"),
        runbook=last.runbook if last else None,
        receivers=last.receivers if last else [],
    )


def _refusal(order: Order, last: Command | None) -> str:
    if last is None:
        return f"{order.workflow} is running already: no command was ever written for it"
    verb = _VERBS.get(order.cause, "reset")
    hint = "; --now lets it run freely" if last.state is State.HALF_OPEN else ""
    return f"{order.workflow} cannot be {verb}: it is {_standing(last)}{hint}"


def _moved_on(order: Order, last: Command | None) -> str:
    stands = f"generation {last.generation}, {_standing(last)}" if last else "generation 0, running"
    return f"{order.workflow} is at {stands}; expected was generation {order.expected}"


def _standing(command: Command) -> str:
    by = command.issued_by.removeprefix("user:")
    since = f"{command.issued_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{command.state.label.lower()} (since {since}, by {by}: {command.reason.text})"
