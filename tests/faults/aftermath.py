"""What is done before and after a crash, in this process: what the dead left is given up, and swept."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

from clients import client_of
from kept import Kept, SqliteRows, kept_by
from satchel.app import create_app, opened
from satchel.config import Settings

GRACE = "0.001s"


@asynccontextmanager
async def service(place):
    """A service on a place, without background work: `client`, `stack`, and what is `kept`."""
    settings = Settings(**{"_env_file": None, **place, "delete_grace": GRACE})
    async with opened(settings) as stack, client_of(create_app(stack)) as client:
        yield SimpleNamespace(client=client, stack=stack, kept=kept_by(place))


def time_passes(kept: Kept) -> None:
    """Let every lease, every grace and every claim of a dead sweeper run out."""
    past = "0" if isinstance(kept.rows, SqliteRows) else "to_timestamp(0)"
    kept.execute(f"UPDATE uploads SET lease_until = {past}")
    kept.execute(f"UPDATE garbage SET not_before = {past}, claimed_until = NULL")


async def sweep(service) -> None:
    """Reclaim all that is due."""
    await asyncio.sleep(0.005)  # what is due by now is due to the database too, whose clock ticks in milliseconds
    await service.stack.sweeper.sweep()
