"""How the API listens."""

from __future__ import annotations

import asyncio
import socket

from api.server import _listen


def test_an_answer_does_not_wait_for_the_caller_to_acknowledge_its_head() -> None:
    async def nodelay() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            told.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with _listen("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(serve, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                writer.close()
                return await told

    assert asyncio.run(nodelay()) != 0
