"""All commands, in the order in which people meet them."""

from __future__ import annotations

import typer

from andon.cli import alerts, api, approvals, events, keys, policy, schemas, topics
from andon.cli.audit import audit
from andon.cli.backtest import backtest
from andon.cli.broker import broker
from andon.cli.canary import canary
from andon.cli.control import kill, mode, reset, trip
from andon.cli.demo import demo
from andon.cli.doctor import doctor
from andon.cli.explain import explain
from andon.cli.held_back import held_back
from andon.cli.monitor import monitor
from andon.cli.report import report
from andon.cli.score import score
from andon.cli.status import status
from andon.cli.tune import tune
from andon.cli.undo import undo
from andon.cli.watch import watch

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A circuit breaker for AI automations, built on an event stream.",
)
for command in (
    *(demo, broker, monitor, canary, status, watch, trip, reset, kill, mode),
    *(held_back, undo, explain, audit, doctor),
    *(backtest, report, tune, score),
):
    app.command()(command)
for group in (api, approvals, alerts, events, policy, keys, topics, schemas):
    app.add_typer(group.app)
