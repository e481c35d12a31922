"""Requests that mean harm, byte by byte, and a client that sends them without a library."""

import json
import re
import socket
import threading
import zlib
from contextlib import suppress
from typing import Any

from bench.wire import Address, UnexpectedAnswer

KIB, MIB = 2**10, 2**20
SECONDS = 60
BOUNDARY = b"stalls"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"
FIELDS = "id filename size contentType kind hash uploadDate objectName copies previewUrl downloadUrl"
UPLOAD = "mutation ($file: Upload!) { uploadFile(file: $file) { file { id } } }"
MANY = "mutation ($files: [Upload!]!) { uploadFiles(files: $files) { file { id } } }"

SHORTEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
DELIMITER = b"--" + BOUNDARY + b"\r\n"
END = b"--" + BOUNDARY + b"--\r\n"
_SOCKET = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


def send(address: Address, request: bytes) -> bytes:
    """Send all that is taken, and read to the end."""
    received = b""
    with socket.create_connection(address, timeout=SECONDS) as sending, suppress(ConnectionError):
        if request.startswith(_SOCKET):  # nothing may follow before the answer
            upgrade(sending)
            request = request.removeprefix(_SOCKET)

        def send() -> None:
            with suppress(OSError):  # also where it is closed over what was not taken
                sending.sendall(request)

        writing = threading.Thread(target=send)
        writing.start()
        while piece := sending.recv(256 * KIB):
            received += piece[: 64 * KIB - len(received)]
        writing.join()
    return received


def answer(connection: socket.socket) -> bytes:
    """One answer, whole, after which nothing was sent."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head = received.partition(b"\r\n\r\n")[0]
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    size = len(head) + 4 + (int(length[1]) if length else 0)
    while len(received) < size:
        received += _more(connection)
    return received


def _more(connection: socket.socket) -> bytes:
    if not (piece := connection.recv(64 * KIB)):
        raise UnexpectedAnswer("the connection ended within an answer")
    return piece


def uploaded(address: Address, data: bytes, name: str) -> str:
    """Upload a file; gives its id."""
    answer = send(address, post("/files/upload", FORM, file(data, name)))
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])


# --- requests ---------------------------------------------------------------------------------------------------------


def get(path: str, *headers: str) -> bytes:
    """For one answer."""
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", "")).encode()


def post(path: str, kind: str, body: bytes) -> bytes:
    """The same, with a body of a media type."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def graphql_body(body: bytes) -> bytes:
    """What stands where an operation should."""
    return post("/graphql", "application/json", body)


def operation(query: str, variables: dict[str, Any] | None = None) -> bytes:
    """A request of GraphQL."""
    return graphql_body(json.dumps({"query": query, "variables": variables or {}}, separators=(",", ":")).encode())


def field(name: str, value: object) -> bytes:
    """A part of a form, with text or with JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return DELIMITER + f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()


def file(data: bytes, name: str = "a.bin", key: str = "file") -> bytes:
    """The last part of a form."""
    disposition = f'Content-Disposition: form-data; name="{key}"; filename="{name}"\r\n\r\n'
    return DELIMITER + disposition.encode() + data + b"\r\n" + END


def frame(data: bytes, kind: int = 0x1, *, last: bool = True) -> bytes:
    """A masked frame (RFC 6455, 5.2), with a mask of zeros."""
    size = len(data)
    length = (
        bytes([0x80 | size])
        if size < 126
        else (b"\xfe" + size.to_bytes(2, "big") if size < 2**16 else b"\xff" + size.to_bytes(8, "big"))
    )
    return bytes([(0x80 if last else 0) | kind]) + length + bytes(4) + data


def upgrade(connection: socket.socket, *headers: str) -> None:
    """Make it a WebSocket."""
    connection.sendall(_SOCKET.removesuffix(b"\r\n") + b"".join(f"{one}\r\n".encode() for one in headers) + b"\r\n")
    answer(connection)


def greeting() -> bytes:
    """The first frame of graphql-transport-ws."""
    return frame(b'{"type":"connection_init"}')


def talk(*frames: bytes) -> bytes:
    """A WebSocket from its beginning to its end."""
    return b"".join((_SOCKET, greeting(), *frames, frame((1000).to_bytes(2, "big"), 0x8)))


def subscribe(number: int, query: str) -> bytes:
    """The frame that begins an operation."""
    return frame(json.dumps({"type": "subscribe", "id": str(number), "payload": {"query": query}}).encode())


def head_of_file() -> bytes:
    """What stands before the bytes of a file in a form; a line end and `END` stand behind them."""
    return file(b"").removesuffix(b"\r\n" + END)


def head_of_upload(size: int) -> bytes:
    """What stands before the bytes of a file of that size, from the request's line on."""
    part = head_of_file()
    length = len(part) + size + len(b"\r\n" + END)
    head = f"POST /files/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + part


# --- forms ------------------------------------------------------------------------------------------------------------


def forms() -> dict[str, bytes]:
    """Forms that take a reader's time or memory, or try to, by what they are."""
    kind, upload = FORM, "/files/upload"
    one_null = {"query": UPLOAD, "variables": {"file": None}}
    paths = [f"variables.files.{n}" for n in range(500)]
    many_null = {"query": MANY, "variables": {"files": [None] * 5000}}
    mapped = [field("operations", one_null), field("map", {"0": ["variables.file"]})]
    steep = json.dumps({"query": UPLOAD, "variables": _nested(900)})
    return {
        "a file of boundaries that are none": post(upload, kind, file(b"\r\n--stall" * (4 * MIB // 9))),
        "a file of line ends": post(upload, kind, file(b"\r\n" * 2 * MIB)),
        "a file of dashes": post(upload, kind, file(b"\r\n--" * MIB)),
        "a PDF of empty object streams": post(upload, kind, file(_PDF + _STREAM * (8 * MIB // len(_STREAM)), "a.pdf")),
        "a PDF of empty objects": post(upload, kind, file(_PDF + b" obj<<>>" * MIB, "a.pdf")),
        "a PDF that unpacks without an end": post(upload, kind, file(_PDF + _bomb(), "a.pdf")),
        "an ordinary file": post(upload, kind, file(bytes(range(256)) * (32 * MIB // 256))),
        "a file of markup": post(upload, kind, file(b"<svg " * (MIB // 5), "a.svg")),
        "a file of an unfinished comment": post(upload, kind, file(b"<!--" * (MIB // 4), "a.html")),
        "50,000 parts": post(upload, kind, b"".join(field(f"x{n}", "") for n in range(50_000)) + END),
        "50,000 headers of a part": post(upload, kind, DELIMITER + b"A: b\r\n" * 50_000),
        "a header of a part without an end": post(upload, kind, DELIMITER + b"A: " + b"b" * 4 * MIB),
        "a name of 8 KiB": post(upload, kind, file(b"data", "é" * 3500)),
        "parameters of a part": post(upload, kind, DELIMITER + b"Content-Disposition: form-data" + b"; a=b" * 1600),
        "a preamble": post(upload, kind, b"\r\n" * 2 * MIB),
        "a map of 500 places": post(
            "/graphql", kind, field("operations", many_null) + field("map", {"0": paths}) + END
        ),
        "variables that nest": post("/graphql", kind, field("operations", steep) + END),
        "fields of 4 MiB": post("/graphql", kind, field("operations", "a" * 4 * MIB) + END),
        "a file for a field": post("/graphql", kind, b"".join(mapped) + file(b"\r\n--stall" * (MIB // 9), key="0")),
    }


_PDF = b"%PDF-1.7\n"
_HEAD = b" obj<</First 4/Filter/FlateDecode>>stream\n"
_STREAM = _HEAD + zlib.compress(b"")


def _bomb() -> bytes:
    return _HEAD + zlib.compress(b"/J" * 128 * MIB)


def _nested(depth: int) -> dict[str, Any]:
    nested: dict[str, Any] = {"file": None}
    for _ in range(depth):
        nested = {"a": nested}
    return nested
