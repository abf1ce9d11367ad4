"""Every Prometheus metric of Andon, as data: the exporter, the dashboard and the docs read it here.

Names follow Prometheus' rules: one prefix, base units, `_total` on counters. The label `workflow`
is capped (see the exporter); beyond the cap it reads `other`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """One metric family. A counter's name carries `_total`; buckets belong to histograms."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STATES = "0 CLOSED, 1 OPEN, 2 HALF_OPEN, 3 FORCED_OPEN, 4 METRICS_ONLY, 5 DISABLED."
_RULE = ("workflow", "policy", "rule", "rate")

MONITOR: tuple[Metric, ...] = (
    Metric("andon_records_total", "counter", "Records read from the event topic.", ("partition",)),
    Metric(
        "andon_scope_records_total",
        "counter",
        "Records read of the second stage, where policies of scopes are judged.",
        ("partition",),
    ),
    Metric(
        "andon_events_total",
        "counter",
        "Events by what became of them: counted, not_live, unwatched, late, duplicate, rejected.",
        ("fate",),
    ),
    Metric("andon_dead_letters_total", "counter", "Records that were no valid event.", ("field",)),
    Metric(
        "andon_actions_total",
        "counter",
        "Live actions of automations, by their outcome.",
        ("workflow", "outcome"),
    ),
    Metric(
        "andon_money_total",
        "counter",
        "Money moved by successful live actions, in units of the currency.",
        ("workflow", "currency"),
    ),
    Metric(
        "andon_unconverted_actions_total",
        "counter",
        "Actions whose money no rule counts: `convert` of their policy lacks the currency.",
        ("workflow", "currency"),
    ),
    Metric(
        "andon_rule_observed", "gauge", "The rate as last evaluated, in the rule's unit.", _RULE
    ),
    Metric(
        "andon_rule_bound",
        "gauge",
        "The rule's bound, in the rule's unit; of one against usual that of the present hour.",
        _RULE,
    ),
    Metric(
        "andon_breaker_state",
        "gauge",
        _STATES,
        ("workflow",),
    ),
    Metric(
        "andon_detections_total",
        "counter",
        "Bounds crossed (rising edges), by the policy's mode.",
        ("workflow", "policy", "rule", "mode"),
    ),
    Metric(
        "andon_trips_total", "counter", "Pauses by the monitor.", ("workflow", "policy", "rule")
    ),
    Metric(
        "andon_held_back_total",
        "counter",
        "Detections that paused nothing, because too many workflows were paused at once.",
        ("workflow", "policy", "rule"),
    ),
    Metric("andon_commands_total", "counter", "Commands written, by state.", ("state",)),
    Metric(
        "andon_commands_refused",
        "gauge",
        "Commands in the log that no trusted key has signed, as far as this monitor has read.",
    ),
    Metric("andon_acks_total", "counter", "Acknowledgements by guards.", ("workflow",)),
    Metric(
        "andon_time_to_pause_seconds",
        "histogram",
        "From the command to pause in the log to the ack of the last guard that lives.",
        (),
        (*_LATENCY_S, 10.0, 30.0),
    ),
    Metric("andon_guards_live", "gauge", "Guards that send heartbeats.", ("workflow",)),
    Metric(
        "andon_acks_missing",
        "gauge",
        "Live guards that have not answered the pause of their workflow.",
        ("workflow",),
    ),
    Metric(
        "andon_leaked_actions_total",
        "counter",
        "Successful actions that took effect after their workflow was paused.",
        ("workflow",),
    ),
    Metric(
        "andon_leaked_money_total",
        "counter",
        "Money moved after the pause, in units of the currency.",
        ("workflow", "currency"),
    ),
    Metric(
        "andon_alerts_total",
        "counter",
        "Deliveries to receivers and actuators, by result: delivered, retried, failed, inhibited.",
        ("receiver", "result"),
    ),
    Metric("andon_workflows", "gauge", "Workflows that the windows hold."),
    Metric(
        "andon_workflows_forgotten",
        "gauge",
        "Workflows that were silent for so long that no window could see them, and were forgotten.",
    ),
    Metric(
        "andon_workflows_evicted",
        "gauge",
        "Workflows that were forgotten because there were too many; their windows began anew.",
    ),
    Metric(
        "andon_workflows_coarse",
        "gauge",
        "Workflows with so many events that the older ones are held together, and not one by one.",
    ),
    Metric(
        "andon_histories_held",
        "gauge",
        "Workflows of which rules against usual know the history, counted once a policy.",
    ),
    Metric(
        "andon_histories_evicted",
        "gauge",
        "Histories that were forgotten because there were too many; they begin anew.",
    ),
    Metric("andon_groups", "gauge", "Groups of rules with `per` or `same` that are held."),
    Metric("andon_window_events", "gauge", "Events that the windows hold."),
    Metric("andon_lag_records", "gauge", "Records not yet read, as last seen.", ("partition",)),
    Metric(
        "andon_scope_lag_records",
        "gauge",
        "Records of the second stage not yet read, as last seen.",
        ("partition",),
    ),
    Metric(
        "andon_batch_seconds",
        "histogram",
        "From a batch of raw records to its effects written.",
        (),
        _LATENCY_S,
    ),
    Metric(
        "andon_snapshot_timestamp_seconds",
        "gauge",
        "When what the windows hold was last written down.",
    ),
    Metric("andon_last_batch_timestamp_seconds", "gauge", "When the last batch was finished."),
    Metric("andon_policy_info", "gauge", "1 for the policies in force, by version.", ("version",)),
    Metric(
        "andon_policy_valid",
        "gauge",
        "1 while the newest policies are in force, 0 while they cannot be used.",
    ),
    Metric("andon_policy_loaded_timestamp_seconds", "gauge", "When the policies came into force."),
    Metric(
        "andon_heartbeat_timestamp_seconds",
        "gauge",
        "When the monitor last looked after itself, with events to read or without.",
    ),
)

GUARD: tuple[Metric, ...] = (
    Metric(
        "andon_guard_actions_total",
        "counter",
        "Actions that asked this guard, by outcome: success, error, denied.",
        ("workflow", "outcome"),
    ),
    Metric(
        "andon_guard_events_total",
        "counter",
        "Events by what became of them: queued, sent, dropped, failed.",
        ("workflow", "fate"),
    ),
    Metric(
        "andon_guard_faults_total",
        "counter",
        "What went wrong in the guard and was kept from the application, by kind: extractor, "
        "classifier, field, command, signature, connection, ledger, approval, policy.",
        ("workflow", "kind"),
    ),
    Metric(
        "andon_guard_checks_total",
        "counter",
        "Actions that guardrails looked at, by verdict: passed, approved (by people), review, "
        "sandbox, deny, and in shadow mode would_review, would_sandbox, would_deny.",
        ("workflow", "verdict"),
    ),
    Metric(
        "andon_guard_stale_total",
        "counter",
        "Actions decided without knowing the state of the workflow, by choice: ran, refused.",
        ("workflow", "choice"),
    ),
    Metric(
        "andon_guard_backlog_total",
        "counter",
        "Calls that a pause refused, by fate: held, of those released and dropped, and no_room.",
        ("workflow", "fate"),
    ),
    Metric("andon_guard_held_calls", "gauge", "Calls that are held now.", ("workflow",)),
    Metric("andon_guard_queued_events", "gauge", "Events that wait to be sent.", ("workflow",)),
    Metric(
        "andon_guard_state",
        "gauge",
        f"The state obeyed: {_STATES}",
        ("workflow",),
    ),
    Metric(
        "andon_guard_connected",
        "gauge",
        "1 while the guard hears commands, 0 while it does not.",
        ("workflow",),
    ),
)

CANARY: tuple[Metric, ...] = (
    Metric(
        "andon_canary_last_success_timestamp_seconds",
        "gauge",
        "When the canary last saw every leg work; 0 before it did.",
    ),
    Metric("andon_canary_every_seconds", "gauge", "Seconds between the canary's rounds."),
    Metric(
        "andon_canary_leg_seconds",
        "gauge",
        "From the offending event to the end of each leg, in the last round: detection, command, "
        "guard, alert, return.",
        ("leg",),
    ),
    Metric(
        "andon_canary_rounds_total",
        "counter",
        "Rounds by result: passed, or the first leg that failed.",
        ("result",),
    ),
)

API: tuple[Metric, ...] = (
    Metric(
        "andon_api_requests_total",
        "counter",
        "Requests answered, by operation (`none`: there is none such) and status.",
        ("operation", "status"),
    ),
    Metric(
        "andon_api_request_seconds",
        "histogram",
        "From a request to the end of its answer.",
        ("operation",),
        _LATENCY_S,
    ),
    Metric(
        "andon_api_events_total",
        "counter",
        "Events over HTTP, by fate: accepted, or rejected for a mistake of their own.",
        ("fate",),
    ),
    Metric("andon_api_permits_total", "counter", "Permits: allowed, refused.", ("answer",)),
)
