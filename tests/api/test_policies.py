from __future__ import annotations

from pathlib import Path

from andon.commands import EVERY_WORKFLOW, Audit
from andon.topics import AUDIT
from api import examples
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.andon.streaming import records
from tests.api.serving import Api

YAML = {"Content-Type": "application/yaml"}


def test_policies_are_put_and_got(own_broker: EmbeddedBroker, tmp_path: Path) -> None:
    address = own_broker.bootstrap_servers
    apply(address, Settings())
    with Api(address, tmp_path) as api:
        none = api.client.get("/v1/policies")
        assert (none.json(), none.headers["etag"]) == ({"version": None, "book": None}, '""')
        put = api.client.put(
            "/v1/policies", content=examples.POLICY_YAML, headers=YAML | {"If-Match": '""'}
        )
        assert put.status_code == 200, put.text
        got = api.client.get("/v1/policies")
        assert got.json() == put.json()
        assert got.headers["etag"] == put.headers["etag"] == f'"{got.json()["version"]}"'
        assert got.json()["book"]["policies"][0]["name"] == "refunds"
        late = api.client.put("/v1/policies", json=examples.POLICY, headers={"If-Match": '""'})
        assert late.status_code == 412
        (line,) = records(address, AUDIT, EVERY_WORKFLOW)
        assert Audit.model_validate_json(line).actor == "user:ada"


def test_mistakes_are_told_with_their_lines(api: Api) -> None:
    wrong = examples.POLICY_YAML.replace("above: 5%", "above: much").replace("over: 1h", "over: x")
    checked = api.client.post("/v1/policies/validate", content=wrong, headers=YAML)
    assert checked.status_code == 200
    assert checked.json()["valid"] is False
    fields = {
        (each["line"], each["field"].rpartition(".")[2]) for each in checked.json()["problems"]
    }
    assert {(6, "above"), (6, "over")} <= fields
    put = api.client.put("/v1/policies", content=wrong, headers=YAML)
    assert put.status_code == 422
    assert put.json()["errors"][0]["detail"].startswith("line 6: ")


def test_what_is_right_is_valid(api: Api) -> None:
    for how in ({"content": examples.POLICY_YAML, "headers": YAML}, {"json": examples.POLICY}):
        checked = api.client.post("/v1/policies/validate", **how)  # type: ignore[arg-type]
        assert checked.json()["valid"] is True, checked.text
