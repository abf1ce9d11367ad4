"""What a person who starts a monitor should know of a policy that is valid all the same."""

from __future__ import annotations

from collections.abc import Iterator

from andon.policy import Policy, PolicyBook, format_duration
from streams.settings import Settings

DAY_S = 86_400


def cautions(book: PolicyBook, settings: Settings) -> Iterator[str]:
    """One line for each thing that a policy asks for and will not get."""
    for policy in book.policies:
        yield from _short_retention(policy, settings)


def _short_retention(policy: Policy, settings: Settings) -> Iterator[str]:
    needed_s, kept_s = 2 * policy.longest_window_s, settings.events_retention_days * DAY_S
    if needed_s > kept_s:
        window = format_duration(policy.longest_window_s)
        yield (
            f"policy {policy.name}: a restart rebuilds its window of {window} from twice as much "
            f"log, which is kept for {format_duration(kept_s)}; raise ANDON_EVENTS_RETENTION_DAYS"
        )
