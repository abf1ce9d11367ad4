"""What stands in the logs now: the command that each workflow obeys, its acks, its last alert.

Reads whole topics from the beginning, without a consumer group, as every guard does.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from andon.commands import Ack, Alert, Command, Heartbeat
from andon.permits import Permits
from andon.signing import Verifier
from andon.topics import ACKS, COMMANDS, HEARTBEATS, PERMITS
from streams.closed_loop import FORGOTTEN, Fact
from streams.topic_reader import TopicReader, open_topics

R = TypeVar("R", bound=BaseModel)


class CommandsLog:
    """The logs as last read; `refresh()` reads on to their present end.

    `commands` holds what each workflow obeys, `history` all that it has obeyed, in order, as far
    as compaction has left them, `newest` the command that was written last; `acks` the last of
    each guard; `alerts` the last of each workflow; `unreadable` a line for each record that was
    skipped; `refused` counts the commands that no trusted key has signed.

    Of two commands of one generation the first in the log holds: guards that live then have
    obeyed it, and a generation that they have seen moves them no more.
    """

    def __init__(self, reader: TopicReader, verifier: Verifier | None = None) -> None:
        self._reader = reader
        self._verifier = verifier
        self.commands: dict[str, Command] = {}
        self.history: dict[str, list[Command]] = {}
        self.newest: dict[str, Command] = {}
        self.acks: dict[str, dict[str, Ack]] = {}
        self.alerts: dict[str, Alert] = {}
        self.unreadable: list[str] = []
        self.refused = 0
        self._accepted: list[Command] = []
        self._overwritten: set[str] = set()
        self._facts: list[Fact] = []

    async def refresh(self, *topics: str) -> list[Command]:
        """Read on, in these topics or in all; the commands accepted since, each told to one caller.

        Commands of a workflow come in order.

        Raises:
            BrokerError: the broker went away.
        """
        async for record in self._reader.new_records(*topics):
            self._apply(record)
        accepted, self._accepted = self._accepted, []  # kept over a call that failed
        return accepted

    def overwritten(self) -> list[Command]:
        """What holds, of each workflow whose newest record is another."""
        return [self.commands[workflow] for workflow in sorted(self._overwritten)]

    def take_facts(self) -> list[Fact]:
        """What was read since the last call, for the closed loop."""
        facts, self._facts = self._facts, []
        return facts

    def _apply(self, record: Any) -> None:
        workflow = (record.key or b"").decode(errors="replace")
        if record.value is None:  # taken out of a compacted topic: a new reader knows nothing of it
            self.commands.pop(workflow, None)
            self.history.pop(workflow, None)
            self._compare(workflow)
        elif record.topic == COMMANDS:
            if not self._trusted(record):
                # Compaction would keep it: whoever upholds commands has to write again.
                self.newest.pop(workflow, None)
                self._compare(workflow)
            elif command := self._parse(Command, record):
                self.newest[command.workflow] = command
                if command.generation > self._generation(command.workflow):
                    self.commands[command.workflow] = command
                    self.history.setdefault(command.workflow, []).append(command)
                    self._accepted.append(command)
                    self._note(command, record)
                self._compare(command.workflow)
        elif record.topic == ACKS:
            if ack := self._parse(Ack, record):
                acks = self.acks.setdefault(ack.workflow, {})
                if ack.guard not in acks or ack.generation >= acks[ack.guard].generation:
                    acks[ack.guard] = ack
                self._note(ack, record)
        elif record.topic == HEARTBEATS:
            if heartbeat := self._parse(Heartbeat, record):
                self._note(heartbeat, record)
        elif record.topic == PERMITS:
            if self._trusted(record) and (permits := self._parse(Permits, record)):
                self._note(permits, record)
        elif alert := self._parse(Alert, record):
            self.alerts[alert.workflow] = alert
            self._note(alert, record)

    def _compare(self, workflow: str) -> None:
        holds = self.commands.get(workflow)
        overwritten = holds is not None and self.newest.get(workflow) != holds
        (self._overwritten.add if overwritten else self._overwritten.discard)(workflow)

    def _trusted(self, record: Any) -> bool:
        problem = self._verifier and self._verifier.problem(record.value)
        if problem:
            self.refused += 1
            self.unreadable.append(f"{_place(record)}: signature: {problem}")
        return not problem

    def _note(self, parsed: Command | Ack | Heartbeat | Permits | Alert, record: Any) -> None:
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        self._facts.append(Fact(parsed, at, record.partition))

    def _generation(self, workflow: str) -> int:
        command = self.commands.get(workflow)
        return command.generation if command else 0

    def _parse(self, model: type[R], record: Any) -> R | None:
        try:
            return model.model_validate_json(record.value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "record"
            self.unreadable.append(f"{_place(record)}: {field}: {first['msg']}")
            return None


def _place(record: Any) -> str:
    return f"{record.topic} partition {record.partition} offset {record.offset}"


@asynccontextmanager
async def open_log(
    bootstrap_servers: str, *topics: str, verifier: Verifier | None = None
) -> AsyncIterator[CommandsLog]:
    """A log of these topics (of commands, acks and alerts; commands where none is named), read.

    Raises:
        BrokerError: no broker within 5 s, or a topic is missing.
    """
    async with open_topics(bootstrap_servers, *(topics or (COMMANDS,))) as reader:
        if HEARTBEATS in topics:  # of guards that went long ago nobody asks
            await reader.begin_at(int((time.time() - FORGOTTEN.total_seconds()) * 1000), HEARTBEATS)
        log = CommandsLog(reader, verifier)
        await log.refresh()
        yield log
