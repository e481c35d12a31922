"""Stored bytes, read and hashed again, no faster than is allowed."""

import asyncio
import hashlib
import time

from satchel.blobs import BlobStore
from satchel.errors import Code, SatchelError
from satchel.metadata import BlobRecord


class Rehash:
    """Reads one object after the other.

    Args:
        blobs: the bytes.
        rate: bytes a second that are read at most, over any length of time; time that was not used is not made up.
    """

    def __init__(self, blobs: BlobStore, rate: int) -> None:
        self.hashed = 0
        self._blobs = blobs
        self._rate = rate
        self._due = 0.0

    async def digest(self, row: BlobRecord) -> str | None:
        """The SHA-256 of a blob's object, in hex; None where it is missing or of another size.

        Raises STORE_UNAVAILABLE.
        """
        digest = hashlib.sha256()
        try:
            reader = await self._blobs.read(row.object_name, row.size, 0, row.size)
            try:
                async for chunk in reader:
                    await asyncio.to_thread(digest.update, chunk)
                    await self._pace(len(chunk))
            finally:
                await reader.aclose()
        except SatchelError as error:
            if error.code is Code.STORE_INTEGRITY:
                return None
            raise
        return digest.hexdigest()

    async def _pace(self, size: int) -> None:
        self.hashed += size
        now = time.monotonic()
        self._due = max(self._due, now) + size / self._rate
        await asyncio.sleep(self._due - now)
