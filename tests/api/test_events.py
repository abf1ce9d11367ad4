from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.andon.streaming import events
from tests.api.serving import Api, event

Unique = Callable[[str], str]


def cloudevent(data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "/bot", "type": "executed", "data": data}


def post(api: Api, content: str | bytes, media_type: str, **headers: str) -> Any:
    return api.client.post(
        "/v1/events", content=content, headers={"Content-Type": media_type, **headers}
    )


def lines(told: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, told))


CE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/bot", "ce-type": "executed"}
WAYS: dict[str, tuple[str, Callable[[list[dict[str, Any]]], str], dict[str, str], int]] = {
    "alone": ("application/json", lambda told: json.dumps(told[0]), {}, 1),
    "batch": ("application/json; charset=utf-8", json.dumps, {}, 3),
    "lines": ("application/x-ndjson", lines, {}, 3),
    "structured": (
        "application/cloudevents+json",
        lambda told: json.dumps(cloudevent(told[0])),
        {},
        1,
    ),
    "structured batch": (
        "application/cloudevents-batch+json",
        lambda told: json.dumps(list(map(cloudevent, told))),
        {},
        3,
    ),
    "binary": ("application/json", lambda told: json.dumps(told[0]), CE, 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_events_are_in_the_log_once_they_are_accepted(
    api: Api, broker: str, unique: Unique, way: str
) -> None:
    media_type, render, headers, count = WAYS[way]
    workflow = unique("told")
    told = [event(workflow, target=f"ch_{place}") for place in range(3)]
    answer = post(api, render(told), media_type, **headers)
    assert answer.status_code == 202, answer.text
    ids = [each["event_id"] for each in told[:count]]
    assert answer.json() == {"accepted": count, "event_ids": ids}
    assert [each.event_id for each in events(broker, workflow)] == ids


def test_all_mistakes_are_told_and_nothing_is_written(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow = unique("wrong")
    good = event(workflow)
    bad = event(workflow, capability="fly", value=-1)
    nameless = {name: good[name] for name in good if name != "event_id"}
    answer = api.client.post("/v1/events", json=[good, bad, nameless])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert [(each["index"], each["field"]) for each in problem["errors"]] == [
        (1, "capability"),
        (1, "value"),
        (2, "event_id"),
    ]
    assert problem["detail"].startswith("item 1: capability: ")
    assert problem["detail"].endswith("(and 2 more, see errors)")
    assert problem["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert events(broker, workflow) == []


@pytest.mark.parametrize(
    ("media_type", "body", "headers", "field"),
    [
        ("application/json", b"{", {}, "record"),
        ("application/json", b"[1]", {}, "record"),
        ("application/json", b"[{]", {}, "record"),
        ("application/json", b"\xff", {}, "record"),
        ("application/json", b"[" * 100_000, {}, "record"),
        ("application/cloudevents+json", b"{}", {}, "specversion"),
        ("application/cloudevents+json", b"7", {}, "record"),
        ("application/cloudevents-batch+json", b"{}", {}, "record"),
        ("application/json", b"{}", {"ce-specversion": "1.0"}, "ce-id"),
        ("application/json", b"{}", CE | {"ce-specversion": "0.3"}, "ce-specversion"),
    ],
)
def test_what_is_no_event_is_refused(
    api: Api, media_type: str, body: bytes, headers: dict[str, str], field: str
) -> None:
    answer = post(api, body, media_type, **headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


def test_an_event_of_tomorrow_is_refused(api: Api, unique: Unique) -> None:
    answer = api.client.post("/v1/events", json=event(unique("ahead"), ts="2999-01-01T00:00:00Z"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "ts"


def test_bodies_have_a_type_and_a_size(api: Api) -> None:
    assert post(api, b"<event/>", "text/xml").status_code == 415
    assert api.client.post("/v1/events").status_code == 415
    large = post(api, b" " * 1_000_001, "application/json")
    assert (large.status_code, large.json()["title"]) == (413, "Content Too Large")


def test_many_at_once(api: Api, broker: str, unique: Unique) -> None:
    workflow = unique("many")
    told = [event(workflow) for _ in range(2_000)]
    assert api.client.post("/v1/events", json=told).status_code == 202
    assert len(events(broker, workflow)) == 2_000
