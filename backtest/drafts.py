"""Policies to begin with: the presets, for what a log holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec

from andon.errors import AndonError, EventError
from andon.events import parse_event
from andon.extends import preset
from andon.policy import PolicyBook

By = Literal["capability", "workflow"]
CURRENCIES_MAX = 3
WORKFLOWS_MAX = 200
NAME_MAX = 100
"""As long as a policy's name may be."""


class DraftError(AndonError):
    """A log for which no policy can be drafted."""


class _Seen(msgspec.Struct, frozen=True, gc=False):
    """What of an event decides which preset fits."""

    workflow: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    capability: Literal["send", "update", "trigger", "transact", "navigate", "loop"]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{3}$")] | None = None


def draft(lines: Iterable[bytes], by: By) -> PolicyBook:
    """A policy in shadow for each capability, or each workflow and capability, of a log.

    Raises:
        DraftError: the log holds no event, or more workflows than a policy file should list.
    """
    seen = _survey(lines)
    groups: dict[tuple[str, str], Counter[str]] = {}
    for one in sorted(seen, key=lambda one: (one.capability, one.workflow)):
        key = (one.capability, one.workflow if by == "workflow" else "")
        currencies = groups.setdefault(key, Counter())
        if one.currency:
            currencies[one.currency.upper()] += seen[one]
    if not groups:
        raise DraftError("the log holds no event: there is nothing to propose a policy for")
    if len(groups) > WORKFLOWS_MAX:
        raise DraftError(
            f"the log holds {len(groups):,} workflows, too many for a policy each: "
            "use --by capability, or --policy with a policy that matches some of them"
        )
    names: set[str] = set()
    policies = [
        _policy(capability, workflow, currencies, names)
        for (capability, workflow), currencies in groups.items()
    ]
    return PolicyBook.model_validate({"version": 1, "policies": policies})


def _survey(lines: Iterable[bytes]) -> Counter[_Seen]:
    """How often; of a line that is no event who reads it whole tells later."""
    decode = msgspec.json.Decoder(_Seen).decode
    seen: Counter[_Seen] = Counter()
    for line in lines:
        try:
            seen[decode(line)] += 1
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            try:  # as a CloudEvent
                event = parse_event(line)
            except EventError:
                continue
            seen[_Seen(event.workflow, event.capability.value, event.currency)] += 1
    return seen


def _policy(
    capability: str, workflow: str, currencies: Counter[str], names: set[str]
) -> dict[str, Any]:
    """The preset's rules, in the currencies that the log holds; limits are not history's to say."""
    base = preset(f"preset/{capability}")
    match = {"workflow": _exactly(workflow)} if workflow else {}
    used = [code for code, _ in currencies.most_common(CURRENCIES_MAX)]
    return {
        "name": _name(workflow or capability, capability, names),
        "match": {**match, "capability": capability},
        "mode": "shadow",
        "rules": [one for rule in base["rules"] for one in _in_currencies(rule, used)],
        "recover": base.get("recover", {}),
        "alert": base.get("alert", {}),
    }


def _in_currencies(rule: dict[str, Any], currencies: list[str]) -> Iterator[dict[str, Any]]:
    if "currency" not in rule:
        yield rule
        return
    for place, currency in enumerate(currencies):
        name = f"{rule['name']}-{currency.lower()}" if place else rule["name"]
        yield rule | {"name": name, "currency": currency}


def _name(wanted: str, capability: str, names: set[str]) -> str:
    """A name of its own."""
    name, number = wanted[:NAME_MAX], 1
    while name in names:
        number += 1
        end = f"-{capability}-{number}" if number > 2 else f"-{capability}"
        name = wanted[: NAME_MAX - len(end)] + end
    names.add(name)
    return name


def _exactly(workflow: str) -> str:
    """A glob that matches this name alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in workflow)
