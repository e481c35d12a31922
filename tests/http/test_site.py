"""The addresses beside those of the API: the build, packed or not, and nothing that is no part of it."""

import gzip
from pathlib import Path

import pytest

import satchel
from clients import client_at
from raw import connected
from satchel.http.site import APP
from stacks import one_is_enough

pytestmark = one_is_enough

UP = [
    "..",
    "%2e%2e",
    "%2E.",
    "..%2f..",
    "..%2F..",
    "..%5c..",
    "..%252f..",
    "%c0%ae%c0%ae",
    "..;",
    "....//....",
    ".%00.",
]


@pytest.fixture(scope="module")
def asked(shared_server):
    """Asks for an address as it is written, which clients would tidy; gives the answer."""

    async def asked(address):
        async with connected(shared_server) as raw:
            await raw.request("GET", address, {})
            return await raw.answer()

    return asked


@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("start", ["/", "/assets/", "/vendor/", "/files/", "//"])
async def test_no_address_leads_out_of_a_folder(asked, start, up):
    """Neither the code beside the folders nor the system's files are reached, in any spelling of the way up."""
    for depth in range(1, 5):
        for target in ("config.py", "satchel/config.py", "etc/passwd"):
            answer = await asked(f"{start}{f'{up}/' * depth}{target}")
            assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("root", ["/", "%2f", "%5c", "file:///", "C:%5c"])
@pytest.mark.parametrize("start", ["/", "/assets/", "/vendor/", "/files/"])
async def test_no_address_begins_at_the_root(asked, start, root):
    """An absolute path in an address is no path of the machine."""
    for target in (Path("/etc/passwd"), Path(satchel.__file__)):
        answer = await asked(f"{start}{root}{str(target).lstrip('/')}")
        assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "address", ["/%00", "/index.html%00", "/assets/%00.js", "/files/%00/download", "/%ff", "/%", "/" + "a" * 300]
)
async def test_what_names_no_file_is_not_found(asked, address):
    """NUL, bytes that are no text, and names that no file system takes are no failure of the server."""
    answer = await asked(address)
    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.fixture(scope="module")
def script():
    """The largest script of the file manager: its address and bytes."""
    largest = max((APP / "assets").glob("*.js"), key=lambda path: path.stat().st_size)
    return f"/assets/{largest.name}", largest.read_bytes()


async def raw_get(server, address, **headers):
    """The answer to a GET, and its body as it came over the line."""
    async with client_at(server) as client, client.stream("GET", address, headers=headers) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize("takes", ["gzip, deflate, br, zstd", "*", "br;q=1.0, gzip;q=0.2"])
async def test_scripts_are_sent_packed(shared_server, script, takes):
    """A browser gets a third of the bytes."""
    address, data = script
    answer, body = await raw_get(shared_server, address, **{"Accept-Encoding": takes})
    assert gzip.decompress(body) == data
    assert len(body) < len(data) / 2
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("takes", ["gzip", "identity"])
async def test_a_script_that_is_kept_in_memory_is_answered_as_from_the_disk(serve, script, takes):
    """Each time, to HEAD and in part too; nobody gets the form that another one took."""
    server = await serve()
    address, data = script
    answers = [await raw_get(server, address, **{"Accept-Encoding": takes}) for _ in range(2)]
    for answer, body in answers:
        assert (gzip.decompress(body) if takes == "gzip" else body) == data
        assert stable(answer) == stable(answers[0][0])
    async with client_at(server) as client:
        asked = {"Accept-Encoding": takes}
        assert stable(await client.head(address, headers=asked)) == stable(answers[0][0])
        part = await client.get(address, headers={"Range": "bytes=1-3", "Accept-Encoding": "identity"})
        assert (part.status_code, part.content) == (206, data[1:4])
        other = {"gzip": "identity", "identity": "gzip"}[takes]
        assert (await client.get(address, headers={"Accept-Encoding": other})).content == data


def stable(answer):
    """The headers that are the same each time."""
    return {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}


@pytest.mark.parametrize("takes", ["identity", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *"])
async def test_who_takes_nothing_packed_gets_scripts_as_they_are(shared_server, script, takes):
    """Caches on the way keep both apart."""
    address, data = script
    answer, body = await raw_get(shared_server, address, **{"Accept-Encoding": takes})
    assert body == data
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_packed_script_that_the_client_has_is_not_sent_again(shared_server, script):
    """Each form has a tag of its own."""
    address, _ = script
    packed, _ = await raw_get(shared_server, address, **{"Accept-Encoding": "gzip"})
    plain, _ = await raw_get(shared_server, address, **{"Accept-Encoding": "identity"})
    assert packed.headers["etag"] != plain.headers["etag"]
    asked = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
    answer, body = await raw_get(shared_server, address, **asked)
    assert (answer.status_code, body) == (304, b"")
    assert "content-type" not in answer.headers
