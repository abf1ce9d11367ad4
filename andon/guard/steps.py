"""Steps that may have to wait, written once for threads and for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import Future, wait
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

LEARN_S = 5.0
"""How long an action waits to learn what stands in the logs, the first time it has to know."""


class Wait(NamedTuple):
    """Until `future` is done, or for so long. The generator is told whether it is done."""

    future: Future[Any]
    timeout_s: float | None = None


Steps = Generator[Wait, bool, T]


def walk(steps: Steps[T]) -> T:
    """Take the steps in this thread; what they return."""
    done = None
    try:
        while True:
            pause = next(steps) if done is None else steps.send(done)
            wait([pause.future], pause.timeout_s)
            done = pause.future.done()
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def walk_async(steps: Steps[T]) -> T:
    """Take the steps in this task, without blocking its loop; what they return."""
    done = None
    try:
        while True:
            pause = next(steps) if done is None else steps.send(done)
            await asyncio.wait([asyncio.wrap_future(pause.future)], timeout=pause.timeout_s)
            done = pause.future.done()
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()
