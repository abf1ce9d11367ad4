from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import ValidationError
from typer.testing import CliRunner

from andon.approvals import ApprovalRecord
from andon.asyncapi import asyncapi
from andon.cli.schemas import app, every_document
from andon.commands import Ack, Alert, Audit, Command
from andon.errors import EventError
from andon.events import parse_event
from andon.policy import PolicyBook
from andon.schemas import MODELS, json_schema, stale
from andon.topics import DEAD_LETTERS, TOPICS
from tests.andon.approval_documents import APPROVALS, approvals
from tests.andon.documents import REFUND, REVERSAL, bent_events, events, raw, without
from tests.andon.policy_documents import CONTRACT, books
from tests.andon.records import (
    ACK,
    ALERT,
    AUDIT,
    COMMAND,
    HEARTBEAT,
    PERMITS,
    acks,
    alerts,
    audits,
    commands,
    heartbeats,
    permits,
)
from tests.npm_packages import node_modules

COMMITTED = Path(__file__).parents[2] / "schemas"
VALIDATORS = {name: Draft202012Validator(json_schema(model)) for name, model in MODELS.items()}
EXAMPLES = {
    "event": [REFUND, REVERSAL],
    "command": [COMMAND],
    "ack": [ACK],
    "heartbeat": [HEARTBEAT],
    "permits": [PERMITS],
    "policy": [yaml.safe_load(CONTRACT)],
    "audit": [AUDIT],
    "alert": [ALERT],
    **{kind: [document] for kind, document in APPROVALS.items()},
}
KINDS = pytest.mark.parametrize("name", MODELS)


def complaints(name: str, document: Any) -> list[str]:
    """Where the schema finds fault with a document."""
    return [error.json_path for error in VALIDATORS[name].iter_errors(document)]


def nodes(value: Any) -> Iterator[Any]:
    """`value`, and everything within."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from nodes(item)


def test_what_is_committed_is_what_the_models_say() -> None:
    assert stale(COMMITTED, every_document()) == [], "write them anew with `andon schemas`"
    assert {path.name for path in COMMITTED.iterdir()} == set(every_document())


@KINDS
def test_a_schema_is_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(json_schema(MODELS[name]))


@KINDS
def test_a_schema_allows_no_unknown_field_anywhere(name: str) -> None:
    schema = json_schema(MODELS[name])
    named = [schema, *schema.get("$defs", {}).values()]
    objects = [each for each in named if each.get("type") == "object"]
    assert objects
    assert all(each["additionalProperties"] is False for each in objects)


@KINDS
def test_the_examples_are_valid(name: str) -> None:
    for document in EXAMPLES[name]:
        assert complaints(name, document) == []


@KINDS
def test_an_unknown_or_missing_field_is_invalid(name: str) -> None:
    for document in EXAMPLES[name]:
        assert complaints(name, document | {"colour": "red"}) == ["$"]
        for field in json_schema(MODELS[name])["required"]:
            assert "$" in complaints(name, without(document, field))


@given(events())
def test_every_valid_event_fits_its_schema(document: dict[str, Any]) -> None:
    assert complaints("event", document) == []


@given(bent_events())
def test_an_event_fits_its_schema_exactly_when_it_is_read(document: dict[str, Any]) -> None:
    read = True
    try:
        parse_event(raw(document))
    except EventError:
        read = False
    # Reading is tolerant, writing is not: unknown fields apart, both say the same.
    document.pop("extra", None)
    assert read is (complaints("event", document) == [])


@given(commands() | acks() | heartbeats() | permits() | audits() | alerts() | approvals())
def test_every_record_that_is_written_fits_its_schema(
    record: Command | Ack | Audit | Alert | ApprovalRecord,
) -> None:
    (name,) = (name for name, model in MODELS.items() if model is type(record))
    assert complaints(name, json.loads(record.to_json())) == []


@given(books())
def test_every_valid_policy_fits_its_schema(document: dict[str, Any]) -> None:
    assert complaints("policy", document) == []


@given(books())
def test_a_policy_that_is_published_fits_its_schema(document: dict[str, Any]) -> None:
    published = [json.loads(p.to_json()) for p in PolicyBook.model_validate(document).policies]
    assert complaints("policy", {"version": 1, "policies": published}) == []


# What a model says and JSON Schema has no words for.
ONLY_THE_MODEL = re.compile(
    "a share is at most 1|matches none of|nobody could pass|two (rules|policies) are named"
    "|must be at most 3650d|evidence needs a bound|must be a factor above 1"
    "|no rule of this policy counts|is what the others are converted to|must be a rate of at most"
    "|cannot be shorter than `after`"
)
OTHER_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, 0, -1, 1.5, 7, "", "x", "5%", "500%", "24h", "9999d", "USD", "manual"),
        *(
            [],
            {},
            ["x"],
            "evidence",
            "window",
            "1 in 1000",
            "1 in 9",
            "arrival",
            "4x usual",
            "1x usual",
        ),
    ]
)


@st.composite
def bent_books(draw: st.DrawFn) -> dict[str, Any]:
    """Policy files with one value somewhere replaced, removed or added."""
    book: dict[str, Any] = copy.deepcopy(draw(books()))
    place = draw(st.sampled_from([node for node in nodes(book) if isinstance(node, dict)]))
    fields = [*place, "above", "at_least", "currency", "min", "same", "weigh", "value", "where"]
    fields += ["method", "false_trips", "attribute", "floor", "per"]
    field = draw(st.sampled_from(fields))
    if draw(st.booleans()):
        place[field] = draw(OTHER_VALUES)
    else:
        place.pop(field, None)
    return book


@given(bent_books())
def test_a_policy_fits_its_schema_exactly_when_it_is_read(document: dict[str, Any]) -> None:
    problems = []
    try:
        PolicyBook.model_validate(document)
    except ValidationError as error:
        told = [entry["msg"] for entry in error.errors()]
        problems = [text for each in told for text in each.split("\n")]
    expressible = [problem for problem in problems if not ONLY_THE_MODEL.search(problem)]
    if problems and not expressible:
        return  # a field that the model alone refuses keeps it from looking at the rule as a whole
    assert bool(complaints("policy", document)) is bool(expressible)


@pytest.mark.parametrize(
    "limit",
    [{}, {"value": 5}, {"currency": "USD"}, {"recipients": 5, "value": 5, "currency": "USD"}],
)
def test_a_limit_that_limits_nothing_or_two_things_is_invalid(limit: dict[str, Any]) -> None:
    document = {"version": 1, "policies": [{"name": "p", "limits": [limit]}]}
    assert complaints("policy", document) == ["$.policies[0].limits[0]"]


@pytest.mark.parametrize(
    ("backlog", "fits"),
    [
        ("hold", True),
        ({"at_most": 5}, True),
        ({"release": 5, "every": "1m"}, True),
        ("keep", False),
        ({}, False),
        ({"every": "1m"}, False),
        ({"release": 5, "at_most": 10_001}, False),
    ],
)
def test_a_backlog_fits_its_schema_as_it_is_read(backlog: Any, fits: bool) -> None:
    document = {"version": 1, "policies": [{"name": "p", "recover": {"backlog": backlog}}]}
    assert bool(complaints("policy", document)) is not fits


# --- AsyncAPI


def test_every_topic_is_a_channel_with_its_binding() -> None:
    channels = {channel["address"]: channel for channel in asyncapi()["channels"].values()}
    assert set(channels) == {spec.name for spec in TOPICS}
    for spec in TOPICS:
        binding = channels[spec.name]["bindings"]["kafka"]
        assert (binding["topic"], binding["bindingVersion"]) == (spec.name, "0.5.0")
        assert binding["topicConfiguration"]["cleanup.policy"] == [spec.cleanup]


def test_the_monitor_receives_what_it_reads_and_sends_the_rest() -> None:
    document = asyncapi()
    received = {
        document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]["address"]
        for operation in document["operations"].values()
        if operation["action"] == "receive"
    }
    assert received == {
        *("execute.events", "andon.acks", "andon.heartbeats", "andon.policies"),
        "andon.scopes",
    }


def test_every_reference_leads_somewhere() -> None:
    references = [
        node["$ref"]
        for node in nodes(asyncapi())
        if isinstance(node, dict) and isinstance(node.get("$ref"), str)
    ]
    assert len(references) > len(TOPICS)
    for reference in references:
        file, _, pointer = reference.partition("#")
        target = json.loads((COMMITTED / (file or "asyncapi.json")).read_text())
        for step in filter(None, pointer.split("/")):
            target = target[step]


def test_every_schema_is_the_payload_of_a_message() -> None:
    payloads = {
        node["$ref"].partition("#")[0]
        for node in nodes(asyncapi()["components"])
        if isinstance(node, dict) and "$ref" in node
    }
    assert payloads == {f"./{name}.schema.json" for name in MODELS}


def test_a_dead_letter_names_field_reason_and_place() -> None:
    (message,) = (
        message
        for channel in asyncapi()["channels"].values()
        if channel["address"] == DEAD_LETTERS
        for message in channel["messages"]
    )
    headers = asyncapi()["components"]["messages"][message]["headers"]
    assert {"andon-field", "andon-reason", "andon-offset"} <= set(headers["required"])


def test_asyncapi_holds_it_valid() -> None:
    official = json.loads((node_modules() / "@asyncapi/specs/schemas/3.1.0.json").read_text())
    document = json.loads((COMMITTED / "asyncapi.json").read_text())
    validator = Draft7Validator(official)
    assert [error.message for error in validator.iter_errors(document)] == []

    document["channels"]["events"]["bindings"]["kafka"]["bindingVersion"] = "0.9.0"
    assert not validator.is_valid(document)


# --- the command line, and what it takes with it


def test_writes_what_is_committed(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "new")])
    assert done.exit_code == 0
    for path in COMMITTED.iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()
    assert CliRunner().invoke(app, ["--check", "--out", str(tmp_path / "new")]).exit_code == 0


def test_check_names_what_is_stale_and_writes_nothing(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["--out", str(tmp_path)])
    (tmp_path / "ack.schema.json").write_text("{}\n")
    (tmp_path / "event.schema.json").unlink()

    done = CliRunner().invoke(app, ["--check", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        str(tmp_path / "event.schema.json"),
        str(tmp_path / "ack.schema.json"),
    ]
    assert (tmp_path / "ack.schema.json").read_text() == "{}\n"


def test_a_folder_that_cannot_be_written_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "file")])
    assert done.exit_code == 2
    assert str(tmp_path / "file") in done.stderr


def test_needs_nothing_but_pydantic() -> None:
    code = (
        "import sys, pydantic.json_schema; before = set(sys.modules); import andon.schemas;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before if name[0] != '_'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign <= {"andon", "pydantic", "pydantic_core", "annotated_types"}
