"""Files in GraphQL requests, as the specification has them and its reference implementation tests them.

https://github.com/jaydenseric/graphql-multipart-request-spec
https://github.com/jaydenseric/graphql-upload/blob/master/processRequest.test.mjs
"""

import hashlib
import itertools
from datetime import timedelta

import orjson
import pytest
from refusals import assert_refused

from kept import eventually
from raw import BOUNDARY, END, MULTIPART, connected, head_of_part
from satchel.config import KIB, MIB
from stacks import one_is_enough

GRAPHQL = "application/graphql-response+json"

ONE = "mutation ($file: Upload!) { uploadFile(file: $file) { deduplicated file { id filename size hash copies } } }"
LIST = "mutation ($files: [Upload!]!) { uploadFiles(files: $files) { deduplicated file { id filename hash copies } } }"
TWO = """mutation ($a: Upload!, $b: Upload!, $hash: String) {
    a: uploadFile(file: $a) { deduplicated file { id hash objectName } }
    b: uploadFile(file: $b, hash: $hash) { deduplicated file { id hash objectName } }
}"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def field(name, value):
    """A form field; bytes and texts are taken as they are, anything else is written as JSON."""
    if not isinstance(value, bytes):
        value = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return head_of_part(name) + value


def file(name, data=b"data", filename="a.txt"):
    return head_of_part(name, filename) + data


def form(*parts):
    return b"\r\n".join(parts) + END


def request(query, variables, file_map, *files):
    """The form that clients send."""
    return form(field("operations", {"query": query, "variables": variables}), field("map", file_map), *files)


async def post(client, body, accept="application/json"):
    return await client.post("/graphql", content=body, headers={"Content-Type": MULTIPART, "Accept": accept})


async def run(client, *form_of_request):
    """The data of a request that succeeds."""
    response = await post(client, request(*form_of_request))
    answer = response.json()
    assert (response.status_code, answer.get("errors")) == (200, None), response.text
    return answer["data"]


# Requests that are taken


async def test_a_single_file(client):
    """A file stands where the map says, and comes with the name and the bytes of its part."""
    data = await run(client, ONE, {"file": None}, {"1": ["variables.file"]}, file("1", b"one", "père noël.txt"))
    uploaded = data["uploadFile"]
    assert uploaded["deduplicated"] is False
    stored = uploaded["file"]
    assert (stored["filename"], stored["size"], stored["hash"]) == ("père noël.txt", 3, sha256(b"one"))
    assert (await client.get(f"/files/{stored['id']}/download")).content == b"one"


async def test_a_list_of_files(client):
    """The results stand in the order of the list, and the names of the parts mean nothing."""
    file_map = {"b": ["variables.files.0"], "x y": ["variables.files.1"], "日本": ["variables.files.2"]}
    parts = [file("b", b"0", "0"), file("x y", b"1", "1"), file("日本", b"2", "2")]
    for order in itertools.permutations(parts):
        data = await run(client, LIST, {"files": [None] * 3}, file_map, *order)
        assert [one["file"]["filename"] for one in data["uploadFiles"]] == ["0", "1", "2"]
        assert [one["file"]["hash"] for one in data["uploadFiles"]] == [sha256(digit) for digit in (b"0", b"1", b"2")]


async def test_files_in_several_fields(client):
    """One operation may upload in several fields, each with its own file and arguments."""
    variables = {"a": None, "b": None, "hash": sha256(b"2")}
    file_map = {"0": ["variables.b"], "1": ["variables.a"]}
    data = await run(client, TWO, variables, file_map, file("1", b"1"), file("0", b"2"))
    assert (data["a"]["file"]["hash"], data["b"]["file"]["hash"]) == (sha256(b"1"), sha256(b"2"))


async def test_one_part_used_in_two_fields(client, kept):
    """A part that stands at two places makes two files of the same bytes, which are sent and kept once."""
    data = await run(client, TWO, {"a": None, "b": None}, {"0": ["variables.a", "variables.b"]}, file("0", b"same"))
    a, b = data["a"], data["b"]
    assert a["file"]["id"] != b["file"]["id"]
    assert a["file"]["objectName"] == b["file"]["objectName"]
    assert (a["deduplicated"], b["deduplicated"]) == (False, True)
    assert kept.objects() == {a["file"]["objectName"]}
    assert kept.is_clean()


async def test_one_part_used_twice_in_one_list(client, kept):
    """The same holds within a list."""
    file_map = {"0": ["variables.files.0", "variables.files.2"], "1": ["variables.files.1"]}
    data = await run(client, LIST, {"files": [None] * 3}, file_map, file("0", b"same"), file("1", b"other"))
    first, second, third = (one["file"] for one in data["uploadFiles"])
    assert first["id"] != third["id"]
    assert [one["deduplicated"] for one in data["uploadFiles"]] == [False, False, True]
    assert [first["copies"], second["copies"], third["copies"]] == [2, 1, 2]
    assert kept.is_clean()
    assert len(kept.objects()) == 2


async def test_one_part_used_in_a_field_and_in_a_list(client, kept):
    """One part may serve fields of different kinds in one operation."""
    query = """mutation ($file: Upload!, $files: [Upload!]!) {
        uploadFile(file: $file) { file { id } }
        uploadFiles(files: $files) { file { id } }
    }"""
    file_map = {"0": ["variables.files.1", "variables.file", "variables.files.0"]}
    data = await run(client, query, {"file": None, "files": [None, None]}, file_map, file("0"))
    ids = {data["uploadFile"]["file"]["id"], *(one["file"]["id"] for one in data["uploadFiles"])}
    assert len(ids) == kept.count("files") == 3
    assert kept.is_clean()


async def test_the_same_variable_used_twice(client, kept):
    """A variable may stand in several fields."""
    query = """mutation ($f: Upload!) {
        a: uploadFile(file: $f) { deduplicated }
        b: uploadFile(file: $f) { deduplicated }
    }"""
    data = await run(client, query, {"f": None}, {"0": ["variables.f"]}, file("0"))
    assert data == {"a": {"deduplicated": False}, "b": {"deduplicated": True}}
    assert kept.count("files") == 2


@one_is_enough
async def test_a_request_without_files(client):
    """A multipart request may carry no file at all, and may be a query."""
    assert await run(client, "{ __typename }", {}, {}) == {"__typename": "Query"}


@one_is_enough
async def test_an_operation_is_chosen_by_name(client):
    """`operationName` works as in any other request."""
    operations = {"query": f"query Q {{ __typename }} {ONE.replace('mutation', 'mutation M')}", "operationName": "M"}
    body = form(
        field("operations", {**operations, "variables": {"file": None}}),
        field("map", {"0": ["variables.file"]}),
        file("0"),
    )
    assert "uploadFile" in (await post(client, body)).json()["data"]


async def test_a_file_that_the_operation_does_not_use_is_not_kept(client, kept):
    """A file in a variable that no field asks for is read and dropped."""
    assert await run(client, "{ __typename }", {"x": None}, {"0": ["variables.x"]}, file("0")) == {
        "__typename": "Query"
    }
    await eventually(kept.is_empty)


async def test_a_deduplicated_upload_is_told(client):
    """Bytes that are there already are said to be, under whatever name they come."""
    first = await run(client, ONE, {"file": None}, {"0": ["variables.file"]}, file("0", b"x", "a"))
    second = await run(client, ONE, {"file": None}, {"0": ["variables.file"]}, file("0", b"x", "b"))
    assert (first["uploadFile"]["deduplicated"], second["uploadFile"]["deduplicated"]) == (False, True)
    assert second["uploadFile"]["file"]["copies"] == 2


async def test_both_doors_keep_a_file_alike(client):
    """The same upload by plain HTTP and by GraphQL gives the same record but for its id and date."""
    data = await run(client, ONE, {"file": None}, {"0": ["variables.file"]}, file("0", b"<svg/>", "../a.svg"))
    response = await client.post("/files/upload", files={"file": ("../a.svg", b"<svg/>", "text/plain")})
    by_graphql = (await client.get(f"/files/{data['uploadFile']['file']['id']}/metadata")).json()
    by_http = response.json()
    for record in (by_graphql, by_http):
        for own in ("id", "upload_date", "download_url", "preview_url"):
            del record[own]
    assert by_graphql == by_http


# Arguments of an upload

KEYED = """mutation ($file: Upload!, $hash: String, $key: String) {
    uploadFile(file: $file, hash: $hash, idempotencyKey: $key) { file { id } }
}"""


KEYED_BY_FRAGMENT = """mutation ($file: Upload!) { ... on Mutation { ...all } }
fragment all on Mutation { uploadFile(file: $file, idempotencyKey: "") { file { id } } }"""


async def keyed(client, data, **variables):
    return await post(client, request(KEYED, {"file": None, **variables}, {"0": ["variables.file"]}, file("0", data)))


async def test_an_idempotency_key_gives_the_same_file(client, kept):
    """The same upload sent again under its key gives the first file; another one is a conflict."""
    first = (await keyed(client, b"x", key="k")).json()
    assert (await keyed(client, b"x", key="k")).json() == first
    [error] = (await keyed(client, b"y", key="k")).json()["errors"]
    assert error["extensions"]["code"] == "IDEMPOTENCY_CONFLICT"
    await eventually(kept.is_clean)
    assert kept.count("files") == 1


@one_is_enough
@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"hash": sha256(b"other")}, "HASH_MISMATCH"),
        ({"key": "\0"}, "BAD_REQUEST"),
    ],
)
async def test_a_bad_argument_keeps_nothing(client, kept, variables, code):
    """A declared hash that is another's, and a key that cannot be kept, fail the field; nothing is kept."""
    response = await keyed(client, b"x", **variables)
    assert (response.status_code, response.json()["data"]) == (200, None)
    [error] = response.json()["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["uploadFile"], code)
    await eventually(kept.is_empty)


async def test_a_field_that_fails_spares_the_file_of_another_field(client, kept):
    """Fields of a mutation run one after the other; what the first has done stays done."""
    variables = {"a": None, "b": None, "hash": "0" * 64}
    file_map = {"0": ["variables.a"], "1": ["variables.b"]}
    response = await post(client, request(TWO, variables, file_map, file("0", b"0"), file("1", b"1")))
    [error] = response.json()["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["b"], "HASH_MISMATCH")
    await eventually(kept.is_clean)
    assert kept.query("SELECT sha256 FROM blobs") == [(sha256(b"0"),)]


async def test_upload_files_takes_all_or_none(client, stack, kept):
    """Where one file of a list cannot be published, none is."""

    async def body():
        whole = request(
            LIST,
            {"files": [None, None]},
            {"0": ["variables.files.0"], "1": ["variables.files.1"]},
            file("0", b"0"),
            file("1", b"1"),
        )
        yield whole[: -len(END)]
        await eventually(lambda: len(stack.files.uploads._leased) == 2)
        await stack.metadata.abandon_upload(list(stack.files.uploads._leased)[1])
        yield END

    [error] = (await post(client, body())).json()["errors"]
    assert error["extensions"]["code"] == "LEASE_LOST"
    await eventually(kept.is_empty)


# Requests that are refused

OPERATIONS = {"query": ONE, "variables": {"file": None}}
MAP = {"0": ["variables.file"]}
good = field("operations", OPERATIONS)
good_map = field("map", MAP)


def with_map(file_map, variables=None):
    operations = {
        "query": LIST,
        "variables": {"files": [None, None], "o": {"x": None}} if variables is None else variables,
    }
    return form(field("operations", operations), field("map", file_map), file("0"))


BAD = {
    "no parts": (form(), "'operations' is missing"),
    "no operations": (form(good_map, file("0")), "'operations'"),
    "no map": (form(good), "'map' is missing"),
    "a file instead of the map": (form(good, file("0")), "'map'"),
    "the map before the operations": (form(good_map, good, file("0")), "first 'operations', then 'map'"),
    "a file before the map": (form(good, file("0"), good_map), "first 'operations', then 'map'"),
    "a file before all": (form(file("0"), good, good_map), "first 'operations', then 'map'"),
    "operations twice": (form(good, good, file("0")), "'operations'"),
    "the map twice": (form(good, good_map, good_map, file("0")), "'map'"),
    "an extra field": (form(good, good_map, field("x", "y"), file("0")), "extra part named 'x'"),
    "an extra file": (form(good, good_map, file("0"), file("1")), "extra part named '1'"),
    "an extra file between": (form(good, good_map, file("1"), file("0")), "extra part named '1'"),
    "a file twice": (form(good, good_map, file("0"), file("0")), "more than one part named '0'"),
    "a missing file": (form(good, good_map), "file part '0' is missing"),
    "a file without a filename": (form(good, good_map, field("0", "text")), "no filename"),
    "operations that are not JSON": (form(field("operations", "{ x }"), good_map, file("0")), "'operations'"),
    "operations that are not UTF-8": (form(field("operations", b"\xff"), good_map, file("0")), "'operations'"),
    "operations that are null": (form(field("operations", "null"), good_map, file("0")), "JSON object"),
    "operations that are a string": (form(field("operations", '"x"'), good_map, file("0")), "JSON object"),
    "operations that are true": (form(field("operations", "true"), good_map, file("0")), "JSON object"),
    "operations in a batch": (form(field("operations", [OPERATIONS]), good_map, file("0")), "Several operations"),
    "operations without a query": (form(field("operations", {"variables": {}}), good_map, file("0")), "query"),
    "variables that are no object": (
        form(field("operations", {"query": ONE, "variables": [None]}), good_map, file("0")),
        "variables",
    ),
    "variables that are a string": (
        form(field("operations", {"query": ONE, "variables": ""}), good_map, file("0")),
        "variables",
    ),
    "a map that is not JSON": (form(good, field("map", "{ x }"), file("0")), "'map'"),
    "a map that is null": (form(good, field("map", "null"), file("0")), "'map'"),
    "a map that is true": (form(good, field("map", "true"), file("0")), "'map'"),
    "a map that is a string": (form(good, field("map", '"x"'), file("0")), "'map'"),
    "a map that is an array": (form(good, field("map", [["variables.file"]]), file("0")), "'map'"),
    "an entry that is null": (form(good, field("map", {"0": None}), file("0")), "'0'"),
    "an entry that is a string": (form(good, field("map", {"0": "variables.file"}), file("0")), "'0'"),
    "an entry without paths": (form(good, field("map", {"0": []}), file("0")), "'0'"),
    "a path that is no string": (form(good, field("map", {"0": [1]}), file("0")), "'0'"),
    "a path that is null": (form(good, field("map", {"0": ["variables.file", None]}), file("0")), "'0'"),
    "a path to the query": (with_map({"0": ["query"]}), "'query'"),
    "a path to the operation's name": (with_map({"0": ["operationName"]}), "'operationName'"),
    "a path to all variables": (with_map({"0": ["variables"]}), "'variables'"),
    "a path that is empty": (with_map({"0": [""]}), "''"),
    "a path of a batch": (with_map({"0": ["0.variables.files.0"]}), "'0.variables.files.0'"),
    "a path to the extensions": (with_map({"0": ["extensions.files.0"]}), "'extensions.files.0'"),
    "a path that ends in a dot": (with_map({"0": ["variables.files."]}), "'variables.files.'"),
    "a path with two dots": (with_map({"0": ["variables..files"]}), "'variables..files'"),
    "a path to no variable": (with_map({"0": ["variables.other"]}), "'variables.other'"),
    "a path past the list": (with_map({"0": ["variables.files.2"]}), "'variables.files.2'"),
    "a path before the list": (with_map({"0": ["variables.files.-1"]}), "'variables.files.-1'"),
    "a path by a name in a list": (with_map({"0": ["variables.files.x"]}), "'variables.files.x'"),
    "a path by a foreign digit": (with_map({"0": ["variables.files.²"]}), "does not fit"),
    "a path below null": (with_map({"0": ["variables.files.0.x"]}), "'variables.files.0.x'"),
    "a path below a number": (with_map({"0": ["variables.files.x"]}, {"files": 1}), "'variables.files.x'"),
    "a path below a string": (with_map({"0": ["variables.files.0"]}, {"files": "x"}), "'variables.files.0'"),
    "a path to an attribute": (with_map({"0": ["variables.__class__"]}), "'variables.__class__'"),
    "a path to a prototype": (with_map({"0": ["variables.__proto__.x"]}), "'variables.__proto__.x'"),
    "a path to a value": (with_map({"0": ["variables.files"]}), "must be null"),
    "a path named twice in an entry": (with_map({"0": ["variables.files.0"] * 2}), "named once"),
    "a path named in two entries": (
        with_map({"0": ["variables.files.0"], "1": ["variables.files.0"]}),
        "named once",
    ),
    "a path below another file": (with_map({"0": ["variables.o.x"], "1": ["variables.o.x.y"]}), "does not fit"),
    "no variables at all": (form(field("operations", {"query": ONE}), good_map, file("0")), "does not fit"),
    "operations that are not JSON, and a large file": (
        form(field("operations", "{ x }"), good_map, file("0", b"a" * 70_000)),
        "'operations'",
    ),
    "operations that are empty": (form(field("operations", ""), good_map, file("0")), "'operations'"),
    "a map that is an empty array": (form(good, field("map", []), file("0")), "'map'"),
    "a map that is empty": (form(good, field("map", ""), file("0")), "'map'"),
    "a header of a part that ends early": (b"--" + BOUNDARY + b"\r\nContent-Disposition", "closing boundary"),
    "a header of a part that begins with a space": (
        b"--" + BOUNDARY + b"\r\n Content-Disposition: form-data;",
        "malformed",
    ),
    "the wrong boundary": (b"--other\r\n\r\n--other--", "boundary"),
    "an empty body": (b"", "first boundary"),
}


@pytest.fixture(scope="module")
async def refusing(open_service):
    """One service for all requests that are refused: what one of them left would be found by the next."""
    async with open_service() as service:
        yield service


@one_is_enough
@pytest.mark.parametrize("accept", ["application/json", GRAPHQL])
@pytest.mark.parametrize("shape", BAD)
async def test_a_request_of_a_bad_shape_is_refused_and_keeps_nothing(refusing, shape, accept):
    """The refusal says what is wrong, in either media type, and neither row nor object is left."""
    body, words = BAD[shape]
    response = await post(refusing.client, body, accept)
    assert_refused(response, 400, "BAD_MULTIPART", words)
    assert response.headers["content-type"].partition(";")[0] == accept
    await eventually(refusing.kept.is_empty)


async def test_a_request_cut_anywhere_is_refused_and_keeps_nothing(refusing):
    """Up to the end of the closing boundary, a request that ends early has changed nothing."""
    body = request(ONE, {"file": None}, {"0": ["variables.file"]}, file("0", b"x" * 50))
    for length in range(0, len(body) - len(b"\r\n"), 3):
        assert_refused(await post(refusing.client, body[:length]), 400, "BAD_MULTIPART")
    await eventually(refusing.kept.is_empty)


@one_is_enough
@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ({"query": "mutation ($file: Upload!) { nothing(file: $file) }", "variables": {"file": None}}, "BAD_REQUEST"),
        ({"query": "{", "variables": {"file": None}}, "BAD_REQUEST"),
        ({"query": "mutation ($file: Int!) { nothing }", "variables": {"file": None}}, "BAD_REQUEST"),
        ({"query": LIST, "variables": {"files": None, "file": None}}, "BAD_REQUEST"),
        ({"query": "subscription { fileUploaded { id } }", "variables": {"file": None}}, "BAD_REQUEST"),
        ({"query": ONE, "operationName": "X", "variables": {"file": None}}, "BAD_REQUEST"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", GRAPHQL])
async def test_an_operation_that_cannot_run_is_refused(refusing, operations, code, accept):
    """An operation with files is checked like any other, and refused in both media types alike."""
    body = form(field("operations", operations), good_map, file("0"))
    assert_refused(await post(refusing.client, body, accept), 400, code)
    await eventually(refusing.kept.is_empty)


@one_is_enough
async def test_a_file_that_does_not_come_is_missed_where_no_field_asks_for_it(refusing):
    """Whoever names a file in the map sends it, whatever the operation does with it."""
    body = request("{ __typename }", {"x": None}, {"0": ["variables.x"]})
    assert_refused(await post(refusing.client, body), 400, "BAD_MULTIPART", "file part '0' is missing")


@one_is_enough
async def test_a_part_has_a_short_name(client):
    """255 characters are taken, and one more is refused."""
    await run(client, ONE, {"file": None}, {"n" * 255: ["variables.file"]}, file("n" * 255))
    response = await post(client, request(ONE, {"file": None}, {"n" * 256: ["variables.file"]}, file("n" * 256)))
    assert_refused(response, 400, "BAD_MULTIPART", "255")


@one_is_enough
@pytest.mark.parametrize("filename", ["", "..", "/"])
async def test_a_filename_of_which_nothing_is_left_is_refused(refusing, filename):
    """A name has to name something."""
    body = form(good, good_map, file("0", b"x", filename))
    assert_refused(await post(refusing.client, body), 400, "INVALID_FILENAME")
    await eventually(refusing.kept.is_empty)


@one_is_enough
@pytest.mark.parametrize(
    ("query", "file_map", "variables"),
    [
        ("mutation ($file: Upload!) { nothing }", {"0": ["variables.file"]}, {}),
        (ONE, {"0": ["variables.other"]}, {}),
        (LIST, {"0": ["variables.file"]}, {}),
        (KEYED, {"0": ["variables.file"]}, {"hash": "abc"}),
        (KEYED, {"0": ["variables.file"]}, {"hash": ""}),
        (KEYED, {"0": ["variables.file"]}, {"key": ""}),
        (KEYED, {"0": ["variables.file"]}, {"key": "k" * 256}),
        (KEYED_BY_FRAGMENT, {"0": ["variables.file"]}, {}),
    ],
)
async def test_the_refusal_comes_before_the_first_byte_of_a_file(shared_server, query, file_map, variables):
    """What can be known before a file is sent is told before it is sent, and the connection is cut."""
    before = shared_server.kept.count("uploads"), shared_server.kept.objects()
    async with connected(shared_server) as raw:
        head = form(
            field("operations", {"query": query, "variables": {"file": None, **variables}}), field("map", file_map)
        )
        headers = {"Content-Type": MULTIPART, "Content-Length": str(2**30)}
        await raw.request("POST", "/graphql", headers, head.removesuffix(END) + b"\r\n--" + BOUNDARY + b"\r\n")
        answer = await raw.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await raw.flood(64 * MIB) < 32 * MIB
        assert await raw.is_closed()
    assert (shared_server.kept.count("uploads"), shared_server.kept.objects()) == before


# Limits


@one_is_enough
@pytest.mark.settings(max_operations_size=KIB, max_map_size=KIB)
@pytest.mark.parametrize(("name", "setting"), [("operations", "MAX_OPERATIONS_SIZE"), ("map", "MAX_MAP_SIZE")])
async def test_the_fields_have_limits(client, name, setting):
    """Fields are held in memory: at the limit they are taken, and one byte more is not."""
    fields = {"operations": orjson.dumps(OPERATIONS), "map": orjson.dumps(MAP)}
    for extra, status in ((0, 200), (1, 413)):
        padded = {**fields, name: fields[name] + b" " * (KIB - len(fields[name]) + extra)}
        response = await post(client, form(*(field(*one) for one in padded.items()), file("0")))
        assert response.status_code == status
    assert_refused(response, 413, "PAYLOAD_TOO_LARGE", f"SATCHEL_{setting}")


@pytest.mark.settings(max_files_per_request=2)
async def test_the_number_of_files_has_a_limit(client, kept):
    """More files than are allowed are refused before the first one is read."""
    for count, status in ((2, 200), (3, 413)):
        keys = [str(number) for number in range(count)]
        response = await post(
            client,
            request(
                LIST,
                {"files": [None] * count},
                {key: [f"variables.files.{key}"] for key in keys},
                *(file(key, b"few") for key in keys),
            ),
        )
        assert response.status_code == status
    assert_refused(response, 413, "PAYLOAD_TOO_LARGE", "SATCHEL_MAX_FILES_PER_REQUEST")
    await eventually(kept.is_clean)
    assert kept.count("files") == 2


UPLOAD = "uploadFile(file: $f) { deduplicated }"
UPLOADS = " ".join(f"a{number}: {UPLOAD}" for number in range(4))
MANY = {
    "one part at many places of a list": (LIST, {"files": [None] * 4}, [f"variables.files.{n}" for n in range(4)]),
    "one variable in many fields": (f"mutation ($f: Upload!) {{ {UPLOADS} }}", {"f": None}, ["variables.f"]),
    "one variable in many places of a list": (
        "mutation ($f: Upload!) { uploadFiles(files: [$f, $f, $f, $f]) { deduplicated } }",
        {"f": None},
        ["variables.f"],
    ),
    "one list in several fields": (
        "mutation ($f: [Upload!]!) { a: uploadFiles(files: $f) { deduplicated } ...B } "
        "fragment B on Mutation { b: uploadFiles(files: $f) { deduplicated } }",
        {"f": [None] * 2},
        ["variables.f.0", "variables.f.1"],
    ),
    "the one of two operations that runs": (
        f"mutation M($f: Upload!) {{ {UPLOADS} }} mutation N($f: Upload!) {{ {UPLOAD} }}",
        {"f": None},
        ["variables.f"],
    ),
}


@pytest.mark.parametrize("shape", MANY)
async def test_the_number_of_files_that_a_request_makes_has_a_limit(open_service, shape):
    """A part counts as often as it becomes a file; where these are too many, none is read, and none is made."""
    query, variables, places = MANY[shape]
    operation = {"query": query, "variables": variables, "operationName": "M" if "mutation M" in query else None}
    body = form(field("operations", operation), field("map", {"0": places}), file("0"))
    async with open_service(max_files_per_request=4) as service:
        assert "errors" not in (await post(service.client, body)).json()
        assert service.kept.count("files") == 4
    async with open_service(max_files_per_request=3) as service:
        response = await post(service.client, body)
        assert_refused(response, 413, "PAYLOAD_TOO_LARGE", "SATCHEL_MAX_FILES_PER_REQUEST")
        assert service.kept.is_empty()


@one_is_enough
@pytest.mark.settings(max_files_per_request=2)
async def test_a_place_that_the_operation_does_not_use_counts_too(client):
    """What is known from the map alone is refused before the operation is looked at."""
    places = [f"variables.x.{number}" for number in range(3)]
    body = request("{", {"x": [None] * 3}, {"0": places}, file("0"))
    assert_refused(await post(client, body), 413, "PAYLOAD_TOO_LARGE", "SATCHEL_MAX_FILES_PER_REQUEST")


@one_is_enough
@pytest.mark.settings(max_files_per_request=2)
async def test_the_number_of_parts_has_a_limit(client, kept):
    """Parts that no map could name are counted where they begin, and the first one too many ends the reading."""
    file_map = {"0": ["variables.files.0"], "1": ["variables.files.1"]}
    files = [file(str(number)) for number in range(3)]
    assert_refused(
        await post(client, request(LIST, {"files": [None] * 2}, file_map, *files)),
        413,
        "PAYLOAD_TOO_LARGE",
        "SATCHEL_MAX_FILES_PER_REQUEST",
    )
    await eventually(kept.is_empty)


@pytest.mark.settings(max_file_size=1000)
@pytest.mark.parametrize("large", ["0", "1"])
async def test_one_file_over_the_limit_refuses_them_all(client, kept, large):
    """A file of the limit is taken; one byte more, in the first file or in the last, and nothing is kept."""
    for extra in (0, 1):
        files = [file(key, b"x" * (1000 + (extra if key == large else 0))) for key in ("0", "1")]
        file_map = {"0": ["variables.files.0"], "1": ["variables.files.1"]}
        response = await post(client, request(LIST, {"files": [None, None]}, file_map, *files))
        if not extra:
            assert response.status_code == 200
            ids = [one["file"]["id"] for one in response.json()["data"]["uploadFiles"]]
            for file_id in ids:
                await client.delete(f"/files/{file_id}")
    assert_refused(response, 413, "FILE_TOO_LARGE", "SATCHEL_MAX_FILE_SIZE")
    await eventually(lambda: kept.count("uploads") == kept.count("files") == 0)


@pytest.mark.settings(delete_grace=timedelta(microseconds=1), sweep_interval=timedelta(milliseconds=100))
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(serve):
    """Of a request that stops in its second file, the first one is not kept either."""
    server = await serve()
    head = request(
        LIST,
        {"files": [None, None]},
        {"0": ["variables.files.0"], "1": ["variables.files.1"]},
        file("0", b"whole"),
        file("1", b"x" * 1000),
    ).removesuffix(END)
    async with connected(server) as raw:
        await raw.request("POST", "/graphql", {"Content-Type": MULTIPART, "Content-Length": str(2**20)}, head)
        await eventually(lambda: server.kept.count("uploads") == 2)
    await eventually(server.kept.is_empty)
