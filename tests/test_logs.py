"""The log of a real server that strangers write into."""

import re
from urllib.parse import quote

import httpx
import orjson
import pytest

from kept import eventually
from raw import END, MULTIPART, connected, head_of_part
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
