"""Uploads that are long, are stopped, fail, and are tried again."""

import hashlib

import pytest
from library import noise, stored
from manager import file, file_hash, saved_hash
from playwright.async_api import expect

from kept import eventually

MEGABYTE = 1024 * 1024
UNREACHABLE = "The server cannot be reached. Check the connection, then try again."


@pytest.fixture
async def film(tmp_path):
    """A file of more than 100 MB, on disk."""
    path = tmp_path / "Regatta 2026.mov"
    with path.open("wb") as output:
        for number in range(101):
            output.write(noise(MEGABYTE, seed=number))
        output.write(b"the end")
    return path


async def test_a_large_upload_shows_how_far_it_is(manager, server, film):
    """Over 100 MB arrive whole, while the bar moves on and never back; the saved copy has the same hash."""
    await manager.record_progress()
    await manager.limit_uploads(25 * MEGABYTE)
    await manager.choose(film)
    bar = manager.upload(film.name).get_by_role("progressbar")
    await expect(bar).to_be_visible()
    await expect(manager.tray).to_contain_text("/s")
    await expect(manager.upload(film.name)).to_contain_text("Uploaded", timeout=60_000)

    seen = await manager.progress(film.name)
    assert seen == sorted(seen)
    assert len([value for value in seen if 0 < value < 100]) >= 5, seen

    expected = file_hash(film)
    [entry] = await stored(server)
    assert (entry["size"], entry["hash"]) == (film.stat().st_size, expected)
    assert await saved_hash(await manager.download(film.name)) == expected


async def test_a_cancelled_upload_leaves_nothing(manager, server):
    """Cancel stops the sending; the server keeps neither a file nor a byte of it."""
    await manager.limit_uploads(300_000)
    await manager.choose(file("unwanted.bin", noise(8 * MEGABYTE)))
    bar = manager.upload("unwanted.bin").get_by_role("progressbar")
    await expect(bar).not_to_have_attribute("aria-valuenow", "0")
    await eventually(server.kept.objects, "the first bytes reach the store")

    await manager.upload("unwanted.bin").get_by_role("button", name="Cancel unwanted.bin").click()
    await expect(manager.upload("unwanted.bin")).to_contain_text("Cancelled")
    await expect(manager.tray).to_contain_text("Uploads cancelled")
    await eventually(server.kept.is_empty, "the server has dropped what it had")
    assert await stored(server) == []
    await expect(manager.rows).to_have_count(0)


async def test_a_cancelled_upload_can_be_sent_after_all(manager, server):
    """A change of mind needs no second choice of the file."""
    content = noise(2 * MEGABYTE)
    await manager.limit_uploads(200_000)
    await manager.choose(file("wanted.bin", content))
    await manager.upload("wanted.bin").get_by_role("button", name="Cancel").click()
    await expect(manager.upload("wanted.bin")).to_contain_text("Cancelled")
    await manager.limit_uploads(-1)
    await manager.upload("wanted.bin").get_by_role("button", name="Try again").click()
    await expect(manager.upload("wanted.bin")).to_contain_text("Uploaded")
    await manager.lists("wanted.bin")
    [entry] = await stored(server)
    assert entry["hash"] == hashlib.sha256(content).hexdigest()


async def test_an_upload_waits_for_a_server_that_is_down(manager, server):
    """With no server there, the row says so in words; Try again sends the file once the server is back."""
    await server.stop()
    await manager.choose(file("letter.txt", b"Dear harbour master"))
    letter = manager.upload("letter.txt")
    await expect(letter).to_contain_text("Failed")
    await expect(letter).to_contain_text(UNREACHABLE)

    await server.start()
    await letter.get_by_role("button", name="Try again: letter.txt").click()
    await expect(letter).to_contain_text("Uploaded")
    await manager.lists("letter.txt")
    assert [entry["filename"] for entry in await stored(server)] == ["letter.txt"]


async def test_an_upload_survives_a_crash_of_the_server(manager, server):
    """A server that dies half-way makes the row fail; Try again makes exactly one whole file of it."""
    content = noise(3 * MEGABYTE)
    await manager.limit_uploads(500_000)
    await manager.choose(file("log.bin", content))
    log = manager.upload("log.bin")
    await expect(log.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
    await eventually(server.kept.objects, "the first bytes reach the store")
    await server.kill()
    await expect(log).to_contain_text("Failed")
    await expect(log).to_contain_text(UNREACHABLE)

    await server.start()
    await manager.limit_uploads(-1)
    await log.get_by_role("button", name="Try again: log.bin").click()
    await expect(log).to_contain_text("Uploaded")
    await expect(manager.state).to_have_text("Live")
    await manager.lists("log.bin")
    [entry] = await stored(server)
    assert entry["hash"] == hashlib.sha256(content).hexdigest()
    assert await saved_hash(await manager.download("log.bin")) == entry["hash"]


@pytest.mark.settings(max_file_size="100KB")
async def test_a_refused_upload_says_why(manager, server):
    """A file that the server does not take fails with its reason, and the others of the same drop arrive."""
    await manager.choose(file("huge.bin", noise(200_000)), file("small.bin", noise(20_000)))
    await expect(manager.upload("huge.bin")).to_contain_text("The file is larger than this server accepts.")
    await expect(manager.upload("small.bin")).to_contain_text("Uploaded")
    await expect(manager.tray).to_contain_text("1 of 2 uploads failed")
    await manager.lists("small.bin")


async def test_known_bytes_are_said_to_be_stored_already(manager, server):
    """The same bytes under another name make a second file and no second copy."""
    await manager.choose(file("first.bin", noise(10_000)))
    await expect(manager.upload("first.bin")).to_contain_text("Uploaded")
    await manager.choose(file("second.bin", noise(10_000)))
    await expect(manager.upload("second.bin")).to_contain_text("Already stored")
    await manager.lists("second.bin", "first.bin")
    await expect(manager.row("first.bin")).to_contain_text("2 copies")
    assert len(server.kept.objects()) == 1
