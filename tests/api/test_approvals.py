from __future__ import annotations

from collections.abc import Callable
from typing import Any

from andon.commands import Audit
from andon.topics import AUDIT
from tests.andon.streaming import records, until
from tests.api.serving import Api
from tests.api.test_permits import ask

Unique = Callable[[str], str]
POUNDS = {"value": 60.0, "currency": "GBP"}


def waiting(api: Api, workflow: str) -> list[dict[str, Any]]:
    answer = api.client.get("/v1/approvals", params={"workflow": workflow})
    found: list[dict[str, Any]] = answer.json()["approvals"]
    return found


def test_a_person_approves_and_the_same_action_may_run_once(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow = unique("limited")
    refused = ask(api, workflow, **POUNDS)
    assert (refused["allow"], refused["field"]) == (False, "review")
    (asked,) = until(lambda: waiting(api, workflow), "the question")
    assert (asked["standing"], asked["missing"]) == ("pending", 1)
    assert refused["review"] == asked["request_id"]

    url = f"/v1/approvals/{asked['request_id']}/approve"
    approved = api.client.post(url, json={"reason": "charged twice"})
    assert (approved.json()["standing"], approved.json()["approved_by"]) == (
        "approved",
        ["user:ada"],
    )
    until(lambda: waiting(api, workflow)[0]["standing"] == "approved", "the approval")
    assert until(lambda: ask(api, workflow, **POUNDS)["allow"], "the approval at the guard")
    assert ask(api, workflow, **POUNDS)["allow"] is False
    assert waiting(api, workflow)[0]["standing"] == "used"
    (audit,) = [Audit.model_validate_json(v) for v in records(broker, AUDIT, workflow)]
    assert (audit.kind, audit.actor) == ("approval", "user:ada")


def test_what_was_denied_stays_denied(api: Api, unique: Unique) -> None:
    workflow = unique("limited")
    ask(api, workflow, **POUNDS)
    (asked,) = until(lambda: waiting(api, workflow), "the question")
    url = f"/v1/approvals/{asked['request_id']}"
    denied = api.client.post(f"{url}/deny", json={"reason": "no"})
    assert denied.json()["denied_by"] == "user:ada"
    assert api.client.post(f"{url}/approve", json={"reason": "yes"}).status_code == 409
    assert "denied" in until(
        lambda: said if "have denied" in (said := ask(api, workflow, **POUNDS)["reason"]) else None,
        "the denial",
    )


def test_what_nobody_asked_cannot_be_answered(api: Api) -> None:
    answer = api.client.post("/v1/approvals/none/approve", json={"reason": "yes"})
    assert answer.status_code == 404
