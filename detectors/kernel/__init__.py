"""The inner loop, compiled by numba: per-event code cannot depend on how a log is cut in batches.

Numba works the types out; they are those of `detectors.state.State`, `detectors.plan.Plan`,
`detectors.windows.Batch` and `detectors.windows.Found`.
"""

from __future__ import annotations

import numba

compiled = numba.njit(cache=True, nogil=True)
