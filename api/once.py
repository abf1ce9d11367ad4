"""Idempotency keys: the same request, sent again, is carried out once and answered the same."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Header

from api.problems import ProblemError
from api.scopes import Caller

KEPT_S = 86_400.0
KEPT_MAX = 10_000
T = TypeVar("T")

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="the same request with the same key is carried out once within a day",
    ),
]


class _Kept(NamedTuple):
    digest: str
    result: asyncio.Future[Any]
    at_s: float


class Once:
    """Remembers the results of one process for a day, of the last 10,000 keys."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def run(
        self, caller: Caller, key: str | None, request: object, act: Callable[[], Awaitable[T]]
    ) -> T:
        """`act()`, or what it returned for the same caller, key and request.

        A failure is not kept: nothing was done, and it may succeed the next time.

        Raises:
            ProblemError: 422, the key was used for another request.
        """
        if key is None:
            return await act()
        digest = hashlib.sha256(repr(request).encode(errors="backslashreplace")).hexdigest()
        self._forget_old()
        place = (caller.name, key)
        if kept := self._kept.get(place):
            if kept.digest != digest:
                raise ProblemError(
                    422, "Idempotency-Key: was used for another request; take a new one"
                )
            result: T = await asyncio.shield(kept.result)
            return result
        task = asyncio.ensure_future(act())
        self._kept[place] = _Kept(digest, task, time.monotonic())
        try:
            return await asyncio.shield(task)  # a caller that hangs up stops nothing
        finally:
            task.add_done_callback(lambda done: self._drop_failure(place, done))

    def _drop_failure(self, place: tuple[str, str], done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(place, None)

    def _forget_old(self) -> None:
        while self._kept:
            place, oldest = next(iter(self._kept.items()))
            if time.monotonic() - oldest.at_s < KEPT_S and len(self._kept) < KEPT_MAX:
                return
            del self._kept[place]
