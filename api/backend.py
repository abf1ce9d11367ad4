"""What routes work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from andon.signing import Keys
from api.guards import Guards
from api.link import Link
from api.metrics import Metrics
from api.once import Once


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a running API."""

    bootstrap_servers: str
    keys: Keys
    events_kept_s: int
    link: Link
    guards: Guards
    once: Once
    metrics: Metrics


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Backend = Annotated[Parts, Depends(_parts)]
