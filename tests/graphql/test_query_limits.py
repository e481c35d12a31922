"""What an operation may ask for: each limit just kept and just broken, at every door, with fragments and without."""

import asyncio
from dataclasses import replace

import pytest
from graphql import build_client_schema, get_introspection_query, parse, print_ast, print_schema
from websockets.exceptions import InvalidStatus

from clients import client_at
from raw import MULTIPART, connected, head_of_part
from satchel.config import Settings
from satchel.errors import SatchelError
from satchel.graphql.limits import OperationLimits
from satchel.graphql.operation import MAX_REMEMBERED, InvalidOperation, Operation, check, document
from satchel.graphql.schema import core_schema
from sockets import opened
from stacks import one_is_enough

pytestmark = one_is_enough

COMPLEX = "QUERY_TOO_COMPLEX"


def aliases(count):
    return "{ " + " ".join(f"a{number}: __typename" for number in range(count)) + " }"


def doubling(levels, leaf="nodes { a: id }"):
    """A fragment that stands for 2^levels of its leaf, in few words."""
    fragments = [f"fragment F0 on FileConnection {{ {leaf} }}"]
    fragments += [f"fragment F{n} on FileConnection {{ ...F{n - 1} ...F{n - 1} }}" for n in range(1, levels + 1)]
    return f"{{ files {{ ...F{levels} }} }} " + " ".join(fragments)


def nested(depth):
    """Introspection aside, the schema is too flat for the limit; what it does not know counts too."""
    return "{ files " + "{ node " * (depth - 2) + "{ id }" + " }" * (depth - 1)


def tokens(count):
    """A mutation that does nothing: thirteen words and signs, and ids."""
    return "mutation { deleteFiles(ids: [" + '"" ' * (count - 13) + "]) { ids } }"


def long(length):
    """What is short but for its end."""
    return "{ __typename }".ljust(length)


FIELDS = "{ nodes { id filename size contentType kind hash uploadDate objectName copies previewUrl downloadUrl } }"
INTROSPECTION = get_introspection_query(
    specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True
)


def twice_introspected():
    """The usual introspection, two times in one operation."""
    operation, *fragments = parse(INTROSPECTION).definitions
    schema = operation.selection_set.selections[0].selection_set
    rest = " ".join(print_ast(fragment) for fragment in fragments)
    return f"{{ a: __schema {{ ...S }} b: __schema {{ ...S }} }} fragment S on __Schema {print_ast(schema)} {rest}"


BROKEN = [
    pytest.param(long(65_537), "SATCHEL_MAX_QUERY_LENGTH", id="length"),
    pytest.param(tokens(1001), "SATCHEL_MAX_QUERY_TOKENS", id="tokens"),
    pytest.param(nested(9), "SATCHEL_MAX_QUERY_DEPTH", id="depth"),
    pytest.param(aliases(16), "SATCHEL_MAX_QUERY_ALIASES", id="aliases"),
    pytest.param("{ __typename " + "@include(if: true) " * 51 + "}", "SATCHEL_MAX_QUERY_DIRECTIVES", id="directives"),
    pytest.param(f"{{ a: files(first: 500) {FIELDS} b: files(first: 500) {FIELDS} }}", "COST", id="cost"),
    pytest.param(doubling(4), "SATCHEL_MAX_QUERY_ALIASES", id="aliases-by-fragments"),
    pytest.param(doubling(20, "nodes { id }"), "SATCHEL_MAX_QUERY_COST", id="cost-by-fragments"),
    pytest.param(doubling(60), "SATCHEL_MAX_QUERY_ALIASES", id="fragments-that-double-sixty-times"),
    pytest.param(
        "{ ...A } fragment A on Query { __typename @skip(if: false) ...B } fragment B on Query { __typename "
        + "@skip(if: false) " * 50
        + "}",
        "SATCHEL_MAX_QUERY_DIRECTIVES",
        id="directives-by-fragments",
    ),
    pytest.param(
        "{ ...A } fragment A on Query { files { node { node { node { ...B } } } } } "
        "fragment B on File { node { node { node { node { id } } } } }",
        "SATCHEL_MAX_QUERY_DEPTH",
        id="depth-by-fragments",
    ),
    pytest.param(aliases(16) + doubling(3)[doubling(3).index("fragment") :], "ALIASES", id="fragments-not-used"),
    pytest.param("{" + "__typename " * 22 + "}", "SATCHEL_MAX_QUERY_REPEATS", id="repeats"),
    pytest.param("{" + "files { totalCount } " * 22 + "}", "SATCHEL_MAX_QUERY_REPEATS", id="repeats-with-fields-below"),
    pytest.param(
        "{ files { nodes { " + "...A ... { id } " * 11 + "} } } fragment A on File { id }",
        "SATCHEL_MAX_QUERY_REPEATS",
        id="repeats-by-fragments",
    ),
    pytest.param(
        "{ __typename } fragment A on Query {" + "__typename " * 22 + "}",
        "SATCHEL_MAX_QUERY_REPEATS",
        id="repeats-in-fragments-not-used",
    ),
    pytest.param(twice_introspected(), "SATCHEL_MAX_QUERY_COST", id="two-introspections"),
]
KEPT = [
    pytest.param(long(65_536), id="length"),
    pytest.param(tokens(1000), id="tokens"),
    pytest.param(aliases(15), id="aliases"),
    pytest.param("{" + "__typename " * 21 + "}", id="repeats"),
    pytest.param(f"{{ files(first: 500) {FIELDS} }}", id="cost"),
    pytest.param(doubling(3, "nodes { id }"), id="fragments"),
    pytest.param("query ($first: Int = 500) { files(first: $first) { nodes { id } } }", id="page-by-a-default"),
]


async def asked(client, query, **members):
    return await client.post("/graphql", json={"query": query, **members})


@pytest.mark.parametrize(("query", "setting"), BROKEN)
async def test_an_operation_that_asks_for_too_much_is_refused(shared_client, query, setting):
    """In any media type, before it is validated or run, and by the name of the setting that allows more."""
    for accept in ("application/json", "application/graphql-response+json"):
        response = await shared_client.post("/graphql", json={"query": query}, headers={"Accept": accept})
        [error] = response.json()["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (400, COMPLEX)
        assert setting in error["message"]


@pytest.mark.parametrize("query", KEPT)
async def test_an_operation_at_the_limit_is_run(shared_client, query):
    """No limit is reached by what is just allowed."""
    response = await asked(shared_client, query)
    assert response.status_code == 200
    assert "errors" not in response.json()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{" + " ".join(f"none{number}" for number in range(500)) + "}", {}),
        ("mutation ($ids: [ID!]!) { deleteFiles(ids: $ids) { ids } }", {"ids": [None] * 900}),
    ],
)
async def test_an_answer_does_not_list_every_mistake(shared_client, query, variables):
    """Some of them are enough to know what is wrong, however many there are."""
    response = await asked(shared_client, query, variables=variables)
    assert 1 < len(response.json()["errors"]) <= 21


async def test_directives_at_the_limit_are_counted_right(shared_client):
    """Fifty of them are too many for the schema only."""
    response = await asked(shared_client, "{ __typename " + "@include(if: true) " * 50 + "}")
    assert COMPLEX not in response.text


async def test_a_depth_at_the_limit_is_counted_right(shared_client):
    """Eight levels are a matter of the schema."""
    assert COMPLEX not in (await asked(shared_client, nested(8))).text


@pytest.mark.parametrize("first", [2000, 10**9, -(10**9)])
async def test_the_page_is_counted_wherever_it_is_written(shared_client, first):
    """In the text, in a variable, and in a variable's default; a page that nobody may ask for is refused in any way."""
    nodes = "nodes { id filename size contentType kind }"
    texts = [
        (f"{{ files(first: {first}) {{ {nodes} }} }}", {}),
        (f"query ($first: Int!) {{ files(first: $first) {{ {nodes} }} }}", {"first": first}),
        (f"query ($first: Int! = {first}) {{ files(first: $first) {{ {nodes} }} }}", {}),
    ]
    for query, variables in texts:
        answer = (await asked(shared_client, query, variables=variables)).json()
        code = COMPLEX if first > 0 else "BAD_REQUEST"
        assert [error["extensions"]["code"] for error in answer["errors"]] == [code]


PAGE = "files(first: $n) { nodes { id filename size contentType kind hash } }"
PAGES = [
    # What counts is what the operation that runs is given, whatever another one declares.
    pytest.param(
        f"query A($n: Int! = 1) {{ {PAGE} }} query B($n: Int! = 9999) {{ ...P }} fragment P on Query {{ {PAGE} }}",
        "B",
        {},
        id="default-of-the-one-that-runs",
    ),
    pytest.param(
        f"query A($n: Int! = 1) {{ {PAGE} }} query B($n: Int!) {{ {PAGE} }}",
        "B",
        {"n": 9999},
        id="value-before-the-default-of-another-one",
    ),
    pytest.param(f"query ($n: Int!) {{ {PAGE} }}", None, {"n": 9999.0}, id="float"),
    pytest.param(f"query ($n: Int! = 1) {{ {PAGE} }}", None, {"n": 9999.0}, id="float-before-a-default"),
    pytest.param(
        f"query ($n: Int! = 9999) {{ ...P @include(if: false) }} fragment P on Query {{ {PAGE} }}",
        None,
        {},
        id="left-out",
    ),
]


@pytest.mark.parametrize(("query", "name", "variables"), PAGES)
async def test_the_page_is_counted_as_it_is_run(shared_server, query, name, variables):
    """At every door that runs operations."""
    request = {"query": query, "operationName": name, "variables": variables}
    async with client_at(shared_server) as client:
        answer = (await client.post("/graphql", json=request)).json()
    assert [error["extensions"]["code"] for error in answer["errors"]] == [COMPLEX]
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.send("subscribe", id="1", payload=request)
        assert (await socket.error())["extensions"]["code"] == COMPLEX


@pytest.mark.parametrize(
    ("query", "name", "variables"),
    [
        (
            f"query A($n: Int! = 9999) {{ {PAGE} }} query B($m: Int! = 1) {{ files(first: $m) {{ totalCount }} }}",
            "B",
            {},
        ),
        (f"query ($n: Int! = 9999) {{ {PAGE} }}", None, {"n": 1.0}),
        (f"query ($n: Int) {{ {PAGE} }}", None, {}),
    ],
)
async def test_a_page_that_is_not_run_is_not_counted(shared_client, query, name, variables):
    """A default that another value takes the place of, or that belongs to another operation, costs nothing."""
    response = await asked(shared_client, query, operationName=name, variables=variables)
    assert "errors" not in response.json()


@pytest.mark.parametrize("value", [None, True, "9999", 2.5, 1e300, -(2**31) - 1, 2**31, [9999], {"n": 9999}])
async def test_a_page_that_is_no_number_is_refused_as_such(shared_client, value):
    """It costs what the argument's own default does, and is never run."""
    query = f"query ($n: Int! = 1) {{ {PAGE} }}"
    answer = (await asked(shared_client, query, variables={"n": value})).json()
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_REQUEST"}


NAMED = "ids: $ids) { ids }"
DELETIONS = [
    pytest.param(
        f"mutation ($ids: [ID!]!) {{ deleteFiles({NAMED} }}", {"ids": [None] * 101}, id="before-they-are-read"
    ),
    pytest.param("mutation { deleteFiles(ids: [" + '"", ' * 101 + "]) { ids } }", {}, id="in-the-text"),
    pytest.param("mutation ($ids: [ID!]! = [" + '"", ' * 101 + f"]) {{ deleteFiles({NAMED} }}", {}, id="as-a-default"),
    pytest.param(
        f"mutation ($ids: [ID!]!) {{ a: deleteFiles({NAMED} b: deleteFiles({NAMED} }}",
        {"ids": [""] * 51},
        id="together",
    ),
    pytest.param(
        f"mutation ($ids: [ID!]!) {{ ...M ...M }} fragment M on Mutation {{ deleteFiles({NAMED} }}",
        {"ids": [""] * 51},
        id="in-a-fragment",
    ),
]


@pytest.mark.settings(max_delete_files=100)
@pytest.mark.parametrize(("query", "variables"), DELETIONS)
async def test_the_files_that_an_operation_deletes_are_counted(server, query, variables):
    """At every door, before they are looked at: one mistake is told, however many there are."""
    request = {"query": query, "variables": variables}
    async with client_at(server) as client:
        [error] = (await client.post("/graphql", json=request)).json()["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "SATCHEL_MAX_DELETE_FILES" in error["message"]
    async with opened(server) as socket:
        await socket.initialise()
        await socket.send("subscribe", id="1", payload=request)
        assert "SATCHEL_MAX_DELETE_FILES" in (await socket.error())["message"]


CYCLES = [
    "{ ...A } fragment A on Query { ...A }",
    "{ ...A } fragment A on Query { ...B } fragment B on Query { __typename ...A }",
    "{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }",
]


@pytest.mark.parametrize("query", CYCLES)
async def test_fragments_that_contain_themselves_are_refused(shared_client, query):
    """Used or not; nothing is counted without an end."""
    headers = {"Accept": "application/graphql-response+json"}
    response = await shared_client.post("/graphql", json={"query": query}, headers=headers)
    assert response.status_code == 400
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {"BAD_REQUEST"}


async def test_the_usual_introspection_is_allowed(shared_client):
    """Clients and playgrounds read the whole schema."""
    data = (await asked(shared_client, INTROSPECTION)).json()["data"]
    assert "type File " in print_schema(build_client_schema(data))
    assert len(core_schema.type_map) == len(data["__schema"]["types"])


async def test_an_upload_that_asks_for_too_much_is_refused_before_its_file(shared_server):
    """Nothing of the file is read."""
    operation = b'{"query": "mutation ($file: Upload!) { %s }", "variables": {"file": null}}' % b" ".join(
        b"a%d: uploadFile(file: $file) { deduplicated }" % number for number in range(16)
    )
    async with connected(shared_server) as raw:
        await raw.request("POST", "/graphql", {"Content-Type": MULTIPART, "Content-Length": "1000000000"})
        await raw.send(head_of_part("operations"), operation, b"\r\n")
        await raw.send(head_of_part("map"), b'{"0": ["variables.file"]}', b"\r\n", head_of_part("0", "a.txt"))
        answer = await raw.answer()
    assert answer.status == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == COMPLEX


async def test_over_the_websocket_the_limits_are_the_same(shared_server):
    """The operation gets an error, and the connection goes on."""
    async with opened(shared_server) as socket:
        await socket.initialise()
        await socket.subscribe(aliases(16))
        assert (await socket.error())["extensions"]["code"] == COMPLEX
        await socket.subscribe("{ __typename }", operation="2")
        assert await socket.next("2") == {"__typename": "Query"}


@pytest.mark.settings(introspection=False, playground=False, max_query_aliases=1)
async def test_the_schema_and_the_playground_can_be_kept_back(client):
    """Neither introspection nor a suggestion in an error tells a name; a limit is what the setting says."""
    page = await client.get("/graphql", headers={"Accept": "text/html"})
    assert (page.status_code, page.json()["code"]) == (404, "NOT_FOUND")
    for query in ("{ __schema { types { name } } }", '{ __type(name: "File") { name } }'):
        answer = (await asked(client, query)).json()
        assert answer["errors"]
        assert "data" not in answer
    answer = (await asked(client, "{ fil }")).text
    assert "errors" in answer
    assert "Did you mean" not in answer
    assert (await asked(client, "{ a: __typename b: __typename }")).status_code == 400
    assert (await asked(client, "{ __typename storage { files } }")).json()["data"]["storage"] == {"files": 0}


def test_all_who_send_the_same_share_one_document():
    """A thousand subscriptions hold one document, and what is asked again is neither parsed nor validated again."""
    limits = OperationLimits.of(Settings())
    check(core_schema, Operation("subscription { fileEvents { kind } }"), limits)
    assert document("subscription { fileEvents { kind } }", limits) is document(
        "".join(["subscription ", "{ fileEvents { kind } }"]), limits
    )
    long = "{ __typename }" + " " * MAX_REMEMBERED
    assert document(long, limits) is not document(long, limits), "a stranger's many long ones do not fill the memory"


def test_what_was_refused_once_is_refused_again():
    """A document is remembered, but not that it was fine with other variables or under other limits."""
    limits = OperationLimits.of(Settings())
    for _ in range(2):
        with pytest.raises(InvalidOperation, match="invalid"):
            check(core_schema, Operation("{ nothing }"), limits)
    query = "query ($first: Int) { files(first: $first) { nodes { id } } }"
    check(core_schema, Operation(query), limits)
    with pytest.raises(SatchelError, match="COST"):
        check(core_schema, Operation(query, variables={"first": 100_000}), limits)
    asked = Operation("{ __schema { queryType { name } } }")
    check(core_schema, asked, limits)
    with pytest.raises(InvalidOperation):
        check(core_schema, asked, replace(limits, introspection=False))


@pytest.mark.settings(max_websockets=3)
async def test_an_address_opens_so_many_websockets_and_no_more(server):
    """The next one is told so, and a place that becomes free is given again."""
    async with opened(server), opened(server):
        async with opened(server):
            with pytest.raises(InvalidStatus) as refused:
                async with opened(server):
                    pass
            assert refused.value.response.status_code == 503
            assert b"SATCHEL_MAX_WEBSOCKETS" in refused.value.response.body
        async with asyncio.timeout(30):
            while True:
                try:
                    async with opened(server) as socket:
                        await socket.initialise()
                        break
                except InvalidStatus:
                    await asyncio.sleep(0.05)
