"""The words of an alert, for a person at three in the morning: specific, short, in one order.

Pure: the monitor and the control commands make titles here, every receiver of text reads here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from andon.commands import Alert, AlertKind, Money, Reason, Usual
from andon.policy import SHARES, format_duration
from andon.scope_names import Kind, scope_of, spoken

TITLE_MAX = 150
EVIDENCE_SHOWN = 3

RATE_NAMES = {
    "error": "error rate",
    "denied": "denial rate",
    "reversal": "reversal rate",
    "volume": "volume",
    "value": "money moved",
    "duplicate": "identical actions",
    "steps": "steps in one run",
}
_HEADS: dict[AlertKind, str] = {
    "paused": "{} paused",
    "on_trial": "{} on trial",
    "resumed": "{} running again",
    "shadowed": "{} in shadow mode",
    "disabled": "{} not watched any more",
    "would_pause": "{} would be paused (shadow)",
    "not_obeyed": "{} does not obey its pause",
    "policy_refused": "Policies not changed",
    "review_needed": "{} asks people",
    "held_back": "Pauses held back",
    "canary_passed": "{} went round",
    "canary_failed": "{} failed",
    "canary_silent": "Pausing may not work: {} fails",
    "canary_back": "Pausing works again: {} is back",
    "target_down": "{} is down",
    "test": "Test alert for {}",
}
_MEANS: dict[AlertKind, str] = {
    "paused": "guards refuse every action of this workflow",
    "on_trial": "guards let a few actions through; the next detection pauses it again",
    "resumed": "guards let every action through",
    "shadowed": "detections are told and pause nothing, until a person enforces again",
    "disabled": "nothing is detected and nothing pauses it, until a person enforces again",
    "would_pause": "nothing was stopped: its policy runs in shadow mode",
    "not_obeyed": "stop it yourself: what acts there has no guard, or its guard does not answer",
    "policy_refused": "a new version cannot be used; the one before it stays in force",
    "review_needed": "one action stands still until people approve or deny it",
    "held_back": "too many were paused at once; the workflows named here go on until you decide",
    "canary_passed": "a workflow that trips itself was paused, told and let go",
    "canary_failed": "a workflow that trips itself was not paused, not told or not let go",
    "canary_silent": "what goes wrong now may not be paused, and you may not be told",
    "canary_back": "what goes wrong is paused, and you are told",
    "target_down": "many workflows fail on it; the pauses of more are told by this alert alone",
    "test": "nothing was stopped: this only shows that the receiver works",
}


def title(kind: AlertKind, workflow: str, reason: Reason, issued_by: str = "monitor") -> str:
    """One line of at most 150 characters: which workflow, what became of it, and why."""
    head = _HEADS[kind].format(_short(clean(spoken(workflow)), 60))
    head = head[0].upper() + head[1:] if scope_of(workflow) else head
    user = issued_by.removeprefix("user:")
    by = f" by {_short(clean(user), 30)}" if user != issued_by else ""
    return _short(f"{head}{by}: {clean(finding(reason) or reason.text)}", TITLE_MAX)


def finding(reason: Reason) -> str | None:
    """`reversal rate 7.1% in 24h, bound 5%`; None where no rule stands behind the reason."""
    if reason.rate is None or reason.observed is None or reason.bound is None:
        return None
    observed, bound = amounts(reason)
    window = f" in {format_duration(reason.window_s)}" if reason.window_s else ""
    if reason.window_s == 0:
        window = " in one action"
    group = f", {_group(reason)}" if reason.group else ""
    return f"{_name(reason)} {observed}{window}, bound {bound}{_made_of(reason)}{group}"


def amounts(reason: Reason) -> tuple[str, str]:
    """Observed and bound with their unit, with digits enough to tell the one from the other."""
    assert reason.observed is not None
    assert reason.bound is not None
    if reason.rate in SHARES:
        observed, bound = reason.observed * 100, reason.bound * 100
        return f"{_number(observed, 1, bound)}%", f"{_exact(bound, 1)}%"
    if reason.rate == "value":
        currency = _currency(reason)
        number = _number(reason.observed, 2, reason.bound)
        return _money(number, currency), _money(_exact(reason.bound, 2), currency)
    return _number(reason.observed, 0, reason.bound), _exact(reason.bound, 0)


def resume_command(workflow: str, *, now: bool = False) -> str:
    """What a person types to let the workflow run again: on trial, or freely with `now`."""
    return f'andon reset {shlex.quote(workflow)}{" --now" * now} --reason "why it is safe"'


def trip_command(workflow: str) -> str:
    """What a person types to pause it."""
    return f'andon trip {shlex.quote(workflow)} --reason "what you see"'


def alert_text(alert: Alert) -> str:
    """The whole alert in plain lines: the title, a blank line, then labelled facts."""
    facts = "\n".join(f"  {label:<10}{fact}" for label, fact in alert_facts(alert))
    return f"{clean(alert.title)}\n\n{facts}"


def alert_facts(alert: Alert) -> Iterator[tuple[str, str]]:
    """(label, fact) in the order in which a person asks; nothing in it can steer a terminal."""
    for label, fact in _facts(alert):
        if fact:
            yield label, clean(fact)


def _facts(alert: Alert) -> Iterator[tuple[str, str | None]]:
    reason = alert.reason
    yield "State", f"{alert.state.label}: {_means(alert)}"
    yield "Since", f"{alert.since:%Y-%m-%d %H:%M:%S} UTC"
    if finding(reason):
        observed, bound = amounts(reason)
        yield "Observed", f"{_name(reason)} {observed}, against a bound of {bound}"
    yield "Usual", _usual(reason)
    yield "Group", _group(reason)
    yield "Window", _window(reason)
    yield "Money", _sums(reason)
    yield "Rule", _rule(reason)
    yield "Why", reason.text if reason.text not in alert.title else None
    yield "Evidence", _evidence(reason.event_ids)
    yield "Note", alert.note
    yield "Runbook", alert.runbook
    if alert.kind in ("paused", "on_trial"):
        yield "Resume", alert.resume
    if alert.kind == "target_down":
        yield "Stop it", alert.resume
    if alert.kind == "review_needed":
        yield "Approve", alert.resume
    if alert.kind == "held_back":
        yield "Pause", alert.resume
    if alert.kind == "canary_silent":
        yield "Look", alert.resume
    yield "Alert", f"{alert.alert_id}, {alert.severity}, by {alert.issued_by.removeprefix('user:')}"


def _means(alert: Alert) -> str:
    if alert.kind == "review_needed" and alert.generation:
        return "it is not let go until another person approves"
    scope = scope_of(alert.workflow)
    if scope is None or alert.kind != "paused":
        return _MEANS[alert.kind]
    of = "" if scope.kind is Kind.ALL else f" of {scope}, in whatever workflow"
    return f"guards refuse every action{of}"


def _name(reason: Reason) -> str:
    return RATE_NAMES.get(reason.rate or "", f"{reason.rate}")


def _group(reason: Reason) -> str:
    return ", ".join(f"{field} {value}" for field, value in (reason.group or {}).items())


def _window(reason: Reason) -> str | None:
    if not reason.window_s:
        return None
    window = f"the last {format_duration(reason.window_s)}"
    if reason.events is None:
        return window
    return f"{window}, {reason.events:,} {'event' if reason.events == 1 else 'events'}"


def _made_of(reason: Reason) -> str:
    """Where a bound that no one wrote as a number comes from."""
    usual = reason.usual
    if usual is None:
        return ""
    if usual.taken_from == "no history":
        return f" ({usual.factor:g}x usual, not known yet)"
    holds = usual.factor * usual.level >= usual.floor
    return f" ({usual.factor:g}x usual)" if holds else ", the floor"


def _usual(reason: Reason) -> str | None:
    """`480 in 1h around Tuesday 14:00 UTC, over the last 5 weeks; 4x is 1,920, floor 100`."""
    usual = reason.usual
    if usual is None:
        return None
    level, product, floor = (
        _amount(reason, amount) for amount in (usual.level, usual.factor * usual.level, usual.floor)
    )
    ends = f"{usual.factor:g}x is {product}, floor {floor}"
    if usual.taken_from == "no history":
        return f"not known yet, taken as {level}; {ends}"
    window = f" in {format_duration(reason.window_s)}" if reason.window_s else ""
    return f"{level}{window} {_when(usual)}; {ends}"


def _when(usual: Usual) -> str:
    if usual.taken_from == "busy days":
        return f"on busy days, over the last {usual.samples} with events"
    return f"around {usual.hour} UTC, over the last {usual.samples} weeks"


def _amount(reason: Reason, amount: float) -> str:
    if reason.rate == "value":
        return _money(_exact(amount, 2), _currency(reason))
    return _exact(amount, 0)


def sums(value: Money) -> str:
    """`$30 USD and 12.50 EUR`; nothing where no money moved."""
    return " and ".join(
        _money(_number(amount, 2), currency) for currency, amount in sorted(value.items())
    )


def _sums(reason: Reason) -> str:
    when = "in the window" if reason.window_s else "in one action"
    if reason.window_s is None:
        when = "after the pause"
    return f"{text} moved {when}" if (text := sums(reason.value)) else ""


def _rule(reason: Reason) -> str | None:
    if reason.rule is None or reason.policy is None:
        return reason.rule
    version = f", version {reason.policy_version}" if reason.policy_version else ""
    return f"{reason.rule} (policy {reason.policy}{version})"


def _evidence(event_ids: list[str]) -> str:
    shown = ", ".join(event_ids[:EVIDENCE_SHOWN])
    rest = len(event_ids) - EVIDENCE_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _currency(reason: Reason) -> str | None:
    """A reason names no currency of its own: it is the one whose sum was observed."""
    if len(reason.value) == 1:
        return next(iter(reason.value))
    fits = [currency for currency, amount in reason.value.items() if amount == reason.observed]
    return fits[0] if len(fits) == 1 else None


def _money(number: str, currency: str | None) -> str:
    # Many currencies are written with a dollar sign, so the code always stands beside it.
    return f"{'$' if currency == 'USD' else ''}{number} {currency or ''}".strip()


def _number(value: float, places: int, unlike: float | None = None) -> str:
    """At least `places` decimals, more (to 6) where it would read the same as `unlike`."""
    while (
        places < 6
        and unlike not in (None, value)
        and f"{value:,.{places}f}" == (f"{unlike:,.{places}f}")
    ):
        places += 1
    return _whole(f"{value:,.{places}f}")


def _exact(value: float, places: int) -> str:
    """At least `places` decimals, more (to 6) where the number has them."""
    while places < 6 and abs(round(value, places) - value) > 1e-9:
        places += 1
    return _whole(f"{value:,.{places}f}")


def _whole(number: str) -> str:
    return re.sub(r"\.0+$", "", number)


def _short(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 1]}…"


def clean(text: str) -> str:
    """One line that cannot steer a terminal or pass for another line."""
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )
