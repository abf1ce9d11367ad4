from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from andon.errors import PolicyError
from andon.policy import Policy, PolicyBook
from andon.policy_topic import (
    PolicyRecord,
    PolicyTable,
    differences,
    records_of,
    with_others,
)
from tests.andon.policy_documents import books
from tests.eventlog import book_of

OLD = book_of({"name": "a"}, {"name": "b"}, {"name": "c"})
NEW = book_of({"name": "c"}, {"name": "a", "mode": "shadow"})


def read(*records: PolicyRecord) -> PolicyTable:
    table = PolicyTable()
    for record in records:
        table.take(*record)
    return table


def problems(table: PolicyTable) -> list[tuple[str, str]]:
    with pytest.raises(PolicyError) as caught:
        table.book()
    return [(problem.field, problem.message) for problem in caught.value.problems]


@given(books())
def test_what_was_pushed_is_read(document: dict[str, Any]) -> None:
    book = PolicyBook.model_validate(document)
    table = read(*records_of(book, "user:ana"))
    assert table.book() == book
    assert {held.pushed_by for held in table.held.values() if held} == {"user:ana"}


def test_a_value_is_a_policy_under_its_name() -> None:
    for record, policy in zip(records_of(NEW, "user:ana"), NEW.policies, strict=True):
        assert record.key == policy.name.encode()
        assert Policy.model_validate_json(record.value or b"") == policy


def test_how_many_may_be_paused_is_part_of_a_book() -> None:
    few = book_of({"name": "a"}, {"name": "b"}, {"name": "c"}, auto_pause={"share": "5%"})
    assert few.fingerprint != OLD.fingerprint
    assert str(differences(OLD, few)) == "changed auto_pause"
    assert with_others(NEW, few).auto_pause == NEW.auto_pause
    mixed = read(*records_of(OLD, "user:ana"), *list(records_of(few, "user:ana"))[:2])
    assert problems(mixed)


def test_nothing_is_held_at_first() -> None:
    assert PolicyTable().book() is None
    assert read(*records_of(OLD, "user:ana", ["x"])).book() == OLD


def test_between_two_books_there_is_none() -> None:
    table = read(*records_of(OLD, "user:ana"))
    *before, last = records_of(NEW, "user:eva", ["b"])
    for record in before:
        table.take(*record)
        ((field, message),) = problems(table)
        assert field == "policies"
        assert f"{OLD.fingerprint} and {NEW.fingerprint}" in message or (
            f"{NEW.fingerprint} and {OLD.fingerprint}" in message
        )
    table.take(*last)
    assert table.book() == NEW


def test_part_of_a_book_is_none() -> None:
    *some, _ = records_of(OLD, "user:ana")
    assert "are no whole book; run `andon policy push` again" in problems(read(*some))[0][1]


@pytest.mark.parametrize(
    ("value", "headers", "field", "message"),
    [
        (None, [], "a", "was not written by `andon policy push`"),
        (b'{"name": "x"}', None, "a", "holds policy 'x' under this key"),
        (b'{"name": "a", "mode": "loud"}', None, "a.mode", "'enforce', 'shadow' or 'off'"),
        (b"{", None, "a", "Invalid JSON"),
    ],
)
def test_what_cannot_be_used_is_told(
    value: bytes | None, headers: Any, field: str, message: str
) -> None:
    record = next(records_of(book_of({"name": "a"}), "user:ana"))
    value = record.value if value is None else value
    table = read(PolicyRecord(record.key, value, record.headers if headers is None else headers))
    ((named, told),) = problems(table)
    assert (named, message in told) == (field, True), told


@pytest.mark.parametrize(
    ("held", "pushed", "names"),
    [
        ("abc", "b", "abc"),
        ("abc", "bx", "abxc"),
        ("abc", "cb", "acb"),
        ("abc", "x", "xabc"),
        ("ab", "ab", "ab"),
    ],
)
def test_what_is_not_pushed_keeps_its_place(held: str, pushed: str, names: str) -> None:
    of_names = [book_of(*({"name": name} for name in some)) for some in (pushed, held, names)]
    assert len({book.fingerprint for book in of_names[:2]}) == 1 + (pushed != held)
    merged = with_others(*of_names[:2])
    assert (merged, merged.fingerprint) == (of_names[2], of_names[2].fingerprint)
