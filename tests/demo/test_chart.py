"""The chart: heights are amounts, paid below and refused on top."""

from __future__ import annotations

from demo.chart import PAID, REFUSED, bars


def test_columns_are_as_high_as_their_sums() -> None:
    chart = bars([(0, 0), (1, 0), (50, 0), (100, 0), (0, 75), (50, 50), (500, 0)], 2, 100)
    assert [line.plain for line in chart] == ["   █▄██", " ▁█████"]


def test_what_was_paid_is_below_what_was_refused() -> None:
    (line,) = bars([(50, 50), (25, 25), (100, 0), (0, 100)], 1, 100)
    assert line.plain == "▄▄██"
    styles = [str(span.style) for span in line.spans]
    assert styles == [f"{PAID} on {REFUSED}", REFUSED, PAID, REFUSED]
