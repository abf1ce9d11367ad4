"""Policies that change while the monitor runs: good ones are taken into force, bad ones told."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import Protocol

from andon.errors import BrokerError, FileError
from andon.policy import PolicyBook
from andon.yaml_lines import Draft
from streams.exporter import Exporter
from streams.monitor import Monitor
from streams.policy_check import compiled, problems_of
from streams.policy_records import refused
from streams.settings import Settings

LOOK_EVERY_S = 0.5
TRY_AGAIN_S = 1.0

log = logging.getLogger("andon.monitor")


class PolicySource(Protocol):
    """Where policies are from: a file, or the topic."""

    name: str
    check: str  # the command that says more

    async def first(self, tell: Callable[[str], None]) -> Draft:
        """Those to begin with."""

    async def look(self, *, at_once: bool = False) -> Draft | None:
        """A version that was not taken before; with `at_once` what there is now, in any case.

        Raises:
            PolicyError: such a version cannot be used; once for each.
            BrokerError: the broker went away.
        """

    async def close(self) -> None:
        """Let go of what is open."""


class PolicyChanges:
    """Looks for new versions, at once on SIGHUP. The last good one stays in force."""

    def __init__(
        self,
        book: PolicyBook,
        source: PolicySource,
        monitor: Monitor,
        exporter: Exporter,
        settings: Settings,
        tell: Callable[[str], None],
    ) -> None:
        self._book = book
        self._source = source
        self._monitor = monitor
        self._exporter = exporter
        self._settings = settings
        self._tell = tell
        self._adopted = asyncio.Event()
        self._exporter.set("andon_policy_valid", 1)
        self._exporter.set("andon_policy_loaded_timestamp_seconds", time())

    async def watch(self) -> None:
        """Look for new versions, for ever."""
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), LOOK_EVERY_S)
            at_once = asked.is_set()
            asked.clear()
            await self.look(at_once=at_once)

    async def look(self, *, at_once: bool = False) -> None:
        """Take a new version, or tell what is wrong with it."""
        try:
            draft = await self._source.look(at_once=at_once)
            if draft is not None:
                self._take(draft)
        except FileError as error:
            self._exporter.set("andon_policy_valid", 0)
            log.error("policies not changed, %s stays in force:\n%s", self._book.fingerprint, error)
            audit, alert = refused(self._book, error, self._source.check)
            await self._monitor.write([audit], [alert])
        except BrokerError as error:
            log.warning("%s; looking for policies again", error)

    async def carry_out(self) -> None:
        """Take what was adopted into force, for ever."""
        while True:
            await self._adopted.wait()
            self._adopted.clear()
            book = self._book
            try:
                await self._monitor.renew()
            except (BrokerError, TimeoutError) as error:
                log.warning("policies %s wait: %s; trying again", book.fingerprint, error)
                self._adopted.set()
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            self._exporter.set("andon_policy_loaded_timestamp_seconds", time())
            self._tell(f"policies {book.fingerprint} are in force")

    def _take(self, draft: Draft) -> None:
        new = compiled(draft, self._settings.canary_workflow)
        self._exporter.set("andon_policy_valid", 1)
        if new.book.fingerprint == self._book.fingerprint:
            self._tell(f"policies {new.book.fingerprint} as before")
            return
        self._book = new.book
        self._tell(f"policies {new.book.fingerprint} from {self._source.name}")
        for problem in problems_of(draft, self._settings.events_kept_s):
            self._tell(f"caution: {problem}")
        self._monitor.adopt(new)
        self._adopted.set()
