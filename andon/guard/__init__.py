"""The SDK inside an automation: it asks before an action, and tells what became of it."""

from __future__ import annotations

from andon.guard.attempt import Attempt, current_attempt
from andon.guard.extract import Call
from andon.guard.guard import Guard
from andon.guard.memory import MemoryTransport
from andon.guard.patterns.held import HeldCall
from andon.guard.patterns.reviews import Review, Ticket
from andon.guard.patterns.sandbox import Rehearsal

__all__ = [
    "Attempt",
    "Call",
    "Guard",
    "HeldCall",
    "MemoryTransport",
    "Rehearsal",
    "Review",
    "Ticket",
    "current_attempt",
]
