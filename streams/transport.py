"""A Kafka transport for Faust that hands whole fetches to one processor.

Faust keeps group membership, assignment, heartbeats, the timing of commits, rebalances and
the worker's life. Records of the given topics bypass its streams, which cost some 100 µs a
record; all other topics reach their agents as usual. docs/faust.md says what this relies on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import faust
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.exceptions import ImproperlyConfigured
from faust.transport import base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.enums import ProcessingGuarantee

from streams.batch import Batch, next_records
from streams.rest import rest_when_idle

MAX_RECORDS = 10_000
FETCH_WAIT_MS = 250

# Faust settings that this transport was measured with; docs/faust.md has the reasons.
APP_SETTINGS: Mapping[str, Any] = {
    "broker_session_timeout": 10.0,
    "broker_heartbeat_interval": 2.0,
    "broker_rebalance_timeout": 15.0,
    "broker_request_timeout": 60.0,
    "broker_max_poll_interval": 300.0,
    "broker_max_poll_records": MAX_RECORDS,
    "broker_commit_interval": 1.0,
    "consumer_auto_offset_reset": "earliest",
    "consumer_max_fetch_size": 4 * 1024**2,
    "producer_request_timeout": 30.0,
    "stream_wait_empty": False,
    "topic_disable_leader": True,
    "web_bind": "127.0.0.1",
    "web_router_enabled": False,
    "web_tables_enabled": False,
}


class Processor(Protocol):
    """What the application does with its partitions. The three calls never overlap.

    Any exception stops the worker with a non-zero exit status; what was not committed is
    delivered again.
    """

    async def assigned(self, committed: Mapping[TP, int]) -> Mapping[TP, int]:
        """Take over partitions; these are all that the worker has from now on.

        `committed` holds the group's committed offset of each (0: none). Return the offset to
        start reading each at, to rebuild state from the log; a partition left out starts at
        its committed offset. Has 0.9 `broker_request_timeout` to answer.
        """
        ...

    async def process(self, batch: Batch) -> None:
        """Process one batch; its records count as processed once this has returned.

        Batches of a partition come in order. To send from here and wait for it is fine.
        """
        ...

    async def revoked(self, partitions: set[TP]) -> None:
        """Give partitions up: no batch is in flight, what was processed is committed.

        At every rebalance all partitions are revoked, and many come back at once: state that
        is kept can be used again if `assigned` then starts where it stands. Not called at
        shutdown.
        """
        ...


@dataclass(slots=True)
class _Progress:
    """How far one partition got, from one assignment to its revocation."""

    committed: int
    next: int


# Records of each partition; those of batched topics with the progress they belong to.
Fetched = dict[TP, tuple[_Progress | None, list[Any]]]


def install(app: faust.App, topics: Iterable[str], processor: Processor) -> None:
    """Have `app` hand all records of `topics` to `processor`. Call it before the app starts.

    Raises:
        ImproperlyConfigured: a setting of the app would lose records.
    """
    if app.conf.consumer_auto_offset_reset != "earliest":
        raise ImproperlyConfigured(
            "consumer_auto_offset_reset must be 'earliest': with any other value, records that "
            "arrive before the first commit are skipped"
        )
    if app.conf.processing_guarantee is not ProcessingGuarantee.AT_LEAST_ONCE:
        raise ImproperlyConfigured(
            "processing_guarantee must be 'at_least_once': batches are not transactional"
        )
    names = frozenset(topics)
    app.transport = BatchTransport(app.conf.broker_consumer, app, names, processor)
    for name in names:
        app.topics.add(app.topic(name))


class _Fetcher(base.Fetcher):  # type: ignore[misc]
    """Ends the batch in flight before the worker stops, so that its offset is committed."""

    async def on_stop(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.app.conf.broker_session_timeout):
                await self.app.consumer.wait_idle()
        await super().on_stop()


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Runs aiokafka's consumer; all but `_take` is called by Faust."""

    async def on_start(self) -> None:
        await super().on_start()
        rest_when_idle(self._consumer)

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109
        max_records: int | None = None,
    ) -> Fetched:
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        limit = max_records or MAX_RECORDS
        with fetcher._subscriptions.fetch_context():
            taken = self._take(fetcher, active_partitions, limit)
            if not taken:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(fetcher._create_fetch_waiter(), timeout)
                taken = self._take(fetcher, active_partitions, limit)
            return taken

    def _take(self, fetcher: Any, active: set[TP], limit: int) -> Fetched:
        """At most `limit` fetched records of every partition, and the progress they belong to."""
        taken: Fetched = {}
        # While the flow is stopped, partitions change hands and positions move: hands off.
        if not self.consumer.flow_active or fetcher._subscriptions.reassignment_in_progress:
            return taken
        for tp in [tp for tp in fetcher._records if tp in active]:
            result = fetcher._records[tp]
            batched = tp.topic in self.transport.batched
            progress = self.consumer.progress.get(tp)
            if batched and progress is None:
                continue  # not taken over yet
            failed = isinstance(result, FetchError)
            read = next_records if batched else FetchResult.getall
            records = [] if failed else read(result, limit)
            if failed or not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if failed:
                result.check_raise()
            if records:
                taken[tp] = (progress, records)
        return taken


class _Consumer(driver.Consumer):  # type: ignore[misc]
    """Calls the processor, and commits what it has processed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.progress: dict[TP, _Progress] = {}
        # Held by every call of the processor: they never overlap.
        self._turn = asyncio.Lock()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def wait_idle(self) -> None:
        """Wait until no call of the processor is running."""
        async with self._turn:
            pass

    def known_end(self, tp: TP) -> int:
        """The end of a partition's log, as the last fetch told; 0 where it has not.

        During a rebalance a partition may be gone before `assigned` says so: that one has 0, too.
        """
        with contextlib.suppress(AssertionError):
            return self.highwater(tp) or 0
        return 0

    async def perform_seek(self) -> None:
        """Take over the assigned partitions; Faust calls this at the end of every rebalance.

        Faust waits for `broker_request_timeout` and then gives up without a word, with the
        worker alive and deaf; running out of time a little earlier stops it instead.
        """
        progress = self.progress = {}
        async with asyncio.timeout(0.9 * self.app.conf.broker_request_timeout):
            await super().perform_seek()
            mine = self._batched(self.assignment())
            ends = await self.highwaters(*mine)
            committed = {tp: self._committed_offset[tp] or 0 for tp in mine}
            for tp in [tp for tp in mine if committed[tp] > ends[tp]]:
                self.log.error("%s ends before its committed offset: all of it is taken as new", tp)
                committed[tp] = 0
            async with self._turn:
                if self.progress is not progress:
                    return  # revoked meanwhile: the next rebalance is on its way
                starts = {**committed, **await self.transport.processor.assigned(committed)}
            ahead = {tp: at for tp, at in starts.items() if at > committed.get(tp, -1)}
            if ahead:
                raise ValueError(f"assigned() must not start beyond the committed offset: {ahead}")
            await self.seek_wait(starts)
        self._committed_offset.update(committed)
        progress.update({tp: _Progress(committed[tp], starts[tp]) for tp in mine})

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the batch in flight end, commit, and tell the processor."""
        self.stop_flow()
        try:
            async with self._turn:
                await self.maybe_wait_for_commit_to_finish()
                await self.commit()
                self.progress = {}
                if mine := self._batched(revoked):
                    await self.transport.processor.revoked(mine)
        except Exception as exc:
            await self.crash(exc)  # aiokafka would only log it
        await super().on_partitions_revoked(revoked)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        """Process what has been fetched; yield the records of all other topics."""
        fetched: Fetched = (await self._wait_next_records(timeout))[0]
        others = {}
        for tp, (progress, records) in fetched.items():
            if progress is None:
                others[tp] = records
            elif self.flow_active and self.progress.get(tp) is progress:
                await self._process(tp, progress, records)
                await asyncio.sleep(0)  # commits, heartbeats and sending take their turn
        for tp, record in self.scheduler.iterate(others):
            if self.flow_active:
                yield tp, self._to_message(tp, record)

    async def _process(self, tp: TP, progress: _Progress, records: list[Any]) -> None:
        batch = Batch.of(tp.topic, tp.partition, progress.committed, records)
        if batch.first < progress.next:
            raise RuntimeError(f"{tp} went back from offset {progress.next} to {batch.first}")
        due = max(progress.next, progress.committed)
        if batch.first > due:
            self.log.warning("%s: offsets %d to %d are no longer there", tp, due, batch.first - 1)
        async with self._turn:
            try:
                await self.transport.processor.process(batch)
            except asyncio.CancelledError as exc:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise
                # Not from outside. Faust would take it for its own stopping, and stall.
                raise RuntimeError(f"process() was cancelled from within at {tp}") from exc
            progress.next = batch.last + 1
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        self.app.monitor.stream_inbound_time[tp] = monotonic()

    async def on_stop(self) -> None:
        """Commit a last time, if the broker and the consumer's thread still answer."""
        try:
            async with asyncio.timeout(self.app.conf.broker_session_timeout):
                await super().on_stop()
        except TimeoutError:
            self.log.error("no last commit: what came after the one before will come again")

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        done = {tp: progress.next for tp, progress in self.progress.items()}
        mine = {tp: offset for tp, offset in done.items() if self._should_commit(tp, offset)}
        return {**super()._filter_committable_offsets(tps), **mine}

    def _batched(self, tps: Iterable[TP]) -> set[TP]:
        return {tp for tp in tps if tp.topic in self.transport.batched}


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport, with whole fetches of the `batched` topics."""

    Consumer = _Consumer
    Fetcher = _Fetcher

    def __init__(
        self, url: Any, app: faust.App, batched: frozenset[str], processor: Processor
    ) -> None:
        super().__init__(url, app)
        self.batched = batched
        self.processor = processor
