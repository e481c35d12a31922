"""What a server holds for its clients, seen from outside, and that it lets go of it: I8."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kept import PATIENCE
from nursery import ForkedServer

SLACK = 5  # what the background may hold more at one moment than at another
BUSY_SLACK = (
    15  # the same while others upload, download and delete, for whom connections to the database are opened too
)


class Held(NamedTuple):
    """How many a server has of each."""

    descriptors: int
    tasks: int


async def held_by(server: ForkedServer) -> Held:
    """What it has now."""
    return Held(_descriptors(server), await server.tasks())


def _descriptors(server: ForkedServer) -> int:
    """Those of the SQLite file apart: connections to it are opened when they are needed, and stay."""
    count = 0
    for descriptor in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += "satchel.db" not in str(descriptor.readlink())
    return count


async def assert_given_back(server: ForkedServer, before: Held, slack: int = SLACK) -> None:
    """Wait until a server has no more than before; fail if that never comes."""
    for _ in range(PATIENCE * 10):
        now = await held_by(server)
        if all(left <= held + slack for left, held in zip(now, before, strict=True)):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"I8: the server has {now}, and had {before}")
