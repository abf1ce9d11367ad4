"""The inner loop, compiled by numba: per-event code cannot depend on how a log is cut in batches.

Numba works the types out; they are those of `detectors.state.State`, `detectors.plan.Plan` and
`detectors.found.Found`. State is arrays of records, so that one event is one cache line.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba

_ROOM = Path(__file__).parent

# Numba keeps compiled code by file and does not see that a function called from another file has
# changed; so the cache has a folder of its own for each content of this room.
CONTENT = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(_ROOM.parent.rglob("*.py")))
).hexdigest()[:12]
numba.config.CACHE_DIR = str(Path(numba.config.CACHE_DIR or _ROOM / "__pycache__") / CONTENT)

# The loop allocates nothing, so it needs no reference counts; without them it is twice as fast.
# Every call of ours is inlined: the state is a dozen arrays, which a real call would push one by
# one. That takes another third off.
compiled = numba.njit(cache=True, nogil=True, _nrt=False, forceinline=True)
