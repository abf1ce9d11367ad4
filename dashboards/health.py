"""How Andon itself fares: the monitor that decides, and the guards that obey."""

from __future__ import annotations

from typing import Any

from dashboards.panels import Query, lines, states
from dashboards.queries import increase, latest, quantile, rate, select

_LOST = "dropped|failed"


def monitor() -> list[Any]:
    """What it reads, how fast, and what it tells."""
    lag = f"sum by (partition) ({select('andon_lag_records')})"
    scope_lag = f"sum by (partition) ({select('andon_scope_lag_records')})"
    loaded = f"time() - {latest('andon_policy_loaded_timestamp_seconds', 'instance')}"
    written = f"time() - {latest('andon_snapshot_timestamp_seconds', 'instance')}"
    idle = f"time() - {latest('andon_last_batch_timestamp_seconds', 'instance')}"
    return [
        lines(
            "Events by fate",
            "Counted in rates, or why not.",
            "eps",
            Query(rate("andon_events_total", "fate"), "{{fate}}"),
        ),
        lines(
            "Lag",
            "Records that wait to be read: of the event topic, and of its second stage for scopes.",
            "short",
            Query(lag, "partition {{partition}}"),
            Query(scope_lag, "scopes, partition {{partition}}"),
        ),
        lines(
            "Batch time",
            "From a batch of raw records to its effects written.",
            "s",
            *(
                Query(quantile(q, "andon_batch_seconds"), f"p{q * 100:g}")
                for q in (0.5, 0.95, 0.99)
            ),
        ),
        lines(
            "Dead letters",
            "Records that were no valid event, by the field that was wrong.",
            "short",
            Query(increase("andon_dead_letters_total", "field"), "{{field}}"),
            bars=True,
        ),
        lines(
            "Alerts to people",
            "Attempts to deliver an alert, by receiver and result.",
            "short",
            Query(increase("andon_alerts_total", "receiver, result"), "{{receiver}}: {{result}}"),
            bars=True,
        ),
        lines(
            "Commands and acks",
            "Commands that the monitor wrote, and guards that answered.",
            "short",
            Query(increase("andon_commands_total", "state"), "command {{state}}"),
            Query(increase("andon_acks_total", "workflow"), "ack of {{workflow}}"),
            Query(f"max({select('andon_commands_refused')})", "not signed by a trusted key"),
            bars=True,
        ),
        lines(
            "Since the last batch",
            "Long is fine while there is nothing to read; see the lag.",
            "s",
            Query(idle, "{{instance}}"),
        ),
        lines(
            "Records read",
            "Records of the event topic, and of its second stage for scopes.",
            "recps",
            Query(rate("andon_records_total", "partition"), "partition {{partition}}"),
            Query(rate("andon_scope_records_total", "partition"), "scopes {{partition}}"),
        ),
        lines(
            "Held in windows",
            "What the monitor keeps in memory for its rates.",
            "short",
            Query(f"sum({select('andon_window_events')})", "events"),
            Query(f"sum({select('andon_workflows')})", "workflows"),
            Query(f"sum({select('andon_groups')})", "groups"),
            Query(f"sum({select('andon_histories_held')})", "histories"),
        ),
        lines(
            "Workflows forgotten or coarse",
            "Silent for longer than any window; evicted, because there were too many; or with "
            "too many events to hold each by itself.",
            "short",
            Query(f"sum({select('andon_workflows_forgotten')})", "silent"),
            Query(f"sum({select('andon_workflows_evicted')})", "evicted"),
            Query(f"sum({select('andon_workflows_coarse')})", "coarse"),
            Query(f"sum({select('andon_histories_evicted')})", "history evicted"),
        ),
        lines(
            "Age of the last snapshot",
            "A restart reads the log from there on.",
            "s",
            Query(written, "{{instance}}"),
        ),
        lines(
            "Policies",
            "Versions in force; 0 on the other line: there is a newer one that cannot be used.",
            "short",
            Query(latest("andon_policy_info", "version"), "{{version}}"),
            Query(f"min({select('andon_policy_valid')})", "the newest can be used"),
        ),
        lines(
            "Age of the policies",
            "Since the policies in force were loaded.",
            "s",
            Query(loaded, "{{instance}}"),
        ),
    ]


def guards() -> list[Any]:
    """What automations were let do, and whether they hear and are heard."""
    connected = select("andon_guard_connected")
    lost = increase("andon_guard_events_total", "workflow, fate", fate=_LOST)
    held = f"sum by (workflow) ({select('andon_guard_held_calls')})"
    waiting = f"sum by (workflow) ({select('andon_guard_queued_events')})"
    return [
        states(
            "State that guards obey",
            "A guard that differs from its workflow's breaker does not hear commands.",
            Query(
                latest("andon_guard_state", "workflow, instance"), "{{workflow}} at {{instance}}"
            ),
        ),
        lines(
            "Guards connected",
            "Guards that hear commands, and those that do not.",
            "short",
            Query(f"sum({connected})", "connected"),
            Query(f"count({connected}) - sum({connected})", "not connected"),
        ),
        lines(
            "Time to pause",
            "From the command in the log to the ack of the last guard that lives.",
            "s",
            *(
                Query(quantile(q, "andon_time_to_pause_seconds"), f"p{q * 100:g}")
                for q in (0.5, 0.99)
            ),
        ),
        lines(
            "Guards that live",
            "Guards that send heartbeats, by workflow.",
            "short",
            Query(latest("andon_guards_live", "workflow"), "{{workflow}}"),
        ),
        lines(
            "Acks missing",
            "Live guards that have not answered the pause of their workflow.",
            "short",
            Query(latest("andon_acks_missing", "workflow"), "{{workflow}}"),
            limit=1,
        ),
        lines(
            "Actions asked",
            "Actions that asked their guard; denied ones did not run.",
            "ops",
            Query(rate("andon_guard_actions_total", "outcome"), "{{outcome}}"),
        ),
        lines(
            "Guardrails",
            "What limits and scope said of actions; would_: only told, in shadow mode.",
            "short",
            Query(increase("andon_guard_checks_total", "verdict"), "{{verdict}}"),
            bars=True,
        ),
        lines(
            "Actions while the state is not known",
            "Decided by the guard's own rule, because it hears no commands.",
            "short",
            Query(
                increase("andon_guard_stale_total", "workflow, choice"), "{{workflow}}: {{choice}}"
            ),
            bars=True,
        ),
        lines(
            "Calls that are held",
            "Refused by a pause and kept; `recover.backlog` of their policy says what for.",
            "short",
            Query(held, "{{workflow}}"),
        ),
        lines(
            "What became of the backlog",
            "Held, and of those released and dropped; no_room: refused for good.",
            "short",
            Query(
                increase("andon_guard_backlog_total", "workflow, fate"), "{{workflow}}: {{fate}}"
            ),
            bars=True,
        ),
        lines(
            "Events that wait",
            "Queued in guards, not yet delivered.",
            "short",
            Query(waiting, "{{workflow}}"),
        ),
        lines(
            "Events lost",
            "Events that a guard could not queue (dropped) or not deliver (failed).",
            "short",
            Query(lost, "{{workflow}}: {{fate}}"),
            bars=True,
        ),
        lines(
            "Faults in guards",
            "What went wrong inside a guard and was kept from its automation.",
            "short",
            Query(increase("andon_guard_faults_total", "workflow, kind"), "{{workflow}}: {{kind}}"),
            bars=True,
        ),
    ]
