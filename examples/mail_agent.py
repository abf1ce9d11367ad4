"""An asyncio agent under guard: each turn of its loop asks first, each mail counts its readers.

KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python examples/mail_agent.py
"""

from __future__ import annotations

import asyncio
import uuid

from andon import BreakerOpen, Guard

guard = Guard(workflow="outreach", automation="mail-agent")
CUSTOMERS = [["ada@example.com", "bob@example.com"], ["cleo@example.com"], ["dan@example.com"]]


@guard.action(
    "send", "mail.send", recipients="to", target=lambda call: call.arguments["to"][0], run="run"
)
async def send(to: list[str], text: str, run: str) -> None:
    await asyncio.sleep(0.01)


async def agent() -> None:
    run = str(uuid.uuid4())
    await asyncio.to_thread(guard.ready)
    for step, to in enumerate(CUSTOMERS):
        async with guard.attempt("loop", "agent.turn", run=run, step=step) as turn:
            turn.decision = {"saw": f"{len(to)} customers without an answer", "decided": "write"}
            await send(to, text="We are looking into it.", run=run)
    print(f"{len(CUSTOMERS)} turns, {sum(map(len, CUSTOMERS))} readers")


if __name__ == "__main__":
    try:
        asyncio.run(agent())
    except BreakerOpen as refusal:
        print(refusal)
