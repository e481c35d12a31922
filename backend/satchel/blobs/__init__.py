"""The blob store port: bytes under names that are random, never reused, and known to nobody before they are whole."""

import re
import uuid
from collections.abc import AsyncIterator, Hashable
from typing import NamedTuple, Protocol

import structlog

from satchel.errors import Code, SatchelError

OBJECT_NAME = re.compile(r"o/[0-9a-f]{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = structlog.get_logger(__name__)


def new_object_name() -> str:
    """A name that was never used before: `o/`, two characters that spread the directory, and a random UUID."""
    name = str(uuid.uuid4())
    return f"o/{name[:2]}/{name}"


def checked(name: str) -> str:
    """Names come from `new_object_name` by way of the database; anything else must not reach a store."""
    if not OBJECT_NAME.fullmatch(name):
        raise ValueError(f"not an object name: {name!r}")
    return name


def damaged(name: str, what: str) -> SatchelError:
    """STORE_INTEGRITY for an object that is not as it should be; `what` was found is for the log alone."""
    log.error("object damaged", object_name=name, found=what)
    return SatchelError(Code.STORE_INTEGRITY, "The stored bytes of this file are missing or damaged.")


class BlobWriter(Protocol):
    """One object being written. End it with `commit` or `abort`, exactly once, when no write is under way."""

    @property
    def parallel(self) -> int:
        """How many writes may be under way at once; they begin in the order of their bytes."""

    def step(self, share: int) -> int:
        """How many bytes the next write should have, if there are as many, where memory allows for `share`."""

    async def write(self, data: memoryview) -> None:
        """Append the bytes; their memory is the caller's again when this returns. Only the last may be short.

        Raises INSUFFICIENT_STORAGE, STORE_UNAVAILABLE, or FILE_TOO_LARGE where the store has a limit of its own; the
        writer can then only be aborted.
        """

    async def commit(self) -> None:
        """Make the object durable: when this returns, it survives a crash. A failure is final; do not try again."""

    async def abort(self) -> None:
        """Give the object up and remove what is there. Never raises: what stays behind is left to the sweeper."""


class Slice(NamedTuple):
    """Bytes behind a descriptor: `size` of them, of a file from `offset`, or the next ones of a pipe (None)."""

    file: int
    offset: int | None
    size: int


class StoredObject(NamedTuple):
    """An object of the store, with its size in bytes."""

    name: str
    size: int


class BlobReader(Protocol):
    """A range of one object, opened: read it once, by chunks or by slices, in order and to the end; then close it.

    Either raises STORE_INTEGRITY in the middle where the object ends early.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks."""

    def slices(self) -> AsyncIterator[Slice | bytes] | None:
        """The range for a server that sends from descriptors, so that few bytes or none come into this process.

        Each is to be sent whole before the next. None where the bytes can only be read, or are too few to bother.
        """

    def state(self) -> Hashable:
        """What is another thing when the object was touched; None where the store does not tell."""

    async def aclose(self) -> None:
        """Release the object."""


class BlobStore(Protocol):
    """Where bytes live. All methods may raise STORE_UNAVAILABLE."""

    async def open(self) -> None:
        """Make the store ready for use; called once. Raises CannotStart where a setting is in the way."""

    async def close(self) -> None:
        """Release what `open` took."""

    async def ping(self) -> None:
        """Return when the store answers."""

    async def create(self, name: str) -> BlobWriter:
        """Start a new object. The name must be new."""

    async def read(self, name: str, size: int, start: int, length: int) -> BlobReader:
        """Open `length` bytes of an object from `start`.

        Raises STORE_INTEGRITY where the object is missing or not of `size` bytes.
        """

    async def link(self, name: str, content_type: str, disposition: str) -> str | None:
        """An address from which a client gets the object without us, for a while; None where there is none.

        The object is not looked for. It comes with these values of Content-Type and Content-Disposition.
        """

    async def size(self, name: str) -> int | None:
        """How many bytes an object has; None where there is none."""

    def objects(self) -> AsyncIterator[StoredObject]:
        """All objects, in the order of their names; also those with a name that is none of ours."""

    def unfinished(self, name: str = "") -> AsyncIterator[str]:
        """The names, of those that begin like this, under which bytes are kept that are no object.

        They are of writes that were neither ended nor given up. None where their bytes are an object from the start.
        """

    async def delete(self, name: str) -> None:
        """Remove an object durably, also one that is still written or was given up; one that is missing is fine."""
