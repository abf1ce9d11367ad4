from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from andon.breaker import State
from andon.commands import Audit, Command, Reopened
from andon.signing import write_new_key
from andon.topics import AUDIT, COMMANDS
from api.scopes import Scope
from api.tokens import add_token
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.andon.guarding import command
from tests.andon.streaming import records, tell
from tests.api.serving import ANDON, Api, proposal

Unique = Callable[[str], str]
WHY = {"reason": "wrong customers"}


def trip(api: Api, workflow: str, **headers: str) -> Any:
    return api.client.post(f"/v1/breakers/{workflow}/trip", json=WHY, headers=headers)


def reset(api: Api, workflow: str, if_match: str = "*", **body: Any) -> Any:
    return api.client.post(
        f"/v1/breakers/{workflow}/reset", json=WHY | body, headers={"If-Match": if_match}
    )


def commands(broker: str, workflow: str) -> list[Command]:
    return [Command.model_validate_json(v) for v in records(broker, COMMANDS, workflow)]


def test_a_workflow_is_paused_and_released(api: Api, broker: str, unique: Unique) -> None:
    workflow = unique("refunds")
    before = api.client.get(f"/v1/breakers/{workflow}")
    assert (before.status_code, before.headers["etag"]) == (200, '"0"')
    assert before.json()["state"] == "CLOSED"

    tripped = trip(api, workflow, **{"If-Match": '"0"'})
    assert (tripped.status_code, tripped.headers["etag"]) == (200, '"1"'), tripped.text
    assert (tripped.json()["state"], tripped.json()["by"]) == ("FORCED_OPEN", "user:ada")

    released = reset(api, workflow, '"1"', permits=3)
    assert (released.json()["state"], released.json()["permits"]) == ("HALF_OPEN", 3)
    assert reset(api, workflow, '"2"', permits=None).json()["state"] == "CLOSED"

    written = commands(broker, workflow)
    assert [each.state for each in written] == [State.FORCED_OPEN, State.HALF_OPEN, State.CLOSED]
    now = api.client.get(f"/v1/breakers/{workflow}").json()
    assert (now["generation"], now["reason"]["text"]) == (3, WHY["reason"])
    listed = api.client.get("/v1/breakers").json()["breakers"]
    assert [each for each in listed if each["workflow"] == workflow] == [now]
    audits = [Audit.model_validate_json(v) for v in records(broker, AUDIT, workflow)]
    assert [audit.actor for audit in audits] == ["user:ada"] * 3


def test_who_has_not_seen_the_newest_generation_changes_nothing(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow = unique("seen")
    assert trip(api, workflow).status_code == 200
    late = reset(api, workflow, '"0"')
    assert late.status_code == 412
    assert "generation 1" in late.json()["detail"]
    assert trip(api, workflow, **{"If-Match": '"7"'}).status_code == 412
    unseen = api.client.post(f"/v1/breakers/{workflow}/reset", json=WHY)
    assert unseen.status_code == 428
    assert trip(api, workflow, **{"If-Match": "7"}).status_code == 422
    assert len(commands(broker, workflow)) == 1


def test_what_the_table_does_not_have_is_a_conflict(api: Api, unique: Unique) -> None:
    workflow = unique("twice")
    assert reset(api, workflow).status_code == 409
    assert trip(api, workflow).status_code == 200
    assert trip(api, workflow).status_code == 409


def test_the_same_key_acts_once(api: Api, broker: str, unique: Unique) -> None:
    workflow, key = unique("once"), {"Idempotency-Key": unique("key")}
    first, second = trip(api, workflow, **key), trip(api, workflow, **key)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert len(commands(broker, workflow)) == 1
    other = trip(api, unique("other"), **key)
    assert (other.status_code, "Idempotency-Key" in other.json()["detail"]) == (422, True)


def test_a_key_whose_request_failed_may_try_again(api: Api, unique: Unique) -> None:
    workflow, key = unique("again"), {"Idempotency-Key": unique("key"), "If-Match": '"1"'}
    assert trip(api, workflow, **key).status_code == 412
    assert trip(api, workflow).status_code == 200
    assert reset(api, workflow, '"1"', permits=None).status_code == 200
    assert trip(api, workflow, **key).status_code == 412


def test_names_may_hold_anything(api: Api, unique: Unique) -> None:
    workflow = unique("a/b %2F é?#")
    escaped = "".join(f"%{byte:02X}" for byte in workflow.encode())
    assert trip(api, escaped).json()["workflow"] == workflow
    assert api.client.get(f"/v1/breakers/{escaped}").json()["generation"] == 1


def test_mistakes_in_an_order_are_told_together(api: Api, unique: Unique) -> None:
    answer = api.client.post(
        f"/v1/breakers/{unique('bad')}/reset",
        json={"reason": " ", "permits": 0, "now": True},
        headers={"If-Match": "*"},
    )
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {"reason", "permits", "now"}


def test_a_name_that_no_workflow_has_is_refused(api: Api) -> None:
    answer = trip(api, "x" * 201)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "workflow"


def test_commands_are_signed_where_there_is_a_key(
    own_broker: EmbeddedBroker, tmp_path: Path, unique: Unique
) -> None:
    address, path = own_broker.bootstrap_servers, tmp_path / "key.pem"
    apply(address, Settings())
    public = write_new_key(path).public
    keys = {"ANDON_SIGNING_KEY": str(path), "ANDON_VERIFY_KEYS": public}
    with Api(address, tmp_path, **keys) as api:
        workflow = unique("signed")
        assert trip(api, workflow).status_code == 200
        (command,) = commands(address, workflow)
        assert command.signature
        asked = api.client.post("/v1/permits", json=proposal(workflow))
        assert asked.json()["allow"] is False
        forged = command.model_copy(update={"generation": 2, "state": State.CLOSED})
        tell(address, forged)
        assert api.client.get(f"/v1/breakers/{workflow}").json()["generation"] == 1


def test_without_a_key_it_does_not_start_where_signatures_are_asked_for(tmp_path: Path) -> None:
    public = write_new_key(tmp_path / "key.pem").public
    env = os.environ | {"ANDON_VERIFY_KEYS": public}
    done = subprocess.run([ANDON, "api"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "ANDON_SIGNING_KEY: is required where ANDON_VERIFY_KEYS is set" in done.stderr


def test_a_pause_may_be_for_a_time(api: Api, unique: Unique) -> None:
    workflow = unique("timed")
    url, reason = f"/v1/breakers/{workflow}/trip", "looks odd"
    past = api.client.post(url, json={"reason": reason, "expires_at": "2026-01-31T08:00:00Z"})
    assert past.status_code == 422
    assert past.json()["errors"] == [{"field": "expires_at", "detail": "must be ahead"}]
    until = "2999-01-31T08:00:00.000Z"
    done = api.client.post(url, json={"reason": reason, "expires_at": until})
    assert (done.status_code, done.json()["expires_at"]) == (200, until)


def test_to_let_go_again_so_soon_takes_another_caller(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow = unique("second")
    again = Reopened(at=datetime.now(UTC), by=["user:ada"], generation=3)
    tell(broker, command(workflow, 5, State.OPEN, second_person_s=3600, reopened=again))
    refused = reset(api, workflow, '"5"', permits=3)
    assert refused.status_code == 409
    request_id = refused.json()["approval"]
    assert request_id in refused.json()["detail"]
    assert reset(api, workflow, '"5"', permits=3).json()["approval"] == request_id
    assert commands(broker, workflow)[-1].generation == 5

    url = f"/v1/approvals/{request_id}/approve"
    alone = api.client.post(url, json={"reason": "sure"})
    assert (alone.status_code, "another person" in alone.json()["detail"]) == (409, True)
    bob = api.as_(add_token(api.tokens, unique("bob"), [Scope.APPROVALS_WRITE]))
    done = api.client.post(url, json={"reason": "seen it"}, headers=bob)
    assert (done.status_code, done.json()["standing"]) == (200, "used"), done.text
    now = commands(broker, workflow)[-1]
    assert (now.generation, now.state, now.issued_by) == (6, State.HALF_OPEN, "user:ada")
