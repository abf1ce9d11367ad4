"""Andon: a circuit breaker for AI automations, built on an event stream.

    from andon import BreakerOpen, Guard

    guard = Guard(workflow="refunds", automation="refund-bot")

    @guard.action("transact", "refund.create", value="amount", currency="USD", target="charge")
    def refund(charge, amount): ...

docs/guard.md tells the rest.
"""

from __future__ import annotations

from andon.breaker import Breaker, State
from andon.errors import (
    AndonError,
    BreakerOpen,
    Held,
    LimitExceeded,
    ReviewDenied,
    ReviewNeeded,
    Sandboxed,
)
from andon.events import By, Capability, Event, Mode, Outcome
from andon.guard import (
    Attempt,
    Call,
    Guard,
    HeldCall,
    MemoryTransport,
    Rehearsal,
    Review,
    Ticket,
    current_attempt,
)
from andon.limit import Limit, Scope
from andon.policy import Policy, PolicyBook

__all__ = [
    "AndonError",
    "Attempt",
    "Breaker",
    "BreakerOpen",
    "By",
    "Call",
    "Capability",
    "Event",
    "Guard",
    "Held",
    "HeldCall",
    "Limit",
    "LimitExceeded",
    "MemoryTransport",
    "Mode",
    "Outcome",
    "Policy",
    "PolicyBook",
    "Rehearsal",
    "Review",
    "ReviewDenied",
    "ReviewNeeded",
    "Sandboxed",
    "Scope",
    "State",
    "Ticket",
    "current_attempt",
]
