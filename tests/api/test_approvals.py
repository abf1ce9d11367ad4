from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from andon import Guard, ReviewNeeded
from andon.approvals_log import Standing
from andon.cli.commands import app
from andon.commands import Audit
from andon.events import Outcome
from andon.signing import write_new_key
from andon.topics import AUDIT
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.andon.streaming import events, records, until
from tests.api.serving import Api, event
from tests.api.test_permits import ask

Unique = Callable[[str], str]
POUNDS = {"value": 60.0, "currency": "GBP"}


def waiting(api: Api, workflow: str) -> list[dict[str, Any]]:
    answer = api.client.get("/v1/approvals", params={"workflow": workflow})
    found: list[dict[str, Any]] = answer.json()["approvals"]
    return found


def succeeded(broker: str, workflow: str) -> list[dict[str, Any] | None]:
    """The decision traces of the actions that ran."""
    told = events(broker, workflow)
    return [each.decision for each in told if each.outcome is Outcome.SUCCESS]


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
    permit = until(
        lambda: (answer := ask(api, workflow, **POUNDS))["allow"] and answer,
        "the approval at the guard",
    )
    done = event(workflow, event_id=permit["permit"], **POUNDS)
    assert api.client.post("/v1/events", json=done).status_code == 202
    told = until(lambda: succeeded(broker, workflow), "the event")
    assert told == [{"decided": {"approval": {"request": asked["request_id"]}}}]
    assert ask(api, workflow, **POUNDS)["allow"] is False
    assert waiting(api, workflow)[0]["standing"] == "used"
    (audit,) = [Audit.model_validate_json(v) for v in records(broker, AUDIT, workflow)]
    assert (audit.kind, audit.actor) == ("approval", "user:ada")


def test_an_approval_is_not_told_of_other_amounts(api: Api, broker: str, unique: Unique) -> None:
    workflow = unique("limited")
    request = ask(api, workflow, **POUNDS)["review"]
    until(lambda: waiting(api, workflow), "the question")
    api.client.post(f"/v1/approvals/{request}/approve", json={"reason": "charged twice"})
    permit = until(
        lambda: (answer := ask(api, workflow, **POUNDS))["allow"] and answer,
        "the approval at the guard",
    )
    done = event(workflow, event_id=permit["permit"], **POUNDS | {"value": 6000.0})
    assert api.client.post("/v1/events", json=done).status_code == 202
    assert until(lambda: succeeded(broker, workflow), "the event") == [None]


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


def test_what_people_answer_is_signed_where_there_is_a_key(
    own_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """A guard elsewhere with the public key takes the API's and the command line's answers."""
    address, path = own_broker.bootstrap_servers, tmp_path / "key.pem"
    apply(address, Settings())
    public = write_new_key(path).public
    keys = {"ANDON_SIGNING_KEY": str(path), "ANDON_VERIFY_KEYS": public}
    review = {"review": {"people": 2}, "value": "amount", "currency": "USD"}
    with (
        Api(address, tmp_path, **keys) as api,
        Guard("signed", "bot", bootstrap_servers=address, verify_keys=public) as guard,
    ):
        ran: list[float] = []
        pay = guard.action("transact", "pay", **review)(lambda amount: ran.append(amount))
        with pytest.raises(ReviewNeeded) as refusal:
            pay(60)
        (asked,) = until(lambda: waiting(api, "signed"), "the question")
        unsigned = ["approvals", "approve", asked["request_id"], "--reason", "yes", "--user", "eve"]
        servers = {"KAFKA_BOOTSTRAP_SERVERS": address}
        without_keys = servers | {"ANDON_SIGNING_KEY": None, "ANDON_VERIFY_KEYS": None}
        CliRunner().invoke(app, unsigned, env=without_keys)
        until(lambda: guard.stats()["andon_guard_faults_total"]["signature"] == 1, "the refusal")
        assert waiting(api, "signed")[0]["missing"] == 2

        url = f"/v1/approvals/{asked['request_id']}/approve"
        assert api.client.post(url, json={"reason": "right"}).json()["missing"] == 1
        signed = [*unsigned[:-1], "bob"]
        done = CliRunner().invoke(app, signed, env=servers | keys)
        assert done.exit_code == 0, done.output
        assert refusal.value.ticket.wait(10) is Standing.APPROVED
        refusal.value.ticket.run()
        assert ran == [60]
