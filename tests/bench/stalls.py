"""How long hostile requests keep everybody else waiting: the event loop of the server, seen from outside.

While a request is under way, another connection asks again and again for the shortest answer that there is. How long
the slowest one took is how long the loop was held up. What a request causes comes in every round, and what a busy
machine causes does not, so the median of the rounds is what counts.
"""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench import hostile
from bench.servers import satchel
from bench.wire import Address

Result = dict[str, Any]

KIB, MIB = 2**10, 2**20
LIMIT = 256 * KIB  # of a JSON body, as it is set
DOCUMENT = 64 * KIB  # of a document, likewise
IDS = "mutation ($ids: [ID!]!) { deleteFiles(ids: $ids) { ids missing } }"
SEARCH = "query ($s: String) { files(first: 500, filter: {search: $s}) { totalCount nodes { id } } }"
AFTER = "query ($s: String) { files(after: $s) { nodes { id } } }"
RENAME = 'mutation ($s: String!) { renameFile(id: "FILE", filename: $s) { id } }'
FILES = 500


def stalls(directory: Path, rounds: int, say: Callable[[str], None]) -> list[Result]:
    """Each hostile request so many times; the longest wait of each round, in seconds."""
    results = []
    with satchel(directory, max_websockets="100000") as server:
        file_id = ""
        for number in range(FILES):
            file_id = hostile.uploaded(server.address, b"%d" % number, f"{number}.txt")
        requests = {"nothing": b"", **_requests(file_id)}
        for name, request in requests.items():
            waits = [_longest_wait(server.address, request) for _ in range(rounds)]
            results.append({"what": name, "median": median(waits), "worst": max(waits)})
            say(f"  {name}: {median(waits) * 1000:.0f} ms")
    return results


def _longest_wait(address: Address, request: bytes) -> float:
    waits, begun, done = [0.0], threading.Event(), threading.Event()

    def ask() -> None:
        with socket.create_connection(address, timeout=hostile.SECONDS) as asking:
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            last = False
            while not last:
                last = done.is_set()  # and one more, for what the request left behind
                start = time.perf_counter()
                asking.sendall(hostile.SHORTEST)
                hostile.answer(asking)
                waits.append(time.perf_counter() - start)
                begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait(hostile.SECONDS)
    waits.clear()
    try:
        if request:
            hostile.send(address, request)
        else:
            time.sleep(0.1)
    finally:
        done.set()
        asking.join()
    return max(waits)


# --- requests ---------------------------------------------------------------------------------------------------------


def _requests(file_id: str) -> dict[str, bytes]:
    return {**_of_graphql(file_id), **_of_http(file_id), **hostile.forms(), **_of_sockets()}


def _of_graphql(file_id: str) -> dict[str, bytes]:
    doubling = "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }} " for n in range(20))
    room = LIMIT - KIB
    return {
        "JSON, nested arrays": hostile.graphql_body(b"[" * room),
        "JSON, objects without end": hostile.graphql_body(b'{"a":' * (room // 5)),
        "JSON, many values": hostile.operation("{ __typename }", {"x": [0] * (room // 3)}),
        "JSON, one string": hostile.operation("{ __typename }", {"x": "a" * room}),
        "a document of one token": hostile.operation("a" * DOCUMENT),
        "a document of comments": hostile.operation("#\n" * (DOCUMENT // 2 - 8) + "{ __typename }"),
        "1,000 tokens": hostile.operation("{" + "__typename " * 990 + "}"),
        "1,000 fields that there are not": hostile.operation("{" + " ".join(f"fil{n}" for n in range(990)) + "}"),
        "1,000 fields below one": hostile.operation("{ files { nodes {" + "id " * 980 + "} } }"),
        "fields that conflict": hostile.operation("{ files { nodes { " + "a: id a: hash " * 7 + "} } }"),
        "a field 900 times with its own": hostile.operation("{" + "files { totalCount } " * 240 + "}"),
        "deep fields": hostile.operation("{ files " + "{ nodes " * 300),
        "fragments that double 20 times": hostile.operation(
            doubling + "fragment f20 on Query { __typename } { ...f0 }"
        ),
        "introspection": hostile.operation(_INTROSPECTION),
        "a page of 500 with all fields": hostile.operation(
            f"{{ files(first: 500) {{ totalCount nodes {{ {hostile.FIELDS} }} }} }}"
        ),
        "a page of 500 that costs the most": hostile.operation(
            f"{{ files(first: 500) {{ nodes {{ {hostile.FIELDS} }} edges {{ node {{ id size kind hash }} }} }} }}"
        ),
        "a long search": hostile.operation(SEARCH, {"s": "ab" * (room // 2)}),
        "a long search in another script": hostile.operation(SEARCH, {"s": "ǰ" * (room // 7)}),
        "a long cursor": hostile.operation(AFTER, {"s": "a" * room}),
        "a long name": hostile.operation(RENAME.replace("FILE", file_id), {"s": "é" * (room // 7)}),
        "a name of marks": hostile.operation(
            RENAME.replace("FILE", file_id), {"s": "a" + "\u0301\u0323" * (room // 14)}
        ),
        "deleting what is no id": hostile.operation(IDS, {"ids": [str(n) for n in range(room // 10)]}),
        "deleting many ids": hostile.operation(
            IDS, {"ids": [f"{n:08x}-0000-4000-8000-000000000000" for n in range(room // 41)]}
        ),
    }


def _of_http(file_id: str) -> dict[str, bytes]:
    place = f"/files/{file_id}"
    search = "/files?limit=500&search=" + "a" * 8000
    return {
        "10,000 ranges": hostile.get(place, f"Range: bytes={'0-0,' * 15_000}0-0"),
        "10,000 tags": hostile.get(place, "If-None-Match: " + '"a",' * 15_000),
        "one tag without an end": hostile.get(place, 'If-Match: "' + 'W/"' * 20_000),
        "a date without an end": hostile.get(place, "If-Modified-Since: " + "1 " * 30_000),
        "100 headers": hostile.get("/healthz", *(f"X-{n}: {'a' * 600}" for n in range(95))),
        "a header without an end": hostile.get("/healthz", "X-A: " + "a" * 4 * MIB),
        "accepting everything": hostile.get("/graphql?query={__typename}", "Accept: " + "a/b;q=0.1," * 6000),
        "10,000 cookies": hostile.get("/healthz", "Cookie: " + "a=b; " * 12_000),
        "a long address": hostile.get(search),
        "a search of marks": hostile.get("/files?limit=500&search=" + "%CC%81" * 500 + "%CC%96" * 500),
        "an address of escapes": hostile.get("/" + "%2e%2e%2f" * 850),
        "a page of 500": hostile.get("/files?limit=500"),
        "6,000 requests in one piece": hostile.SHORTEST * 6000 + hostile.get("/healthz"),
        "a body in chunks of a byte": _chunked(b"1\r\na\r\n" * 200_000),
        "300 requests in one piece": hostile.SHORTEST * 300 + hostile.get("/healthz"),
    }


def _of_sockets() -> dict[str, bytes]:
    watches = [hostile.subscribe(n, "subscription { fileEvents { cursor } }") for n in range(1000)]
    mistakes = [hostile.subscribe(n, "subscription { fileNevers { cursor } }") for n in range(1000)]
    return {
        "a WebSocket of garbage": hostile.talk(hostile.frame(b"\xff" * 60_000) * 20),
        "a WebSocket of nested JSON": hostile.talk(hostile.frame(b"[" * 60_000)),
        "1,000 subscriptions": hostile.talk(*watches),
        "1,000 operations": hostile.talk(*mistakes),
        "10,000 pings": hostile.talk(hostile.frame(b'{"type":"ping"}') * 10_000),
        "a large frame": hostile.talk(hostile.frame(b"a" * 17 * MIB)),
        "100,000 frames of nothing": hostile.talk(hostile.frame(b"", 0x9) * 100_000),
        "100,000 pieces of a message": hostile.talk(
            hostile.frame(b"a", last=False), hostile.frame(b"a", 0, last=False) * 100_000
        ),
    }


def _chunked(chunks: bytes) -> bytes:
    head = f"POST /files/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {hostile.FORM}\r\nConnection: close\r\n"
    part, end = hostile.head_of_file(), b"\r\n" + hostile.END
    beginning = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(part), part)
    return beginning + chunks + b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end)


_INTROSPECTION = """{ __schema { types { kind name description fields(includeDeprecated: true) { name description
    args { name type { kind name ofType { kind name ofType { kind name } } } defaultValue }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }
    inputFields { name type { kind name } } enumValues { name description } possibleTypes { kind name } } } }"""
