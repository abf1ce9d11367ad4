"""Examples for the OpenAPI document and its readers."""

from __future__ import annotations

from typing import Any

PROPOSAL: dict[str, Any] = {
    "workflow": "refunds",
    "automation": "refund-bot",
    "capability": "transact",
    "action": "refund.create",
    "target": "ch_8821",
    "value": 42.5,
    "currency": "USD",
}
EVENT: dict[str, Any] = {
    "event_id": "01981b1e-7c3a-7d10-8f2e-5a4b3c2d1e0f",
    "ts": "2026-01-31T08:00:00Z",
    **PROPOSAL,
    "outcome": "success",
}
CLOUDEVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": EVENT["event_id"],
    "source": "/refund-bot",
    "type": "andon.execute.v1",
    "datacontenttype": "application/json",
    "data": EVENT,
}
POLICY: dict[str, Any] = {
    "version": 1,
    "policies": [
        {
            "name": "refunds",
            "match": {"workflow": "refunds*"},
            "rules": [{"name": "errors", "rate": "error", "over": "1h", "above": "5%", "min": 20}],
        }
    ],
}
POLICY_YAML = """\
version: 1
policies:
  - name: refunds
    match: {workflow: "refunds*"}
    rules:
      - {name: errors, rate: error, over: 1h, above: 5%, min: 20}
"""
ANSWER = {"reason": "the customer was charged twice"}
TRIP = {"reason": "refunds go to the wrong customers"}
RESET = {"reason": "fixed in release 14", "permits": 10}
