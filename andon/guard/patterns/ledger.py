"""Sums over trailing windows that no concurrency overshoots: an action reserves before it runs.

One SQLite file for all processes of a host, for its lock is well kept and its writes are whole or
not at all. A window is kept as a thousand slots; an amount counts until the whole of its slot has
left the window, so up to a thousandth longer than the window, and never shorter.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from andon.errors import AndonError

if TYPE_CHECKING:
    from andon.guard.patterns.limits import Ceiling

SLOTS = 1000
BUSY_S = 5.0
SUM_MAX = 2**62
IN_MEMORY = ":memory:"
_TABLE = """
CREATE TABLE IF NOT EXISTS spent (
    key TEXT NOT NULL, slot INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (key, slot)
) WITHOUT ROWID
"""


class LedgerError(AndonError):
    """The sums cannot be read or written; says which file, and what to do."""


class Charge(NamedTuple):
    """What one action adds to the sum of one limit: `amount` and `most` in millionths.

    `spent` is what the window holds already, once it was looked up.
    """

    key: str
    amount: int
    most: int
    window_us: int
    ceiling: Ceiling
    enforced: bool = True
    spent: int = 0


class Entry(NamedTuple):
    """A charge that was taken: where it stands in the ledger."""

    key: str
    slot: int
    amount: int


class Ledger:
    """Thread-safe; the file is opened with the first reservation.

    Times are microseconds of one clock. It may be set back by less than a window.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._inherited: list[object] = []
        self._open: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def forked(self) -> None:
        """In a forked child: SQLite connections must not be used across a fork, nor closed."""
        self._inherited.append(self._open)
        self._open = None
        self._lock = threading.Lock()

    def reserve(self, charges: Sequence[Charge], now_us: int) -> tuple[list[Entry], list[Charge]]:
        """Take all charges, or none where one that is enforced has no room in its window.

        Returns what was taken, and the charges without room.

        Raises:
            LedgerError: the file cannot be used, or others hold it for more than 5 s.
        """
        with self._transaction() as database:
            looked_up = [self._look_up(database, charge, now_us) for charge in charges]
            without_room = [each for each in looked_up if each.spent + each.amount > each.most]
            if any(each.enforced for each in without_room):
                return [], without_room
            # Limits of one kind share a sum, to which the action adds once.
            taken = {each.key: each for each in looked_up if each not in without_room}
            entries = [
                Entry(each.key, now_us // _slot_us(each), each.amount) for each in taken.values()
            ]
            _add(database, entries)
            return entries, without_room

    def correct(self, entries: Sequence[Entry], amounts: Mapping[str, int]) -> None:
        """Have entries hold other amounts, by their keys; those that are not named go to zero.

        Raises:
            LedgerError: as `reserve` does.
        """
        changes = [
            entry._replace(amount=min(amounts.get(entry.key, 0), SUM_MAX) - entry.amount)
            for entry in entries
        ]
        if changes := [change for change in changes if change.amount]:
            with self._transaction() as database:
                _add(database, changes)

    def _look_up(self, database: sqlite3.Connection, charge: Charge, now_us: int) -> Charge:
        key, slot_us = charge.key, _slot_us(charge)
        # Kept for a window more, for a clock that is set back.
        oldest = (now_us - 2 * charge.window_us) // slot_us
        database.execute("DELETE FROM spent WHERE key = ? AND slot < ?", (key, oldest))
        (spent,) = database.execute(
            "SELECT COALESCE(SUM(amount), 0) FROM spent WHERE key = ? AND slot >= ?",
            (key, (now_us - charge.window_us) // slot_us),
        ).fetchone()
        return charge._replace(spent=spent, most=min(charge.most, SUM_MAX))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                database = self._database()
                database.execute("BEGIN IMMEDIATE")
                try:
                    yield database
                except BaseException:
                    database.execute("ROLLBACK")
                    raise
                database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"the sums of limits cannot be kept in {self._path}: {error}; name a file that "
                "can be written in ANDON_LEDGER"
            ) from error

    def _database(self) -> sqlite3.Connection:
        if self._open is None:
            if self._path != IN_MEMORY:
                Path(self._path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = sqlite3.connect(
                self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(_TABLE)
            self._open = database
        return self._open


def _slot_us(charge: Charge) -> int:
    return charge.window_us // SLOTS


def _add(database: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Add amounts to slots; one that has left the ledger meanwhile matters no more."""
    for entry in entries:
        database.execute(
            "INSERT INTO spent VALUES (?, ?, ?) "
            "ON CONFLICT (key, slot) DO UPDATE SET amount = amount + excluded.amount",
            entry,
        )
