"""The dashboard "Andon": what is paused and why, what it cost, and how the monitor itself fares."""

from __future__ import annotations

import itertools
import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from andon.breaker import State
from dashboards import health, workflows
from dashboards.panels import DATASOURCE
from dashboards.queries import entered

UID = "andon"
ROWS = {
    "Workflows": workflows.standing,
    "Rates against their bounds": workflows.rates,
    "Trips and money": workflows.trips_and_money,
    "Monitor": health.monitor,
    "Guards": health.guards,
}


def render() -> str:
    """The dashboard's JSON as it is committed."""
    document = json.loads(json.dumps(build(), cls=JSONEncoder))
    for variable in document["templating"]["list"]:
        for field in ("auto", "auto_count", "auto_min"):
            del variable[field]  # of interval variables alone; the SDK gives them to all
    return json.dumps(document, sort_keys=True, indent=2) + "\n"


def build() -> Any:
    """The dashboard, in Grafana's classic schema."""
    made = (
        dashboard.Dashboard("Andon")
        .uid(UID)
        .description("Circuit breakers of AI automations: what is paused, why, and what it cost.")
        .tags(["andon"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("15s")
        .timezone("browser")
    )
    for variable in _variables():
        made.with_variable(variable)
    for annotation in _annotations():
        made.annotation(annotation)
    ids = itertools.count(1)
    for title, panels in ROWS.items():
        made.with_row(dashboard.Row(title).id(next(ids)))
        for panel in panels():
            made.with_panel(panel.id(next(ids)))
    return made.build()


def _variables() -> list[Any]:
    source = (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(model.VariableOption(text="Prometheus", value="prometheus"))
    )
    seen = '{__name__=~"andon_breaker_state|andon_events_total|andon_guard_state"'
    return [
        source,
        _choice("job", "Job", f"label_values({seen}}}, job)"),
        _choice("instance", "Instance", f'label_values({seen}, job=~"$job"}}, instance)'),
        _choice("workflow", "Workflow", f'label_values({seen}, job=~"$job"}}, workflow)'),
    ]


def _choice(name: str, label: str, query: str) -> Any:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _annotations() -> list[Any]:
    return [
        _annotation("Paused", "red", entered(State.OPEN, State.FORCED_OPEN)),
        _annotation("On trial", "yellow", entered(State.HALF_OPEN)),
        _annotation("Resumed", "green", entered(State.CLOSED)),
    ]


def _annotation(name: str, colour: str, expr: str) -> Any:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .hide(False)
        .icon_color(colour)
        .target(prometheus.Dataquery().expr(expr).ref_id("Anno").range())
        .title_format(name)
        .text_format("{{workflow}}")
    )
