"""A store that loses bytes, fails and speaks: what clients see of it, and whom the server speaks to."""

import asyncio
import sys
from types import SimpleNamespace
from urllib.parse import urlsplit

import orjson
import pytest

from clients import client_of
from kept import eventually, kept_by
from satchel.app import create_app, working
from satchel.blobs.s3.writer import MIN_PART
from satchel.config import Settings
from stacks import scaled_only
from unreliable import UnreliableProxy, answering, any_request, lying, redirecting, truncating

pytestmark = scaled_only

UPLOAD = "mutation ($file: Upload!) { uploadFile(file: $file) { file { id hash downloadUrl } } }"


@pytest.fixture
async def service(scaled_places, seaweed, tmp_path, chosen):
    """A whole service whose store is behind a proxy: its `client`, that `proxy`, its `settings`, and what is `kept`."""
    async with scaled_places.new() as place, UnreliableProxy(seaweed.host, seaweed.port) as proxy:
        bucket = urlsplit(place["storage_url"]).path
        behind = {**place, "storage_url": f"s3+http://{proxy.host}:{proxy.port}{bucket}", **chosen}
        settings = Settings(_env_file=None, data_dir=tmp_path, **behind)
        async with working(settings) as stack, client_of(create_app(stack)) as client:
            yield SimpleNamespace(client=client, proxy=proxy, settings=settings, kept=kept_by(place))
            proxy.heal()


async def upload(client, data, door="http", name="a.bin"):
    if door == "http":
        return await client.post("/files/upload", files={"file": (name, data)})
    operations = orjson.dumps({"query": UPLOAD, "variables": {"file": None}}).decode()
    fields = {"operations": operations, "map": '{"0": ["variables.file"]}'}
    return await client.post("/graphql", data=fields, files={"0": (name, data)})


def code_of(response):
    """The code of a refusal, at either door."""
    answer = response.json()
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else answer["code"]


def is_whole(request):
    """A PUT without parts."""
    return request.method == "PUT" and not request.is_part


def is_part(request):
    """A PUT of a part."""
    return request.is_part


def is_complete(request):
    """The end of an upload in parts."""
    return request.is_complete


@pytest.mark.parametrize("door", ["http", "graphql"])
@pytest.mark.parametrize(
    ("which", "fault", "code"),
    [
        pytest.param(is_whole, truncating(), "STORE_INTEGRITY", id="a truncated object"),
        pytest.param(is_whole, lying(), "STORE_INTEGRITY", id="an object that was thrown away"),
        pytest.param(is_part, truncating(), "STORE_INTEGRITY", id="a truncated part"),
        pytest.param(is_complete, answering(200, "InternalError"), "STORE_UNAVAILABLE", id="a failure in a 200"),
    ],
)
async def test_what_was_not_stored_whole_is_never_published(service, door, which, fault, code):
    """There is no file, no event and, after a while, no object; what is sent again later is a new file."""
    data = b"x" * (100 if which is is_whole else MIN_PART * 2)
    service.proxy.plant(which, fault)
    assert code_of(await upload(service.client, data, door)) == code
    assert service.kept.count("files") == service.kept.count("events") == 0
    service.proxy.heal()
    await eventually(service.kept.is_empty)
    assert (await upload(service.client, data, door)).status_code == 200
    [file] = (await service.client.get("/files")).json()
    assert (await service.client.get(file["download_url"])).content == data


async def test_no_answer_tells_of_the_store(service):
    """Neither where it is nor its bucket nor a key, in heads and bodies, of what succeeds and of what fails."""
    client, answers = service.client, []
    stored = (await upload(client, b"data")).json()

    async def ask_everything():
        paths = ("/files", "/readyz", stored["download_url"], f"/files/{stored['id']}/metadata", "/openapi.json")
        query = "{ files { nodes { id objectName downloadUrl previewUrl } } storage { storedBytes } }"
        answers.extend([await upload(client, b"other", door) for door in ("http", "graphql")])
        answers.extend([await client.get(path) for path in paths])
        answers.append(await client.head(stored["download_url"]))
        answers.append(await client.post("/graphql", json={"query": query}))

    await ask_everything()
    address, bucket = f"{service.proxy.host}:{service.proxy.port}", urlsplit(service.settings.storage_url).path[1:]
    told = f"no bucket {bucket} at {address} for {service.settings.s3_access_key}"
    for fault in (answering(403, told), redirecting(f"http://{address}/{bucket}")):
        service.proxy.plant(any_request, fault)
        await ask_everything()
        service.proxy.heal()
    assert {answer.status_code for answer in answers} == {200, 503}
    secret = service.settings.s3_secret_key.get_secret_value()
    for answer in answers:
        text = f"{answer.headers} {answer.text}"
        for word in (address, str(service.proxy.port), bucket, service.settings.s3_access_key, secret, "X-Amz", "s3+"):
            assert word not in text


@pytest.fixture(scope="session")
def connecting():
    """The addresses that this process connects to, and the names that it looks up, from now on."""
    seen = []

    def hook(event, arguments):
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            seen.append(arguments[1][:2])
        elif event == "socket.getaddrinfo":
            seen.append((arguments[0], int(arguments[1] or 0)))

    sys.addaudithook(hook)  # for good: hooks cannot be taken away
    return seen


async def test_the_server_connects_to_its_database_and_store_alone(service, connecting):
    """Whatever addresses a client writes wherever it can, nobody else is spoken to or looked up."""
    client, address = service.client, "http://169.254.169.254/latest"
    connecting.clear()
    stored = (
        await upload(client, f"<svg xmlns='{address}'><image href='{address}'/></svg>".encode(), name=address)
    ).json()
    assert (await upload(client, b"data", "graphql", name=f"{address}.txt")).status_code == 200
    for headers in ({"Referer": address}, {"X-Forwarded-Host": address, "Forwarded": f"host={address}"}):
        assert (await client.get(stored["download_url"], headers=headers)).status_code == 200
    for query in ("{ files(filter: {search: $u}) { nodes { id } } }", "{ file(id: $u) { id } }"):
        kind = "ID" if "id:" in query else "String"
        variables = {"u": address}
        await client.post("/graphql", json={"query": f"query ($u: {kind}!) {query}", "variables": variables})
    operations = orjson.dumps({"query": UPLOAD, "variables": {"file": address}}).decode()
    assert code_of(await client.post("/graphql", data={"operations": operations, "map": "{}"}, files={"x": b""}))
    service.proxy.plant(any_request, redirecting(address))
    assert code_of(await client.get(stored["download_url"])) == "STORE_UNAVAILABLE"
    service.proxy.heal()
    await asyncio.gather(*(upload(client, b"%d" % number) for number in range(20)))  # which needs new connections

    database = urlsplit(service.settings.database_url)
    known = {(service.proxy.host, service.proxy.port), (database.hostname, database.port)}
    assert connecting
    upstream = {(service.proxy.host, service.proxy._upstream[1])}  # the proxy runs in this process too
    assert set(connecting) <= known | upstream
