"""Panels in the style of this dashboard: what differs between two of one kind is data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from andon.breaker import State

DATASOURCE = common_model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GRID_COLUMNS = 24
_REFS = "ABCDEF"

_COLOURS = {
    State.CLOSED: "green",
    State.OPEN: "red",
    State.HALF_OPEN: "yellow",
    State.FORCED_OPEN: "dark-red",
    State.METRICS_ONLY: "blue",
    State.DISABLED: "text",
}


class Query(NamedTuple):
    """One expression, and how its series are called."""

    expr: str
    legend: str = ""


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    span: int = 8,
    bars: bool = False,
    limit: float | None = None,
) -> Any:
    """Time series; `limit` draws a red line at that height, `bars` counts within an interval."""
    made = _dressed(timeseries.Panel(), title, description, unit, span)
    made.targets([_target(place, query).range() for place, query in enumerate(queries)]).min(0)
    made.legend(
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
        .show_legend(True)
    ).tooltip(
        common.VizTooltipOptions()
        .mode(common_model.TooltipDisplayMode.MULTI)
        .sort(common_model.SortOrder.DESCENDING)
    )
    if bars:
        made.draw_style(common_model.GraphDrawStyle.BARS).fill_opacity(60).stacking(
            common.StackingConfig().mode(common_model.StackingMode.NORMAL)
        )
    else:
        made.line_width(1).fill_opacity(10)
    if limit is not None:
        made.thresholds(_steps(("transparent", None), ("red", limit))).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                common_model.GraphThresholdsStyleMode.LINE_AND_AREA
            )
        )
    return made


def number(
    title: str, description: str, query: Query, *, span: int, bad_from: float | None = None
) -> Any:
    """One number a series; red from `bad_from` on."""
    bad = [] if bad_from is None else [("red", bad_from)]
    return (
        _dressed(stat.Panel(), title, description, "short", span)
        .targets([_target(0, query).instant()])
        .height(4)
        .thresholds(_steps(("green", None), *bad))
        .color_mode(common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def states(title: str, description: str, query: Query) -> Any:
    """A lane a series, coloured by the breaker's state and named as for people."""
    results = {
        str(number): model.ValueMappingResult(text=state.label, color=_COLOURS[state], index=number)
        for number, state in enumerate(State)
    }
    return (
        _dressed(statetimeline.Panel(), title, description, "short", GRID_COLUMNS)
        .targets([_target(0, query).range()])
        .mappings([model.ValueMap(options=results)])
        .merge_values(True)
        .show_value(common_model.VisibilityMode.AUTO)
        .row_height(0.8)
        .fill_opacity(80)
    )


def rows(title: str, description: str, columns: dict[str, Query], hidden: Sequence[str]) -> Any:
    """A table of the latest values by their labels; `columns` are its queries by their heading."""
    names = {f"Value #{_REFS[place]}": heading for place, heading in enumerate(columns)}
    targets = [
        _target(place, query).instant().format(PromQueryFormat.TABLE)
        for place, query in enumerate(columns.values())
    ]
    organize = {"excludeByName": dict.fromkeys(hidden, True), "renameByName": names}
    return (
        _dressed(table.Panel(), title, description, "short", GRID_COLUMNS)
        .targets(targets)
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(model.DataTransformerConfig(id_val="organize", options=organize))
    )


def _dressed(made: Any, title: str, description: str, unit: str, span: int) -> Any:
    made.title(title).description(description).unit(unit)
    return made.datasource(DATASOURCE).span(span).height(8)


def _target(place: int, query: Query) -> Any:
    target = prometheus.Dataquery().expr(query.expr).ref_id(_REFS[place])
    return target.legend_format(query.legend) if query.legend else target


def _steps(*steps: tuple[str, float | None]) -> Any:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for colour, value in steps])
    )
