"""Clients that upload, delete and follow events while servers die, and keep a journal."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import httpx
from journal import Journal, Outcome
from websockets.exceptions import WebSocketException

from server import Server
from sockets import EVENTS, opened

UPLOADERS, DELETERS, FOLLOWERS = 8, 4, 2
SIZES = (0, 1, 1000, 50_000, 300_000, 1_000_000)
LARGE = 9 * 1024 * 1024  # more than one part of an S3 upload
DUPLICATES = 0.2
PAUSE = 0.05  # seconds until a client asks again that was not answered


class Load:
    """Clients of some servers, each of one server.

    Args:
        servers: where clients go, in turn; they may be killed and started again meanwhile.
        journal: where everything is written down.
        seed: of all that is random here.
        large: the share of uploads that are stored in several parts.
        uploaders: how many clients upload.
        deleters: how many delete.
        deleted: the share of files that are to be deleted.
        contents: gives what is uploaded next, instead of something random.
    """

    def __init__(
        self,
        servers: list[Server],
        journal: Journal,
        *,
        seed: int = 1,
        large: float = 0.02,
        uploaders: int = UPLOADERS,
        deleters: int = DELETERS,
        deleted: float = 0.5,
        contents: Callable[[], bytes] | None = None,
    ) -> None:
        self._large = large
        self._uploaders = uploaders
        self._deleters = deleters
        self._deleted = deleted
        self._contents = contents or self._data
        self._servers = servers
        self._journal = journal
        self._random = random.Random(seed)
        self._pool = [self._random.randbytes(size) for size in SIZES[2:]]
        self._deletable: list[str] = []
        self._over = False

    async def __aenter__(self) -> Self:
        # Asked before anything happens: a follower that came late would not know what it has missed.
        async with self._client(0) as (client, _):
            answer = await client.post("/graphql", json={"query": "{ files(first: 1) { eventCursor } }"})
        self._start = answer.json()["data"]["files"]["eventCursor"]
        self._following = [asyncio.create_task(self._follow(number)) for number in range(FOLLOWERS)]
        busy = [self._upload(number) for number in range(self._uploaders)]
        busy += [self._delete(number) for number in range(self._deleters)]
        self._busy = [asyncio.create_task(client) for client in busy]
        return self

    async def rest(self) -> None:
        """Let those that upload and delete end what they are at; the others go on following."""
        self._over = True
        await asyncio.gather(*self._busy)

    async def __aexit__(self, *_: object) -> None:
        tasks = (*self._busy, *self._following)
        for task in tasks:
            task.cancel()
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure

    async def _upload(self, number: int) -> None:
        """One upload after the other; half of those whose end is unknown are asked for again, by the same key."""
        async with self._client(number) as (client, at):
            while not self._over:
                data = self._contents()
                what = {"at": at, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                what["key"] = what["name"] = f"{self._random.getrandbits(64):016x}"
                outcome: Outcome = "unknown"
                while outcome == "unknown" and not self._over:
                    outcome, answer = await self._ask("upload", what, self._uploading(client, what, data))
                    if outcome == "ok" and self._random.random() < self._deleted:
                        self._deletable.append(answer["id"])
                    if self._random.random() < 0.5:
                        break

    async def _uploading(self, client: httpx.AsyncClient, what: dict, data: bytes) -> httpx.Response:
        headers = {"Idempotency-Key": what["key"]}
        return await client.post("/files/upload", files={"file": (what["name"], data)}, headers=headers)

    async def _delete(self, number: int) -> None:
        """One deletion after the other, of files that nobody else deletes, until each is answered."""
        async with self._client(number) as (client, at):
            while not self._over:
                if not self._deletable:
                    await asyncio.sleep(PAUSE)
                    continue
                file_id = self._deletable.pop(self._random.randrange(len(self._deletable)))
                outcome: Outcome = "unknown"
                while outcome == "unknown" and not self._over:
                    asking = client.delete(f"/files/{file_id}")
                    outcome, answer = await self._ask("delete", {"at": at, "id": file_id}, asking)
                    if answer.get("code") in {"DATABASE_UNAVAILABLE", "unreachable"}:
                        outcome = "unknown"

    async def _follow(self, number: int) -> None:
        """Follow all events from the start, resuming after the last one that came."""
        server, cursor = self._servers[number % len(self._servers)], self._start
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with opened(server, ping_interval=None) as socket:
                    await socket.initialise()
                    await socket.subscribe(EVENTS, after=cursor)
                    while True:
                        message = await socket.receive()
                        if message["type"] != "next" or message["payload"].get("errors"):
                            break  # such as DATABASE_UNAVAILABLE: it is asked for again
                        event = message["payload"]["data"]["fileEvents"]
                        self._journal.asks("event", follower=number, kind=event["kind"], id=event["fileId"])
                        cursor = event["cursor"]
            await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def _client(self, number: int) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
        at = number % len(self._servers)
        # Connections are not kept as long as a server keeps them, so that no request meets one that it closes.
        limits = httpx.Limits(keepalive_expiry=1)
        async with httpx.AsyncClient(base_url=self._servers[at].url, timeout=60, limits=limits) as client:
            yield client, at

    def _data(self) -> bytes:
        if self._random.random() < DUPLICATES:
            return self._random.choice(self._pool)
        size = LARGE if self._random.random() < self._large else self._random.choice(SIZES)
        return self._random.randbytes(size)

    async def _ask(self, do: str, what: dict, request) -> tuple[Outcome, dict]:
        number = self._journal.asks(do, **what)
        outcome, answer = await _heard(request)
        self._journal.hears(number, outcome, **answer)
        if "code" in answer:
            await asyncio.sleep(PAUSE)
        return outcome, answer


async def _heard(request) -> tuple[Outcome, dict]:
    """What an answer tells: whether it happened, or not, or that nobody knows."""
    try:
        response = await request
        answer = response.json()
    except httpx.ConnectError:
        return "fail", {"code": "unreachable"}
    except (httpx.TransportError, ValueError) as error:
        return "unknown", {"code": type(error).__name__}
    if response.status_code == 200:
        return "ok", {"status": 200, "id": answer["id"], "object": answer.get("minio_object_name")}
    code = answer.get("code", "")
    told = {"status": response.status_code, "code": code}
    return ("unknown" if code in {"DATABASE_UNAVAILABLE", "INTERNAL"} else "fail"), told
