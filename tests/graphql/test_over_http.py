"""GraphQL over HTTP, rule by rule as the audits of graphql-http know them.

https://github.com/graphql/graphql-http/tree/main/audits
"""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from refusals import assert_refused

from raw import connected
from satchel.config import KIB
from satchel.errors import Code, SatchelError
from stacks import one_is_enough

pytestmark = one_is_enough

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
both = pytest.mark.parametrize("media_type", [JSON, GRAPHQL])

TYPENAME = "{ __typename }"
ANSWER = {"data": {"__typename": "Query"}}


async def post(client, body, accept=JSON, content_type=JSON):
    """POST a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return await client.post("/graphql", content=content, headers={"Accept": accept, "Content-Type": content_type})


async def get(client, accept=JSON, **parameters):
    return await client.get("/graphql", params=parameters, headers={"Accept": accept})


def media_type_of(response):
    kind, _, parameters = response.headers["content-type"].partition(";")
    assert parameters.strip() == "charset=utf-8"
    return kind


# Media types


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        ("*/*", JSON),
        ("application/*", JSON),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON};q=0.1, {GRAPHQL};q=0.2", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        (f"{GRAPHQL};q=0, {JSON}", JSON),
        (f"text/html, {JSON}; charset=utf-8", JSON),
        (f"{GRAPHQL.upper()}; charset=utf-8", GRAPHQL),
        ("text/html;q=0.9, */*;q=0.1", JSON),
        (f"{JSON};q=0, */*", GRAPHQL),
        (f"*/*, {JSON};q=0", GRAPHQL),
        (f"*/*, {GRAPHQL}", GRAPHQL),
    ],
)
async def test_the_answer_has_the_media_type_that_is_accepted_best(shared_client, accept, expected):
    """Both media types are spoken; without a preference it is the older one; the more precise range counts."""
    response = await post(shared_client, {"query": TYPENAME}, accept)
    assert (response.status_code, media_type_of(response)) == (200, expected)
    assert response.json() == ANSWER


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_accept_the_answer_is_json(client, method):
    """A client that names no media type gets application/json."""
    del client.headers["accept"]
    body = {"json": {"query": TYPENAME}} if method == "POST" else {"params": {"query": TYPENAME}}
    response = await client.request(method, "/graphql", **body)
    assert "accept" not in response.request.headers
    assert (response.status_code, media_type_of(response), response.json()) == (200, JSON, ANSWER)


@pytest.mark.parametrize("accept", ["text/plain", "image/*", f"{JSON};q=0", "application/graphql"])
async def test_other_media_types_cannot_be_had(shared_client, accept):
    """A shared_client that takes neither media type is told so."""
    assert_refused(await post(shared_client, {"query": TYPENAME}, accept), 406, "NOT_ACCEPTABLE", JSON, GRAPHQL)
    assert_refused(await get(shared_client, accept, query=TYPENAME), 406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", "Application/JSON;charset=UTF-8"])
async def test_json_is_read_as_utf8(shared_client, content_type):
    """UTF-8 is taken with and without being named, and answered."""
    query = "query päivää($s: String) { files(filter: {search: $s}) { nodes { id } } }".replace("ä", "a")
    body = {"query": query, "variables": {"s": "日本語 🎒"}}
    response = await post(shared_client, body, content_type=content_type)
    assert response.json() == {"data": {"files": {"nodes": []}}}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/graphql", "", "multipart/mixed; boundary=x"],
)
async def test_other_bodies_are_not_read(shared_client, content_type):
    """What a web page can send without asking is no GraphQL request."""
    response = await post(shared_client, {"query": TYPENAME}, content_type=content_type)
    assert_refused(response, 415, "UNSUPPORTED_MEDIA_TYPE", JSON)


async def test_a_post_without_a_body_is_refused(shared_client):
    """Neither a missing type nor a missing body is forgiven."""
    assert (await shared_client.post("/graphql")).status_code == 415
    assert_refused(await post(shared_client, b""), 400, "BAD_REQUEST", "JSON")


async def test_an_answer_is_never_stored_by_a_cache(shared_client):
    """Answers depend on the moment."""
    for response in (
        await post(shared_client, {"query": TYPENAME}),
        await get(shared_client, query=TYPENAME),
        await post(shared_client, 1),
    ):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


# Members of a request


@both
@pytest.mark.parametrize(
    "member",
    [
        {"operationName": "A", "query": "query A { __typename } query B { file(id: 1) { id } }"},
        {"operationName": None, "variables": None, "extensions": None},
        {"variables": {}, "extensions": {}},
        {"variables": {"unused": [1]}, "extensions": {"some": {"value": True}}},
        {"unknown": "member"},
        {"query": "query ($a: ID! = 1) { __typename file(id: $a) @skip(if: true) { id } }"},
        {"query": "query ($a: ID!) { __typename file(id: $a) @skip(if: true) { id } }", "variables": {"a": "b"}},
    ],
)
async def test_every_lawful_member_is_taken(shared_client, media_type, member):
    """Null is as good as missing, and members that nobody knows are left alone."""
    response = await post(shared_client, {"query": TYPENAME, **member}, media_type)
    assert (response.status_code, response.json()) == (200, ANSWER)


WRONG = {
    "query": [None, "", 0, 1, True, [], ["{ __typename }"], {}, {"obj": "ect"}],
    "operationName": [0, 1, False, True, [], ["A"], {}],
    "variables": ["", "{}", 0, 1, False, True, [], ["a"]],
    "extensions": ["", "{}", 0, 1, False, True, [], ["a"]],
}


@both
@pytest.mark.parametrize(("member", "value"), [(name, value) for name, values in WRONG.items() for value in values])
async def test_a_member_of_the_wrong_type_is_refused(shared_client, media_type, member, value):
    """The refusal names the member, and is the same in both media types."""
    response = await post(shared_client, {"query": TYPENAME, member: value}, media_type)
    assert_refused(response, 400, "BAD_REQUEST", member)
    assert media_type_of(response) == media_type


@both
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"null", id="null"),
        pytest.param(b'"x"', id="string"),
        pytest.param(b"1", id="number"),
        pytest.param(b"true", id="boolean"),
        pytest.param(b"[]", id="empty-batch"),
        pytest.param(b'[{"query": "{ __typename }"}]', id="batch"),
        pytest.param(b"{}", id="no-query"),
        pytest.param(b'{"query"', id="cut"),
        pytest.param(b'{"query": "{ __typename }"} x', id="more-behind"),
        pytest.param(b"{'query': '{ __typename }'}", id="other-quotes"),
        pytest.param(b'{"query": "\xff"}', id="not-utf8"),
        pytest.param(b'\xff\xfe{\x00"\x00', id="utf16"),
        pytest.param(b'{"query": "\\ud800"}', id="half-a-character"),
        pytest.param(b'{"query": "{ __typename }", "variables": {"a": NaN}}', id="not-a-number"),
        pytest.param(b"[" * 100_000, id="deep-arrays"),
        pytest.param(b'{"a":' * 50_000, id="deep-objects"),
        pytest.param(b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, id="deep"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(shared_client, media_type, body):
    """Nothing that can stand in a body is more than a bad request."""
    response = await post(shared_client, body, media_type)
    assert_refused(response, 400, "BAD_REQUEST")
    assert media_type_of(response) == media_type


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
members = st.dictionaries(
    st.sampled_from(["query", "variables", "operationName", "extensions", "id"]),
    st.sampled_from([TYPENAME, "query ($a: FileFilter) { files(filter: $a) { totalCount } }"]) | json_values,
)


@examples(max_examples=300)
@given(body=members | json_values | st.binary(max_size=20))
async def test_no_body_whatever_makes_the_server_fail(shared_client, body):
    """Any JSON, and any bytes, are answered with a result or with errors that have a code, and never with a 5xx."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await post(shared_client, content, GRAPHQL)
    assert response.status_code in {200, 400}
    assert all("code" in error["extensions"] for error in response.json().get("errors", []))
    assert b"INTERNAL" not in response.content


@pytest.mark.settings(max_json_size=KIB)
async def test_a_body_over_the_limit_is_refused(client):
    """A request is held in memory, so its size has a limit, counted to the byte."""
    body = orjson.dumps({"query": TYPENAME})
    fits = body + b" " * (KIB - len(body))
    assert (await post(client, fits)).json() == ANSWER
    assert_refused(await post(client, fits + b" "), 413, "PAYLOAD_TOO_LARGE", "SATCHEL_MAX_JSON_SIZE")


async def test_a_body_over_the_limit_is_not_read_to_its_end(shared_server):
    """The answer comes while the body still flows, and the connection is cut."""
    async with connected(shared_server) as raw:
        await raw.request("POST", "/graphql", {"Content-Type": JSON, "Content-Length": str(2**30)}, b" " * 300 * KIB)
        answer = await raw.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"
        assert await raw.flood(64 * KIB * KIB) < 32 * KIB * KIB


# Operations that cannot run

INVALID = {
    "not GraphQL": {"query": "{"},
    "only a comment": {"query": "# nothing"},
    "an unknown field": {"query": "{ nothing }"},
    "a missing variable": {"query": "query ($id: ID!) { file(id: $id) { id } }"},
    "a variable of the wrong type": {
        "query": "query ($n: Int!) { files(first: $n) { totalCount } }",
        "variables": {"n": "many"},
    },
    "a variable that no number holds": {
        "query": "query ($n: BigInt) { files(filter: {minSize: $n}) { totalCount } }",
        "variables": {"n": 2**63},
    },
    "a date without an offset": {
        "query": "query ($d: DateTime) { files(filter: {uploadedAfter: $d}) { totalCount } }",
        "variables": {"d": "2026-01-31T12:00:00"},
    },
    "an upload that is no file": {
        "query": "mutation ($f: Upload!) { uploadFile(file: $f) { deduplicated } }",
        "variables": {"f": "text"},
    },
    "no such operation": {"query": "query A { __typename }", "operationName": "B"},
    "no name among several": {"query": "query A { __typename } query B { __typename }"},
    "a circle of fragments": {"query": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"},
    "a depth without end": {"query": "{" + "a{" * 20_000},
    "a subscription": {"query": "subscription { fileUploaded { id } }"},
}


@pytest.mark.parametrize("why", INVALID)
async def test_an_operation_that_cannot_run_says_why(shared_client, why):
    """In the newer media type it is a bad request; in the older one only the result is bad, not the request."""
    response = await post(shared_client, INVALID[why], GRAPHQL)
    assert_refused(response, 400, "BAD_REQUEST")
    assert response.json()["errors"][0]["message"]

    older = await post(shared_client, INVALID[why], JSON)
    status = 400 if why == "a subscription" else 200
    assert_refused(older, status, "BAD_REQUEST")
    assert older.json() == response.json()


async def test_an_error_tells_its_place(shared_client):
    """What is wrong with a document is said with line and column."""
    [error] = (await post(shared_client, {"query": "{\n  nothing\n}"})).json()["errors"]
    assert error["locations"] == [{"line": 2, "column": 3}]
    assert "nothing" in error["message"]


@both
async def test_a_failure_in_a_resolver_is_a_result(shared_client, media_type):
    """An operation that ran has a result, with data, place and code of what failed."""
    body = {"query": 'mutation { a: deleteFile(id: "none") { id } }'}
    response = await post(shared_client, body, media_type)
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"] is None
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]) == (["a"], {"code": "NOT_FOUND"})


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('mutation { renameFile(id: "none", filename: "x") { id } }', "NOT_FOUND"),
        (
            'mutation { renameFile(id: "0198a000-0000-7000-8000-000000000000", filename: "..") { id } }',
            "INVALID_FILENAME",
        ),
        ("{ files(first: 0) { totalCount } }", "BAD_REQUEST"),
        ("{ files(first: 501) { totalCount } }", "BAD_REQUEST"),
        ('{ files(after: "alien") { totalCount } }', "BAD_REQUEST"),
        ('{ files(filter: {search: "\\u0000"}) { totalCount } }', "BAD_REQUEST"),
    ],
)
async def test_failures_have_the_codes_of_the_table(shared_client, query, code):
    """The code of a failure stands in its extensions."""
    [error] = (await post(shared_client, {"query": query})).json()["errors"]
    assert error["extensions"]["code"] == code


# GET


@both
async def test_a_query_may_come_by_get(shared_client, media_type):
    """All members stand in the URL, variables and extensions as JSON."""
    response = await get(
        shared_client,
        media_type,
        query="query A($id: ID!) { __typename file(id: $id) { id } } query B { __typename }",
        operationName="A",
        variables='{"id": "日本"}',
        extensions='{"a": 1}',
    )
    assert (response.status_code, media_type_of(response)) == (200, media_type)
    assert response.json() == {"data": {"__typename": "Query", "file": None}}


async def test_a_query_by_head_has_no_body(shared_server):
    """HEAD answers as GET does, without the body."""
    async with connected(shared_server) as raw:
        await raw.request("HEAD", "/graphql?query=%7B__typename%7D", {"Accept": JSON, "Connection": "close"})
        received = await raw.reader.read()
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"\r\n\r\n")


@both
async def test_a_mutation_by_get_is_not_allowed(client, kept, media_type):
    """A link must not change anything, whichever of several operations it names."""
    mutation = 'mutation M { deleteFile(id: "x") { id } }'
    for parameters in ({"query": mutation}, {"query": mutation + " query Q { __typename }", "operationName": "M"}):
        response = await get(client, media_type, **parameters)
        assert_refused(response, 405, "METHOD_NOT_ALLOWED", "POST")
        assert response.headers["allow"] == "POST"
    response = await get(client, media_type, query=mutation + " query Q { __typename }", operationName="Q")
    assert response.json() == ANSWER


async def test_a_subscription_by_get_is_pointed_to_the_websocket(shared_client):
    """There is another way for subscriptions, and the refusal names it."""
    response = await get(shared_client, GRAPHQL, query="subscription { fileUploaded { id } }")
    assert_refused(response, 400, "BAD_REQUEST", "graphql-transport-ws")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"operationName": "A"}, "query"),
        ({"query": ""}, "query"),
        ({"query": TYPENAME, "variables": "{"}, "variables"),
        ({"query": TYPENAME, "variables": "[]"}, "variables"),
        ({"query": TYPENAME, "variables": "1"}, "variables"),
        ({"query": TYPENAME, "extensions": "x"}, "extensions"),
        ({"query": TYPENAME, "extensions": "[]"}, "extensions"),
    ],
)
async def test_a_url_that_is_no_request_is_refused(shared_client, parameters, words):
    """The refusal names the parameter."""
    assert_refused(await get(shared_client, **parameters), 400, "BAD_REQUEST", words)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_are_not_allowed(shared_client, method):
    """The answer names those that are."""
    response = await shared_client.request(method, "/graphql")
    assert response.status_code == 405
    assert {"GET", "HEAD", "POST"} <= set(response.headers["allow"].split(", "))


async def test_a_browser_is_shown_the_playground(shared_client):
    """A page is what a browser asks for when it opens the address, and only then."""
    page = await shared_client.get("/graphql", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    query = await shared_client.get("/graphql", params={"query": TYPENAME}, headers={"Accept": "text/html,*/*;q=0.8"})
    assert query.json() == ANSWER


# What nobody expected


@pytest.fixture
def broken(stack, monkeypatch):
    """A stack whose totals fail with something that must not be shown."""

    async def fail():
        raise RuntimeError("secret: /var/lib/satchel password=hunter2")

    monkeypatch.setattr(stack.files, "usage", fail)


@both
async def test_an_unexpected_failure_shows_a_request_id_and_nothing_else(client, broken, capsys, media_type):
    """The client is given what it takes to find the failure in the log, and no part of the failure itself."""
    response = await post(client, {"query": "{ storage { files } }"}, media_type)
    assert response.status_code == 200
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL"}
    assert error.keys() == {"message", "locations", "path", "extensions"}
    for internal in ("secret", "hunter2", "Runtime", "Traceback", "/var", ".py"):
        assert internal not in response.text
    request_id = error["message"].removesuffix(".").split()[-1]
    assert len(request_id) == 16
    logged = capsys.readouterr()
    [line] = [line for line in (logged.out + logged.err).splitlines() if "unexpected failure" in line]
    assert request_id in line


async def test_an_unexpected_failure_spares_the_other_fields(client, broken):
    """What may be null is null where it failed, and the rest of the result is there."""
    query = '{ __typename file(id: "x") { id } storage { files } }'
    response = await post(client, {"query": query})
    assert [error["path"] for error in response.json()["errors"]] == [["storage"]]


async def test_an_expected_failure_below_is_not_masked(client, stack, monkeypatch):
    """A database that does not answer is a failure of the table, with its own code."""

    async def fail():
        raise SatchelError(Code.DATABASE_UNAVAILABLE, "The database does not answer at the moment.")

    monkeypatch.setattr(stack.files, "usage", fail)
    [error] = (await post(client, {"query": "{ storage { files } }"})).json()["errors"]
    assert (error["extensions"]["code"], error["message"]) == (
        "DATABASE_UNAVAILABLE",
        "The database does not answer at the moment.",
    )


async def test_an_unexpected_failure_of_a_route_is_a_problem_document(client, stack, monkeypatch):
    """Plain HTTP masks as GraphQL does."""

    async def fail(**_):
        raise RuntimeError("secret")

    monkeypatch.setattr(stack.files, "find", fail)
    response = await client.get("/files")
    assert response.status_code == 500
    assert response.json()["code"] == "INTERNAL"
    assert "secret" not in response.text
