"""The topics as an AsyncAPI 3.1 document, seen from the monitor."""

from __future__ import annotations

from typing import Any, NamedTuple

from andon.scope_names import RESERVED
from andon.topics import (
    ACKS,
    ALERTS,
    APPROVALS,
    AUDIT,
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    HEARTBEATS,
    PERMITS,
    POLICIES,
    SCOPES,
    TOPICS,
    TopicSpec,
)

Json = dict[str, Any]

SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
_BINDING_VERSION = "0.5.0"
_KEPT = {
    "time": "kept for a time",
    "long": "kept long",
    "short": "kept for an hour",
    "compacted": "compacted: the newest record of each key is kept",
}


class Message(NamedTuple):
    """One kind of record. `payload` is the schema of its value."""

    name: str
    title: str
    payload: Json
    content_type: str = "application/json"
    headers: Json | None = None


def _headers(described: dict[str, str]) -> Json:
    texts = {name: {"type": "string", "description": text} for name, text in described.items()}
    return {"type": "object", "required": list(described), "properties": texts}


_DEAD_LETTER_HEADERS = {
    "andon-field": "the field that is wrong, or `record` for the record as a whole",
    "andon-reason": "what is wrong with it",
    "andon-topic": "where the record stood: its topic",
    "andon-partition": "its partition",
    "andon-offset": "its offset",
}
_POLICY_HEADERS = {
    "andon-book": "the version of all policies together; those of one push carry the same",
    "andon-place": "the policy's place among them, from 0 on: the first that matches counts",
    "andon-policies": "how many there are",
    "andon-pushed-by": "user:<name>",
}
_EVENT = {"$ref": "./event.schema.json"}
_CLOUD_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "data": _EVENT,
    },
}
_FORWARDED = {
    "type": "object",
    "description": "The fields of an event that rules look at; the rest stands in the first topic.",
    "required": ["event_id", "ts", "workflow", "andon_policy", "labels"],
    "properties": {
        "event_id": {"type": "string", "description": "that of the event"},
        "ts": {"type": "string", "format": "date-time"},
        "workflow": {"type": "string", "pattern": RESERVED, "description": "the scope"},
        "andon_policy": {"type": "string", "description": "the policy that watches the scope"},
        "labels": {
            "type": "object",
            "required": ["andon_workflow"],
            "properties": {"andon_workflow": {"type": "string", "description": "its own"}},
        },
    },
}
MESSAGES: dict[str, tuple[Message, ...]] = {
    EVENTS: (
        Message("event", "An action that was attempted, or a reversal", _EVENT),
        Message(
            "cloudEvent",
            "The same as a structured CloudEvent",
            _CLOUD_EVENT,
            "application/cloudevents+json",
        ),
    ),
    COMMANDS: (
        Message(
            "command", "The state that guards obey from now on", {"$ref": "./command.schema.json"}
        ),
    ),
    ACKS: (Message("ack", "A guard obeys a command", {"$ref": "./ack.schema.json"}),),
    HEARTBEATS: (
        Message("heartbeat", "A guard lives, and obeys this", {"$ref": "./heartbeat.schema.json"}),
    ),
    PERMITS: (
        Message("permits", "What each guard may run on trial", {"$ref": "./permits.schema.json"}),
    ),
    AUDIT: (Message("audit", "What Andon saw or did, and why", {"$ref": "./audit.schema.json"}),),
    ALERTS: (Message("alert", "What people are told", {"$ref": "./alert.schema.json"}),),
    DEAD_LETTERS: (
        Message(
            "deadLetter",
            "A record that is no event, as it was received",
            {"description": "any bytes"},
            "application/octet-stream",
            _headers(_DEAD_LETTER_HEADERS),
        ),
    ),
    POLICIES: (
        Message(
            "policy",
            "One policy",
            {"$ref": "./policy.schema.json#/$defs/Policy"},
            headers=_headers(_POLICY_HEADERS),
        ),
    ),
    APPROVALS: (
        Message("ask", "A guard asks people", {"$ref": "./ask.schema.json"}),
        Message("answer", "What a person says to it", {"$ref": "./answer.schema.json"}),
        Message("undo", "A person orders an action undone", {"$ref": "./undo.schema.json"}),
        Message("claim", "A guard takes one of them up", {"$ref": "./claim.schema.json"}),
        Message("done", "What became of an undo", {"$ref": "./done.schema.json"}),
    ),
    SCOPES: (Message("forwarded", "An event again, under the name of a scope", _FORWARDED),),
}
"""The kinds of record on each topic."""


def asyncapi() -> Json:
    """The document; payloads refer to the schemas that lie beside it."""
    return {
        "asyncapi": "3.1.0",
        "id": "urn:andon",
        "info": {
            "title": "Andon",
            "version": "1.0.0",
            "description": "A circuit breaker for AI automations, seen from its monitor: it "
            "receives events and sends the commands that stop and release a workflow.",
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": "kafka"}],
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "Your broker: the address that KAFKA_BOOTSTRAP_SERVERS names.",
            }
        },
        "channels": {_channel_id(spec): _channel(spec) for spec in TOPICS},
        "operations": {_operation_id(spec): _operation(spec) for spec in TOPICS},
        "components": {
            "messages": {
                message.name: _message(spec, message)
                for spec in TOPICS
                for message in MESSAGES[spec.name]
            }
        },
    }


def _channel_id(spec: TopicSpec) -> str:
    """`deadLetters` for `andon.dead-letters`."""
    first, *others = spec.name.rpartition(".")[2].split("-")
    return first + "".join(word.capitalize() for word in others)


def _channel(spec: TopicSpec) -> Json:
    return {
        "address": spec.name,
        "description": f"Keyed by {spec.key}; {_KEPT[spec.kept]}. "
        f"Written by: {spec.written_by}. Read by: {spec.read_by}.",
        "messages": {
            message.name: {"$ref": f"#/components/messages/{message.name}"}
            for message in MESSAGES[spec.name]
        },
        "bindings": {"kafka": _topic(spec)},
    }


def _topic(spec: TopicSpec) -> Json:
    """Only what is no setting; `andon topics apply` takes the rest from the settings."""
    binding: Json = {
        "topic": spec.name,
        "topicConfiguration": {
            "cleanup.policy": [spec.cleanup],
            "max.message.bytes": spec.max_message_bytes,
            "message.timestamp.type": spec.timestamps,
        },
        "bindingVersion": _BINDING_VERSION,
    }
    return binding if spec.partitions is None else binding | {"partitions": spec.partitions}


def _monitor_reads(spec: TopicSpec) -> bool:
    return "monitor" in spec.read_by.split(", ")


def _operation_id(spec: TopicSpec) -> str:
    verb = "receive" if _monitor_reads(spec) else "send"
    channel = _channel_id(spec)
    return verb + channel[0].upper() + channel[1:]


def _operation(spec: TopicSpec) -> Json:
    channel = _channel_id(spec)
    return {
        "action": "receive" if _monitor_reads(spec) else "send",
        "summary": MESSAGES[spec.name][0].title,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [
            {"$ref": f"#/channels/{channel}/messages/{message.name}"}
            for message in MESSAGES[spec.name]
        ],
        "bindings": {"kafka": {"bindingVersion": _BINDING_VERSION}},
    }


def _message(spec: TopicSpec, message: Message) -> Json:
    headers = {} if message.headers is None else {"headers": message.headers}
    return {
        "name": message.name,
        "title": message.title,
        "contentType": message.content_type,
        **headers,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": message.payload},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": spec.key},
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }
