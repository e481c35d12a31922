"""Blobs as files of a local directory, durable when committed."""

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

import structlog

from satchel.blobs import Slice, StoredObject, checked, damaged
from satchel.errors import Code, SatchelError
from satchel.failpoints import reach
from satchel.threads import run_in

P = ParamSpec("P")
T = TypeVar("T")

READ_CHUNK = 1024 * 1024
# Bytes that are written at once, while the next ones arrive: large steps cost fewer turns between threads.
MIN_STEP, MAX_STEP = 256 * 1024, 4 * 1024 * 1024
O_DIRECT = getattr(os, "O_DIRECT", 0)  # https://man7.org/linux/man-pages/man2/open.2.html; not on every system
DIRECT_SIZE = 256 * 1024
DIRECT_BLOCK = 4096
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

log = structlog.get_logger(__name__)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the system's errors into the table's; the path stays in the log."""
    try:
        yield
    except OSError as error:
        log.error("store failed", error=str(error))
        if error.errno in _NO_ROOM:
            raise SatchelError(Code.INSUFFICIENT_STORAGE, "There is no room left to store the file.") from error
        raise SatchelError(Code.STORE_UNAVAILABLE, "The blob store failed; try again later.") from error


class LocalBlobStore:
    """The `BlobStore` on one directory, which one process owns at a time.

    Below that directory no symbolic link is followed, so one that was planted there leads nowhere. All file work runs
    on the store's own threads, so neither the event loop nor the default pool waits for a disk.
    """

    def __init__(self, root: Path, threads: int = 16) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="blobs")
        self._dirfd = -1

    async def open(self) -> None:
        """Make the directory and hold it open.

        Raises:
            OSError: it cannot be made or written to.
        """
        await self.run(self._open)

    def _open(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        self._dirfd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # All directories are made beforehand, so that a commit has one directory to make durable and not three.
        with suppress(FileExistsError):
            os.mkdir("o", dir_fd=self._dirfd)
        with _opened("o", self._dirfd) as objects:
            for number in range(256):
                with suppress(FileExistsError):
                    os.mkdir(f"{number:02x}", dir_fd=objects)
            os.fsync(objects)
        os.fsync(self._dirfd)
        with _opened(self._root.resolve().parent) as parent:
            os.fsync(parent)

    async def close(self) -> None:
        """Give the directory back."""
        if self._dirfd >= 0:
            os.close(self._dirfd)
            self._dirfd = -1
        self._threads.shutdown(wait=True)

    async def ping(self) -> None:
        """Ask the file system for the directory."""
        with translated():
            await self.run(os.stat, "o", dir_fd=self._dirfd)

    async def create(self, name: str) -> "LocalBlobWriter":
        """Start an object under a new name."""
        with translated():
            fd = await self._open_object(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        return LocalBlobWriter(self, name, fd)

    async def read(self, name: str, size: int, start: int, length: int) -> "LocalBlobReader":
        """Open the object, and check its size."""
        with translated():
            try:
                fd = await self._open_object(name, os.O_RDONLY)
            except FileNotFoundError:
                raise damaged(name, "missing") from None
        if (found := os.fstat(fd).st_size) != size:
            os.close(fd)
            raise damaged(name, f"{found} bytes, not {size}")
        return LocalBlobReader(self, name, fd, start, start + length)

    async def link(self, name: str, content_type: str, disposition: str) -> str | None:  # noqa: ARG002
        """None: only this server reaches the directory."""
        return None

    async def size(self, name: str) -> int | None:
        """Ask the file system."""
        with translated():
            try:
                return await self.run(self._size, name)
            except FileNotFoundError:
                return None

    def _size(self, name: str) -> int:
        with self._directory_of(name) as (directory, own_name):
            return os.stat(own_name, dir_fd=directory, follow_symlinks=False).st_size

    async def objects(self) -> AsyncIterator[StoredObject]:
        """The files, one directory at a time, each of which holds one object in 256."""
        with translated():
            for directory in await self.run(lambda: sorted((self._root / "o").iterdir())):
                for stored in await self.run(self._list, directory):
                    yield stored

    def _list(self, directory: Path) -> list[StoredObject]:
        found = []
        for path in sorted(directory.iterdir()) if stat.S_ISDIR(directory.lstat().st_mode) else [directory]:
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(StoredObject(os.fspath(path.relative_to(self._root)), path.lstat().st_size))
        return found

    async def unfinished(self, name: str = "") -> AsyncIterator[str]:  # noqa: ARG002
        """None: a file that is being written is a file."""
        return
        yield ""

    async def delete(self, name: str) -> None:
        """Unlink the object and make that durable; the blocks are freed when the last reader closes."""
        with translated():
            await self.run(self._delete, name)

    def _delete(self, name: str) -> None:
        with suppress(FileNotFoundError), self._directory_of(name) as (directory, own_name):
            os.unlink(own_name, dir_fd=directory)
            os.fsync(directory)

    def fsync_parent(self, name: str) -> None:
        """Make the entry of `name` in its directory durable."""
        with self._directory_of(name) as (directory, _):
            os.fsync(directory)

    async def _open_object(self, name: str, flags: int) -> int:
        opened: list[int] = []

        def open_object() -> None:
            with self._directory_of(name) as (directory, own_name):
                opened.append(os.open(own_name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory))

        try:
            await self.run(open_object)
        except asyncio.CancelledError:
            for fd in opened:
                os.close(fd)
            raise
        return opened[0]

    @contextmanager
    def _directory_of(self, name: str) -> Iterator[tuple[int, str]]:
        """The directory that an object is in, opened, and the object's name there."""
        # Step by step, because O_NOFOLLOW is about the last one only.
        top, spread, own_name = checked(name).split("/")
        with _opened(top, self._dirfd) as outer, _opened(spread, outer) as inner:
            yield inner, own_name

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file work on the store's threads."""
        return await run_in(self._threads, function, *args, **kwargs)


class LocalBlobReader:
    """The `BlobReader` of one file."""

    def __init__(self, store: LocalBlobStore, name: str, fd: int, start: int, stop: int) -> None:
        self._file: int | None = fd
        self._position = start
        self._stop = stop
        self._store = store
        self._name = name

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._file is None or self._position == self._stop:
            raise StopAsyncIteration
        with translated():
            chunk = await self._store.run(
                os.pread, self._file, min(READ_CHUNK, self._stop - self._position), self._position
            )
        if not chunk:
            raise damaged(self._name, f"ends at {self._position}")
        self._position += len(chunk)
        return chunk

    def slices(self) -> AsyncIterator[Slice | bytes]:
        """The file itself, in slices that a slow client takes in time."""
        return self._slices()

    async def _slices(self) -> AsyncIterator[Slice]:
        while self._file is not None and self._position < self._stop:
            size = min(READ_CHUNK, self._stop - self._position)
            yield Slice(self._file, self._position, size)
            self._position += size

    def state(self) -> Hashable:
        """Which file it is, and when it was last written to, or its inode was."""
        if self._file is None:
            return None
        found = os.fstat(self._file)
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    async def aclose(self) -> None:
        """Close the file."""
        fd, self._file = self._file, None
        if fd is not None:
            os.close(fd)


class LocalBlobWriter:
    """The `BlobWriter` of one file."""

    parallel = 1

    def __init__(self, store: LocalBlobStore, name: str, fd: int) -> None:
        self._store = store
        self._name = name
        self._fd = fd
        self._direct: bool | None = False if O_DIRECT else None  # None: not to be had here

    def step(self, share: int) -> int:
        """A multiple of what can be written past the page cache."""
        return max(MIN_STEP, min(MAX_STEP, share - share % MIN_STEP))

    async def write(self, data: memoryview) -> None:
        """Append to the file."""
        with translated():
            await self._store.run(self._write, data)

    def _write(self, data: memoryview) -> None:
        # Whole steps go from the caller's memory to the disk, past the page cache: no copy, nothing left for the fsync
        # to wait for, and what others have in the cache stays. The odd end of a file goes through the cache.
        self._set_direct(wanted=len(data) >= DIRECT_SIZE and len(data) % DIRECT_BLOCK == 0)
        rest = data
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._never_direct()  # a device with larger blocks, or the rest of a write that was cut short

    def _set_direct(self, *, wanted: bool) -> None:
        if self._direct is None or self._direct == wanted:
            return
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | O_DIRECT if wanted else flags & ~O_DIRECT)
            self._direct = wanted
        except OSError:
            self._direct = None  # a file system that cannot, such as some in memory or on a network

    def _never_direct(self) -> None:
        self._set_direct(wanted=False)
        self._direct = None

    async def commit(self) -> None:
        """Fsync the file, then its directory; never again after a failure, which may have dropped the dirty pages."""
        with translated():
            await self._store.run(self._commit)

    def _commit(self) -> None:
        fd, self._fd = self._fd, -1
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        reach("U3.stored")
        self._store.fsync_parent(self._name)

    async def abort(self) -> None:
        """Close and unlink the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        with suppress(SatchelError):
            await self._store.delete(self._name)


@contextmanager
def _opened(directory: str | Path, dir_fd: int | None = None) -> Iterator[int]:
    """A directory's descriptor; where a link stands in its place, an OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)
