"""Bytes that begin as a lawful request and end as none: at the socket, in bodies, in forms and in WebSocket frames."""

import asyncio
import json
import re

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clients import client_at
from raw import END, MULTIPART, connected, head_of_part
from satchel.errors import Code
from sockets import opened

fuzz = examples(examples.get_profile("fuzz"))
SECONDS = 30  # a bound for each wait; nothing is measured by it

# --- edits ------------------------------------------------------------------------------------------------------------

TOKENS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b":",
    b" ",
    b"\t",
    b"\xff\xfe",
    b'"',
    b"\\",
    b"--",
    b"%00",
    b"Host: a\r\n",
]
TOKENS += [b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"]
TOKENS += [
    b"--raw-boundary",
    b"--raw-boundary--",
    b"; filename*=UTF-8''%ff",
    b"Expect: 100-continue\r\n",
    b"{",
    b"9" * 30,
]


@st.composite
def edited(draw, lawful):
    """One of the lawful ones, with some pieces put in, taken out, repeated or changed."""
    data = draw(st.sampled_from(lawful))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 40)))
        piece = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=20), st.just(data[start:stop] * 3)))
        data = data[:start] + piece + data[stop if draw(st.booleans()) else start :]
    return data


OPERATION = (
    b'{"query": "mutation ($file: Upload!) { uploadFile(file: $file) { file { id } } }", "variables": {"file": null}}'
)
FILE_FORM = head_of_part("file", "a.txt") + b"some bytes" + END
GRAPHQL_FORM = (
    head_of_part("operations") + OPERATION + b"\r\n" + head_of_part("map") + b'{"0": ["variables.file"]}\r\n'
    + head_of_part("0", "a.txt") + b"some bytes" + END
)  # fmt: skip
JSON_BODY = (
    b'{"query": "query ($n: Int) { files(first: $n) { nodes { id } } }", "variables": {"n": 1}, "extensions": {}}'
)


def request(line, headers, body=b""):
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s\r\n%s" % (line, headers, length, body)


FORM_HEADER = b"Content-Type: %s\r\n" % MULTIPART.encode()
REQUESTS = [
    request(b"GET /files?limit=1", b"Accept: */*\r\n"),
    request(b"GET /files/01a20571-e4ac-71df-a890-69fb5ca82519", b'Range: bytes=0-1\r\nIf-Range: "a"\r\n'),
    request(b"POST /files/upload", FORM_HEADER, FILE_FORM),
    request(b"POST /graphql", FORM_HEADER, GRAPHQL_FORM),
    request(b"POST /graphql", b"Content-Type: application/json\r\n", JSON_BODY),
    request(b"POST /graphql", b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
    + b"%x\r\n%s\r\n0\r\n\r\n" % (len(JSON_BODY), JSON_BODY),
    request(
        b"GET /graphql",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n",
    ),
]
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)


@fuzz
@given(edited(REQUESTS))
async def test_bytes_at_the_socket(fuzzed_heads, data):
    """Whatever comes is answered, though not by a failure of the server, and then the connection ends in order."""
    async with connected(fuzzed_heads) as raw:
        await raw.send(data)
        async with asyncio.timeout(SECONDS):
            answer = await raw.reader.read()
    assert not [status for status in STATUS.findall(answer) if status >= b"500"]
    if data.strip(b"\r\n"):
        assert answer.startswith(b"HTTP/1.1 ")


# --- bodies -----------------------------------------------------------------------------------------------------------

BODIES = st.one_of(edited([FILE_FORM, GRAPHQL_FORM]), edited([JSON_BODY, OPERATION]), st.binary(max_size=200))
KINDS = [MULTIPART, "application/json", "multipart/form-data", "text/plain", "application/x-www-form-urlencoded", ""]


@fuzz
@given(st.sampled_from(["/files/upload", "/graphql"]), st.sampled_from([MULTIPART, *KINDS]), BODIES)
async def test_bodies(fuzzed, path, kind, body):
    """Each is taken, or refused with a code of the table."""
    async with client_at(fuzzed) as client:
        response = await client.post(path, content=body, headers={"Content-Type": kind})
    answer = response.json()
    assert response.status_code < 500
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])} | {answer.get("code", "BAD_REQUEST")}
    assert codes <= Code.__members__.keys() - {"INTERNAL"}
    assert response.status_code == 200 or "errors" in answer or "code" in answer


# --- WebSockets -------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
types = st.sampled_from(
    ["connection_init", "subscribe", "complete", "ping", "pong", "next", "error", "connection_ack", "x"]
)
queries = st.sampled_from(["{ __typename }", "subscription { fileEvents { cursor } }", "mutation {", "{ a }"]) | values
payloads = st.fixed_dictionaries(
    {}, optional={"query": queries, "variables": values, "operationName": values, "extensions": values}
)
messages = st.fixed_dictionaries(
    {"type": types | values}, optional={"id": st.sampled_from("12") | values, "payload": payloads | values}
)
lawful = [b'{"type":"connection_init"}', b'{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}']
frames = st.one_of(
    messages.map(json.dumps),  # numbers of any size, which not every writer of JSON takes
    values.map(repr),
    edited(lawful),
    edited(lawful).map(lambda data: data.decode("latin-1")),
    st.text(max_size=20),
)
CLOSE = 8  # https://www.rfc-editor.org/rfc/rfc6455#section-5.2
HEAD = 6  # bytes of a short masked frame, with its mask
NO_CODE = 1005
ENDED_IN_ORDER = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 4400, 4401, 4406, 4408, 4409, 4429}


@fuzz
@given(st.booleans(), st.lists(frames, min_size=1, max_size=4))
async def test_websocket_messages(fuzzed, initialised, sent):
    """The connection goes on, or is closed with a code that says why; it is never just gone."""
    async with opened(fuzzed) as socket:
        if initialised:
            await socket.initialise()
        for message in sent:
            try:
                await socket.connection.send(message)
            except ConnectionError:
                break
        async with asyncio.timeout(SECONDS):
            await socket.connection.close()
    assert socket.connection.close_code in ENDED_IN_ORDER


@fuzz
@given(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        edited([b"\x81\x85\0\0\0\0hello", b"\x89\x80\0\0\0\0", b"\x88\x82\0\0\0\0\3\xe8"]),
    )
)
async def test_bytes_that_are_no_frames(fuzzed, data):
    """Before anything was said, any bytes end the connection with a code."""
    async with opened(fuzzed) as socket:
        socket.connection.transport.write(data)
        code = await socket.closed()
    # A frame that closes is answered with the code that it has, if any.
    closes = data[0] & 0x0F == CLOSE and len(data) >= HEAD
    own = bytes(byte ^ key for byte, key in zip(data[HEAD : HEAD + 2], data[2:HEAD], strict=False)) if closes else b""
    echoed = {int.from_bytes(own) if len(own) == 2 and data[1] & 0x7F else NO_CODE} if closes else set()
    assert code in ENDED_IN_ORDER | echoed
