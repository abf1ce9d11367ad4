"""Run policies over a log, without a broker: the same code as live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from andon.policy import Policy, PolicyBook
from backtest.stages import Stages
from detectors.columns import Records
from detectors.line import Taken
from detectors.plan import compile_book

BATCH = 10_000


def replay(
    book: PolicyBook, lines: Iterable[bytes], *, batch_size: int = BATCH, latch: bool = False
) -> Iterator[Taken]:
    """Judge a log, one JSON event a line, in log order.

    Args:
        book: the policies.
        lines: raw records; a line that is no event comes back as rejected.
        batch_size: how many lines are judged at once; it changes nothing but memory and speed.
        latch: let trips take effect: a paused workflow's events are not executed. With policies
            of scopes that is slower: events are judged one by one.
    """
    stages = Stages(compile_book(book), "blocked" if latch else "runs")
    return map(stages.take, batches(lines, 1 if stages.one_by_one else batch_size))


def batches(lines: Iterable[bytes], batch_size: int = BATCH) -> Iterator[Records]:
    """The log in pieces; each record's offset is its number in the log, from 0 on."""
    source, start = iter(lines), 0
    while batch := list(islice(source, batch_size)):
        yield Records(batch, offsets=range(start, start + len(batch)))
        start += len(batch)


def enforced(book: PolicyBook, resume_after_s: int | None = None) -> PolicyBook:
    """The same policies, as if those in shadow were enforced: what would they do?

    `resume_after_s`: so long it would take a person to let a workflow run again, where only a
    person may; None: nobody does.
    """
    return book.model_copy(
        update={"policies": tuple(_enforced(policy, resume_after_s) for policy in book.policies)}
    )


def rules_alone(book: PolicyBook) -> PolicyBook:
    """The same policies without limits: what those stop, a log of what was executed cannot say."""
    policies = tuple(policy.model_copy(update={"limits": ()}) for policy in book.policies)
    return book.model_copy(update={"policies": policies})


def _enforced(policy: Policy, resume_after_s: int | None) -> Policy:
    recover = policy.recover
    if recover.after is None:
        recover = recover.model_copy(update={"after": resume_after_s})
    mode = "enforce" if policy.mode == "shadow" else policy.mode
    return policy.model_copy(update={"mode": mode, "recover": recover})
