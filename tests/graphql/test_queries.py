import asyncio
import random
import re
from contextlib import aclosing
from datetime import datetime

import pytest

from kept import eventually
from satchel.metadata import EventKind, FileKind
from stacks import one_is_enough

ORDERS = ["UPLOAD_DATE_DESC", "UPLOAD_DATE_ASC", "FILENAME_ASC", "FILENAME_DESC", "SIZE_DESC", "SIZE_ASC"]
NOBODY = "0198a000-0000-7000-8000-000000000000"

PAGE = """query ($first: Int! = 50, $after: String, $filter: FileFilter, $orderBy: FileOrder! = UPLOAD_DATE_DESC) {
    files(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { id filename size }
        edges { cursor node { id filename } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}"""

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0"

# In natural order; the content is what decides on type and size.
LIBRARY = {
    "10%_off.txt": b"five!",
    "Änderung 2.txt": b"a text of some length",
    "änderung 10.TXT": b"a text of some length",
    "IMG2.png": PNG + bytes(60),
    "img10.png": PNG + bytes(50),
    "report.pdf": b"%PDF-1.7\n" + b"x" * 200,
    "straße.txt": b"",
    "Ωmega.bin": random.Random(0).randbytes(1024),
    "日本語の本.pdf": b"%PDF-1.4\n",
}


async def answer(client, query, **variables):
    response = await client.post("/graphql", json={"query": query, "variables": variables})
    return response.json()


async def run(client, query, **variables):
    """The data of an operation that succeeds."""
    result = await answer(client, query, **variables)
    assert "errors" not in result, result
    return result["data"]


async def code(client, query, **variables):
    """The code of an operation's only error."""
    [error] = (await answer(client, query, **variables))["errors"]
    return error["extensions"]["code"]


async def upload(client, name="a.txt", data=b"data"):
    response = await client.post("/files/upload", files={"file": (name, data)})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
async def library(open_service):
    """Some files that no test changes, uploaded in an order of their own, and all that is known of each by name."""
    async with open_service() as service:
        service.names = random.Random(1).sample(list(LIBRARY), len(LIBRARY))
        service.files = {name: await upload(service.client, name, LIBRARY[name]) for name in service.names}
        yield service


async def found(library, **where):
    """The names that a filter finds."""
    data = await run(library.client, PAGE, filter=where)
    return {node["filename"] for node in data["files"]["nodes"]}


# Paging


def moment(file):
    """Not the text, which has no fraction of a second where there is none."""
    return datetime.fromisoformat(file["upload_date"])


def in_order(library, order):
    """The names as the order should have them."""
    keys = {
        "UPLOAD_DATE": lambda file: (moment(file), file["id"]),
        "FILENAME": lambda file: list(LIBRARY).index(file["filename"]),
        "SIZE": lambda file: (file["size"], file["id"]),
    }
    key, _, direction = order.rpartition("_")
    ordered = sorted(library.files.values(), key=keys[key], reverse=direction == "DESC")
    return [file["filename"] for file in ordered]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("first", [1, 2, 4, len(LIBRARY), 50])
async def test_pages_hold_every_file_once_and_in_order(library, order, first):
    """Pages of any size in any order make up the whole listing, and say where they lie in it."""
    names, after = [], None
    while True:
        page = (await run(library.client, PAGE, first=first, after=after, orderBy=order))["files"]
        info = page["pageInfo"]
        assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]
        assert info["hasPreviousPage"] is (after is not None)
        assert (info["startCursor"], info["endCursor"]) == (page["edges"][0]["cursor"], page["edges"][-1]["cursor"])
        names += [node["filename"] for node in page["nodes"]]
        if not info["hasNextPage"]:
            break
        assert len(page["nodes"]) == first
        after = info["endCursor"]
    assert names == in_order(library, order)


async def test_each_cursor_goes_on_behind_its_file(library):
    """Not only the last cursor of a page may be used."""
    page = (await run(library.client, PAGE, orderBy="FILENAME_ASC"))["files"]
    for place, edge in enumerate(page["edges"], 1):
        rest = (await run(library.client, PAGE, after=edge["cursor"], orderBy="FILENAME_ASC"))["files"]
        assert [node["filename"] for node in rest["nodes"]] == list(LIBRARY)[place:]


async def test_an_empty_page_has_no_cursors(library):
    """Behind the last file there is nothing, and that is no failure."""
    page = (await run(library.client, PAGE, filter={"search": "no such name"}))["files"]
    assert page == {
        "nodes": [],
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


async def test_pages_neither_repeat_nor_hide_files_while_others_come_and_go(client):
    """Paging goes by key: a deleted file does not move those behind it, and a new one does not repeat any."""
    files = [await upload(client, f"{number}.txt") for number in range(6)]
    first = (await run(client, PAGE, first=3, orderBy="FILENAME_ASC"))["files"]
    await client.delete(f"/files/{files[1]['id']}")
    await client.delete(f"/files/{files[2]['id']}")  # the one that the cursor stands on
    await upload(client, "0a.txt")
    second = (await run(client, PAGE, first=3, after=first["pageInfo"]["endCursor"], orderBy="FILENAME_ASC"))["files"]
    assert [node["filename"] for node in second["nodes"]] == ["3.txt", "4.txt", "5.txt"]


@pytest.mark.parametrize("after", ["", "x", "!", "WzFd", "eyJhIjoxfQ", "ä", "a" * 5000])
async def test_a_cursor_that_is_none_is_refused(library, after):
    """Cursors are opaque, and nothing but a cursor is one."""
    assert await code(library.client, PAGE, after=after) == "BAD_REQUEST"


async def test_a_cursor_of_another_order_is_refused(library):
    """A place in one order is no place in another."""
    page = (await run(library.client, PAGE, first=1, orderBy="SIZE_ASC"))["files"]
    assert await code(library.client, PAGE, after=page["pageInfo"]["endCursor"], orderBy="SIZE_DESC") == "BAD_REQUEST"


@pytest.mark.parametrize("first", [-1, 0, 501])
async def test_a_page_has_bounds(library, first):
    """A page holds at least one file, and not more than the setting says."""
    assert await code(library.client, PAGE, first=first) == "BAD_REQUEST"
    await run(library.client, PAGE, first=500)


# Filters


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("img", {"IMG2.png", "img10.png"}),
        ("IMG1", {"img10.png"}),
        ("änderung", {"Änderung 2.txt", "änderung 10.TXT"}),
        ("A\u0308NDERUNG", {"Änderung 2.txt", "änderung 10.TXT"}),
        ("STRASSE", {"straße.txt"}),
        ("ω", {"Ωmega.bin"}),
        ("本", {"日本語の本.pdf"}),
        ("%", {"10%_off.txt"}),
        ("_", {"10%_off.txt"}),
        ("\\", set()),
        ("'", set()),
        ("", set(LIBRARY)),
        (".", set(LIBRARY)),
        ("x" * 1_000, set()),
    ],
)
async def test_search_finds_a_part_of_the_name(library, search, names):
    """In any script and case, with no character that means more than itself."""
    assert await found(library, search=search) == names


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({"kind": "IMAGE"}, {"IMG2.png", "img10.png"}),
        ({"kind": "PDF"}, {"report.pdf", "日本語の本.pdf"}),
        ({"kind": "VIDEO"}, set()),
        ({"contentType": "image/png"}, {"IMG2.png", "img10.png"}),
        ({"contentType": "image/"}, set()),
        ({"minSize": 1024}, {"Ωmega.bin"}),
        ({"minSize": 1025}, set()),
        ({"maxSize": 0}, {"straße.txt"}),
        ({"minSize": 5, "maxSize": 9}, {"10%_off.txt", "日本語の本.pdf"}),
        ({"minSize": 9, "maxSize": 5}, set()),
        ({"minSize": -(2**63) + 1, "maxSize": 2**63 - 1}, set(LIBRARY)),
        ({"kind": "PDF", "search": "REPORT", "minSize": 10}, {"report.pdf"}),
        ({"kind": "IMAGE", "search": "report"}, set()),
        ({"kind": None, "search": None, "minSize": None}, set(LIBRARY)),
        ({"hash": "0" * 64}, set()),
        ({"hash": "no hash"}, set()),
    ],
)
async def test_filters_must_all_hold(library, where, names):
    """Each member narrows the listing; null is as good as missing; bounds are inclusive."""
    assert await found(library, **where) == names


async def test_files_are_found_by_their_hash(library):
    """In either case of letters, with all copies."""
    digest = library.files["Änderung 2.txt"]["hash"]
    for one in (digest, digest.upper()):
        assert await found(library, hash=one) == {"Änderung 2.txt", "änderung 10.TXT"}


async def test_dates_are_half_open(library):
    """`uploadedAfter` takes its moment in, and `uploadedBefore` leaves it out, whatever the offset."""
    middle = library.files[library.names[4]]["upload_date"]
    before = {name for name in library.names if moment(library.files[name]) < datetime.fromisoformat(middle)}
    assert await found(library, uploadedBefore=middle) == before
    assert await found(library, uploadedAfter=middle) == set(LIBRARY) - before
    assert await found(library, uploadedAfter=middle.replace("Z", "+00:00"), uploadedBefore=middle) == set()
    assert await found(library, uploadedAfter="0001-01-01T00:00:00Z") == set(LIBRARY)
    assert await found(library, uploadedBefore="9999-12-31T23:59:59+00:00") == set(LIBRARY)


@pytest.mark.parametrize(
    "where",
    [
        {"uploadedAfter": "2026-01-31"},
        {"uploadedAfter": "2026-01-31T12:00:00"},
        {"uploadedAfter": "now"},
        {"uploadedAfter": "0001-01-01T00:00:00+23:00"},
        {"uploadedBefore": "9999-12-31T23:59:59-23:00"},
        {"uploadedBefore": 0},
        {"minSize": 2**63},
        {"minSize": 1.5},
        {"minSize": "1"},
        {"kind": "image"},
        {"nothing": 1},
        {"search": "\0"},
        {"search": "\u0301" * 60_000 + "\u0316" * 60_000},
        {"contentType": "\0"},
    ],
)
async def test_a_filter_that_cannot_be_read_is_refused(library, where):
    """What is no date, no size or no kind is a bad request and no server failure."""
    assert await code(library.client, PAGE, filter=where) == "BAD_REQUEST"


# What is computed only when it is asked for


@pytest.fixture
def spy(monkeypatch):
    """Counts the calls of a method of an object."""

    def watch(target, name):
        calls = []
        method = getattr(target, name)

        async def counted(*args, **kwargs):
            calls.append(args)
            return await method(*args, **kwargs)

        monkeypatch.setattr(target, name, counted)
        return calls

    return watch


async def test_the_total_is_counted_only_when_it_is_asked_for(library, spy):
    """A listing without `totalCount` counts nothing; with it, the filter counts and the page does not."""
    calls = spy(library.stack.metadata, "count_files")
    await run(library.client, PAGE)
    assert calls == []
    data = await run(library.client, '{ files(first: 1, filter: {search: "img"}) { totalCount nodes { id } } }')
    assert (data["files"]["totalCount"], len(data["files"]["nodes"]), len(calls)) == (2, 1, 1)


async def test_kinds_are_counted_by_one_question(library, spy):
    """All kinds are told, also those without a file, and whatever kind is asked for; what else is asked for counts."""
    calls = spy(library.stack.metadata, "count_kinds")
    everything = await run(library.client, "{ files(first: 500) { nodes { kind } kinds { kind count } } }")
    kinds = [node["kind"] for node in everything["files"]["nodes"]]
    expected = [{"kind": kind.name, "count": kinds.count(kind.name)} for kind in FileKind]
    assert everything["files"]["kinds"] == expected
    images = await run(library.client, "{ files(filter: {kind: IMAGE}) { kinds { kind count } } }")
    assert images["files"]["kinds"] == expected
    found = await run(library.client, '{ files(filter: {search: "img"}) { nodes { kind } kinds { kind count } } }')
    kinds = [node["kind"] for node in found["files"]["nodes"]]
    assert found["files"]["kinds"] == [{"kind": kind.name, "count": kinds.count(kind.name)} for kind in FileKind]
    assert len(calls) == 3


async def test_copies_are_counted_for_a_whole_page_at_once(library, spy):
    """The copies of all files of a page cost one question."""
    calls = spy(library.stack.metadata, "copies")
    data = await run(library.client, "{ files { nodes { filename copies } } }")
    twins = {"Änderung 2.txt", "änderung 10.TXT"}
    for node in data["files"]["nodes"]:
        assert node["copies"] == (2 if node["filename"] in twins else 1)
    assert len(calls) == 1


# One file

FILE = """query ($id: ID!) {
    file(id: $id) {
        id filename size contentType kind hash uploadDate objectName copies previewUrl downloadUrl
    }
}"""


@one_is_enough
async def test_a_file_is_told_as_plain_http_tells_it(library):
    """Both doors show the same record under their own names."""
    for name, file in library.files.items():
        told = (await run(library.client, FILE, id=file["id"]))["file"]
        assert told.pop("copies") == (2 if "nderung" in name else 1)
        renamed = {
            "contentType": "content_type",
            "uploadDate": "upload_date",
            "objectName": "minio_object_name",
            "previewUrl": "preview_url",
            "downloadUrl": "download_url",
        }
        assert {renamed.get(key, key): value for key, value in told.items()} == file
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", told["uploadDate"])


@one_is_enough
async def test_links_lead_to_the_bytes(library):
    """The preview and the download of a file answer with its bytes."""
    for name, file in library.files.items():
        for link in filter(None, (file["preview_url"], file["download_url"])):
            assert (await library.client.get(link)).content == LIBRARY[name]
    assert library.files["IMG2.png"]["preview_url"] is not None
    assert library.files["Ωmega.bin"]["preview_url"] is None


@pytest.mark.parametrize(
    "file_id",
    ["", "x", NOBODY, "../..", "\0", "é", f"{{{NOBODY}}}", f"urn:uuid:{NOBODY}", NOBODY.replace("-", ""), "1" * 500, 7],
)
async def test_an_id_that_names_no_file_is_null(library, file_id):
    """A missing file and a malformed id are the same answer, and no failure."""
    assert await run(library.client, "query ($id: ID!) { file(id: $id) { id } }", id=file_id) == {"file": None}


async def test_an_id_has_one_spelling(library):
    """Upper case is the same id; braces, URNs and missing dashes are not."""
    file_id = library.files["report.pdf"]["id"]
    query = "query ($id: ID!) { file(id: $id) { id } }"
    assert await run(library.client, query, id=file_id.upper()) == {"file": {"id": file_id}}
    for other in (f"{{{file_id}}}", f"urn:uuid:{file_id}", file_id.replace("-", "")):
        assert await run(library.client, query, id=other) == {"file": None}


async def test_sizes_pass_two_gigabytes(client, kept):
    """A size is a JSON number, however large."""
    file = await upload(client)
    huge = 5 * 2**40
    kept.execute(f"UPDATE files SET size = {huge}")
    kept.execute(f"UPDATE blobs SET size = {huge}")
    query = "query ($id: ID!) { file(id: $id) { size } storage { logicalBytes storedBytes } }"
    data = await run(client, query, id=file["id"])
    assert data == {"file": {"size": huge}, "storage": {"logicalBytes": huge, "storedBytes": huge}}


# Usage

STORAGE = "{ storage { files blobs logicalBytes storedBytes } }"


async def test_usage_counts_files_and_what_is_stored_for_them(client):
    """Copies count among the files and not among what is stored."""
    assert (await run(client, STORAGE))["storage"] == dict.fromkeys(
        ["files", "blobs", "logicalBytes", "storedBytes"], 0
    )
    files = [await upload(client, name, data) for name, data in (("a", b"same"), ("b", b"same"), ("c", b"other"))]
    usage = {"files": 3, "blobs": 2, "logicalBytes": 13, "storedBytes": 9}
    assert (await run(client, STORAGE))["storage"] == usage
    await client.delete(f"/files/{files[0]['id']}")
    usage = {"files": 2, "blobs": 2, "logicalBytes": 9, "storedBytes": 9}
    assert (await run(client, STORAGE))["storage"] == usage
    await client.delete(f"/files/{files[1]['id']}")
    usage = {"files": 1, "blobs": 1, "logicalBytes": 5, "storedBytes": 5}
    assert (await run(client, STORAGE))["storage"] == usage


# Changes

RENAME = "mutation ($id: ID!, $filename: String!) { renameFile(id: $id, filename: $filename) { id filename hash } }"
DELETE = "mutation ($id: ID!) { deleteFile(id: $id) { id } }"
DELETE_ALL = "mutation ($ids: [ID!]!) { deleteFiles(ids: $ids) { ids missing } }"


async def test_a_file_is_renamed(client):
    """The name changes, everywhere; id, bytes and links stay."""
    file = await upload(client, "old.txt")
    renamed = (await run(client, RENAME, id=file["id"], filename="new näme.md"))["renameFile"]
    assert renamed == {"id": file["id"], "filename": "new näme.md", "hash": file["hash"]}
    after = (await client.get(f"/files/{file['id']}/metadata")).json()
    assert after == {**file, "filename": "new näme.md"}
    download = await client.get(file["download_url"])
    assert download.content == b"data"
    assert "UTF-8''new%20n%C3%A4me.md" in download.headers["content-disposition"]
    assert (await run(client, PAGE, filter={"search": "NÄME"}))["files"]["nodes"][0]["id"] == file["id"]


async def test_a_new_name_is_cleaned_like_any_other(client):
    """Paths and controls do not come in by renaming either."""
    file = await upload(client)
    renamed = (await run(client, RENAME, id=file["id"], filename="../../etc/pass\x00wd "))["renameFile"]
    assert renamed["filename"] == "passwd"


@pytest.mark.parametrize(
    ("file_id", "filename", "expected"),
    [
        (NOBODY, "a", "NOT_FOUND"),
        ("x", "a", "NOT_FOUND"),
        (None, "..", "INVALID_FILENAME"),
        (None, "", "INVALID_FILENAME"),
    ],
)
async def test_a_renaming_that_cannot_be_changes_nothing(client, kept, file_id, filename, expected):
    """Without such a file, or with no name left, there is a failure and no event."""
    file = await upload(client)
    assert await code(client, RENAME, id=file_id or file["id"], filename=filename) == expected
    assert kept.count("events") == 1


async def test_a_file_is_deleted_once(client):
    """Deleting gives the id; deleting again finds nothing, by either door."""
    file = await upload(client)
    assert await run(client, DELETE, id=file["id"]) == {"deleteFile": {"id": file["id"]}}
    assert await code(client, DELETE, id=file["id"]) == "NOT_FOUND"
    assert await code(client, DELETE, id="x") == "NOT_FOUND"
    assert (await client.get(file["download_url"])).status_code == 404
    assert (await client.delete(f"/files/{file['id']}")).status_code == 404


async def test_many_files_are_deleted_at_once(client, kept):
    """Those that are there go, each once and in order; those that are not are named, each once and in order."""
    one, two, other = [await upload(client, name) for name in "abc"]
    ids = ["x", two["id"], NOBODY, one["id"], two["id"], "x"]
    data = (await run(client, DELETE_ALL, ids=ids))["deleteFiles"]
    assert data == {"ids": [two["id"], one["id"]], "missing": ["x", NOBODY]}
    nodes = (await run(client, PAGE))["files"]["nodes"]
    assert [node["id"] for node in nodes] == [other["id"]]
    told = kept.query("SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind")
    assert told == [("DELETED", 2), ("UPLOADED", 3)]


@pytest.mark.settings(max_delete_files=100)
async def test_nothing_may_be_deleted_and_not_too_much(client):
    """No ids are fine; very many are too many for one transaction."""
    assert await run(client, DELETE_ALL, ids=[]) == {"deleteFiles": {"ids": [], "missing": []}}
    assert len((await run(client, DELETE_ALL, ids=["x"] * 100))["deleteFiles"]["missing"]) == 1
    assert await code(client, DELETE_ALL, ids=["x"] * 101) == "BAD_REQUEST"


async def test_a_file_deleted_by_many_at_once_is_deleted_by_one(client):
    """Of many that delete the same file, one succeeds and the others find nothing."""
    file = await upload(client)
    results = await asyncio.gather(*(answer(client, DELETE, id=file["id"]) for _ in range(10)))
    assert sorted("errors" in result for result in results) == [False] + [True] * 9


# From the list to the events

LIST_AND_CURSOR = "{ files { eventCursor nodes { id } } }"


async def events_after(stack, cursor, count):
    """The next events after a cursor."""
    events = []
    async with aclosing(stack.events.follow(await stack.events.resume(cursor))) as following, asyncio.timeout(30):
        while len(events) < count:
            events.append(await anext(following))
    return [(event.kind, str(event.record.id)) for event in events]


async def test_the_event_cursor_goes_on_where_the_list_ends(client, stack):
    """What changes after the list comes by its cursor, and nothing that is in the list already."""
    file = await upload(client)
    listing = (await run(client, LIST_AND_CURSOR))["files"]
    assert [node["id"] for node in listing["nodes"]] == [file["id"]]
    other = await upload(client, "b.txt")
    await client.delete(f"/files/{file['id']}")
    expected = [(EventKind.UPLOADED, other["id"]), (EventKind.DELETED, file["id"])]
    assert await events_after(stack, listing["eventCursor"], 2) == expected


async def test_a_change_between_cursor_and_list_is_told_twice_and_not_never(client, stack, monkeypatch):
    """The cursor is read before the list, so what is committed in between stands in both."""
    find, came = stack.files.find, []

    async def find_late(**arguments):
        came.append(await upload(client, "between.txt"))
        return await find(**arguments)

    monkeypatch.setattr(stack.files, "find", find_late)
    listing = (await run(client, LIST_AND_CURSOR))["files"]
    assert [node["id"] for node in listing["nodes"]] == [came[0]["id"]]
    assert await events_after(stack, listing["eventCursor"], 1) == [(EventKind.UPLOADED, came[0]["id"])]


async def test_lists_and_events_agree_while_others_write(client, stack):
    """A list brought up to date by the events after its cursor is the list, at any moment."""
    writing = True

    async def write(number):
        for turn in range(6):
            file = await upload(client, f"{number}-{turn}.txt", b"%d" % turn)
            if turn % 2:
                await client.delete(f"/files/{file['id']}")

    async def read():
        listings = []
        while writing:
            listings.append((await run(client, LIST_AND_CURSOR))["files"])
            await asyncio.sleep(0)
        return listings

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(number) for number in range(4)))
    writing = False
    listings = await reader
    final = {node["id"] for node in (await run(client, LIST_AND_CURSOR))["files"]["nodes"]}
    assert len(final) == 12
    for listing in listings[:: max(1, len(listings) // 10)]:
        ids = {node["id"] for node in listing["nodes"]}
        for event in await stack.metadata.events_after(await stack.events.resume(listing["eventCursor"]), 1000):
            file_id = str(event.record.id)
            ids = ids - {file_id} if event.kind is EventKind.DELETED else ids | {file_id}
        assert ids == final


async def test_events_are_no_more_than_changes(client, kept):
    """Renaming a file to the name that it has, and what fails, is no event."""
    file = await upload(client)
    await run(client, RENAME, id=file["id"], filename="a.txt")
    await code(client, DELETE, id=NOBODY)
    await eventually(lambda: kept.count("events") == 1)
    assert kept.query("SELECT kind FROM events") == [("UPLOADED",)]
