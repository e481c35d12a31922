"""Clients that follow events over servers that come and go."""

import asyncio
import random
from contextlib import suppress

from websockets.exceptions import WebSocketException

from satchel.metadata import cursors
from sockets import ready


class Follower:
    """A client that follows events over servers that come and go, and resumes from its last cursor."""

    def __init__(self, cursor):
        self.cursor = cursor
        self.told = []  # (kind, id of the file)

    async def follow(self, next_server, seconds=(0.2, 1.5)):
        """Follow one server after the other, until cancelled; each for as long as it lasts, or for a while."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                patience = random.uniform(*seconds)
                async with asyncio.timeout(patience), ready(next_server(), after=self.cursor) as socket:
                    while True:
                        event = await socket.event()
                        assert place(event["cursor"]) > place(self.cursor)
                        self.told.append((event["kind"], event["fileId"]))
                        self.cursor = event["cursor"]

    async def has_heard(self, count):
        """Wait until so many events were told."""
        while len(self.told) < count:  # noqa: ASYNC110 - they come over the network, one by one
            await asyncio.sleep(0.05)


def place(cursor):
    """The place of a cursor in the order of events, at servers over PostgreSQL."""
    _, transaction, event_id = cursors.unpack(cursor, str, int, int)
    return transaction, event_id


def committed(kept, cursor):
    """The events behind a cursor, in the order of their transactions, as (kind, id of the file)."""
    transaction, event_id = place(cursor)
    after = f"(transaction, id) > ({transaction}, {event_id})"
    rows = kept.query(f"SELECT kind, file_id FROM events WHERE {after} ORDER BY transaction, id")
    return [(kind, str(file_id)) for kind, file_id in rows]


async def end_listening(postgres, database):
    """End the connections by which servers are woken; how many there were."""
    which = "datname = $1 AND (query LIKE 'LISTEN%' OR query LIKE 'NOTIFY%')"
    return len(
        await postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}", database)
    )


async def stopped(tasks):
    """Cancel tasks that have no end; raises what they failed with."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(outcome, asyncio.CancelledError | None):
            raise outcome
