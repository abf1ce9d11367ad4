"""The contract by brute force: every window is summed afresh at every event.

Independent of `detectors`; only the models that parse events and policies are shared. What the
contract leaves open is read as the comments say.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from andon.errors import EventError
from andon.events import Event, format_ts, parse_event
from andon.policy import Convert, Policy, PolicyBook, Rule, Where
from tests.gathering import Counted, Gathered, Told, likeliest_stretch
from tests.past import Held, Past

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
Part = int | Decimal | None
Group = tuple[Any, ...]


class Row(NamedTuple):
    """What an event adds to the numerator and the denominator of one rule.

    None: it is not in that set.
    """

    t: int  # microseconds
    event_id: str
    top: Part
    base: Part


@dataclass
class Track:
    """What was seen of one workflow under one policy."""

    policy: Policy
    newest: float = float("-inf")
    by_id: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    reversed_at: dict[str, int] = field(default_factory=dict)  # by the id of the action
    rows: dict[tuple[str, Group], list[Row]] = field(default_factory=lambda: defaultdict(list))
    crossed: set[tuple[str, Group]] = field(default_factory=set)
    gathered: dict[tuple[str, Group], Gathered] = field(
        default_factory=lambda: defaultdict(Gathered)
    )
    floor: float = float("-inf")  # only what is later counts; a trial starts afresh
    past: dict[str, Past] = field(default_factory=dict)  # by rule


def rising_edges(book: PolicyBook, lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """All rising edges of a log; lines that are no events are passed over."""
    reference = Reference(book)
    return [edge for event in parsed(lines) for edge in reference.feed(event)]


def parsed(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            yield parse_event(line)
        except EventError:
            continue


class Reference:
    """Takes one event at a time and answers with the rules that it made cross."""

    def __init__(self, book: PolicyBook) -> None:
        self.book = book
        self.tracks: dict[tuple[str, str], Track] = {}
        self.newest: dict[str, int] = {}  # by workflow
        self.floors: dict[str, int] = {}  # by workflow, for policies not yet met too
        self.resting: set[str] = set()  # workflows that are paused: they teach nothing
        self.fate = ""  # of the last event: unwatched, late, duplicate or counted

    def feed(self, event: Event) -> list[dict[str, Any]]:
        policy = self.policy_of(event)
        if policy is None or event.mode != "live":
            self.fate = "unwatched"
            return []
        track = self.tracks.setdefault((event.workflow, policy.name), Track(policy))
        track.floor = max(track.floor, self.floors.get(event.workflow, track.floor))
        t, longest = micros(event.ts), policy.longest_window_s * SECOND
        newest = max(t, self.newest.get(event.workflow, t))
        copies = [abs(t - micros(copy.ts)) for copy in track.by_id[event.event_id]]
        self.fate = "late" if newest - t > longest else "counted"
        if self.fate == "counted" and any(apart < longest for apart in copies):
            self.fate = "duplicate"
        if self.fate != "counted":
            return []
        self.newest[event.workflow] = newest
        turn_hours(track, t, learns=event.workflow not in self.resting)
        keep(track, event)
        return [edge for rule in policy.rules for edge in evaluate(track, rule, event)]

    def policy_of(self, event: Event) -> Policy | None:
        """The first policy that matches, where it is on and has rules."""
        place = self.book.find(event.workflow, event.automation, event.capability)
        policy = None if place is None else self.book.policies[place]
        return None if policy is None or policy.mode == "off" or not policy.rules else policy

    def forgive(self, workflow: str, until: int) -> None:
        """Start afresh after this time."""
        self.floors[workflow] = max(until, self.floors.get(workflow, until))
        self.resting.discard(workflow)
        for (name, _), track in self.tracks.items():
            if name == workflow:
                track.floor = max(track.floor, until)
                track.crossed.clear()
                track.gathered.clear()
                for past in track.past.values():
                    past.forgive(until)

    def rest(self, workflow: str) -> None:
        """It is paused."""
        self.resting.add(workflow)


def turn_hours(track: Track, t: int, *, learns: bool) -> None:
    for rule in track.policy.rules:
        if rule.usual is not None:
            oldest = max(track.newest - rule.over * SECOND, track.floor)
            rows = track.rows[rule.name, ()]
            amount = float(sum(row.top or 0 for row in rows if oldest < row.t <= track.newest))
            past = track.past.setdefault(rule.name, Past(rule))
            past.turn(t, Held(amount, track.newest), learns=learns)


def keep(track: Track, event: Event) -> None:
    t = micros(event.ts)
    track.newest = max(t, track.newest)
    track.by_id[event.event_id].append(event)
    if track.reversed_at.get(event.event_id, t) <= held_from(track):
        del track.reversed_at[event.event_id]  # waited too long for this action
    if event.reverses is not None and event.outcome == "success":
        track.reversed_at[event.reverses] = max(t, track.reversed_at.get(event.reverses, t))
        for (name, _), gathered in track.gathered.items():
            rule = next(rule for rule in track.policy.rules if rule.name == name)
            if by_cohort(rule):
                gathered.reverse(event.reverses, after=track.newest - rule.over * SECOND)
    for rule in track.policy.rules:
        top, base = parts(track, rule, event)
        if (top, base) != (None, None):
            rows = track.rows[rule.name, group_of(rule, event)]
            insort(rows, Row(t, event.event_id, top, base), key=lambda row: row.t)


def held_from(track: Track) -> float:
    """What is not newer than this is forgotten: no window can reach it."""
    return track.newest - 2 * track.policy.longest_window_s * SECOND


def evaluate(track: Track, rule: Rule, event: Event) -> Iterator[dict[str, Any]]:
    """The rule at this event, if the rule counts it: its rising edge or nothing."""
    group = counted_in(track, rule, event)
    if group is None or micros(event.ts) <= track.floor:
        return
    observed, events, enough = measure(track, rule, window_of(track, rule, group, event))
    t, past = micros(event.ts), track.past.get(rule.name)
    bound = past.bound(t, observed) if past else rule.bound
    over = observed > bound if rule.above is not None else observed >= bound
    crossed, told = enough and over, Told(observed, events, rule.over)
    before = (rule.name, group) in track.crossed
    if rule.method == "evidence":
        crossed, told = weigh(track, rule, group, event)
    if not crossed:
        track.crossed.discard((rule.name, group))
        return
    track.crossed.add((rule.name, group))
    if not before:
        yield {
            "ts": format_ts(event.ts),
            "event_id": event.event_id,
            "workflow": event.workflow,
            "policy": track.policy.name,
            "rule": rule.name,
            "rate": str(rule.rate),
            "group": dict(zip(group_fields(rule), group, strict=True)) or None,
            "observed": told.observed,
            "bound": bound,
            "events": told.events,
            "window_s": told.window_s,
            "mode": track.policy.mode,
            **({"usual": what_was_usual(past, t)} if past else {}),
        }


def what_was_usual(past: Past, t: int) -> dict[str, Any]:
    level, taken_from, samples = past.told(t)
    assert past.rule.usual is not None
    return {
        "level": level,
        "factor": past.rule.usual.factor,
        "floor": past.rule.bound,
        "taken_from": taken_from,
        "samples": samples,
        "hour": f"{EPOCH + timedelta(microseconds=t):%A %H:00}",
    }


def window_of(track: Track, rule: Rule, group: Group, event: Event) -> list[Row]:
    """What the rule counts in the window that ends with the event."""
    t, rows = micros(event.ts), track.rows[rule.name, group]
    oldest = max(t - rule.over * SECOND, track.floor)
    start = bisect_right(rows, oldest, key=lambda row: row.t)
    return rows[start : bisect_right(rows, t, key=lambda row: row.t)]


def weigh(track: Track, rule: Rule, group: Group, event: Event) -> tuple[bool, Told]:
    """Whether an evidence rule is crossed, now that the event has come, and what it tells.

    An event that is older than `over` counts for nothing, nor does one from before the last trip.
    """
    gathered, t = track.gathered[rule.name, group], micros(event.ts)
    oldest = max(track.newest - rule.over * SECOND, track.floor, gathered.tripped)
    top, base = parts(track, rule, event)
    if by_cohort(rule):
        top = int(event.event_id in track.reversed_at)
    if (base is not None or (top and not by_cohort(rule))) and t > oldest:
        counted = Counted(t, event.event_id, bool(top), base is not None)
        gathered.add(counted, in_order_of_time=by_cohort(rule))
    # A cohort is looked at anew when one of its actions turns out to be bad.
    asked = event.reverses is not None or top or not by_cohort(rule)
    place = gathered.peak(rule) if asked else None
    if place is None:
        before = (rule.name, group) in track.crossed
        lasts = track.newest - gathered.tripped <= rule.over * SECOND
        return before and lasts, Told(0.0, 0, 0)
    seen = gathered.counted[: place + 1]
    told = likeliest_stretch(rule, [one for one in seen if one.t > oldest])
    gathered.counted, gathered.tripped = [], track.newest
    return True, told


def counted_in(track: Track, rule: Rule, event: Event) -> Group | None:
    """The group whose rate this event changes; None: the rule does not count it."""
    if by_cohort(rule) and event.reverses is not None:
        # A reversal changes the share of the group that its action is in, while it is held.
        for action in reversed(track.by_id[event.reverses]):
            counted = parts(track, rule, action) != (None, None)
            if counted and micros(action.ts) > held_from(track):
                return group_of(rule, action)
        return group_of(rule, event) if passes(rule, event) else None
    return None if parts(track, rule, event) == (None, None) else group_of(rule, event)


def measure(track: Track, rule: Rule, window: list[Row]) -> tuple[float, int, bool]:
    """The rate, its number of events, and whether these are enough to tell."""
    if rule.rate not in ("error", "denied", "reversal"):
        return float(sum(row.top or 0 for row in window)), len(window), True
    base = [row.base for row in window if row.base is not None]
    if by_cohort(rule):
        top = [row.base for row in window if row.base and row.event_id in track.reversed_at]
    else:
        top = [row.top for row in window if row.top is not None]
    if len(base) < rule.min or sum(base) == 0:
        return 0.0, len(base), False
    return float(Decimal(sum(top)) / sum(base)), len(base), True


def by_cohort(rule: Rule) -> bool:
    return rule.rate == "reversal" and rule.attribute == "cohort"


def parts(track: Track, rule: Rule, event: Event) -> tuple[Part, Part]:
    """What the event adds to the rule's numerator and denominator, before any reversal."""
    by_value = rule.rate == "value" or rule.weigh == "value"
    worth = worth_of(rule, event, track.policy.convert)
    if not passes(rule, event) or (by_value and worth is None):
        return None, None
    amount = Decimal(repr(event.value or 0)) * (worth or 0)
    # The automation's own attempts, unless the rule asks for somebody else's.
    own = rule.where.by is not None or event.by == "automation"
    success, reverses = event.outcome == "success", event.reverses is not None
    if rule.rate == "reversal":
        weight = amount if rule.weigh == "value" else 1
        top = weight if reverses and rule.attribute == "arrival" else None
        return top, (weight if own and success and not reverses else None)
    if not own:
        return None, None
    if rule.rate == "error":
        return (None, None) if event.outcome == "denied" else (int(event.outcome == "error"), 1)
    if rule.rate == "denied":
        return int(event.outcome == "denied"), 1
    if rule.rate == "steps":
        return (None if event.run is None else 1), None
    if rule.rate == "volume" and rule.where.outcome is not None:
        success = True
    if not success:
        return None, None
    if rule.rate == "volume":
        return (1 if rule.of == "events" else event.recipients or 0), None
    return (amount if rule.rate == "value" else 1), None


def worth_of(rule: Rule, event: Event, convert: Convert | None) -> Decimal | None:
    """What one unit of the event's money is worth in the rule's, or None."""
    code = (event.currency or "").upper()
    if code == (rule.currency or "").upper():
        return Decimal(1)
    if convert is None or convert.to.upper() != (rule.currency or "").upper():
        return None
    rates = {name.upper(): Decimal(repr(rate)) for name, rate in convert.rates.items()}
    return rates.get(code)


def group_fields(rule: Rule) -> tuple[str, ...]:
    """The fields whose values an event's group shares."""
    own = {"duplicate": rule.same, "steps": ("run",)}.get(rule.rate, ())
    return tuple(dict.fromkeys((*([rule.per] if rule.per else []), *own)))


def group_of(rule: Rule, event: Event) -> Group:
    return tuple(getattr(event, name) for name in group_fields(rule))


def passes(rule: Rule, event: Event) -> bool:
    """Globs or exact values; a field that is null matches neither."""
    wanted = ((name, getattr(rule.where, name)) for name in Where.model_fields)
    return all(
        value is not None and any(value == glob or fnmatchcase(value, glob) for glob in globs)
        for name, globs in wanted
        if globs is not None
        for value in [getattr(event, name)]
    )


def micros(ts: datetime) -> int:
    return (ts - EPOCH) // timedelta(microseconds=1)
