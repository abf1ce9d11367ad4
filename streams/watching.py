"""All workflows as they stand, again and again, for `andon watch`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from andon.breaker import State
from andon.commands import Command
from andon.errors import BrokerError
from andon.events import format_ts
from andon.signing import Keys
from andon.topics import ACKS, COMMANDS, HEARTBEATS
from streams.closed_loop import ClosedLoop, Guards
from streams.commands_log import CommandsLog, open_log
from streams.standing import standing

LOOK_EVERY_S = 0.5
RETRY_S = 2.0
METRICS_TIMEOUT_S = 1.0
NOBODY = Guards(0, 0)
Rates = dict[str, list[dict[str, Any]]]
"""By workflow: `rule`, `observed` and `bound`."""


async def watch(
    bootstrap_servers: str, keys: Keys, metrics_url: str, tell: Callable[[str], None]
) -> AsyncIterator[list[dict[str, Any]]]:
    """The workflows that were ever paused or have a live guard, by name; `tell` hears when the
    broker is lost. The rates are the monitor's, where it answers at `metrics_url`.

    Raises:
        BrokerError: no broker at first, or no topics.
    """
    connected = False
    while True:
        try:
            async with open_log(
                bootstrap_servers, COMMANDS, ACKS, HEARTBEATS, verifier=keys.verifier
            ) as log:
                connected = True
                loop = ClosedLoop(datetime.now(UTC))
                while True:
                    await log.refresh()
                    for fact in log.take_facts():
                        loop.take(fact)
                    yield _rows(log, loop, await asyncio.to_thread(_rates, metrics_url))
                    await asyncio.sleep(LOOK_EVERY_S)
        except BrokerError as error:
            if not connected:
                raise
            tell(f"{error}; trying again")
            await asyncio.sleep(RETRY_S)


def changes(
    before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows whose state, generation or guards are others than before."""
    known = {row["workflow"]: row for row in before}
    watched = ("state", "generation", "guards")
    return [
        row
        for row in after
        if (old := known.get(row["workflow"])) is None or any(old[f] != row[f] for f in watched)
    ]


def _rows(log: CommandsLog, loop: ClosedLoop, rates: Rates) -> list[dict[str, Any]]:
    guards = loop.guards(datetime.now(UTC))
    return [
        _standing(log, name)
        | {
            "guards": guards.get(name, NOBODY)._asdict(),
            "rates": rates.get(name, []),
            "last_trip": _trip(log.history.get(name, [])),
        }
        for name in sorted(log.commands.keys() | guards.keys())
    ]


def _standing(log: CommandsLog, workflow: str) -> dict[str, Any]:
    if command := log.commands.get(workflow):
        told = standing(command, {})
        return {name: told[name] for name in ("workflow", "state", "label", "generation", "since")}
    running = State.CLOSED
    return {
        "workflow": workflow,
        "state": running,
        "label": running.label,
        "generation": 0,
        "since": None,
    }


def _trip(history: Sequence[Command]) -> dict[str, Any] | None:
    """The last pause that the log has kept."""
    pauses = [command for command in history if command.state.refuses]
    if not pauses:
        return None
    last = pauses[-1]
    why = standing(last, {})["why"]
    return {"at": format_ts(last.issued_at), "by": last.issued_by, "why": why}


def _rates(url: str) -> Rates:
    """What the rules last measured; empty where no monitor tells."""
    try:
        with urlopen(url, timeout=METRICS_TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (OSError, ValueError):
        return {}
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    bounds = {
        _place(sample.labels): sample.value for sample in families.get("andon_rule_bound", ())
    }
    found: Rates = {}
    for sample in families.get("andon_rule_observed", ()):
        rate = {
            "rule": sample.labels["rule"],
            "observed": sample.value,
            "bound": bounds.get(_place(sample.labels)),
        }
        found.setdefault(sample.labels["workflow"], []).append(rate)
    return found


def _place(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels[name] for name in ("workflow", "policy", "rule"))
