"""Reads all stored bytes again, slowly and for ever, so that damage is known before the bytes are needed."""

import asyncio
from datetime import timedelta

import structlog

from satchel.blobs import BlobStore
from satchel.errors import SatchelError
from satchel.metadata import BlobRecord, Metadata
from satchel.rehash import Rehash

PAGE = 20
"""Blobs that are claimed at once. What a crash leaves of them is for the next round."""
PAUSE = timedelta(minutes=10)
"""The time between two rounds, and before the first."""

log = structlog.get_logger(__name__)


class Scrubber:
    """Any number may run over one database: each takes other blobs.

    Args:
        metadata: the rows.
        blobs: the bytes.
        rate: bytes a second that are read at most.
    """

    def __init__(self, metadata: Metadata, blobs: BlobStore, rate: int) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._rehash = Rehash(blobs, rate)

    async def run(self) -> None:
        """Go round and round, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE.total_seconds())
            try:
                await self.scrub()
            except SatchelError as error:
                log.warning("scrub failed", code=error.code.name)
            except Exception:
                log.exception("scrub failed")

    async def scrub(self) -> int:
        """What is left of the round; gives the number of blobs that were looked at."""
        looked_at = 0
        while page := await self._metadata.claim_scrub(PAGE):
            for blob in page:
                await self._look_at(blob)
            looked_at += len(page)
        return looked_at

    async def _look_at(self, blob: BlobRecord) -> None:
        damaged = await self._rehash.digest(blob) != blob.sha256
        # Of a blob that was deleted meanwhile nothing is noted.
        if damaged != blob.damaged and await self._metadata.note_damage(blob.object_name, damaged=damaged):
            if damaged:
                log.error("damaged: upload the same bytes again", object_name=blob.object_name, sha256=blob.sha256)
            else:
                log.info("no longer damaged", object_name=blob.object_name)
