"""A simulation as one HTML page that stands alone: its tables, and a picture a workflow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from backtest.plot import draw, style
from backtest.readings import Readings
from backtest.report import tables, verdict
from backtest.tables import Table

Json = dict[str, Any]

_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Andon: what would have been paused</title>
<style>
  body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 66rem; margin: 2rem auto;
         padding: 0 1rem }}
  table {{ border-collapse: collapse; margin: .5rem 0 1.5rem; font-size: 13px }}
  th, td {{ border-bottom: 1px solid #ddd; padding: .25rem .75rem .25rem 0; text-align: left;
           vertical-align: top }}
  figure {{ margin: 1rem 0 }}
  figure[hidden] {{ display: none }}
  svg {{ width: 100%; height: auto }}
</style>
<h1>What would have been paused</h1>
<p>{verdict}</p>
{tables}
<h2>Rates, bounds and trips</h2>
<label>Workflow <select>{options}</select></label>
{figures}
<script>
  const choice = document.querySelector("select"), figures = document.querySelectorAll("figure");
  choice.onchange = () => figures.forEach((one, place) => one.hidden = place != choice.value);
</script>
</html>
"""


def page(readings: Readings, report: Json, workflows: Sequence[str]) -> str:
    """The whole page, which loads nothing; the first workflow is shown until another is chosen."""
    options = (
        f'<option value="{place}">{escape(workflow)}</option>'
        for place, workflow in enumerate(workflows)
    )
    figures = (
        f"<figure{' hidden' if place else ''}>{_svg(readings, report, workflow)}</figure>"
        for place, workflow in enumerate(workflows)
    )
    return _PAGE.format(
        verdict=escape(verdict(report)),
        tables="\n".join(map(_table, tables(report))),
        options="".join(options),
        figures="\n".join(figures),
    )


def _svg(readings: Readings, report: Json, workflow: str) -> str:
    # A figure that is hidden must not lend its ids to one that is shown.
    with style(salt=workflow):
        file = io.StringIO()
        draw(readings, report, workflow).savefig(file, format="svg", metadata=_NO_METADATA)
    text = file.getvalue()
    return text[text.index("<svg") :]


def _table(table: Table) -> str:
    return "\n".join(_table_lines(table))


def _table_lines(table: Table) -> Iterator[str]:
    yield f"<h2>{escape(table.title)}</h2>\n<table>"
    yield f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in table.heads)}</tr>"
    for row in table.rows:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
    yield "</table>"
