"""The graphql-transport-ws protocol, spoken to a real server.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import gc
import json
import random
from contextlib import suppress

import orjson
import pytest
from graphql import parse
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.execute import map_source_to_response_event
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from clients import client_at
from kept import eventually
from raw import HANDSHAKE, connected
from satchel.config import KIB
from satchel.graphql.executor import SharingExecutor
from satchel.graphql.schema import core_schema
from satchel.graphql.types import FileEvent
from satchel.metadata import cursors
from sockets import EVENTS, PROTOCOL, SECONDS, opened, ready
from stacks import one_is_enough


@pytest.fixture
async def client(shared_server):
    async with client_at(shared_server) as client:
        yield client


async def upload(client, name="a.txt", data=b"data"):
    response = await client.post("/files/upload", files={"file": (name, data)})
    assert response.status_code == 200, response.text
    return response.json()


async def rename(client, file_id, filename):
    query = "mutation ($id: ID!, $filename: String!) { renameFile(id: $id, filename: $filename) { id } }"
    response = await client.post("/graphql", json={"query": query, "variables": {"id": file_id, "filename": filename}})
    assert "errors" not in response.json()


# Events


async def test_ready_comes_first_with_the_place_to_start_from(shared_server):
    """The first message tells that the subscription stands, and holds a cursor and no file."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe(EVENTS)
        event = await socket.event()
    assert (event["kind"], event["fileId"], event["file"]) == ("READY", None, None)
    assert event["cursor"]


async def test_changes_come_in_order_with_their_file(shared_server, client):
    """Uploaded, renamed and deleted: each with the file as it was after the change, or last."""
    async with ready(shared_server) as socket:
        file = await upload(client, "first name.txt")
        await rename(client, file["id"], "second name.txt")
        await client.delete(f"/files/{file['id']}")
        events = [await socket.event() for _ in range(3)]
    assert [(event["kind"], event["file"]["filename"]) for event in events] == [
        ("UPLOADED", "first name.txt"),
        ("RENAMED", "second name.txt"),
        ("DELETED", "second name.txt"),
    ]
    assert {event["fileId"] for event in events} == {event["file"]["id"] for event in events} == {file["id"]}
    assert len({event["cursor"] for event in events}) == 3


async def test_a_cursor_goes_on_behind_its_event(shared_server, client):
    """From any event's cursor, and from READY's, exactly what came after it comes again."""
    async with ready(shared_server) as socket:
        for name in "abc":
            await upload(client, name)
        events = [await socket.event() for _ in range(3)]
        cursors = [socket.cursor, *(event["cursor"] for event in events)]
    for place, cursor in enumerate(cursors[:-1]):
        async with ready(shared_server, after=cursor) as socket:
            assert socket.cursor == cursor
            assert [await socket.event() for _ in range(3 - place)] == events[place:]


async def test_the_last_cursor_waits_for_what_is_new(shared_server, client):
    """Behind the last event comes the next one, and nothing before it."""
    async with ready(shared_server) as socket:
        cursor = socket.cursor
    async with ready(shared_server, after=cursor) as socket:
        file = await upload(client, "new")
        assert (await socket.event())["fileId"] == file["id"]


async def test_new_uploads_are_told_by_their_own_subscription(shared_server, client):
    """`fileUploaded` tells uploads from now on, and no other change."""
    file = await upload(client, "before")
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe("subscription { fileUploaded { id filename } }", operation="uploads")
        await socket.subscribe(EVENTS, operation="events")
        assert (await socket.event("events"))["kind"] == "READY"
        # Nothing says when `fileUploaded` has begun, so files come until one is told.
        told = asyncio.create_task(_first(socket, "uploads"))
        uploaded = []
        while not told.done():
            await rename(client, file["id"], f"renamed {len(uploaded)}")
            uploaded.append(await upload(client, "after"))
        message = await told
    assert message["payload"]["data"]["fileUploaded"]["id"] in {one["id"] for one in uploaded}
    assert message["payload"]["data"]["fileUploaded"]["filename"] == "after"


async def _first(socket, operation):
    while (message := await socket.receive())["id"] != operation:
        pass
    return message


async def test_every_subscriber_is_told_everything(shared_server, client):
    """Many subscribers over several connections see the same events in the same order."""

    async def follow(socket):
        return [await socket.event() for _ in range(10)]

    async with ready(shared_server) as one, ready(shared_server) as two, ready(shared_server) as three:
        followers = [asyncio.create_task(follow(socket)) for socket in (one, two, three)]
        await asyncio.gather(*(upload(client, f"{number}.txt", b"%d" % number) for number in range(10)))
        first, *others = await asyncio.gather(*followers)
    assert all(events == first for events in others)
    assert {event["file"]["filename"] for event in first} == {f"{number}.txt" for number in range(10)}


async def churn(client, rounds, pause=0.0):
    """Upload, rename and delete files, for several rounds."""
    for number in range(rounds):
        file = await upload(client, f"{number}.txt", b"%d" % number)
        await rename(client, file["id"], f"renamed {number}.txt")
        if number % 2:
            await client.delete(f"/files/{file['id']}")
        await asyncio.sleep(pause)


def committed(server, after=0):
    """The events in the table, as (kind, id of the file)."""
    rows = server.kept.query(f'SELECT kind, file_id FROM events WHERE id > {after} ORDER BY "transaction", id')
    return [(kind, str(file_id).replace("-", "")) for kind, file_id in rows]


def told(events):
    """Events as the table has them, each cursor once."""
    once = {event["cursor"]: event for event in events}
    return [(event["kind"], event["fileId"].replace("-", "")) for event in once.values()]


async def follow_through_cuts(server, cursor, enough, turns):
    """Follow from a cursor over connections that are lost after a few events, until there is enough."""
    events = []
    while not enough(events):
        async with ready(server, after=cursor) as socket:
            for _ in range(turns()):
                if enough(events):
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        events.append(await socket.event())
                        cursor = events[-1]["cursor"]
            socket.cut()
    return events


async def test_nothing_is_lost_when_the_connection_is_cut_again_and_again(shared_server, client):
    """Resuming by cursor while files come and go, every event comes, in commit order, after any number of cuts."""
    [(newest,)] = shared_server.kept.query("SELECT coalesce(max(id), 0) FROM events")
    async with ready(shared_server) as socket:
        start = socket.cursor
    writers = [asyncio.create_task(churn(client, 15)) for _ in range(3)]
    expected = 3 * (15 + 15 + 7)
    turns = random.Random(4)
    events = await follow_through_cuts(
        shared_server, start, lambda events: len(told(events)) >= expected, lambda: turns.randrange(6)
    )
    await asyncio.gather(*writers)
    assert told(events) == committed(shared_server, newest)
    assert len(events) == expected


async def test_nothing_is_lost_when_the_server_is_restarted_or_killed(serve):
    """A cursor outlives the server: events committed before a stop or a crash come after it."""
    server = await serve()
    async with ready(server) as socket:
        start = socket.cursor
    for again in (server.stop, server.kill):
        async with client_at(server) as client:
            await churn(client, 5)
        await again()
        await server.start()
    async with client_at(server) as client:
        await churn(client, 1)
    expected = committed(server)
    events = await follow_through_cuts(server, start, lambda events: len(events) >= len(expected), lambda: 4)
    assert told(events) == expected


@pytest.mark.settings(event_max_rows=5, event_ring_size=2, sweep_interval="0.2s")
async def test_a_cursor_behind_what_is_kept_has_expired(server):
    """Who comes back too late is told so, before anything else, and reloads the list."""
    async with ready(server) as socket:
        start = socket.cursor
    async with client_at(server) as client:
        await churn(client, 6)
    await eventually(lambda: server.kept.count("events") == 5)
    async with opened(server) as socket:
        await socket.initialise()
        await socket.subscribe(EVENTS, after=start)
        assert (await socket.error())["extensions"]["code"] == "CURSOR_EXPIRED"
        await socket.subscribe(EVENTS, operation="2")  # the connection is still good
        assert (await socket.event("2"))["kind"] == "READY"


async def test_a_cursor_of_another_log_has_expired(shared_server):
    """A cursor from another place, or ahead of this one, is no place here."""
    async with ready(shared_server) as socket:
        log, transaction, event_id = cursors.unpack(socket.cursor, str, int, int)
    for alien in (cursors.pack("another log", 0, 1), cursors.pack(log, transaction, event_id + 10**6)):
        async with opened(shared_server) as socket:
            await socket.initialise()
            await socket.subscribe(EVENTS, after=alien)
            assert (await socket.error())["extensions"]["code"] == "CURSOR_EXPIRED"


@pytest.mark.parametrize("after", ["", "x", "bm90IGEgY3Vyc29y", "é", "a" * 10_000])
async def test_a_cursor_that_is_none_is_refused(shared_server, after):
    """What is no cursor at all is a bad request."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe(EVENTS, after=after)
        assert (await socket.error())["extensions"]["code"] == "BAD_REQUEST"


# Operations


async def test_queries_and_mutations_run_over_the_socket(shared_server, client):
    """One result, and then the operation is complete."""
    file = await upload(client)
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe("query ($f: ID!) { file(id: $f) { id } }", "query", f=file["id"])
        assert await socket.next("query") == {"file": {"id": file["id"]}}
        assert await socket.receive() == {"type": "complete", "id": "query"}
        await socket.subscribe("mutation ($f: ID!) { deleteFile(id: $f) { id } }", "mutation", f=file["id"])
        assert await socket.next("mutation") == {"deleteFile": {"id": file["id"]}}
        assert await socket.receive() == {"type": "complete", "id": "mutation"}


INVALID = {
    "an unknown field": "{ nothing }",
    "a missing variable": "query ($id: ID!) { file(id: $id) { id } }",
    "a circle of fragments": "{ ...A } fragment A on Query { ...A }",
    "two subscriptions": "subscription { fileUploaded { id } fileEvents { cursor } }",
    "an upload": "mutation ($f: Upload!) { uploadFile(file: $f) { deduplicated } }",
}


@one_is_enough
@pytest.mark.parametrize("why", INVALID)
async def test_an_operation_that_cannot_run_is_answered_with_an_error(shared_server, why):
    """The error has a code, and the connection goes on."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe(INVALID[why], operation="bad")
        assert (await socket.error("bad"))["extensions"]["code"] == "BAD_REQUEST"
        await socket.subscribe("{ __typename }", operation="good")
        assert await socket.next("good") == {"__typename": "Query"}


@one_is_enough
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("{", id="cut"),
        pytest.param("{ a } " + "long_" * 500, id="long"),
        pytest.param("{ a } é" + "ü" * 500, id="not-ascii"),
        pytest.param("{a" * 20_000, id="deep"),
        pytest.param("", id="empty"),
        pytest.param("query A { __typename } query B { __typename }", id="nameless"),
    ],
)
async def test_a_document_that_cannot_be_parsed_does_not_break_the_connection(shared_server, query):
    """It is answered by an error, or the connection is closed as for any invalid message; it never just breaks."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe(query)
        try:
            assert (await socket.error())["extensions"]["code"] == "BAD_REQUEST"
        except ConnectionClosed:
            assert await socket.closed() == 4400


async def test_a_subscription_ends_when_it_is_completed(shared_server, client):
    """Behind `complete` nothing more comes under its id, and the id may be used again."""
    async with ready(shared_server) as socket:
        await socket.send("complete", id="1")
        await socket.subscribe(EVENTS, operation="2")
        assert (await socket.event("2"))["kind"] == "READY"
        await upload(client)
        assert (await socket.event("2"))["kind"] == "UPLOADED"
        await socket.subscribe(EVENTS)
        assert (await socket.event())["kind"] == "READY"


@one_is_enough
async def test_the_number_of_operations_has_a_limit(shared_server):
    """One more than allowed is answered with an error; one that ended makes room."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        for number in range(16):
            await socket.subscribe(EVENTS, operation=str(number))
            assert (await socket.event(str(number)))["kind"] == "READY"
        await socket.subscribe(EVENTS, operation="one too many")
        message = await socket.receive()
        assert (message["type"], message["id"]) == ("error", "one too many")
        assert message["payload"][0]["extensions"]["code"] == "TOO_MANY_SUBSCRIPTIONS"
        await socket.send("complete", id="0")
        await socket.subscribe(EVENTS, operation="another")
        assert (await socket.event("another"))["kind"] == "READY"


@one_is_enough
async def test_operations_that_ended_do_not_count(shared_server):
    """Any number of operations may run one after the other."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        for number in range(200):
            await socket.subscribe("{ __typename }", operation=str(number))
            assert await socket.next(str(number)) == {"__typename": "Query"}
            assert (await socket.receive())["type"] == "complete"


# The handshake


NO_HANDSHAKE = {
    "a body in chunks": ("GET", "/graphql", {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
    "a body that does not come": ("GET", "/graphql", {"Content-Length": "5"}, b""),
    "a body that comes": ("GET", "/graphql", {"Content-Length": "5"}, b"hello"),
    "another method": ("POST", "/graphql", {}, b""),
    "an address that is no text": ("GET", "/graphql?\xff", {}, b""),
    "another version": ("GET", "/graphql", {"Sec-WebSocket-Version": "12"}, b""),
    "no key": ("GET", "/graphql", {"Sec-WebSocket-Key": ""}, b""),
}


@one_is_enough
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("why", NO_HANDSHAKE)
async def test_a_request_that_opens_no_websocket_is_answered_and_cut(shared_server, why, used):
    """It is refused like any other bad request, wherever that is noticed."""
    method, path, headers, body = NO_HANDSHAKE[why]
    async with connected(shared_server) as raw:
        if used:
            await raw.request("GET", "/healthz", {})
            assert (await raw.answer()).status == 200
        await raw.request(method, path, {**HANDSHAKE, **headers}, body)
        answer = await raw.answer()
        assert await raw.is_closed()
    assert (answer.status, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert (answer.headers["connection"], answer.headers["x-content-type-options"]) == ("close", "nosniff")


@one_is_enough
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Cookie": "a" * 60_000}, id="one-that-is-large"),
        pytest.param({f"X-{number}": "a" * 600 for number in range(90)}, id="many"),
    ],
)
async def test_the_headers_of_a_websocket_have_the_bounds_of_all_requests(shared_server, headers):
    """What the settings allow opens it, such as the cookies of everything else on this host."""
    async with opened(shared_server, additional_headers=headers) as socket:
        await socket.initialise()
    with pytest.raises(InvalidStatus) as refused:
        async with opened(shared_server, additional_headers={"Cookie": "a" * 70_000}):
            pass
    assert refused.value.response.status_code == 431
    assert b"SATCHEL_MAX_HEADER_SIZE" in refused.value.response.body


@one_is_enough
async def test_a_websocket_may_be_asked_for_behind_other_requests(shared_server):
    """They are answered first, each by itself."""
    async with connected(shared_server) as raw:
        for _ in range(100):
            await raw.request("GET", "/healthz", {})
        await raw.request("GET", "/graphql", HANDSHAKE)
        for _ in range(100):
            assert (await raw.answer()).status == 200
        assert (await raw.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


# The protocol


@one_is_enough
async def test_a_ping_is_answered(shared_server):
    """Before the handshake and after it, with a payload and without; a pong needs no answer."""
    async with opened(shared_server) as socket:
        await socket.send("ping")
        assert await socket.receive() == {"type": "pong"}
        await socket.initialise()
        await socket.send("pong")
        await socket.send("pong", payload={"a": 1})
        await socket.send("ping", payload={"a": 1})
        assert (await socket.receive())["type"] == "pong"


@one_is_enough
@pytest.mark.parametrize("subprotocols", [[], ["graphql-ws"], ["chat", "GRAPHQL-TRANSPORT-WS"]])
async def test_another_subprotocol_is_not_acceptable(shared_server, subprotocols):
    """Only graphql-transport-ws is spoken, and not the protocol before it."""
    async with opened(shared_server, subprotocols) as socket:
        assert socket.connection.subprotocol is None
        assert await socket.closed() == 4406


@one_is_enough
async def test_the_subprotocol_is_chosen_among_several(shared_server):
    """It is enough that the client knows it."""
    async with opened(shared_server, ["graphql-ws", PROTOCOL]) as socket:
        assert socket.connection.subprotocol == PROTOCOL
        await socket.initialise()


@one_is_enough
async def test_subscribing_before_the_handshake_is_unauthorized(shared_server):
    """Nothing runs before the connection is acknowledged."""
    async with opened(shared_server) as socket:
        await socket.subscribe(EVENTS)
        assert await socket.closed() == 4401


@one_is_enough
async def test_a_second_handshake_is_too_many(shared_server):
    """A connection is initialised once."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.send("connection_init")
        assert await socket.closed() == 4429


@one_is_enough
@pytest.mark.parametrize("operation", ["1", "i" * 5000, "ü" * 100], ids=["short", "long", "not-ascii"])
async def test_an_id_in_use_is_not_used_again(shared_server, operation):
    """Two operations of one id would be one to the client."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe(EVENTS, operation)
        await socket.event(operation)
        await socket.subscribe(EVENTS, operation)
        assert await socket.closed() == 4409


@one_is_enough
@pytest.mark.settings(websocket_init_timeout="1s")
async def test_a_connection_that_says_nothing_is_closed(server):
    """Who does not begin the handshake in time is cut off; a ping is no beginning."""
    async with opened(server) as silent, opened(server) as pinging:
        await pinging.send("ping")
        assert await silent.closed() == 4408
        assert await pinging.closed() == 4408


@one_is_enough
@pytest.mark.settings(websocket_ping_interval="0.5s")
async def test_a_peer_that_is_gone_is_noticed(server):
    """Who answers no ping is given up; who does may be silent for as long as it likes."""
    async with opened(server) as quiet, connected(server) as gone:
        await quiet.initialise()
        await gone.request("GET", "/graphql", HANDSHAKE)
        assert (await gone.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        async with asyncio.timeout(SECONDS):
            frames = await gone.reader.read()
        assert (frames[0] & 0x0F, (1011).to_bytes(2) in frames) == (Opcode.PING, True)
        await quiet.subscribe("{ __typename }")
        assert await quiet.next() == {"__typename": "Query"}


@one_is_enough
async def test_a_message_over_the_limit_is_too_big(shared_server):
    """A message may have 64 KiB, and not one byte more."""
    async with opened(shared_server) as socket:
        fits = orjson.dumps({"type": "ping", "payload": {"x": ""}})
        fits = fits.replace(b'""', b'"' + b"x" * (64 * KIB - len(fits)) + b'"')
        await socket.connection.send(fits.decode())
        assert (await socket.receive())["type"] == "pong"
        await socket.connection.send(fits.decode() + " ")
        assert await socket.closed() == 1009


@one_is_enough
async def test_a_message_in_fragments_is_one_message(shared_server):
    """A message may come in pieces, which together are bound by the limit."""
    async with opened(shared_server) as socket:
        await socket.connection.send(iter(['{"type":', '"ping"', "}"]))
        assert (await socket.receive())["type"] == "pong"
        with suppress(ConnectionClosed):
            await socket.connection.send(iter(["x" * KIB] * 65))
        assert await socket.closed() == 1009


@one_is_enough
@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize(
    "frame",
    [
        "",
        "x",
        "{",
        "null",
        "[]",
        "1",
        '"ping"',
        "{}",
        '{"type": null}',
        '{"type": "unknown"}',
        '{"type": "connection_ack"}',
        '{"type": "next", "id": "1", "payload": {}}',
        '{"type": "connection_init", "payload": 1}',
        '{"type": "ping", "payload": []}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": "x"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": 0}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "operationName": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "extensions": 1}}',
        '{"type": "complete"}',
        '{"type": "complete", "id": 1}',
        "[" * 60_000,
        b'{"type": "ping"}',
        b"\xff\xfe",
    ],
)
async def test_a_message_that_does_not_conform_is_invalid(shared_server, frame, acknowledged):
    """Whatever is no message of the protocol closes the connection as such, before and after the handshake."""
    async with opened(shared_server) as socket:
        if acknowledged:
            await socket.initialise()
        await socket.connection.send(frame)
        assert await socket.closed() == 4400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["connection_init", "subscribe", "complete", "ping", "pong", "next", ""]) | json_values},
    optional={"id": st.just("1") | json_values, "payload": st.just({"query": "{ __typename }"}) | json_values},
)


@examples(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(frames=st.lists(messages | json_values, min_size=1, max_size=4), acknowledged=st.booleans())
@one_is_enough
async def test_no_message_whatever_breaks_the_connection(shared_server, frames, acknowledged):
    """Any JSON is answered, ignored, or closes the connection with a code of the protocol; never 1006 or 1011."""
    async with opened(shared_server) as socket:
        if acknowledged:
            await socket.initialise()
        with suppress(ConnectionClosed):
            for frame in frames:
                await socket.connection.send(json.dumps(frame))
            await socket.connection.send("the end")  # which does not conform
        assert await socket.closed() in {4400, 4401, 4409, 4429}


# The end


async def test_a_server_that_stops_says_so_and_ends_well(serve):
    """Subscribers are told to come back, and the server's exit is no failure."""
    server = await serve()
    async with ready(server) as one, opened(server) as two:
        server.terminate()
        assert await one.closed() in {1001, 1012}
        assert await two.closed() in {1001, 1012}
    assert await server.wait() == 0
    assert "Traceback" not in server.logged()


async def test_a_cut_connection_leaves_nothing_behind(shared_server, client):
    """Subscribers that vanish are forgotten without a word in the log."""
    before = shared_server.logged()
    for _ in range(20):
        async with ready(shared_server) as socket:
            socket.cut()
    for _ in range(3):
        await upload(client)
    async with ready(shared_server):
        pass
    logged = shared_server.logged()[len(before) :]
    assert "Traceback" not in logged
    assert '"level":"error"' not in logged


@one_is_enough
async def test_what_was_told_is_not_kept(stack_kind):
    """A subscription that lasts needs no more memory after many events than after a few."""
    executor = SharingExecutor.build(core_schema, parse("subscription { fileEvents { kind cursor file { id } } }"))

    async def source():
        while True:
            yield FileEvent.ready("cursor")

    def kept():
        gc.collect()
        return sum(isinstance(thing, FieldDetails) for thing in gc.get_objects())

    told, after = map_source_to_response_event(executor, source()), []
    for number in range(101):
        result = await anext(told)
        assert (result.data["fileEvents"]["cursor"], result.errors) == ("cursor", None)
        if number in {1, 100}:
            after.append(kept())
    assert after[1] <= after[0]
