"""The client that all servers are measured with: blocking sockets, `sendfile` out, one reused buffer in.

It neither hashes nor copies in Python, so that what is timed is the server's work and not the client's.
"""

import hashlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

Address = tuple[str, int]
Sink = Callable[[memoryview], object]

SALT = 16
"""Leading bytes of a file that are drawn anew for each upload: no two are the same, so none is deduplicated."""
BUFFER = 256 * 1024
SILENCE = 300
"""Seconds without a byte after which a server counts as hung."""
BOUNDARY = "----benchmark-7d1f0c5e9a"

MUTATION = "mutation ($file: Upload!) { uploadFile(file: $file) { file { id hash objectName } } }"


class UnexpectedAnswer(Exception):
    """A server did not do what it was asked for."""


@dataclass(frozen=True)
class Payload:
    """The bytes of one upload: a salt of its own, then those of a file from there on."""

    path: Path
    salt: bytes = field(default_factory=lambda: os.urandom(SALT))

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.path.stat().st_size

    def sha256(self) -> str:
        """The hash that the server should come to; reading it also brings the file into the page cache."""
        digest = hashlib.sha256(self.salt)
        with self.path.open("rb") as file:
            file.seek(SALT)
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True)
class Door:
    """One way to upload: the request's line, and what stands before and behind the bytes."""

    method: str
    target: str
    content_type: str
    before: bytes = b""
    after: bytes = b""


def rest_door() -> Door:
    """`POST /files/upload`."""
    return _form_door("/files/upload", "", "file")


def graphql_door() -> Door:
    """The mutation `uploadFile`, as the GraphQL multipart request specification has it."""
    operations = json.dumps({"query": MUTATION, "variables": {"file": None}})
    fields = _field("operations", operations) + _field("map", json.dumps({"0": ["variables.file"]}))
    return _form_door("/graphql", fields, "0")


def put_door(name: str) -> Door:
    """WebDAV's PUT."""
    return Door("PUT", f"/{name}", "application/octet-stream")


def _form_door(target: str, fields: str, name: str) -> Door:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="payload.bin"'
    before = f"{fields}--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return Door("POST", target, content_type, before.encode(), f"\r\n--{BOUNDARY}--\r\n".encode())


def _field(name: str, value: str) -> str:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


@dataclass(frozen=True)
class FileAnswer:
    """What Satchel answers to an upload."""

    id: str
    sha256: str
    object_name: str

    @classmethod
    def read(cls, answer: bytes) -> "FileAnswer":
        """From the JSON of either door."""
        content = json.loads(answer)
        if "data" not in content:
            return cls(content["id"], content["hash"], content["minio_object_name"])
        if "errors" in content:
            raise UnexpectedAnswer(str(content["errors"]))
        file = content["data"]["uploadFile"]["file"]
        return cls(file["id"], file["hash"], file["objectName"])


class Connection:
    """One connection to a server, for one request after the other."""

    def __init__(self, address: Address, *, keep: bool = False) -> None:
        self._host = f"{address[0]}:{address[1]}"
        self._keep = keep
        self._socket = socket.create_connection(address, timeout=SILENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the tail must not wait for an ACK
        self._buffer = memoryview(bytearray(BUFFER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def upload(self, door: Door, payload: Payload) -> bytes:
        """Send a file and give the body of the answer."""
        self.begin(door, payload)
        return self.finish(door, payload)

    def begin(self, door: Door, payload: Payload) -> None:
        """Send all that comes before the file's bytes."""
        length = len(door.before) + payload.size + len(door.after)
        fields = {"Content-Type": door.content_type, "Content-Length": str(length)}
        self._socket.sendall(self._head(door.method, door.target, fields) + door.before)

    def finish(self, door: Door, payload: Payload) -> bytes:
        """Send the bytes and the rest, and give the body of the answer."""
        try:
            self._socket.sendall(payload.salt)
            with payload.path.open("rb") as file:
                self._socket.sendfile(file, offset=SALT)
            self._socket.sendall(door.after)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early answer: it tells why
        return self._body()

    def request(self, method: str, target: str) -> bytes:
        """Ask without a body, and give the body of the answer."""
        self._socket.sendall(self._head(method, target, {}))
        return self._body()

    def download(self, target: str, sink: Sink = len) -> int:
        """Fetch a file, pass it on piece by piece (views of the buffer), and give its size."""
        self._socket.sendall(self._head("GET", target, {}))
        return self._receive(sink)

    def _head(self, method: str, target: str, fields: dict[str, str]) -> bytes:
        fields = {"Host": self._host, "Connection": "keep-alive" if self._keep else "close", **fields}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return "\r\n".join(lines).encode()

    def _body(self) -> bytes:
        body = bytearray()
        self._receive(body.extend)
        return bytes(body)

    def _receive(self, sink: Sink) -> int:
        head, first = self._read_head()
        status_line, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status, expected = int(status_line.split()[1]), int(fields.get("content-length", 0))
        if status not in {200, 201, 204}:
            raise UnexpectedAnswer(f"{status_line}: {first[:500].decode(errors='replace')}")
        received = len(first)
        sink(memoryview(first))
        while received < expected:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise UnexpectedAnswer(f"the connection ended after {received:,} of {expected:,} bytes")
            received += count
            sink(self._buffer[:count])
        return received

    def _read_head(self) -> tuple[bytes, bytes]:
        """The head of the answer, and what came with it of the body."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise UnexpectedAnswer("the connection ended without an answer")
            seen += bytes(self._buffer[:count])
        head, _, first = seen.partition(b"\r\n\r\n")
        return head, first
