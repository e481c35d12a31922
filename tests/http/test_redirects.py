"""`SATCHEL_DOWNLOADS=redirect`: downloads are answered with a short-lived link to the store."""

import asyncio
import hashlib
import random
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from stacks import scaled_only

pytestmark = [scaled_only, pytest.mark.settings(downloads="redirect")]

MIB = 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde"


async def upload(client, name="a.bin", data=b"0123456789"):
    response = await client.post("/files/upload", files={"file": (name, data)})
    assert response.status_code == 200, response.text
    return response.json()


async def link(client, file, **headers):
    """Where a download is sent to."""
    response = await client.get(file["download_url"], headers=headers)
    assert response.status_code == 307, response.text
    assert response.content == b""
    return response.headers["location"]


@pytest.fixture
async def store():
    """A client with no rights of its own."""
    async with httpx.AsyncClient(timeout=60) as store:
        yield store


@pytest.mark.parametrize("size", [0, 1, 9 * MIB])
async def test_a_download_leads_to_the_bytes(client, store, settings, size):
    """The link is at the store, and gives exactly what was uploaded, of any size."""
    data = random.Random(size).randbytes(size)
    file = await upload(client, "a.bin", data)
    url = await link(client, file)
    assert urlsplit(url).netloc == urlsplit(settings.storage_url).netloc
    response = await store.get(url)
    assert response.status_code == 200
    assert hashlib.sha256(response.content).hexdigest() == file["hash"]


@pytest.mark.parametrize("name", ["plain.txt", "père noël 🎅.txt", "it's 100% & more;x=1+1.txt"])
async def test_the_store_names_the_file(client, store, name):
    """Name and type are the ones that the server would send, so that a browser saves the file and never shows it."""
    file = await upload(client, name, b"text")
    proxied = await client.head(file["download_url"])
    response = await store.get(await link(client, file))
    assert response.headers["content-disposition"] == proxied.headers["content-disposition"]
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.headers["content-type"] == file["content_type"]


async def test_parts_come_from_the_store_too(client, store):
    """A range is sent on by the client that follows, and answered by the store."""
    file = await upload(client)
    part = {"Range": "bytes=2-4"}
    response = await store.get(await link(client, file, **part), headers=part)
    assert (response.status_code, response.content) == (206, b"234")
    assert response.headers["content-range"] == "bytes 2-4/10"


async def test_a_link_is_one_for_one_file_and_a_short_time(client, store):
    """It opens nothing else, allows nothing else, and is not kept by caches."""
    file, other = await upload(client), await upload(client, "b.bin", b"other")
    answer = await client.get(file["download_url"])
    assert answer.headers["cache-control"] == "no-store"
    url = answer.headers["location"]
    assert int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0]) <= 300
    assert (await store.get(url)).status_code == 200
    assert (await store.get(url.replace(file["minio_object_name"], other["minio_object_name"]))).status_code == 403
    assert (await store.get(url.partition("?")[0])).status_code == 403
    assert (await store.put(url, content=b"changed")).status_code == 403
    assert (await store.delete(url)).status_code == 403
    assert (await client.get(file["download_url"])).status_code == 307


@pytest.mark.settings(download_link_lifetime="1s")
async def test_a_link_expires(client, store):
    """After its time the link opens nothing, and a new one does."""
    file = await upload(client)
    url = await link(client, file)
    for _ in range(300):
        if (await store.get(url)).status_code == 403:
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError("the link does not expire")
    assert (await store.get(await link(client, file))).status_code == 200


@pytest.mark.settings(s3_public_url="http://files.example.org:9000")
async def test_links_name_the_address_that_clients_reach(client):
    """The store may have another name outside than the one that the server uses."""
    url = await link(client, await upload(client))
    assert url.startswith("http://files.example.org:9000/")


async def test_previews_go_through_the_server(client):
    """What is shown on a page keeps the headers that make it harmless."""
    file = await upload(client, "a.png", PNG)
    response = await client.get(file["preview_url"])
    assert (response.status_code, response.content) == (200, PNG)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]


async def test_what_is_not_previewed_leads_to_the_store_as_an_attachment(client, store):
    """The address of a preview that would not be safe is a download, there as well."""
    file = await upload(client, "a.html", b"<!doctype html><script>fetch('/pwned')</script>")
    assert file["preview_url"] is None
    answer = await client.get(f"/files/{file['id']}")
    assert answer.status_code == 307
    response = await store.get(answer.headers["location"])
    assert response.headers["content-disposition"].startswith("attachment;")


async def test_what_needs_no_bytes_is_answered_by_the_server(client):
    """HEAD and conditions are answered as they are without redirects, and so is a file that does not exist."""
    file = await upload(client)
    head = await client.head(file["download_url"])
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    tag = head.headers["etag"]
    assert (await client.get(file["download_url"], headers={"If-None-Match": tag})).status_code == 304
    assert (await client.get(file["download_url"], headers={"If-Match": '"x"'})).status_code == 412
    await client.delete(f"/files/{file['id']}")
    assert (await client.get(file["download_url"])).status_code == 404
