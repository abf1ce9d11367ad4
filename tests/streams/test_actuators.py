"""Actuators against a real HTTP server that looks at every part of the request."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from andon.commands import Alert
from andon.errors import ReceiversError
from streams.lane import Lane, Patience
from streams.levers import ActuatorSettings
from streams.receivers import Delivered, Delivery, Failed, Retry
from streams.routes import Routes, load_routes
from tests.streams.receiving import SECRET, Answer, Hook, an_alert, answers

DEPLOYMENT = "0b1c9f0e-6f3a-4a54-9d0f-2f6a3b8c7d11"
BEARER = {"authorization": "Bearer s3cret"}
GITHUB = {
    "accept": "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
    "authorization": "Bearer s3cret",
}
BASIC = {"authorization": "Basic " + base64.b64encode(b"andon:s3cret").decode()}
TOKEN = {"token_env": "LEVER_TOKEN"}

REQUESTS: list[tuple[str, dict[str, Any], str, list[str], dict[str, str], list[Any]]] = [
    (
        "airflow",
        {"dag": "refunds/daily run"} | TOKEN,
        "PATCH",
        ["/api/v2/dags/refunds%2Fdaily%20run"] * 2,
        BEARER,
        [{"is_paused": True}, {"is_paused": False}],
    ),
    (
        "airflow",
        {"dag": "refunds", "api": "v1", "user": "andon"} | TOKEN,
        "PATCH",
        ["/api/v1/dags/refunds"] * 2,
        BASIC,
        [{"is_paused": True}, {"is_paused": False}],
    ),
    (
        "prefect",
        {"deployment": DEPLOYMENT} | TOKEN,
        "POST",
        [f"/deployments/{DEPLOYMENT}/{verb}_deployment" for verb in ("pause", "resume")],
        BEARER,
        [None, None],
    ),
    (
        "github",
        {"repo": "acme/agents", "file": "nightly.yml"} | TOKEN,
        "PUT",
        [
            f"/repos/acme/agents/actions/workflows/nightly.yml/{verb}"
            for verb in ("disable", "enable")
        ],
        GITHUB,
        [None, None],
    ),
]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("LEVER_TOKEN", "s3cret\n")


def not_obeyed(**changes: Any) -> Alert:
    return an_alert(**{"kind": "not_obeyed", **changes})


def resumed(**changes: Any) -> Alert:
    return an_alert(**{"kind": "resumed", "state": "CLOSED", **changes})


def move(kind: str, settings: dict[str, Any], *alerts: Alert) -> list[Delivery]:
    async def deliver() -> list[Delivery]:
        entry = {"name": "lever", "workflows": ["*"], kind: settings}
        actuator = ActuatorSettings.model_validate(entry).make().actuator
        try:
            return [await actuator.deliver(alert) for alert in alerts]
        finally:
            await actuator.close()

    return asyncio.run(deliver())


@pytest.mark.parametrize(
    ("kind", "settings", "method", "paths", "headers", "bodies"),
    REQUESTS,
    ids=["airflow-3", "airflow-2", "prefect", "github"],
)
def test_a_lever_is_pulled_and_let_go(
    kind: str,
    settings: dict[str, Any],
    method: str,
    paths: list[str],
    headers: dict[str, str],
    bodies: list[Any],
) -> None:
    with Hook() as server:
        at = server.url.removesuffix("/hook")
        done = move(kind, settings | {"url": f"{at}/"}, not_obeyed(), resumed())
    assert done == [Delivered(), Delivered()]
    assert [taken.method for taken in server.taken] == [method] * 2
    assert [taken.path for taken in server.taken] == paths
    assert [json.loads(taken.body or b"null") for taken in server.taken] == bodies
    for taken in server.taken:
        assert headers.items() <= taken.headers.items()
        assert taken.headers["content-type"] == "application/json"


def test_a_webhook_is_signed_and_says_what_to_do() -> None:
    alerts = [not_obeyed(), resumed()]
    with Hook() as server:
        settings = {"url": server.url, "secret_env": "HOOK_SECRET"}
        assert move("webhook", settings, *alerts) == [Delivered(), Delivered()]
    assert [taken.payload["type"] for taken in server.taken] == [
        "andon.actuate.pause",
        "andon.actuate.resume",
    ]
    assert [taken.alert for taken in server.taken] == alerts
    assert server.ids == [alert.alert_id for alert in alerts]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(204), Delivered()),
        (Answer(401), Failed("answered 401 Unauthorized")),
        (Answer(404), Failed("answered 404 Not Found")),
        (Answer(503), Retry("answered 503 Service Unavailable")),
        (Answer(429, (("retry-after", "7"),)), Retry("answered 429 Too Many Requests", 7.0)),
    ],
)
def test_what_an_answer_means(answer: Answer, expected: Delivery) -> None:
    with Hook(lambda taken: answer) as server:
        settings = {"url": server.url, "dag": "refunds"} | TOKEN
        assert move("airflow", settings, not_obeyed()) == [expected]


def test_a_lever_is_pulled_again_until_it_moves() -> None:
    async def carry(url: str) -> tuple[int, str | None]:
        entry = {"name": "lever", "workflows": "*", "airflow": {"url": url, "dag": "d"} | TOKEN}
        actuator = ActuatorSettings.model_validate(entry).make().actuator
        lane = Lane(actuator, Patience(0.01, 0.02, 30), lambda receiver, result: None)
        task = lane.send(not_obeyed())
        assert task
        outcome = await task
        await actuator.close()
        return outcome.attempts, outcome.failure

    with Hook(answers(503, 429, 200)) as server:
        assert asyncio.run(carry(server.url)) == (3, None)
    assert len(server.taken) == 3


def test_the_levers_in_the_documentation_are_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "github"
    token.write_text("s3cret")
    for name in ("AIRFLOW_TOKEN", "PREFECT_API_KEY"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("ANDON_WEBHOOK_SECRET", SECRET)
    page = Path(__file__).parents[2] / "docs" / "alerting.md"
    example = page.read_text("utf-8").split("### The second lever")[1].split("```yaml\n")[1]
    text = example.split("```")[0].replace("/run/secrets/github", str(token))
    routes = routes_of(tmp_path, *yaml.safe_load(text)["actuators"])
    assert moved(routes, not_obeyed(workflow="refunds-eu")) == [
        "stop-the-dag",
        "revoke-credentials",
    ]


# --- which levers an alert moves ----------------------------------------------------------------


def routes_of(tmp_path: Path, *actuators: dict[str, Any]) -> Routes:
    path = tmp_path / "receivers.yaml"
    receivers = [{"name": "console", "terminal": {}}]
    document = {"receivers": receivers, "default": ["console"], "actuators": list(actuators)}
    path.write_text(yaml.safe_dump(document))
    return load_routes(path)


def airflow(name: str, workflows: Any, **more: Any) -> dict[str, Any]:
    settings = {"url": "https://airflow.example.com", "dag": "d"} | TOKEN
    return {"name": name, "workflows": workflows, "airflow": settings} | more


def moved(routes: Routes, alert: Alert) -> list[str]:
    return [each.name for each in routes.find(alert)[1] if each.name != "console"]


def test_a_lever_is_pulled_for_its_workflows_alone(tmp_path: Path) -> None:
    routes = routes_of(tmp_path, airflow("a", "refund*"), airflow("b", ["mail", "refunds"]))
    assert moved(routes, not_obeyed(workflow="refunds")) == ["a", "b"]
    assert moved(routes, not_obeyed(workflow="mail")) == ["b"]
    assert moved(routes, not_obeyed(workflow="posts")) == []
    assert moved(routes, an_alert(workflow="refunds")) == []  # a pause alone moves none


@pytest.mark.parametrize("kind", ["on_trial", "resumed", "shadowed", "disabled"])
def test_what_was_pulled_is_let_go_once_where_it_shall(tmp_path: Path, kind: str) -> None:
    stays, returns = airflow("stays", "*"), airflow("returns", "*", resume=True)
    routes = routes_of(tmp_path, stays, returns)
    assert moved(routes, an_alert(kind=kind)) == []  # nobody pulled it
    assert moved(routes, not_obeyed()) == ["stays", "returns"]
    assert moved(routes, an_alert(kind="paused", generation=2)) == []
    assert moved(routes, an_alert(kind=kind, workflow="another")) == []
    assert moved(routes, an_alert(kind=kind)) == ["returns"]
    assert moved(routes, an_alert(kind=kind)) == []


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"name": "console"}, "actuators", "two are named 'console'"),
        ({"airflow": None}, "actuators[0].name", "needs exactly one kind beside it: webhook or"),
        ({"workflow": "x"}, "actuators[0].workflow", "did you mean 'workflows'?"),
        (
            {"airflow": {"url": "https://a.example", "dag": "d"}},
            "actuators[0].airflow.token_env",
            "exactly one of",
        ),
        (
            {"airflow": {"url": "https://a.example", "dag": "d", "token_env": "NO_TOKEN"}},
            "actuators[0].airflow.token_env",
            "NO_TOKEN is not set",
        ),
        (
            {"airflow": {"url": "http://a.example", "dag": "d"} | TOKEN},
            "actuators[0].airflow.url",
            "plain http lets others read",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, change: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(ReceiversError) as caught:
        routes_of(tmp_path, airflow("a", "*") | change)
    problem = caught.value.problems[0]
    assert problem.field == field
    assert message in problem.message
    assert "s3cret" not in str(problem)
