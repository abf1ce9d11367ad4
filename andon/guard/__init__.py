"""The SDK inside an automation: it asks before an action, and tells what became of it."""

from __future__ import annotations

from andon.guard.attempt import Attempt, current_attempt
from andon.guard.extract import Call
from andon.guard.guard import Guard
from andon.guard.memory import MemoryTransport

__all__ = ["Attempt", "Call", "Guard", "MemoryTransport", "current_attempt"]
