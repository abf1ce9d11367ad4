"""Actions that took effect although their workflow was paused."""

from __future__ import annotations

from detectors.columns import Columns
from detectors.effects import Effects, Leak, noted


def tell(columns: Columns, index: int, generation: int, leaked: int, effects: Effects) -> None:
    """Tell of an event that leaked; it is the `leaked`th since the pause of this generation."""
    event = columns.events[index]
    effects.leaks.append(
        Leak(
            event.workflow,
            generation,
            int(columns.batch["time"][index]),
            event.event_id,
            event.automation,
            event.value,
            event.currency,
        )
    )
    if is_power_of_ten(leaked):
        text = f"{leaked} actions executed while paused"
        effects.audits.append(noted("leak", columns, index, text, events=leaked))


def is_power_of_ten(number: int) -> bool:
    """What goes on is told at the 1st, 10th, 100th ...: a flood of it must not become two."""
    return str(number).strip("0") == "1"
