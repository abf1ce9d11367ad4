"""A refund bot under guard: money, outcomes that come back as text, and a refund taken back.

    KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python examples/refund_bot.py

While it runs, `andon trip refunds --reason "try it"` stops it, and
`andon reset refunds --reason "tried it"` lets it run again.
"""

from __future__ import annotations

import sys
import time

from andon import BreakerOpen, Guard, current_attempt

guard = Guard(workflow="refunds", automation="refund-bot")


def read_answer(answer: object) -> tuple[str, str] | None:
    """The payment service reports a refusal as text, not as an exception."""
    return ("error", str(answer)) if "funds" in str(answer) else None


@guard.action(
    "transact",
    "refund.create",
    value="amount",
    currency="USD",
    target="charge",
    classify=read_answer,
)
def refund(charge: str, amount: float) -> str:
    attempt = current_attempt()
    assert attempt is not None
    ledger[charge] = attempt.event_id  # kept, so that a reversal can name what it undoes
    return "Insufficient funds." if amount > 100 else "ok"


ledger: dict[str, str] = {}


def main(complaints: int) -> None:
    guard.ready()
    for number in range(complaints):
        try:
            print(f"ch_{number}", refund(f"ch_{number}", amount=25.0 * (number + 1)))
        except BreakerOpen as refusal:
            print(refusal)
        time.sleep(0.1)
    guard.reversed(ledger["ch_0"], by="human", reason="the customer had been refunded already")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
