"""Actions whose money no rule counts, because `convert` does not list their currency."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns
from detectors.flags import AUTOMATION, SUCCESS
from detectors.kernel.loop import COUNTED
from detectors.plan import Compiled
from detectors.profiles import WATCHED

_DONE = SUCCESS | AUTOMATION


def unconverted(
    compiled: Compiled, columns: Columns, fates: NDArray[np.int8]
) -> Counter[tuple[str, str]]:
    """How many there are in a judged batch, by workflow and currency.

    Of policies without `convert` none: there other currencies are other rules.
    """
    found = Counter[tuple[str, str]]()
    for place, policy in enumerate(compiled.policies):
        if policy.converted:
            mine = (columns.policy == place) & (columns.kind == WATCHED) & (fates == COUNTED)
            mine &= (columns.batch["flags"] & _DONE) == _DONE
            mine &= columns.batch["currency"] > 0
            for index in np.flatnonzero(mine):
                code = columns.currencies[columns.batch["currency"][index]]
                if code not in policy.converted:
                    found[columns.events[index].workflow, code] += 1
    return found
