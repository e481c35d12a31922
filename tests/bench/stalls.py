"""How long hostile requests keep everybody else waiting: the event loop of the server, seen from outside.

While a request is under way, another connection asks again and again for the shortest answer that there is. How long
the slowest one took is how long the loop was held up. What a request causes comes in every round, and what a busy
machine causes does not, so the median of the rounds is what counts.
"""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from bench.servers import satchel
from bench.wire import Address

Result = dict[str, Any]

KIB, MIB = 2**10, 2**20
SECONDS = 60
LIMIT = 256 * KIB  # of a JSON body, as it is set
BOUNDARY = b"stalls"
FIELDS = "id filename size contentType kind hash uploadDate objectName copies previewUrl downloadUrl"
IDS = "mutation ($ids: [ID!]!) { deleteFiles(ids: $ids) { ids missing } }"
SEARCH = "query ($s: String) { files(first: 500, filter: {search: $s}) { totalCount nodes { id } } }"
AFTER = "query ($s: String) { files(after: $s) { nodes { id } } }"
RENAME = 'mutation ($s: String!) { renameFile(id: "FILE", filename: $s) { id } }'
UPLOAD = "mutation ($file: Upload!) { uploadFile(file: $file) { file { id } } }"
MANY = "mutation ($files: [Upload!]!) { uploadFiles(files: $files) { file { id } } }"
FILES = 500


def stalls(directory: Path, rounds: int, say: Callable[[str], None]) -> list[Result]:
    """Each hostile request so many times; the longest wait of each round, in seconds."""
    results = []
    with satchel(directory, max_websockets="100000") as server:
        file_id = ""
        for number in range(FILES):
            file_id = _uploaded(server.address, b"%d" % number, f"{number}.txt")
        requests = {"nothing": b"", **_requests(file_id)}
        for name, request in requests.items():
            waits = [_longest_wait(server.address, request) for _ in range(rounds)]
            results.append({"what": name, "median": median(waits), "worst": max(waits)})
            say(f"  {name}: {median(waits) * 1000:.0f} ms")
    return results


def _longest_wait(address: Address, request: bytes) -> float:
    waits, begun, done = [0.0], threading.Event(), threading.Event()

    def ask() -> None:
        with socket.create_connection(address, timeout=SECONDS) as asking:
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            last = False
            while not last:
                last = done.is_set()  # and one more, for what the request left behind
                start = time.perf_counter()
                asking.sendall(_SHORTEST)
                asking.recv(4096)
                waits.append(time.perf_counter() - start)
                begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait(SECONDS)
    waits.clear()
    try:
        _send(address, request)
    finally:
        done.set()
        asking.join()
    return max(waits)


def _send(address: Address, request: bytes) -> bytes:
    """Send all that is taken, and read to the end."""
    answer = b""
    if not request:
        time.sleep(0.1)
        return answer
    with socket.create_connection(address, timeout=SECONDS) as sending, suppress(ConnectionError):

        def send() -> None:
            with suppress(OSError):  # also where it is closed over what was not taken
                sending.sendall(request)

        writing = threading.Thread(target=send)
        writing.start()
        while piece := sending.recv(256 * KIB):
            answer += piece[: 64 * KIB - len(answer)]
        writing.join()
    return answer


# --- requests ---------------------------------------------------------------------------------------------------------


def _requests(file_id: str) -> dict[str, bytes]:
    return {**_of_graphql(file_id), **_of_http(file_id), **_of_forms(), **_of_sockets()}


def _of_graphql(file_id: str) -> dict[str, bytes]:
    doubling = "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }} " for n in range(20))
    room = LIMIT - KIB
    return {
        "JSON, nested arrays": _graphql_body(b"[" * room),
        "JSON, objects without end": _graphql_body(b'{"a":' * (room // 5)),
        "JSON, many values": _operation("{ __typename }", {"x": [0] * (room // 3)}),
        "JSON, one string": _operation("{ __typename }", {"x": "a" * room}),
        "a document of one token": _operation("a" * room),
        "a document of comments": _operation("#\n" * (room // 4) + "{ __typename }"),
        "1,000 tokens": _operation("{" + "__typename " * 990 + "}"),
        "1,000 fields that there are not": _operation("{" + " ".join(f"fil{n}" for n in range(990)) + "}"),
        "1,000 fields below one": _operation("{ files { nodes {" + "id " * 980 + "} } }"),
        "fields that conflict": _operation("{ files { nodes { " + "a: id a: hash " * 7 + "} } }"),
        "a field 900 times with its own": _operation("{" + "files { totalCount } " * 240 + "}"),
        "deep fields": _operation("{ files " + "{ nodes " * 300),
        "fragments that double 20 times": _operation(doubling + "fragment f20 on Query { __typename } { ...f0 }"),
        "introspection": _operation(_INTROSPECTION),
        "a page of 500 with all fields": _operation(f"{{ files(first: 500) {{ totalCount nodes {{ {FIELDS} }} }} }}"),
        "a long search": _operation(SEARCH, {"s": "ab" * (room // 2)}),
        "a long search in another script": _operation(SEARCH, {"s": "ǰ" * (room // 7)}),
        "a long cursor": _operation(AFTER, {"s": "a" * room}),
        "a long name": _operation(RENAME.replace("FILE", file_id), {"s": "é" * (room // 7)}),
        "a name of marks": _operation(RENAME.replace("FILE", file_id), {"s": "a" + "\u0301\u0323" * (room // 14)}),
        "deleting what is no id": _operation(IDS, {"ids": [str(n) for n in range(room // 10)]}),
        "deleting many ids": _operation(
            IDS, {"ids": [f"{n:08x}-0000-4000-8000-000000000000" for n in range(room // 41)]}
        ),
    }


def _of_http(file_id: str) -> dict[str, bytes]:
    place = f"/files/{file_id}"
    search = "/files?limit=500&search=" + "a" * 8000
    return {
        "10,000 ranges": _get(place, f"Range: bytes={'0-0,' * 15_000}0-0"),
        "10,000 tags": _get(place, "If-None-Match: " + '"a",' * 15_000),
        "one tag without an end": _get(place, 'If-Match: "' + 'W/"' * 20_000),
        "a date without an end": _get(place, "If-Modified-Since: " + "1 " * 30_000),
        "100 headers": _get("/healthz", *(f"X-{n}: {'a' * 600}" for n in range(95))),
        "a header without an end": _get("/healthz", "X-A: " + "a" * 4 * MIB),
        "accepting everything": _get("/graphql?query={__typename}", "Accept: " + "a/b;q=0.1," * 6000),
        "10,000 cookies": _get("/healthz", "Cookie: " + "a=b; " * 12_000),
        "a long address": _get(search),
        "an address of escapes": _get("/" + "%2e%2e%2f" * 850),
        "a page of 500": _get("/files?limit=500"),
        "300 requests in one piece": _SHORTEST * 300 + _get("/healthz"),
    }


def _of_forms() -> dict[str, bytes]:
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    upload = "/files/upload"
    one_null = {"query": UPLOAD, "variables": {"file": None}}
    paths = [f"variables.files.{n}" for n in range(500)]
    many_null = {"query": MANY, "variables": {"files": [None] * 5000}}
    mapped = [_field("operations", one_null), _field("map", {"0": ["variables.file"]})]
    steep = json.dumps({"query": UPLOAD, "variables": _nested(900)})
    return {
        "a file of boundaries that are none": _post(upload, kind, _file(b"\r\n--stall" * (4 * MIB // 9))),
        "a file of line ends": _post(upload, kind, _file(b"\r\n" * 2 * MIB)),
        "a file of dashes": _post(upload, kind, _file(b"\r\n--" * MIB)),
        "an ordinary file": _post(upload, kind, _file(bytes(range(256)) * (32 * MIB // 256))),
        "a file of markup": _post(upload, kind, _file(b"<svg " * (MIB // 5), "a.svg")),
        "a file of an unfinished comment": _post(upload, kind, _file(b"<!--" * (MIB // 4), "a.html")),
        "50,000 parts": _post(upload, kind, b"".join(_field(f"x{n}", "") for n in range(50_000)) + _END),
        "50,000 headers of a part": _post(upload, kind, _DELIMITER + b"A: b\r\n" * 50_000),
        "a header of a part without an end": _post(upload, kind, _DELIMITER + b"A: " + b"b" * 4 * MIB),
        "a name of 8 KiB": _post(upload, kind, _file(b"data", "é" * 3500)),
        "parameters of a part": _post(upload, kind, _DELIMITER + b"Content-Disposition: form-data" + b"; a=b" * 1600),
        "a preamble": _post(upload, kind, b"\r\n" * 2 * MIB),
        "a map of 500 places": _post(
            "/graphql", kind, _field("operations", many_null) + _field("map", {"0": paths}) + _END
        ),
        "variables that nest": _post("/graphql", kind, _field("operations", steep) + _END),
        "fields of 4 MiB": _post("/graphql", kind, _field("operations", "a" * 4 * MIB) + _END),
        "a file for a field": _post("/graphql", kind, b"".join(mapped) + _file(b"\r\n--stall" * (MIB // 9), key="0")),
    }


def _of_sockets() -> dict[str, bytes]:
    start = _frame(b'{"type":"connection_init"}')
    watch = json.dumps("subscription { fileEvents { cursor } }")
    subscribe = [b'{"type":"subscribe","id":"%d","payload":{"query":%s}}' % (n, watch.encode()) for n in range(1000)]
    talks = {
        "a WebSocket of garbage": _SOCKET + _frame(b"\xff" * 60_000) * 20,
        "a WebSocket of nested JSON": _SOCKET + start + _frame(b"[" * 60_000),
        "1,000 subscriptions": _SOCKET + start + b"".join(map(_frame, subscribe)),
        "1,000 operations": _SOCKET + start + b"".join(map(_frame, subscribe)).replace(b"fileEvents", b"fileNevers"),
        "10,000 pings": _SOCKET + start + _frame(b'{"type":"ping"}') * 10_000,
        "a large frame": _SOCKET + start + _frame(b"a" * 17 * MIB),
        "100,000 frames of nothing": _SOCKET + start + (_frame(b"", 0x9) * 100_000),
        "100,000 pieces of a message": _SOCKET
        + start
        + _frame(b"a", 0x1, last=False)
        + _frame(b"a", 0, last=False) * 100_000,
    }
    return {name: talk + _frame((1000).to_bytes(2, "big"), 0x8) for name, talk in talks.items()}


_SHORTEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_DELIMITER = b"--" + BOUNDARY + b"\r\n"
_END = b"--" + BOUNDARY + b"--\r\n"
_SOCKET = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_INTROSPECTION = """{ __schema { types { kind name description fields(includeDeprecated: true) { name description
    args { name type { kind name ofType { kind name ofType { kind name } } } defaultValue }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }
    inputFields { name type { kind name } } enumValues { name description } possibleTypes { kind name } } } }"""


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", "")).encode()


def _post(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _graphql_body(body: bytes) -> bytes:
    return _post("/graphql", "application/json", body)


def _operation(query: str, variables: dict[str, Any] | None = None) -> bytes:
    return _graphql_body(json.dumps({"query": query, "variables": variables or {}}, separators=(",", ":")).encode())


def _field(name: str, value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return _DELIMITER + f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()


def _file(data: bytes, name: str = "a.bin", key: str = "file") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{key}"; filename="{name}"\r\n\r\n'
    return _DELIMITER + disposition.encode() + data + b"\r\n" + _END


def _nested(depth: int) -> dict[str, Any]:
    nested: dict[str, Any] = {"file": None}
    for _ in range(depth):
        nested = {"a": nested}
    return nested


def _frame(data: bytes, kind: int = 0x1, *, last: bool = True) -> bytes:
    """A masked frame (RFC 6455, 5.2), with a mask of zeros."""
    size = len(data)
    length = (
        bytes([0x80 | size])
        if size < 126
        else (b"\xfe" + size.to_bytes(2, "big") if size < 2**16 else b"\xff" + size.to_bytes(8, "big"))
    )
    return bytes([(0x80 if last else 0) | kind]) + length + bytes(4) + data


def _uploaded(address: Address, data: bytes, name: str) -> str:
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    answer = _send(address, _post("/files/upload", kind, _file(data, name)))
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
