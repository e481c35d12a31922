"""Uploads that are long, are stopped, fail, and are tried again."""

import hashlib
import re

import pytest
from library import noise, store_all, stored
from manager import file, file_hash, saved_hash
from playwright.async_api import expect

from kept import eventually

MEGABYTE = 1024 * 1024
PAUSED = "Waiting for the connection"
UNAVAILABLE = {"errors": [{"message": "The blob store does not answer", "extensions": {"code": "STORE_UNAVAILABLE"}}]}


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
    """With no server there, uploads wait and the tray says so; once it is back they go on by themselves."""
    await server.stop()
    await manager.choose(file("letter.txt", b"Dear harbour master"), file("second.txt", b"Dear all"))
    await expect(manager.tray.get_by_role("heading")).to_have_text(PAUSED)
    await expect(manager.tray.get_by_role("status")).to_have_text(
        f"{PAUSED}. They go on by themselves when it is back."
    )
    letter = manager.upload("letter.txt")
    await expect(letter).to_contain_text("Waiting")

    await server.start()
    await expect(letter).to_contain_text("Uploaded")
    await expect(manager.tray.get_by_role("status")).to_have_text("2 uploads finished")
    await expect(manager.rows).to_have_count(2)
    assert {entry["filename"] for entry in await stored(server)} == {"letter.txt", "second.txt"}


async def test_an_upload_survives_a_crash_of_the_server(manager, server):
    """A server that dies half-way makes the upload wait; once it is back, exactly one whole file comes of it."""
    content = noise(3 * MEGABYTE)
    await manager.limit_uploads(500_000)
    await manager.choose(file("log.bin", content))
    log = manager.upload("log.bin")
    await expect(log.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
    await eventually(server.kept.objects, "the first bytes reach the store")
    await server.kill()
    await expect(manager.tray.get_by_role("heading")).to_have_text(PAUSED)

    await manager.limit_uploads(-1)
    await server.start()
    await expect(log).to_contain_text("Uploaded")
    await expect(manager.state).to_have_text("Live")
    await manager.lists("log.bin")
    [entry] = await stored(server)
    assert entry["hash"] == hashlib.sha256(content).hexdigest()
    assert await saved_hash(await manager.download("log.bin")) == entry["hash"]


async def test_an_upload_waits_for_the_network(manager, server):
    """A browser that is cut off sends what was chosen meanwhile when the network is back."""
    await manager.limit_uploads(-1, offline=True)
    await manager.choose(file("log.txt", b"07:00 calm"))
    await expect(manager.tray.get_by_role("heading")).to_have_text(PAUSED)
    await manager.limit_uploads(-1)
    await expect(manager.upload("log.txt")).to_contain_text("Uploaded")
    assert [entry["filename"] for entry in await stored(server)] == ["log.txt"]


async def test_a_refusal_that_passes_is_tried_again(manager, server):
    """A store that is away for a moment delays an upload; one that stays away fails it, with its reason and code."""
    refusals = 0

    async def refuse(route):
        nonlocal refusals
        if route.request.headers.get("content-type", "").startswith("multipart/") and refusals > 0:
            refusals -= 1
            await route.fulfill(status=503, json=UNAVAILABLE)
        else:
            await route.continue_()

    await manager.page.route("**/graphql", refuse)
    refusals = 1
    await manager.choose(file("late.txt", b"better late than never"))
    await expect(manager.upload("late.txt")).to_contain_text("Trying again…")
    await expect(manager.upload("late.txt")).to_contain_text("Uploaded")
    assert [entry["filename"] for entry in await stored(server)] == ["late.txt"]

    refusals = 4
    await manager.choose(file("never.txt", b"too late"))
    await expect(manager.upload("never.txt")).to_contain_text("Failed")
    await expect(manager.upload("never.txt")).to_contain_text("(STORE_UNAVAILABLE)")
    await manager.upload("never.txt").get_by_role("button", name="Try again: never.txt").click()
    await expect(manager.upload("never.txt")).to_contain_text("Uploaded")


async def test_bytes_that_changed_on_the_way_are_sent_again(manager, server):
    """The page tells the server what a file hashes to; other bytes are not taken."""
    worker = next(iter(manager.page.workers), None) or await manager.page.wait_for_event("worker")
    await worker.evaluate(
        """() => {
            const digest = crypto.subtle.digest.bind(crypto.subtle);
            let wrong = 1;
            crypto.subtle.digest = (name, bytes) => digest(name, wrong-- > 0 ? new Uint8Array(1) : bytes);
        }"""
    )
    await manager.choose(file("changed.txt", b"not what was hashed"))
    await expect(manager.upload("changed.txt")).to_contain_text("Trying again…")
    assert await stored(server) == []
    await expect(manager.upload("changed.txt")).to_contain_text("Uploaded")
    assert [entry["filename"] for entry in await stored(server)] == ["changed.txt"]


async def test_a_folder_is_chosen_with_the_keyboard(manager, server, tmp_path):
    """The menu beside the button opens, is walked through and closes as menus do; a folder arrives with its folders."""
    press, page = manager.page.keyboard.press, manager.page
    more = page.get_by_role("button", name="More ways to upload")
    await more.focus()
    await press("ArrowUp")
    folder, files = page.get_by_role("menuitem", name="A folder…"), page.get_by_role("menuitem", name="Files…")
    await expect(folder).to_be_focused()
    await press("ArrowDown")
    await expect(files).to_be_focused()
    await press("End")
    await expect(folder).to_be_focused()
    await press("f")
    await expect(files).to_be_focused()
    for key in ("/", "?"):
        await press(key)
    await expect(files).to_be_focused()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await press("Escape")
    await expect(page.get_by_role("menu")).to_be_hidden()
    await expect(more).to_be_focused()
    await press("Enter")
    await expect(files).to_be_focused()
    await press("Tab")
    await expect(page.get_by_role("menu")).to_be_hidden()

    trip = tmp_path / "Trip"
    (trip / "Day 1").mkdir(parents=True)
    for path in ("plan.txt", "Day 1/camp.txt"):
        (trip / path).write_text(path)
    await manager.choose_folder(trip)
    for path in ("Trip/plan.txt", "Trip/Day 1/camp.txt"):
        await expect(manager.upload(path)).to_contain_text("Uploaded")
    assert {entry["filename"] for entry in await stored(server)} == {"plan.txt", "camp.txt"}


async def test_a_screenshot_is_pasted(manager, server):
    """A picture in the clipboard becomes a file that is named by the time; text that is pasted stays text."""
    await manager.paste_picture()
    await expect(manager.rows).to_have_count(1)
    [entry] = await stored(server)
    assert re.fullmatch(r"Pasted \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png", entry["filename"])
    assert entry["content_type"] == "image/png"
    await manager.page.evaluate("navigator.clipboard.writeText('Pasted')")
    await manager.search.focus()
    await manager.page.keyboard.press("ControlOrMeta+V")
    await expect(manager.search).to_have_value("Pasted")
    assert len(await stored(server)) == 1


async def test_the_tray_leaves_the_last_rows_free(manager, server):
    """With the tray open the list can be scrolled and walked until its last row stands above it; it folds to a line."""
    await store_all(server, {f"note {number}.txt": b"%d" % number for number in range(20)})
    await expect(manager.grid).to_have_attribute("aria-rowcount", "21")
    await manager.limit_uploads(20_000)
    await manager.choose(*(file(f"long {number}.bin", noise(MEGABYTE, number)) for number in range(6)))
    await expect(manager.tray).to_contain_text("left")
    await manager.row_at(0).focus()
    await manager.page.keyboard.press("End")
    await expect(manager.row_at(19)).to_be_focused()

    async def bottom_of_last():
        box = await manager.row_at(19).bounding_box()
        return box["y"] + box["height"]

    assert await bottom_of_last() <= (await manager.tray.bounding_box())["y"]
    await manager.grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight }")
    assert await bottom_of_last() <= (await manager.tray.bounding_box())["y"]
    await manager.tray.get_by_role("button", name="Collapse the uploads").click()
    assert (await manager.tray.bounding_box())["height"] < 50
    await expect(manager.tray).to_contain_text("Uploading 1 of 6")
    await manager.tray.get_by_role("button", name="Show the uploads").click()
    await manager.tray.get_by_role("button", name="Cancel all").click()
    await expect(manager.tray.get_by_role("status")).to_have_text("Uploads cancelled")
    await manager.tray.get_by_role("button", name="Close the uploads").click()
    await expect(manager.tray).to_be_hidden()


async def test_the_tray_keeps_the_focus_until_it_goes(manager, server):
    """Buttons that have done their work leave the keys where they are: in the row, in the tray, at last in the list."""
    await store_all(server, {"log.txt": b"07:00 calm"})
    await manager.limit_uploads(20_000)
    await manager.choose(*(file(f"long {number}.bin", noise(MEGABYTE, number)) for number in range(3)))
    first, press = manager.upload("long 0.bin"), manager.page.keyboard.press
    await first.get_by_role("button", name="Cancel").press("Enter")
    await expect(first).to_contain_text("Cancelled")
    again = first.get_by_role("button", name="Try again")
    await expect(again).to_be_focused()
    await press("Enter")
    await expect(first.get_by_role("button", name="Cancel")).to_be_focused()
    await manager.tray.get_by_role("button", name="Cancel all").press("Enter")
    await expect(manager.tray.get_by_role("status")).to_have_text("Uploads cancelled")
    await expect(manager.tray).to_be_focused()
    await manager.limit_uploads(-1)
    await again.press("Enter")
    await expect(first).to_contain_text("Uploaded")
    await expect(manager.tray).to_be_focused()
    await manager.tray.get_by_role("button", name="Close the uploads").press("Enter")
    await expect(manager.tray).to_be_hidden()
    await expect(manager.row_at(0)).to_be_focused()


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
    await eventually(lambda: len(server.kept.objects()) == 1)  # the second copy is swept at once, but by itself
