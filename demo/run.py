"""Runs the night: broker, monitor, agent and pager, all of them real, and watches them."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError

from andon import Guard
from andon.errors import BrokerError
from andon.policy_file import load_policies
from backtest.scenarios.refund_night import END_S, OPENS_H, WORKFLOW
from demo.clock import real_s, speeds
from demo.pager import Pager
from demo.processes import Child, DemoError, undisturbed
from demo.report import Result
from demo.story import Story
from demo.watch import Gauges, Watcher, total
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply

POLICY = Path(__file__).with_name("refunds.yaml")
TICK_S = 0.05
START_LIMIT_S = 60.0
COMPILE_LIMIT_S = 300.0
SLOW_AFTER_S = 8.0
CONCLUDE_LIMIT_S = 20.0
SECRET_VARIABLE = "ANDON_DEMO_PAGER_SECRET"


def latest_start(now: datetime) -> datetime:
    """The last 22:00 UTC from which on the whole scenario lies in the past."""
    end = now.astimezone(UTC) - timedelta(seconds=END_S)
    start = end.replace(hour=OPENS_H, minute=0, second=0, microsecond=0)
    return start if start <= end else start - timedelta(days=1)


class Performance:
    """One run of a story, with its data in `folder`; `show` is called at every tick."""

    def __init__(self, story: Story, folder: Path, speed: float, show: Callable[[], None]) -> None:
        self.gauges = Gauges(story)
        self._story = story
        self._folder = folder
        self._speed = speed
        self._show = show
        self._watcher: Watcher | None = None
        self._children: list[Child] = []
        self._stack = ExitStack()

    def run(self) -> Result:
        """Play it to its end; whatever happens, no process is left.

        Raises:
            DemoError: the agent was not paused, nobody was told, or a part died.
        """
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the parts' ends are told by us
        try:
            self._broker = self._stack.enter_context(_broker(self._folder / "broker"))
            self._pager = self._stack.enter_context(Pager())
            self._start_monitor()
            self._rehearse()
            return self._play()
        except (BrokerError, KafkaError) as error:
            raise DemoError(f"the broker failed: {error}") from error
        finally:
            with undisturbed():
                self._stack.close()

    def _start_monitor(self) -> None:
        servers = self._broker.bootstrap_servers
        drifts = apply(servers, Settings(partitions=1))  # there is one workflow
        if drifts:
            raise DemoError(f"the topics are not as they should be: {drifts}")
        self._story.say(f"Broker ready at {servers}, topics created")
        self._watcher = self._stack.enter_context(Watcher(servers, self._story))
        receivers = self._folder / "receivers.yaml"
        receivers.write_text(_receivers(self._pager.url))
        options = {
            "--policy": POLICY,
            "--receivers": receivers,
            "--metrics-port": 0,
            "--bootstrap-servers": servers,
        }
        monitor = self._start(
            "monitor",
            ["-c", "from andon.cli import main; main()", "monitor", *_flat(options)],
            {"ANDON_DATA_DIR": str(self._folder), SECRET_VARIABLE: self._pager.secret},
        )
        self._wait(
            lambda: "watching" in monitor.text,
            START_LIMIT_S,
            f"the monitor was not ready within {START_LIMIT_S:g} s",
            "The monitor is slow to start today",
        )
        url = re.search(r"http://\S+/metrics", monitor.text)
        if url is None:
            raise DemoError(f"the monitor serves no metrics: {monitor.text}")
        self.gauges.url = url[0]
        rules = sum(len(policy.rules) for policy in load_policies(POLICY).policies)
        self._story.say(f"Monitor ready: {rules} rules, metrics at {url[0]}")

    def _rehearse(self) -> None:
        """Have one event that counts nowhere go all the way: what starts late starts now."""
        start = self._story.start
        servers = self._broker.bootstrap_servers
        with Guard(
            WORKFLOW, "rehearsal", bootstrap_servers=servers, mode="sandbox", clock=lambda: start
        ) as guard:
            with guard.attempt("trigger", "demo.rehearse"):
                pass
            self._wait(
                lambda: total(self.gauges.url, "andon_records_total") > 0,
                COMPILE_LIMIT_S,
                f"the monitor read nothing within {COMPILE_LIMIT_S:g} s",
                "The monitor compiles its inner loop: once, a minute or so",
            )

    def _play(self) -> Result:
        options = {
            "--bootstrap-servers": self._broker.bootstrap_servers,
            "--start": self._story.start.isoformat(),
            "--seed": self._story.scenario.seed,
            "--speed": self._speed,
        }
        agent = self._start("agent", ["-m", "demo.agent", *_flat(options)], lasting=False)
        self._story.say(f"Agent started; the pager listens at {self._pager.url}")
        self._story.say(speeds(self._speed))
        limit_s = 3 * real_s(END_S, self._speed) + START_LIMIT_S
        self._wait(
            lambda: agent.status is not None, limit_s, f"the agent did not end in {limit_s:.0f} s"
        )
        return self._conclude(json.loads(agent.text.splitlines()[-1]))

    def _conclude(self, account: dict[str, Any]) -> Result:
        story, watcher = self._story, self._watcher
        assert watcher is not None
        self._wait(watcher.caught_up, CONCLUDE_LIMIT_S, "the topics cannot be read to their end")
        paused = "no pause: the monitor never paused the agent"
        self._wait(lambda: story.trip is not None, CONCLUDE_LIMIT_S, paused)
        assert story.trip is not None
        if story.trip.issued_at < story.night_from:
            raise DemoError(f"a false alarm: the agent was paused at {story.trip.issued_at}")
        self._wait(lambda: story.acks, CONCLUDE_LIMIT_S, "no guard has acknowledged the pause")
        self._wait(lambda: story.alerts, CONCLUDE_LIMIT_S, "the alert did not reach the pager")
        self._wait(
            lambda: total(self.gauges.url, "andon_leaked_actions_total") == len(story.after_trip),
            CONCLUDE_LIMIT_S,
            f"the log has {len(story.after_trip)} refunds after the pause, the monitor another sum",
        )
        seen = (story.whole.paid, story.whole.refused, story.whole.undone)
        done = (account["paid"], account["refused"], account["undone"])
        if seen != done:
            raise DemoError(f"the log has (paid, refused, undone) {seen}, the agent did {done}")
        return Result(story, story.trip, watcher.reaction_ms(story.trip))

    def _start(
        self,
        name: str,
        arguments: list[str],
        env: dict[str, str] | None = None,
        *,
        lasting: bool = True,
    ) -> Child:
        child = Child(name, arguments, self._folder / f"{name}.log", env, lasting=lasting)
        self._children.append(self._stack.enter_context(child))
        return child

    def _wait(
        self, until: Callable[[], object], limit_s: float, complaint: str, slow: str = ""
    ) -> None:
        """Keep watching until it is so; `slow` is told where that takes long."""
        started = time.monotonic()
        while not until():
            time.sleep(TICK_S)
            self._tick()
            waited_s = time.monotonic() - started
            if slow and waited_s > SLOW_AFTER_S:
                self._story.say(slow)
                slow = ""
            if waited_s > limit_s:
                raise DemoError(complaint)
        self._tick()

    def _tick(self) -> None:
        if not self._broker.running:
            raise DemoError(self._broker.why_it_died())
        for child in self._children:
            child.check()
        if self._watcher:
            self._watcher.poll()
        for alert in list(self._pager.alerts.values()):
            self._story.take_alert(alert)
        self.gauges.refresh()
        self._show()


@contextmanager
def _broker(folder: Path) -> Iterator[EmbeddedBroker]:
    """A broker whose data nobody will want: it may be killed where it does not end."""
    broker = EmbeddedBroker(folder, stop_timeout_s=5)
    try:
        yield broker.start()
    finally:
        with suppress(BrokerError):
            broker.stop()


def _receivers(url: str) -> str:
    return (
        "receivers:\n"
        f"  - {{name: payments-oncall, webhook: {{url: '{url}', secret_env: {SECRET_VARIABLE}}}}}\n"
        "default: [payments-oncall]\n"
    )


def _flat(options: dict[str, Any]) -> list[str]:
    return [str(part) for option in options.items() for part in option]
