"""An object on its way in."""

import asyncio

from satchel.blobs import damaged
from satchel.errors import Code, SatchelError
from satchel.failpoints import reach

from .bucket import Bucket
from .failures import translated

MIB = 1024 * 1024

# What S3 allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000
MIN_PART = 5 * MIB  # but for the last
MOST_OF_A_PART = 5 * 1024 * MIB

FIRST_PART = 8 * MIB
PARTS_OF_A_SIZE = 1_000
MAX_PART = 1616 * MIB
"""Parts double until here, and no further: so the largest file takes no more memory than it must."""

MANY, LARGE = 3, 16 * MIB
"""Parts that are sent at once, and the size from which only one is, because one then fills the line."""


def part_size(number: int, share: int) -> int:
    """Bytes of the part with this number, from 1, where memory allows for `share`.

    Parts are small for small files, and grow so that 10,000 of them hold the largest.
    """
    doubled = (number - 1) // PARTS_OF_A_SIZE
    if doubled == 0:
        return MIN_PART if share < FIRST_PART else FIRST_PART
    return min(FIRST_PART << doubled, MAX_PART)


def equal_parts(size: int, largest: int) -> int:
    """`size`, as that of all parts of an object but its last.

    Args:
        size: bytes.
        largest: bytes of the largest file that is taken.

    Raises:
        ValueError: S3 allows no such part, or not enough of them; in one line that names the setting.
    """
    if not MIN_PART <= size <= MOST_OF_A_PART:
        raise ValueError("SATCHEL_S3_PART_SIZE: S3 wants parts of 5MiB to 5GiB")
    if size * MAX_PARTS < largest:
        raise ValueError("SATCHEL_S3_PART_SIZE: 10,000 of them hold less than SATCHEL_MAX_FILE_SIZE; lower that")
    return size


class S3BlobWriter:
    """The `BlobWriter` of one object: each write is a part of a multipart upload, or a small file as a whole.

    Args:
        part: bytes of every part but the last, or 0 for parts that grow with the file.
    """

    def __init__(self, bucket: Bucket, name: str, part: int) -> None:
        self._bucket = bucket
        self._name = name
        self._part = part
        self._size = 0
        self._begun = 0  # writes
        self._first_step = 0
        self._short = False  # the last write was
        self._whole = False  # sent without parts
        self._multipart: asyncio.Task[str] | None = None
        self._etags: dict[int, str] = {}

    @property
    def parallel(self) -> int:
        """Several, while parts are small enough that one alone does not fill the line."""
        return MANY if self._next(FIRST_PART) <= LARGE else 1

    def step(self, share: int) -> int:
        """The size of the next part."""
        size = self._next(share)
        self._first_step = self._first_step or size
        return size

    async def write(self, data: memoryview) -> None:
        """Store a part, or an object that is smaller than one."""
        if self._short:
            raise ValueError("only the last write may be short")
        if self._begun == MAX_PARTS:
            raise SatchelError(Code.FILE_TOO_LARGE, "The blob store takes no file as large as this.")
        number = self._begun = self._begun + 1
        full = self._first_step or MIN_PART if number == 1 else MIN_PART
        self._short = len(data) < full
        self._size += len(data)
        with translated("write"):
            if number == 1 and self._short:
                self._whole = True
                await self._bucket.put(self._name, data)
            else:
                query = {"partNumber": str(number), "uploadId": await self._upload_id()}
                self._etags[number] = await self._bucket.put(self._name, data, **query)

    async def commit(self) -> None:
        """Complete the object, and see that the store has all of it."""
        with translated("commit"):
            if self._multipart is not None:
                await self._bucket.complete_multipart(self._name, await self._upload_id(), self._etags)
            elif not self._whole:
                self._whole = True
                await self._bucket.put(self._name, memoryview(b""))
            reach("U3.stored")
            found = await self._bucket.size(self._name)
        if found != self._size:
            raise damaged(self._name, f"{found} bytes stored of {self._size}")

    async def abort(self) -> None:
        """Abort the multipart upload, or remove the object."""
        if self._whole or self._multipart is not None:
            await asyncio.shield(self._bucket.tasks.spawn(self._bucket.give_up(self._name, self._multipart)))

    def _next(self, share: int) -> int:
        return self._part or part_size(self._begun + 1, share)

    async def _upload_id(self) -> str:
        """The id of the multipart upload, begun by whoever asks first, for all; a cancelled write leaves it running."""
        if self._multipart is None:
            self._multipart = self._bucket.tasks.spawn(self._bucket.begin_multipart(self._name))
        return await asyncio.shield(self._multipart)
