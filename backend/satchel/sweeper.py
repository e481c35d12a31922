"""Reclaims what nobody needs: bytes of dead uploads, of duplicates and of deleted files; old events and keys."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from satchel.blobs import BlobStore
from satchel.config import Settings
from satchel.errors import SatchelError
from satchel.failpoints import reach
from satchel.metadata import Metadata

BATCH = 100
CLAIM = timedelta(minutes=5)
STUCK = 3
"""Objects of a batch that cannot be removed; with one more, it is the store that fails."""

log = structlog.get_logger(__name__)


class Sweeper:
    """Any number may run over one database: rows are claimed before their objects are touched."""

    def __init__(self, metadata: Metadata, blobs: BlobStore, settings: Settings) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._settings = settings
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Bytes were given up: reclaim them now and not at the next interval."""
        self._wake.set()

    async def run(self) -> None:
        """Sweep at each interval, and reclaim bytes at each `wake`, until cancelled."""
        clock, interval = asyncio.get_running_loop().time, self._settings.sweep_interval.total_seconds()
        due = clock() + interval
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if clock() < due:
                    await self.reclaim()
                else:
                    due = clock() + interval
                    await self.sweep()
            except SatchelError as error:
                log.warning("sweep failed", code=error.code.name)
            except Exception:
                log.exception("sweep failed")

    async def sweep(self) -> int:
        """Reclaim all that is due, and drop old events and keys; gives the number of objects removed."""
        removed = await self.reclaim()
        await self._metadata.prune_events(self._settings.event_max_age, self._settings.event_max_rows)
        await self._metadata.prune_idempotency_keys()
        return removed

    async def reclaim(self) -> int:
        """Remove the bytes that nobody needs; gives the number of objects."""
        while await self._metadata.expire_uploads(BATCH):
            pass
        reach("S.expired")
        removed = 0
        while names := await self._metadata.claim_garbage(BATCH, CLAIM):
            reach("S.claimed")
            removed += await self._remove(names)
        if removed:
            log.info("swept", objects=removed)
        return removed

    async def _remove(self, names: Sequence[str]) -> int:
        """Remove objects that were claimed; those that cannot be are put off, or they would stand before all others."""
        gone, stuck = [], []
        for name in names:
            try:
                # The object goes before its row: a crash between the two leaves a row, and deleting again is harmless.
                await self._blobs.delete(name)
            except SatchelError as error:
                log.warning("not removed; tried again later", object_name=name, code=error.code.name)
                stuck.append(name)
                failure = error
                if len(stuck) > STUCK:
                    break
            else:
                reach("S.removed")
                gone.append(name)
        await self._metadata.forget_garbage(gone)
        reach("S.forgotten")
        if stuck:
            await self._metadata.put_off_garbage(stuck, CLAIM)
        if len(stuck) > STUCK:
            raise failure
        return len(gone)
