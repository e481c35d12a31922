"""The blob store port: bytes under names that are random, never reused, and known to nobody before they are whole."""

import re
import uuid
from collections.abc import AsyncGenerator
from typing import Protocol

OBJECT_NAME = re.compile(r"o/[0-9a-f]{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_object_name() -> str:
    """A name that was never used before: `o/`, two characters that spread the directory, and a random UUID."""
    name = str(uuid.uuid4())
    return f"o/{name[:2]}/{name}"


class BlobWriter(Protocol):
    """One object being written, by one task at a time. End it with `commit` or `abort`, exactly once."""

    async def write(self, data: memoryview) -> None:
        """Append the bytes; their memory is the caller's again when this returns.

        Raises INSUFFICIENT_STORAGE or STORE_UNAVAILABLE; the writer can then only be aborted.
        """

    async def commit(self) -> None:
        """Make the object durable: when this returns, it survives a crash. A failure is final; do not try again."""

    async def abort(self) -> None:
        """Give the object up and remove what is there. Never raises: what stays behind is left to the sweeper."""


class BlobStore(Protocol):
    """Where bytes live. All methods may raise STORE_UNAVAILABLE."""

    async def open(self) -> None:
        """Make the store ready for use; called once."""

    async def close(self) -> None:
        """Release what `open` took."""

    async def ping(self) -> None:
        """Return when the store answers."""

    async def create(self, name: str) -> BlobWriter:
        """Start a new object. The name must be new."""

    async def read(self, name: str, size: int, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Open an object and give `length` bytes from `start`, in chunks. Close the generator when done.

        Raises STORE_INTEGRITY, before the first byte, where the object is missing or not of `size` bytes; and
        in the middle, where it ends early.
        """

    async def delete(self, name: str) -> None:
        """Remove an object durably; one that is missing is fine."""
