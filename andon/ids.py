"""Identifiers: UUIDv7 for what is new, UUIDv5 for what a replay must make again."""

from __future__ import annotations

import json
import os
import random
import time
import uuid

_ANDON = uuid.uuid5(uuid.NAMESPACE_DNS, "andon.execute.events")
# Our own, for an application may seed the common one. It asks the system once: to ask it for every
# id lets another thread of the application take its turn.
_CHANCE = random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CHANCE.seed)


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits.

    Unique, but no secret: who knows many may guess the next.
    """
    bits = (time.time_ns() // 1_000_000) << 80 | _CHANCE.getrandbits(80)
    bits = bits & ~(0xF << 76) | 7 << 76
    bits = bits & ~(0x3 << 62) | 2 << 62
    digits = f"{bits:032x}"  # by hand: uuid.UUID takes twice as long, and guards make many
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def derived_id(kind: str, *parts: object) -> str:
    """The same id for the same parts, in every process and on every replay (UUIDv5)."""
    return str(uuid.uuid5(_ANDON, json.dumps([kind, *map(str, parts)])))
