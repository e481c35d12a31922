"""The blob store port on a bucket."""

from collections.abc import AsyncIterator

from satchel.blobs import StoredObject, checked

from .bucket import Bucket
from .failures import translated
from .reader import S3BlobReader
from .writer import S3BlobWriter


class S3BlobStore:
    """The `BlobStore` on a bucket; any number of servers may share it.

    Args:
        part: bytes of every part of a multipart upload but the last, or 0 for parts that grow with the file.
    """

    def __init__(self, bucket: Bucket, part: int = 0) -> None:
        self._bucket = bucket
        self._part = part

    async def open(self) -> None:
        """Look for the bucket, with the key, and make it when it is missing."""
        await self._bucket.open()

    async def close(self) -> None:
        """Wait for what goes on in the background, such as removals, and close the connections."""
        await self._bucket.close()

    async def ping(self) -> None:
        """Ask for the bucket, once and not for long."""
        with translated("ping"):
            await self._bucket.look()

    async def create(self, name: str) -> S3BlobWriter:
        """Start an object; the store learns of it with the first bytes."""
        return S3BlobWriter(self._bucket, checked(name), self._part)

    async def read(self, name: str, size: int, start: int, length: int) -> S3BlobReader:
        """Ask for the bytes, and check the size of the whole in the answer."""
        reader = S3BlobReader(self._bucket, checked(name), size, start, start + length)
        await reader.open()
        return reader

    async def link(self, name: str, content_type: str, disposition: str) -> str | None:
        """A presigned GET (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)."""
        return await self._bucket.link(checked(name), content_type, disposition)

    async def size(self, name: str) -> int | None:
        """Ask the store."""
        with translated("head"):
            return await self._bucket.size(name)

    async def objects(self) -> AsyncIterator[StoredObject]:
        """The objects below `o/`, by pages of the store; what else is in the bucket is not ours."""
        with translated("list"):
            async for name, size in self._bucket.objects("o/"):
                yield StoredObject(name, size)

    async def unfinished(self, name: str = "") -> AsyncIterator[str]:
        """The multipart uploads."""
        with translated("list multipart"):
            async for found, _ in self._bucket.unfinished(name or "o/"):
                yield found

    async def delete(self, name: str) -> None:
        """Abort every multipart upload of the name, and remove the object."""
        with translated("delete"):
            await self._bucket.remove(checked(name))
