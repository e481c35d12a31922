"""A proxy in front of a PostgreSQL server that cuts connections at the worst moment."""

import asyncio
from contextlib import suppress
from typing import Literal, Self

from sqlalchemy import make_url

Moment = Literal["before", "during", "after"]

COMMIT = b"COMMIT;\0"  # as asyncpg sends it, in a message of its own


class Cutter:
    """`async with Cutter(url) as cutter`: connections to `cutter.url` are passed on to the server of `url`.

    When `moment` is set, the next COMMIT ends its connection: before the server sees it; once it was passed on, while
    the server is not told that anything is wrong; or after the server has answered, which the client is not told.
    While `silent`, nothing is passed on and nothing is cut.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self.url = ""
        self.moment: Moment | None = None
        self.silent = False
        self.cuts = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [writer, server_writer]
        answers = asyncio.create_task(self._answer(server_reader, writer))
        with suppress(OSError):
            await self._ask(reader, writer, server_reader, server_writer, answers)
        await answers

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        while data := await reader.read(1 << 16):
            if self.silent:
                continue
            if self.moment is None or COMMIT not in data:
                server_writer.write(data)
                continue
            moment, self.moment = self.moment, None
            self.cuts += 1
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            if moment != "before":
                server_writer.write(data)
            if moment == "after":
                await server_reader.read(1 << 16)
            writer.close()
            if moment == "during":
                return
            break
        server_writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(1 << 16):
                writer.write(data)
            writer.close()
