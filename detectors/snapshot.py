"""All that a line holds, as arrays and names; a line made of them goes on as the old one would."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.forgetting import BOUNDS, Bounds
from detectors.kernel import CONTENT
from detectors.line import Line
from detectors.plan import Compiled
from detectors.recent import Recent
from detectors.state import State


class Snapshot(NamedTuple):
    """A copy, which nothing changes any more."""

    arrays: dict[str, NDArray[np.generic]]
    names: bytes  # JSON


def fingerprint(compiled: Compiled, bounds: Bounds = BOUNDS) -> str:
    """Differs where a snapshot would mean something else: other policies, other code."""
    parts = [compiled.book.model_dump_json(), CONTENT, repr(bounds)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def snapshot_of(line: Line) -> Snapshot:
    """What the line holds now."""
    state, names = line.windows.dump()
    keys, event_ids, events = line.recent.dump()
    known, known_names = line.decoder.profiles.dump()
    text = msgspec.json.encode(
        {
            "windows": names,
            "standings": line.standings.dump(),
            "outages": line.outages.dump() if line.outages else None,
            "auto_pauses": line.standings.auto_pauses.dump(),
            "profiles": known_names,
            "recent": [event_ids, events],
            "groups": line.group_names.dump(),
            "limits": line.limits.dump(),
        }
    )
    return Snapshot({**state._asdict(), **known, "recent": keys}, text)


def line_of(
    compiled: Compiled, snapshot: Snapshot, bounds: Bounds = BOUNDS, *, scoped: bool = False
) -> Line:
    """A line that stands where that of the snapshot stood; `scoped` as for Line.

    Raises:
        ValueError, KeyError: the snapshot is no such thing; see `fingerprint`.
    """
    line, names = Line(compiled, bounds=bounds, scoped=scoped), msgspec.json.decode(snapshot.names)
    types = line.windows.state._asdict()
    # What was read from a file has lost that its records are aligned; the loop must know.
    arrays = {name: snapshot.arrays[name].view(like.dtype) for name, like in types.items()}
    line.windows.load(State(**arrays), names["windows"])
    line.standings.load(names["standings"])
    if line.outages:
        line.outages.load(names["outages"])
    line.standings.auto_pauses.load(names["auto_pauses"])
    line.decoder.profiles.load(snapshot.arrays, names["profiles"])
    line.group_names.load(names["groups"])
    line.limits.load(names["limits"])
    line.recent = Recent.of(snapshot.arrays["recent"].view(np.uint64), *names["recent"])
    return line
