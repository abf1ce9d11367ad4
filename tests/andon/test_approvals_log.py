"""Where requests stand, whatever is written in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.approvals import Answer, ApprovalRecord, Ask, Claim, Done, Undo, parse_approval
from andon.approvals_log import ApprovalsLog, Request, Standing
from tests.andon.approval_documents import APPROVALS, DIGEST

KINDS: dict[str, type[ApprovalRecord]] = {
    "ask": Ask, "answer": Answer, "undo": Undo, "claim": Claim, "done": Done,
}  # fmt: skip
EXPIRES_MS = 3_600_000


def record(kind: str, **changes: Any) -> Any:
    return KINDS[kind].model_validate(APPROVALS[kind] | changes)


def ask(**changes: Any) -> Any:
    return record("ask", people=1, **changes)


def answer(who: str = "ana", **changes: Any) -> Any:
    return record("answer", issued_by=f"user:{who}", **changes)


def stands(*records: tuple[ApprovalRecord, int]) -> Request:
    """The request after these records, each with the broker's time."""
    log = ApprovalsLog()
    request = None
    for each, at_ms in records:
        request = log.take(each, at_ms)
    assert request is not None
    return request


@pytest.mark.parametrize("kind", KINDS)
def test_reads_every_kind(kind: str) -> None:
    read = parse_approval(record(kind).to_json())
    assert type(read) is KINDS[kind]
    assert read == record(kind)


def test_approved_by_one_used_once() -> None:
    request = stands((ask(), 0))
    assert request.standing(0) is Standing.PENDING
    request = stands((ask(), 0), (answer(), 5))
    assert request.standing(5) is Standing.APPROVED
    first, second = record("claim", claim_id="1"), record("claim", claim_id="2")
    request = stands((ask(), 0), (answer(), 5), (first, 6), (second, 7), (first, 8))
    assert request.standing(8) is Standing.USED
    assert request.claim == first
    assert request.refused == ["host-17-abc could not use it: it was used"]


def test_two_people_are_two_people() -> None:
    two = ask().model_copy(update={"people": 2})
    request = stands((two, 0), (answer("ana"), 1), (answer("ana", reason="once more"), 2))
    assert (request.standing(2), request.missing) == (Standing.PENDING, 1)
    assert request.refused == ["user:ana has approved it already, and another person has to"]
    request = stands((two, 0), (answer("ana"), 1), (answer("bob"), 2))
    assert request.standing(2) is Standing.APPROVED


def test_nobody_approves_what_they_asked_for() -> None:
    request = stands((ask(issued_by="user:ana"), 0), (answer("ana"), 1))
    assert request.standing(1) is Standing.PENDING
    assert "another person" in request.refused[0]
    request = stands((ask(issued_by="user:ana"), 0), (answer("ana", verdict="deny"), 1))
    assert request.standing(1) is Standing.DENIED  # but may take it back


def test_late_answer_and_late_use_are_refused() -> None:
    request = stands((ask(), 1000), (answer(), 1001 + EXPIRES_MS))
    assert request.standing(1001 + EXPIRES_MS) is Standing.EXPIRED
    assert request.refused == ["user:ana came too late: it was expired"]
    late = (record("claim"), 1001 + EXPIRES_MS)
    request = stands((ask(), 1000), (answer(), 2000), late)
    assert request.claim is None
    assert request.refused == ["host-17-abc could not use it: it was expired"]
    assert stands((ask(), 0), (answer(), EXPIRES_MS), (record("claim"), EXPIRES_MS)).claim


def test_answer_holds_for_the_arguments_that_were_seen() -> None:
    request = stands((ask(), 0), (answer(digest=DIGEST[::-1]), 1))
    assert request.standing(1) is Standing.PENDING
    assert request.refused == ["user:ana answered for other arguments"]


def test_anyone_may_stop_it_until_it_is_used() -> None:
    request = stands((ask(), 0), (answer("ana"), 1), (answer("bob", verdict="deny"), 2))
    assert request.standing(2) is Standing.DENIED
    request = stands((ask(), 0), (answer("bob", verdict="deny"), 1), (answer("ana"), 2))
    assert request.standing(2) is Standing.DENIED
    used = (record("claim"), 2)
    request = stands((ask(), 0), (answer("ana"), 1), used, (answer("bob", verdict="deny"), 3))
    assert request.standing(3) is Standing.USED


def test_answers_of_nothing_are_nothing() -> None:
    log = ApprovalsLog()
    assert log.take(answer(), 0) is None
    log.take(ask(), 1)
    assert log.take(answer(workflow="other"), 2) is None
    assert log.requests[ask().request_id].standing(2) is Standing.PENDING


def test_order_to_undo_is_taken_up_once_while_it_is_fresh() -> None:
    undo, claim = record("undo"), record("claim")
    assert stands((undo, 0)).standing(0) is Standing.APPROVED
    assert stands((undo, 0), (claim, 60_000)).claim == claim
    assert stands((undo, 0), (claim, 60_001)).claim is None
    assert "asks nothing" in stands((undo, 0), (answer(), 1)).refused[0]
    done = record("done")
    assert stands((undo, 0), (claim, 1), (done, 2)).done == done
    stranger = record("done", guard="somebody")
    assert stands((undo, 0), (claim, 1), (stranger, 2)).done is None


def test_action_is_undone_once_unless_that_failed() -> None:
    first, again = record("undo"), record("undo", request_id="again")
    claims = record("claim"), record("claim", request_id="again", claim_id="c-2")
    begun = [(first, 0), (claims[0], 1)]
    request = stands(*begun, (again, 2), (claims[1], 3))
    assert request.claim is None
    assert "undone before, or is being so" in request.refused[0]
    failed = record("done", outcome="error")
    assert stands(*begun, (failed, 2), (again, 3), (claims[1], 4)).claim == claims[1]


def test_finds_by_either_end_and_by_what_is_asked() -> None:
    log = ApprovalsLog()
    for number in range(3):
        log.take(ask(request_id=f"{number}-mid-{number}"), number)
    assert [r.order.request_id for r in log.find("1-")] == ["1-mid-1"]
    assert [r.order.request_id for r in log.find("-2")] == ["2-mid-2"]
    newest, *others = log.asks("refund.create", DIGEST)
    assert (newest[0].request_id, len(others)) == ("2-mid-2", 2)
    assert list(log.asks("refund.create", "0" * 64)) == []


def test_forgets_the_oldest_that_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.approvals_log.REMEMBERED_MAX", 3)
    log = ApprovalsLog()
    for number in range(5):
        log.take(ask(request_id=str(number), expires_s=2 if number < 2 else 3600), number * 1000)
    assert list(log.requests) == ["2", "3", "4"]
    log.take(ask(request_id="5"), 5000)
    assert list(log.requests) == ["2", "3", "4", "5"]


RECORDS = st.lists(
    st.tuples(
        st.one_of(
            st.just(ask().model_copy(update={"people": 2})),
            st.builds(answer, st.sampled_from(["ana", "bob", "cleo"]), verdict=st.just("approve")),
            st.just(answer("dan", verdict="deny")),
            st.builds(lambda n: record("claim", claim_id=n), st.sampled_from("12")),
        ),
        st.integers(0, EXPIRES_MS // 4),
    ),
    max_size=12,
)


@given(RECORDS)
def test_records_written_twice_change_nothing_and_nothing_is_used_without_two_approvals(
    history: list[tuple[ApprovalRecord, int]],
) -> None:
    once, twice = ApprovalsLog(), ApprovalsLog()
    at_ms = 0
    for each, wait_ms in history:
        at_ms += wait_ms
        for log in (once, twice, twice):
            log.take(each, at_ms)
    for request_id, request in once.requests.items():
        again = twice.requests[request_id]
        assert (request.approvals, request.claim) == (again.approvals, again.claim)
        assert request.standing(at_ms) is again.standing(at_ms)
        if request.claim:
            assert len(request.approvals) >= 2
