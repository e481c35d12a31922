"""What one window does shows in another, without a reload."""

import hashlib

import httpx
import pytest
from library import archive, noise, png, stored
from manager import FileManager, file, saved_hash
from playwright.async_api import expect

FILES = {
    "Harbour at dawn.png": png(320, 200),
    "notes.txt": b"Buy rope.\nAsk about the tide.\n",
    "sails.zip": archive(jib="12 m²", mainsail="21 m²"),
    "chart.bin": noise(1_500_000),
}


@pytest.fixture(params=["one server", "two instances"])
def server(request):
    """What both windows are opened on: a server of the embedded stack, or two of the scaled one behind one address."""
    if request.param == "two instances":
        return request.getfixturevalue("balancer")
    return request.getfixturevalue("one_server")


@pytest.fixture
async def one_server(serve):
    return await serve()


@pytest.fixture
async def desktop(tmp_path):
    """A folder with the files to drag."""
    folder = tmp_path / "desktop"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
async def other(context, manager, server):
    """A second window on the same server."""
    return await FileManager(await context.new_page(), server).open()


async def test_dropped_files_arrive_in_the_other_window(manager, other, desktop):
    """Files dropped in one window show their progress there, and appear in the other by themselves."""
    await manager.record_progress()
    await manager.limit_uploads(1_000_000)
    await manager.drag(*(desktop / name for name in FILES))
    await expect(manager.page.get_by_text("Drop to upload")).to_be_visible()
    await manager.drop()
    await expect(manager.page.get_by_text("Drop to upload")).to_be_hidden()
    for name in FILES:
        await expect(manager.upload(name)).to_contain_text("Uploaded")
        await expect(manager.row(name)).to_be_visible()
        await expect(other.row(name)).to_be_visible()
    await expect(other.rows).to_have_count(len(FILES))
    await expect(manager.rows).to_have_count(len(FILES))
    seen = await manager.progress("chart.bin")
    assert len(seen) > 3
    assert seen == sorted(seen)


async def test_a_dropped_folder_arrives_whole(manager, other, tmp_path):
    """Every file in a dropped folder and the folders in it is stored; an empty folder is told of."""
    trip = tmp_path / "Trip"
    (trip / "Day 1").mkdir(parents=True)
    (trip / "Day 2").mkdir()
    for path in ("plan.txt", "Day 1/camp.txt", "Day 1/lake.png"):
        (trip / path).write_bytes(png() if path.endswith("png") else path.encode())
    await manager.drag(trip)
    await manager.drop()
    for path in ("Trip/plan.txt", "Trip/Day 1/camp.txt", "Trip/Day 1/lake.png"):
        await expect(manager.upload(path)).to_contain_text("Uploaded")
    await expect(manager.toasts).to_have_text("The folder “Trip/Day 2” is empty.")
    await expect(other.rows).to_have_count(3)
    for name in ("plan.txt", "camp.txt", "lake.png"):
        await expect(other.row(name)).to_be_visible()


async def test_files_without_a_path_are_taken_too(manager, other):
    """What another page offers to drop is uploaded as well as what lies on the disk."""
    await manager.drop_text_files(first="one", second="two")
    for name in ("first.txt", "second.txt"):
        await expect(manager.upload(name)).to_contain_text("Uploaded")
        await expect(other.row(name)).to_be_visible()


async def test_the_other_window_previews_and_downloads(manager, other):
    """A file that arrived live can be looked at and saved; the saved bytes are the ones that were sent."""
    await manager.choose(*(file(name, content) for name, content in FILES.items()))
    await expect(other.rows).to_have_count(len(FILES))
    preview = await other.show("Harbour at dawn.png")
    picture = preview.get_by_role("img", name="Harbour at dawn.png")
    await expect(picture).to_have_js_property("naturalWidth", 320)
    await other.show("notes.txt")
    await expect(preview.locator("pre")).to_have_text(FILES["notes.txt"].decode())
    for name, content in FILES.items():
        download = await other.download(name)
        assert download.suggested_filename == name
        assert await saved_hash(download) == hashlib.sha256(content).hexdigest()


async def test_an_undone_delete_keeps_the_file_everywhere(manager, other, server):
    """Delete takes the row away at once; Undo brings it back, and no other window ever missed it."""
    await manager.choose(file("keep me.txt", b"worth it"), file("other.txt", b"another"))
    await expect(other.rows).to_have_count(2)
    await manager.delete("keep me.txt")
    await expect(manager.row("keep me.txt")).to_have_count(0)
    await expect(manager.toasts).to_contain_text("Deleted “keep me.txt”")
    await manager.toasts.get_by_role("button", name="Undo").click()
    await expect(manager.row("keep me.txt")).to_be_visible()
    await expect(manager.toasts).to_have_count(0)
    await expect(other.row("keep me.txt")).to_be_visible()
    assert {entry["filename"] for entry in await stored(server)} == {"keep me.txt", "other.txt"}


async def test_a_delete_reaches_every_window(manager, other, server):
    """Without Undo the file is gone from both windows and from the server, and one with the same bytes stays alone."""
    await manager.choose(file("leave.txt", b"needed once"), file("stay.txt", b"needed once"))
    for window in (manager, other):
        await expect(window.row("stay.txt")).to_contain_text("2 copies")
    leaving = next(entry for entry in await stored(server) if entry["filename"] == "leave.txt")
    await manager.delete("leave.txt")
    await expect(other.row("leave.txt")).to_have_count(0)
    await expect(manager.row("leave.txt")).to_have_count(0)
    for window in (manager, other):
        await window.lists("stay.txt")
        await expect(window.row("stay.txt")).not_to_contain_text("copies")
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get(leaving["download_url"])).status_code == 404
