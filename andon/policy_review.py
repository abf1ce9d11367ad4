"""What a policy file cannot know by itself: whether the log and the events go with it.

Looks at a draft, so that these findings are told together with the mistakes of a file that is not
valid yet.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from andon.errors import Problem
from andon.globs import matches
from andon.quantities import USUAL_PATTERN, format_duration, parse_duration
from andon.rule import SHARES, Rate
from andon.yaml_lines import Draft, Path_, shown

DAY_S = 86_400
HISTORY_DAYS = 42
"""A log this long tells rules against usual all hours of the week."""
NAMED = ("workflow", "automation", "capability", "action", "target")
"""The fields of an event whose names a policy's globs are held against."""

Known = Mapping[str, Collection[str]]
"""The names that events bore, by field; of a field that is missing they are not known."""

_COUNTS = [rate.value for rate in Rate if rate not in SHARES]
_SCOPE = {"actions": "action", "targets": "target"}


def review(draft: Draft, kept_s: int | None = None, known: Known | None = None) -> list[Problem]:
    """What is, or is likely to be, a mistake, in the order of the file.

    Args:
        draft: the policies.
        kept_s: how long `execute.events` is kept; None: for ever, or nobody knows.
        known: what is known of the events.
    """
    found = [
        *_too_long(draft, kept_s),
        *_soon_forgotten(draft, kept_s),
        *_shares_of_nothing(draft),
        *_match_nothing(draft, known or {}),
        *_unreached(draft),
    ]
    return sorted(found, key=lambda problem: problem.line)


def _too_long(draft: Draft, kept_s: int | None) -> Iterator[Problem]:
    """Windows that outlast the log from which a restart rebuilds them."""
    for at, rule in _parts(draft, "rules"):
        try:
            over_s = parse_duration(rule.get("over"))
        except ValueError:
            continue
        if kept_s is None or 2 * over_s <= kept_s:
            continue
        window, kept = format_duration(over_s), format_duration(kept_s)
        days = -(-2 * over_s // DAY_S)
        if over_s > kept_s:
            text = f"{window} is longer than execute.events is kept, {kept}"
        else:
            text = f"a restart needs twice {window} of log, and execute.events is kept for {kept}"
        mend = f"{_keep(days)}, or shorten the window"
        yield draft.problem((*at, "over"), f"{text}; {mend}", warning=over_s <= kept_s)


def _soon_forgotten(draft: Draft, kept_s: int | None) -> Iterator[Problem]:
    """Bounds against usual of which a log without snapshots cannot tell all hours of the week."""
    if kept_s is None or kept_s >= HISTORY_DAYS * DAY_S:
        return
    for at, rule in _parts(draft, "rules"):
        for field in {"above", "at_least"} & rule.keys():
            if re.fullmatch(USUAL_PATTERN, str(rule[field])):
                text = (
                    f"without a snapshot the hours of the week are learned from {HISTORY_DAYS} "
                    f"days of log, and execute.events is kept for {format_duration(kept_s)}"
                )
                yield draft.problem((*at, field), f"{text}; {_keep(HISTORY_DAYS)}", warning=True)


def _shares_of_nothing(draft: Draft) -> Iterator[Problem]:
    """Bounds such as `5%` of a rate without a denominator: the first event is beyond 0.05."""
    for at, rule in _parts(draft, "rules"):
        rate = rule.get("rate")
        for field in ("above", "at_least"):
            bound = rule.get(field)
            if rate in _COUNTS and isinstance(bound, str) and bound.endswith("%"):
                text = f"rate {rate} is no share, and {bound} of nothing is little; write a number"
                yield draft.problem((*at, field), text, warning=True)


def _keep(days: int) -> str:
    return (
        f"keep it for {days} days (ANDON_EVENTS_RETENTION_DAYS={days}; of a topic that exists "
        f"retention.ms={days * DAY_S * 1000})"
    )


def _match_nothing(draft: Draft, known: Known) -> Iterator[Problem]:
    """Globs that no known name matches."""
    for at, field, glob in _globs(draft):
        names = known.get(field)
        if names is None or any(matches((glob,), name) for name in names):
            continue
        near = difflib.get_close_matches(glob.strip("*"), sorted(names), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "is it still to come?"
        text = f"{shown(glob)} matches no {field} that was seen; {hint}"
        yield draft.problem(at, text, warning=True)


def _globs(draft: Draft) -> Iterator[tuple[Path_, str, str]]:
    """Every glob on names: its place, the field that it is on, and itself."""
    for at, policy in _policies(draft):
        for field in NAMED:
            for place, glob in _texts(policy.get("match"), field, (*at, "match")):
                yield place, field, glob
        for key, field in _SCOPE.items():
            for place, glob in _texts(policy.get("scope"), key, (*at, "scope")):
                yield place, field, glob
    for part in ("rules", "limits"):
        for at, item in _parts(draft, part):
            for field in NAMED:
                for place, glob in _texts(item.get("where"), field, (*at, "where")):
                    yield place, field, glob


def _unreached(draft: Draft) -> Iterator[Problem]:
    """Policies whose every event an earlier one takes: the first that matches counts."""
    above: list[tuple[str, Any, Any]] = []
    for at, policy in _policies(draft):
        match = policy.get("match") or {}
        breaker = policy.get("breaker", "workflow")
        for name, kind, earlier in above if isinstance(match, dict) else ():
            if kind != breaker or "target" in earlier:
                continue
            if all(_covers(earlier.get(field, "*"), match.get(field, "*")) for field in NAMED[:3]):
                text = f"is never reached: policy {shown(name)} above takes all that it matches"
                yield draft.problem((*at, "match"), f"{text}; move it up", warning=True)
                break
        if isinstance(match, dict):
            above.append((str(policy.get("name")), breaker, match))


def _covers(earlier: Any, later: Any) -> bool:
    """Whether `earlier` surely matches whatever `later` does; globs with [] are not looked into."""
    wide, narrow = _as_list(earlier), _as_list(later)
    if not wide or not narrow or any(set("[]") & set(glob) for glob in (*wide, *narrow)):
        return False
    simple = [glob for glob in wide if "?" not in glob]
    return all(glob in wide or any(fnmatchcase(glob, g) for g in simple) for glob in narrow)


def _policies(draft: Draft) -> Iterator[tuple[Path_, dict[str, Any]]]:
    return _mappings(draft.data, "policies", ())


def _parts(draft: Draft, part: str) -> Iterator[tuple[Path_, dict[str, Any]]]:
    for at, policy in _policies(draft):
        yield from _mappings(policy, part, at)


def _mappings(holder: Any, key: str, at: Path_) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """The mappings of a list, as far as the file has any there."""
    items = holder.get(key)
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*at, key, place), item


def _texts(holder: Any, key: str, at: Path_) -> Iterator[tuple[Path_, str]]:
    value = holder.get(key) if isinstance(holder, dict) else None
    if isinstance(value, str):
        yield (*at, key), value
    for place, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str):
            yield (*at, key, place), item


def _as_list(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]
