"""Scope: what is not listed is denied."""

from __future__ import annotations

from typing import Any

import pytest

from andon import LimitExceeded, Outcome
from tests.andon.guarding import bench

SCOPE = {"actions": ["refund.*", "note.add"], "targets": ["ch_*"]}


@pytest.mark.parametrize(
    ("scope", "action", "target", "field"),
    [
        (SCOPE, "refund.create", "ch_1", None),
        (SCOPE, "note.add", "ch_1", None),
        (SCOPE, "payout.create", "ch_1", "action"),
        (SCOPE, "refund.create", "cus_1", "target"),
        (SCOPE, "refund.create", None, "target"),
        ({"actions": "refund.*"}, "refund.create", None, None),
        ({"targets": "7"}, "anything", 7, None),
    ],
)
@pytest.mark.parametrize("where", ["policy", "decorator"])
def test_denies_what_is_not_listed(
    where: str, scope: dict[str, Any], action: str, target: Any, field: str | None
) -> None:
    policy = {"name": "p", "scope": scope} if where == "policy" else None
    option: dict[str, Any] = {"scope": scope} if where == "decorator" else {}
    with bench(policy=policy) as desk:
        ran: list[object] = []

        @desk.guard.action("update", action, target="target", **option)
        def act(target: object) -> None:
            ran.append(target)

        if field is None:
            act(target)
        else:
            with pytest.raises(LimitExceeded, match="; allowed: ") as refused:
                act(target)
            assert refused.value.field == field
        assert ran == ([] if field else [target])
        assert desk.event().outcome is (Outcome.DENIED if field else Outcome.SUCCESS)
