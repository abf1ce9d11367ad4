from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from andon import topics
from andon.events import Outcome
from andon.permits import Permits
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.andon.streaming import acks, events, tell_raw, until
from tests.api.serving import Api, event, proposal
from tests.api.test_breakers import reset, trip

Unique = Callable[[str], str]


def ask(api: Api, workflow: str, **changes: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/permits", json=proposal(workflow, **changes))
    assert answer.status_code == 200, answer.text
    permit: dict[str, Any] = answer.json()
    return permit


def test_an_action_may_run_and_its_event_ends_the_permit(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow = unique("asks")
    permit = ask(api, workflow)
    assert (permit["allow"], permit["state"], permit["generation"]) == (True, "CLOSED", 0)
    told = event(workflow, event_id=permit["permit"])
    assert api.client.post("/v1/events", json=told).status_code == 202
    assert [each.event_id for each in events(broker, workflow)] == [permit["permit"]]


def test_a_paused_workflow_gets_no_permit_and_the_refusal_is_told(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow = unique("asks")
    assert ask(api, workflow)["allow"]
    assert trip(api, workflow).status_code == 200
    until(lambda: acks(broker, workflow), "the acknowledgement")
    permit = ask(api, workflow)
    assert (permit["allow"], permit["state"], permit["generation"]) == (False, "FORCED_OPEN", 1)
    assert "wrong customers" in permit["reason"]
    (denied,) = until(lambda: events(broker, workflow), "the denied event")
    assert (denied.outcome, denied.automation) == (Outcome.DENIED, "refund-bot")


def test_a_push_changes_what_permits_allow(no_policies: str, tmp_path: Path) -> None:
    def push(most: int) -> None:
        limits = [{"value": most, "currency": "USD", "then": "deny"}]
        book = {"version": 1, "policies": [{"name": "all", "limits": limits}]}
        assert api.client.put("/v1/policies", json=book).status_code == 200

    with Api(no_policies, tmp_path) as api:
        assert ask(api, "pushed")["allow"]
        push(10)
        refusal = until(
            lambda: (answer := ask(api, "pushed"))["allow"] is False and answer, "the push"
        )
        assert refusal["field"] == "value"
        assert ask(api, "another")["allow"] is False
        push(100)
        until(lambda: ask(api, "pushed")["allow"], "the next push")


def test_who_asks_for_the_first_time_knows_the_pause(api: Api, unique: Unique) -> None:
    workflow = unique("asks")
    trip(api, workflow)
    assert ask(api, workflow)["allow"] is False


def test_a_trial_has_as_many_permits_as_are_dealt(api: Api, broker: str, unique: Unique) -> None:
    workflow = unique("trial")
    trip(api, workflow)
    reset(api, workflow, permits=2)
    refused = ask(api, workflow)
    assert (refused["allow"], refused["state"]) == (False, "HALF_OPEN")
    assert "waits for a permit of the monitor" in refused["reason"]
    (ack,) = until(lambda: acks(broker, workflow), "the acknowledgement")
    dealt = Permits(
        workflow=workflow,
        generation=ack.generation,
        period=0,
        grants={ack.guard: 2},
        at=ack.applied_at,
    )
    tell_raw(broker, (workflow.encode(), dealt.to_json()), topic=topics.PERMITS)
    until(lambda: ask(api, workflow)["allow"], "the trial")
    assert [ask(api, workflow)["allow"] for _ in range(2)] == [True, False]


def test_limits_and_scope_of_the_policy_hold(api: Api, unique: Unique) -> None:
    workflow = unique("limited")
    assert ask(api, workflow, value=2000)["allow"]
    refused = ask(api, workflow, value=2000.01)
    assert (refused["allow"], refused["field"]) == (False, "value")
    refused = ask(api, workflow, action="payout.create")
    assert (refused["allow"], refused["field"]) == (False, "action")
    refused = ask(api, workflow, value=None)
    assert (refused["allow"], refused["field"]) == (False, "value")


def test_what_did_not_happen_is_given_back(api: Api, unique: Unique) -> None:
    workflow = unique("limited")
    euros = {"value": 60.0, "currency": "EUR"}
    first = ask(api, workflow, **euros)
    assert first["allow"]
    assert ask(api, workflow, **euros)["allow"] is False
    failed = event(workflow, event_id=first["permit"], outcome="error", **euros)
    assert api.client.post("/v1/events", json=failed).status_code == 202
    assert ask(api, workflow, **euros)["allow"]


def test_asking_again_with_the_same_key_takes_no_second_permit(api: Api, unique: Unique) -> None:
    workflow, key = unique("limited"), {"Idempotency-Key": unique("key")}
    body = proposal(workflow, value=60.0, currency="EUR")
    first, second = (api.client.post("/v1/permits", json=body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert first.json()["allow"]


def test_a_permit_whose_event_never_came_counts_as_done(
    broker: str, tmp_path: Path, unique: Unique
) -> None:
    policy = tmp_path / "policy.yaml"
    limits = [{"value": 100, "currency": "USD", "over": "1h"}]
    policy.write_text(f"{{version: 1, policies: [{{name: all, match: {{}}, limits: {limits}}}]}}")
    with Api(
        broker, tmp_path, "--policy", str(policy), ANDON_API_PERMIT_TTL_S="0.001"
    ) as forgetful:
        workflow = unique("asks")
        permit = ask(forgetful, workflow, value=60.0)
        assert ask(forgetful, workflow, value=60.0)["allow"] is False
        late = event(workflow, event_id=permit["permit"], outcome="error", value=60.0)
        assert forgetful.client.post("/v1/events", json=late).status_code == 202
        assert ask(forgetful, workflow, value=60.0)["allow"] is False


def test_without_a_broker_money_does_not_move(
    own_broker: EmbeddedBroker, tmp_path: Path, unique: Unique
) -> None:
    apply(own_broker.bootstrap_servers, Settings())
    with Api(own_broker.bootstrap_servers, tmp_path, ANDON_API_STALE_AFTER_S="0") as api:
        workflow = unique("asks")
        assert ask(api, workflow)["allow"]
        own_broker.kill()
        until(lambda: api.client.get("/readyz").status_code == 503, "the loss")
        refused = ask(api, workflow)
        assert (refused["allow"], refused["state"]) == (False, None)
        assert "not known" in refused["reason"]
        assert ask(api, workflow, capability="update", value=None)["allow"]
        told = api.client.post("/v1/events", json=event(workflow))
        assert (told.status_code, told.headers["retry-after"]) == (503, "1")
        assert api.client.get("/v1/breakers").status_code == 503
        assert api.client.get("/healthz").status_code == 200
        own_broker.start()
        api.ready()
        until(lambda: ask(api, workflow)["allow"], "the state")
        told_again = event(workflow)
        until(
            lambda: api.client.post("/v1/events", json=told_again).status_code == 202, "the broker"
        )


def test_a_killed_scope_gets_no_permit_until_it_is_let_go(
    api: Api, broker: str, unique: Unique
) -> None:
    workflow, target = unique("asks"), unique("stripe")
    scope = f"andon:target:{target}"
    assert ask(api, workflow, target=target)["allow"]
    assert trip(api, scope).status_code == 200
    until(lambda: acks(broker, scope), "the acknowledgement")
    refused = ask(api, workflow, target=target)
    assert (refused["allow"], refused["state"]) == (False, "CLOSED")
    assert f"target {target} is paused" in refused["reason"]
    assert ask(api, workflow, target=unique("paypal"))["allow"]
    late = unique("late")  # its guard is made after the command
    assert ask(api, late, target=target)["allow"] is False
    assert reset(api, scope).status_code == 200
    until(lambda: ask(api, workflow, target=target)["allow"], "the target to run again")
