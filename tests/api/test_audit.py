from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.serving import Api
from tests.api.test_breakers import reset, trip


def audit(api: Api, **filters: Any) -> dict[str, Any]:
    answer = api.client.get("/v1/audit", params=filters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_lines_come_by_page_in_order(api: Api, unique: Callable[[str], str]) -> None:
    workflow = unique("audited")
    for _ in range(2):
        trip(api, workflow)
        reset(api, workflow, permits=None)
    whole = audit(api, workflow=workflow)
    assert [line["generation"] for line in whole["lines"]] == [1, 2, 3, 4]
    assert whole["next"] is None
    first = audit(api, workflow=workflow, limit=3)
    second = audit(api, workflow=workflow, limit=3, cursor=first["next"])
    assert first["lines"] + second["lines"] == whole["lines"]
    assert second["next"] is None
    since = audit(api, workflow=workflow, since=whole["lines"][2]["ts"])
    assert since["lines"] == whole["lines"][2:]
    assert audit(api, workflow=workflow, kind="late")["lines"] == []
    assert audit(api, workflow=workflow, kind="transition") == whole


@pytest.mark.parametrize(
    "filters", [{"since": "yesterday"}, {"cursor": "abc"}, {"limit": "0"}, {"kind": "gossip"}]
)
def test_filters_that_make_no_sense_are_refused(api: Api, filters: dict[str, str]) -> None:
    answer = api.client.get("/v1/audit", params=filters)
    assert answer.status_code == 422
    assert next(iter(filters)) in answer.json()["detail"]
