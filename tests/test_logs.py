"""The log of a real server that strangers write into."""

import re
from urllib.parse import quote

import httpx
import orjson
import pytest

from clients import client_at
from kept import eventually
from raw import END, MULTIPART, connected, head_of_part
from sockets import opened
from stacks import embedded_only

pytestmark = embedded_only

HOSTILE = "\x1b[31m \r\n2026-01-01T00:00:00.000000Z [error    ] forged \x7f\x9b2J\u202e\u2028"
MARK = "what-a-client-sent"
BEGIN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[\w+ *\] ")


async def provoke(server):
    """All that a client can put into a log: addresses, names, headers, and what fails unexpectedly over a body."""
    async with connected(server) as raw:
        await raw.request("GET", "/healthz", {"X-Name": "\x1b[31m", "User-Agent": "a\x9b2J"})
        await raw.answer()
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        assert (await client.get(f"/files/{quote(HOSTILE)}")).status_code == 404
        body = head_of_part("file", HOSTILE.replace("\r\n", "%0D%0A")) + MARK.encode() + END
        stored = await client.post("/files/upload", content=body, headers={"Content-Type": MULTIPART})
        rename = "mutation ($id: ID!, $name: String!) { renameFile(id: $id, filename: $name) { filename } }"
        variables = {"id": stored.json()["id"], "name": HOSTILE}
        assert (await client.post("/graphql", json={"query": rename, "variables": variables})).status_code == 200

        server.kept.execute("ALTER TABLE files RENAME COLUMN content_type TO other")
        body = head_of_part("file", MARK) + MARK.encode() + END
        headers = {"Content-Type": MULTIPART, "Idempotency-Key": MARK}
        failed = await client.post("/files/upload", content=body, headers=headers)
        assert (failed.status_code, failed.json()["code"]) == (500, "INTERNAL")
        failed = await client.post("/graphql", json={"query": f"{{ files {{ nodes {{ size }} }} }} # {MARK}"})
        assert failed.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    await eventually(lambda: server.logged().count("unexpected failure") >= 2)


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_client_writes_into_the_log_as_it_likes(serve, log_format):
    """No control character comes through, no entry looks like two, and a failure tells no value of a variable."""
    server = await serve(log_format=log_format, log_level="debug")
    await provoke(server)
    lines = server.logged().split("\n")[:-1]
    assert [line for line in lines if not line.isprintable()] == []
    assert "forged" in server.logged()
    assert MARK not in server.logged()
    if log_format == "json":
        entries = [orjson.loads(line) for line in lines]
        assert {"event", "level", "timestamp"} <= set.intersection(*(set(entry) for entry in entries))
        assert f"/files/{HOSTILE}" in [entry.get("path") for entry in entries]
    else:
        assert [line for line in lines if not BEGIN.match(line) and not line.startswith("  ")] == []
        assert [line for line in lines if line.startswith("2026-01-01")] == []


def failures(server):
    """What stands in the log with a traceback, as entries."""
    entries = [orjson.loads(line) for line in server.logged().splitlines()]
    return [entry for entry in entries if "exception" in entry or "Traceback" in entry["event"]]


def id_told(detail):
    """The request id that a failure tells."""
    return detail.removesuffix(".").split()[-1]


async def test_an_unexpected_failure_is_found_in_the_log_by_what_its_client_was_told(serve):
    """Once, whichever door it came by; and the answer is as safe, and reaches its client as well, as any other."""
    server = await serve(log_format="json")
    server.kept.execute("ALTER TABLE files RENAME COLUMN content_type TO other")
    server.kept.execute("ALTER TABLE uploads RENAME TO others")
    told = []
    async with client_at(server) as client:
        for answer in (await client.get("/files"), await client.head("/files/6a3f5a43-5f4a-4a7e-9d70-0f1a6f6f6a3f")):
            assert answer.status_code == 500
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        told.append(id_told((await client.get("/files")).json()["detail"]))
        answer = await client.post("/graphql", json={"query": "{ files { nodes { size } } }"})
        told.append(id_told(answer.json()["errors"][0]["message"]))
    for path, parts in {
        "/files/upload": head_of_part("file", "a.txt"),
        "/graphql": b"".join(
            [
                head_of_part("operations"),
                b'{"query":"mutation($f:Upload!){uploadFile(file:$f){deduplicated}}","variables":{"f":null}}\r\n',
                head_of_part("map"),
                b'{"0":["variables.f"]}\r\n',
                head_of_part("0", "a.txt"),
            ]
        ),
    }.items():
        async with connected(server) as raw:
            await raw.request("POST", path, {"Content-Type": MULTIPART, "Content-Length": str(2**30)}, parts)
            answer = await raw.answer()
            assert (answer.status, answer.headers["connection"]) == (500, "close")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert await raw.flood(2**30) < 2**26
            assert await raw.is_closed()
        problem = answer.json()
        assert (problem["errors"][0]["extensions"] if "errors" in problem else problem)["code"] == "INTERNAL"
        told.append(id_told(problem["errors"][0]["message"] if "errors" in problem else problem["detail"]))
    async with opened(server) as socket:
        await socket.initialise()
        await socket.subscribe("{ files { nodes { size } } }")
        error = await socket.error()
    assert error["extensions"]["code"] == "INTERNAL"
    told.append(id_told(error["message"]))
    logged = [entry["request_id"] for entry in failures(server) if "request_id" in entry]
    assert [logged.count(request_id) for request_id in told] == [1] * 5
    assert [entry for entry in failures(server) if "ASGI" in entry["event"]] == []


async def test_a_client_that_leaves_or_is_too_slow_is_no_failure(serve):
    """At every door that reads a body, and at the WebSocket, which may be sent what is no text."""
    server = await serve(log_format="json", log_level="debug", body_timeout="0.5s")
    bodies = {"/graphql": ("application/json", b'{"query": "'), "/files/upload": (MULTIPART, head_of_part("file", "a"))}
    for path, (kind, begun) in bodies.items():
        for patient in (False, True):
            ended = server.logged().count(f'"path":"{path}"')
            async with connected(server) as raw:
                await raw.request("POST", path, {"Content-Type": kind, "Content-Length": "100000"}, begun)
                if patient:
                    assert (await raw.answer()).status == 408
            await eventually(lambda path=path, ended=ended: server.logged().count(f'"path":"{path}"') > ended)
    async with opened(server) as socket:
        await socket.initialise()
        socket.connection.transport.write(b"\x81\x82\0\0\0\0\xff\xfe")
        assert await socket.closed() == 4400
    assert failures(server) == []
