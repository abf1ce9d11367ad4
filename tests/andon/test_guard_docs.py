"""What the documentation and the examples say is what happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from andon import Capability, Guard, LimitExceeded, MemoryTransport, Outcome, State, metrics
from andon.events import By
from tests.andon.guarding import REASON, command
from tests.andon.streaming import events, run, tell

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guard.md").read_text(encoding="utf-8")
FIRST, *BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FINISH = "\nassert guard.close()\n"


def test_first_example_is_whole_in_twelve_lines(broker: str, unique: Callable[[str], str]) -> None:
    assert len([line for line in FIRST.splitlines() if line.strip()]) <= 12
    workflow = unique("refunds")
    source = FIRST.replace('"refunds"', repr(workflow)) + FINISH
    assert run(source, broker) == "refunded 25 of ch_1\n"
    (event,) = events(broker, workflow)
    assert (event.capability, event.action) == (Capability.TRANSACT, "refund.create")
    assert (event.value, event.currency, event.target) == (25.0, "USD", "ch_1")

    tell(broker, command(workflow, 1, State.OPEN))
    printed = run(source, broker)
    assert REASON in printed
    assert f"Resume with: andon reset {workflow} --reason" in printed
    assert [event.outcome for event in events(broker, workflow)] == ["success", "denied"]


def test_other_examples_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    stream = MemoryTransport()
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        scope: dict[str, Any] = {"guard": guard}
        for block in BLOCKS:
            exec(block, scope)
        scope["pay"]({"total": 5, "currency": "EUR", "customer": 7})
        scope["charge"]("acct_1")
        assert guard.flush(5)
        assert scope["later"].standing == "pending"
        with pytest.raises(LimitExceeded, match="2,000 USD is the most"):
            scope["credit"]("cus_1", 2001)
    mail, refund, undone, last_week, asked, invoiced, *rest = stream.events
    paid, charged, credit = rest
    assert (invoiced.action, invoiced.outcome) == ("invoice.send", Outcome.SUCCESS)
    assert (mail.outcome, mail.recipients, mail.labels) == (Outcome.ERROR, 3, {"tenant": "t1"})
    assert (undone.reverses, undone.value, undone.by) == (refund.event_id, 25.0, By.HUMAN)
    assert last_week.reverses == "the id of last week"
    assert (paid.value, paid.currency, paid.target) == (5.0, "EUR", "customer/7")
    assert [event.outcome for event in (asked, credit)] == [Outcome.DENIED, Outcome.DENIED]
    assert (charged.outcome, charged.reason) == (Outcome.ERROR, "Insufficient funds.")
    assert capsys.readouterr().out == ""


def test_page_names_every_metric_and_every_setting() -> None:
    for metric in metrics.GUARD:
        assert f"`{metric.name}`" in PAGE
    for name in list(Guard.__init__.__annotations__)[:-1]:
        assert f"| `{name}`" in PAGE, name


def test_refund_bot(broker: str, unique: Callable[[str], str]) -> None:
    workflow = unique("refunds")
    source = (ROOT / "examples" / "refund_bot.py").read_text(encoding="utf-8")
    source = source.replace('workflow="refunds"', f"workflow={workflow!r}")
    source = source.replace("else 50", "else 5") + FINISH
    printed = run(source, broker).splitlines()
    assert printed[-1] == "ch_4 Insufficient funds."
    *refunds, reversal = events(broker, workflow)
    assert [event.outcome for event in refunds] == ["success"] * 4 + ["error"]
    assert [event.value for event in refunds] == [25.0, 50.0, 75.0, 100.0, 125.0]
    assert (reversal.reverses, reversal.target) == (refunds[0].event_id, "ch_0")


def test_mail_agent(broker: str, unique: Callable[[str], str]) -> None:
    workflow = unique("outreach")
    source = (ROOT / "examples" / "mail_agent.py").read_text(encoding="utf-8")
    source = source.replace('workflow="outreach"', f"workflow={workflow!r}") + FINISH
    assert run(source, broker) == "3 turns, 4 readers\n"
    told = events(broker, workflow)
    assert [event.action for event in told] == ["mail.send", "agent.turn"] * 3
    assert [event.recipients for event in told if event.recipients] == [2, 1, 1]
    assert [event.step for event in told if event.decision] == [0, 1, 2]
    assert len({event.run for event in told}) == 1
