"""The demo on a terminal: money, rates and news, live."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from andon.alert_text import alert_facts, clean
from andon.commands import Alert
from backtest.scenarios.refund_night import HOUR_S, NIGHT_FROM_S, NIGHT_TO_S
from demo.chart import PAID, REFUSED, bars
from demo.clock import speed_at
from demo.report import Result
from demo.story import Story, Tone
from demo.watch import Standing
from demo.words import INTRO, NEXT, line, pair

CHART_HEIGHT = 5
CHART_TOP_USD = 7_000.0
NIGHT_HOURS = range(int(NIGHT_FROM_S / HOUR_S), int(NIGHT_TO_S / HOUR_S))
COLUMNS = [
    *(range(hour, hour + 2) for hour in range(0, NIGHT_HOURS.start, 2)),
    *(range(hour, hour + 1) for hour in NIGHT_HOURS),
]
"""The hours that each column of the chart stands for."""
BAR_WIDTH = 26
NEWS_SHOWN = 7
STYLES: dict[Tone, str] = {"plain": "", "quiet": "dim", "good": "bold green", "bad": "bold red"}


class Screen:
    """A live view below the introduction; `end` puts the outcome in its place."""

    def __init__(self, console: Console, factor: float) -> None:
        self._console = console
        self._factor = factor
        for text in INTRO:
            console.print(text, highlight=False)
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def show(self, story: Story, rules: Mapping[str, Standing]) -> None:
        """Draw anew."""
        self._live.update(frame(story, rules, self._factor), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def end(self, result: Result) -> None:
        """The news, the alert as it came, the table, and what to try next."""
        self._live.transient = True  # else the last frame stays: it shows what went before
        self.close()
        print_ = self._console.print
        print_(*_news(result.story), sep="\n")
        print_(*map(_page, result.story.alerts.values()), sep="\n")
        print_(_outcome(result))
        for sentence, style in zip(result.verdict(), ("bold", "dim"), strict=True):
            print_(Text(sentence, style=style))
        print_("\nNext:")
        for command, what in NEXT:
            print_(Text.assemble("  ", (command, "cyan"), f"\n      {what}"))


def frame(story: Story, rules: Mapping[str, Standing], factor: float) -> Panel:
    """The live view; 80 columns and 24 lines hold it."""
    shown: list[RenderableType] = [*_news(story)[-NEWS_SHOWN:]]
    if story.now:
        moving = (_clock(story, factor), Text(), _money(story), Text(), _rates(rules), Text())
        shown = [*moving, *shown]
    colour = "red" if story.trip else "blue"
    return Panel(Group(*shown), title="Andon", box=box.ROUNDED, border_style=colour)


def _clock(story: Story, factor: float) -> Text:
    if story.at_s < NIGHT_FROM_S:
        phase = "a healthy day"
    else:
        phase = "the night" if story.at_s < NIGHT_TO_S else "the morning after"
    speed = f"{speed_at(story.at_s, factor):,.0f} times as fast as life"
    return Text.assemble(
        (f"{story.now:%a %d %b %H:%M} UTC", "bold"), f"   {phase}   ", (speed, "dim")
    )


def _money(story: Story) -> Table:
    chart = bars([_usd_an_hour(story, hours) for hours in COLUMNS], CHART_HEIGHT, CHART_TOP_USD)
    axis = Text(f"{'dollars an hour, healthy days':36}night", style="dim")
    facts = Table.grid(padding=(0, 1))
    facts.add_column()
    facts.add_column(justify="right")
    facts.add_row("Tonight without Andon", Text(f"${story.night_without_usd:,.0f}", REFUSED))
    facts.add_row("Tonight with Andon", Text(f"${story.night.paid_usd:,.0f}", f"bold {PAID}"))
    facts.add_row("Refunds paid", f"{story.night.paid:,}")
    facts.add_row("Refunds refused", f"{story.night.refused:,}")
    money = Table.grid(padding=(0, 2))
    money.add_row(Group(*chart, axis), facts)
    return money


def _usd_an_hour(story: Story, hours: range) -> tuple[float, float]:
    """What was paid and what was refused."""
    money = [story.hours[hour] for hour in hours if hour in story.hours]
    paid, refused = sum(hour.paid_usd for hour in money), sum(hour.refused_usd for hour in money)
    return paid / len(hours), refused / len(hours)


def _rates(rules: Mapping[str, Standing]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, rule in rules.items():
        observed, bound = pair(rule)
        style = REFUSED if rule.share == 1 else "yellow" if rule.share >= 0.6 else PAID
        filled = round(rule.share * BAR_WIDTH)
        bar = Text.assemble(("━" * filled, style), ("─" * (BAR_WIDTH - filled), "dim"))
        table.add_row(name, bar, Text.assemble((observed, style), f" of {bound}"))
    return table


def _news(story: Story) -> list[Text]:
    return [
        Text(line(news), style=STYLES[news.tone], overflow="ellipsis", no_wrap=True)
        for news in story.news
        if news.tone != "quiet"
    ]


def _page(alert: Alert) -> Panel:
    """What a person on call reads."""
    facts = Table.grid(padding=(0, 2))
    for label, fact in alert_facts(alert):
        facts.add_row(Text(label, style="dim"), Text(fact))
    title = Text(clean(alert.title), style="bold red")
    return Panel(facts, title=title, title_align="left", box=box.HEAVY, border_style="red")


def _outcome(result: Result) -> Table:
    table = Table(box=box.ROUNDED)
    for head, style in (("", ""), ("Without Andon", REFUSED), ("With Andon", PAID)):
        table.add_column(head, style=style, justify="right" if head else "left")
    for row in result.rows():
        table.add_row(*row)
    return table
