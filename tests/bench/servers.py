"""The servers that are measured, each on a directory of its own on one disk."""

import asyncio
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.meters import Process, settle
from bench.wire import Address, Connection, Payload, UnexpectedAnswer
from server import Server

PATIENCE = 60
"""Seconds to wait for a server to start, or for deleted bytes to be swept."""

NGINX_CONFIG = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/files;
        location / {{ dav_methods PUT; }}
    }}
}}
"""


class Satchel:
    """`satchel serve` with its defaults, but for how soon it gives back the bytes of deleted files.

    Args:
        server: the running server.
        exists: whether an object is in its store.
    """

    def __init__(self, server: Server, exists: Callable[[str], bool]) -> None:
        self.address: Address = (server.host, server.port)
        self.process = Process(server.pid)
        self._exists = exists
        self._temporary = server.temporary

    def connect(self, *, keep: bool = False) -> Connection:
        """A new connection."""
        return Connection(self.address, keep=keep)

    def strays(self) -> list[str]:
        """What lies in the server's directory for temporary files, where nothing should ever be."""
        return [path.name for path in self._temporary.iterdir()]

    def delete(self, file_id: str, object_name: str) -> None:
        """Delete a file, and wait until its bytes are off the disk."""
        with self.connect() as connection:
            connection.request("DELETE", f"/files/{file_id}")
        give_up = time.monotonic() + PATIENCE
        while self._exists(object_name):
            if time.monotonic() > give_up:
                raise UnexpectedAnswer(f"{object_name} was not swept")
            time.sleep(0.1)
        settle()


@contextmanager
def satchel(directory: Path, exists: Callable[[str], bool] | None = None, **settings: str) -> Iterator[Satchel]:
    """A server on the directory, or where the settings say, started and stopped."""
    with asyncio.Runner() as runner:
        server = Server(directory, delete_grace="1s", sweep_interval="1s", **settings)
        runner.run(server.start())
        try:
            yield Satchel(server, exists or (lambda name: (server.data / "objects" / name).exists()))
        finally:
            runner.run(server.kill())


class Nginx:
    """nginx as a plain place for PUT and GET."""

    def __init__(self, directory: Path, address: Address, pid: int) -> None:
        self.address = address
        self.process = Process(pid)
        self.files = directory / "files"

    def connect(self, *, keep: bool = False) -> Connection:
        """A new connection."""
        return Connection(self.address, keep=keep)


def nginx_binary() -> str | None:
    """An nginx that can PUT, or None."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if binary and "http_dav_module" in _about(binary):
        return binary
    return None


def nginx_version(binary: str) -> str:
    """Such as `1.22.1`."""
    return _about(binary).splitlines()[0].rpartition("/")[2]


def _about(binary: str) -> str:
    return subprocess.run([binary, "-V"], capture_output=True, text=True, check=True).stderr


@contextmanager
def nginx(directory: Path, binary: str) -> Iterator[Nginx]:
    """One nginx process on the directory, started and stopped."""
    (directory / "files").mkdir(parents=True)
    address = ("127.0.0.1", _free_port())
    config = directory / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(directory=directory, port=address[1]))
    with (directory / "start.log").open("wb") as log:
        process = subprocess.Popen([binary, "-p", str(directory), "-c", str(config)], stderr=log)
    try:
        _wait_until_listening(address, process, directory / "start.log")
        yield Nginx(directory, address, process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _wait_until_listening(address: Address, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise UnexpectedAnswer(f"nginx did not start: {log.read_text(errors='replace')}")


def check_download(connection: Connection, target: str, expected: str) -> None:
    """Fetch a file and compare its hash; the file is in the page cache afterwards."""
    digest = hashlib.sha256()
    connection.download(target, digest.update)
    check_hash(digest.hexdigest(), expected)


def check_hash(found: str, expected: str) -> None:
    """Raise where other bytes came than went."""
    if found != expected:
        raise UnexpectedAnswer(f"the bytes hash to {found} and not to {expected}")


def make_source(path: Path, size: int) -> Payload:
    """A file of random bytes to upload from."""
    with path.open("wb") as file:
        for start in range(0, size, 1024 * 1024):
            file.write(os.urandom(min(1024 * 1024, size - start)))
    return Payload(path)
