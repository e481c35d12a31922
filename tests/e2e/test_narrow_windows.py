"""Phones, tablets and windows that are shared with another: there is room for what is read, and for the finger."""

import pytest
from library import store, store_all
from manager import FileManager, way
from playwright.async_api import expect

NAMES = {"Minutes of the harbour board, first of December.txt": b"We met.", "note.txt": b"Buy rope."}
TOUCH = {"has_touch": True, "is_mobile": True}
LEAST = 44
REACH = """(element) => {
  const { width, height } = element.getBoundingClientRect();
  return Math.min(width, height);
}"""


async def too_small(elements):
    """Those that a finger would miss."""
    return [each for each in elements if await each.evaluate(REACH) < LEAST]


@pytest.fixture
async def narrow(profile, server):
    """Opens the file manager in a window of some width, with two files."""
    await store_all(server, NAMES)

    async def opened(width, **options):
        context = await profile(viewport={"width": width, "height": 900}, **options)
        manager = await FileManager(await context.new_page(), server).open()
        await expect(manager.rows).to_have_count(2)
        return manager

    return opened


@pytest.mark.parametrize("touch", [{}, TOUCH], ids=["mouse", "touch"])
async def test_names_have_room_beside_a_preview(narrow, touch):
    """Where the list is narrow, size and date stand under the name; the order can still be chosen."""
    manager = await narrow(768, **touch)
    await expect(manager.row("note.txt").locator(".size")).to_be_visible()
    await manager.show("note.txt")
    for name in NAMES:
        label = manager.row(name).locator(".label")
        await expect(manager.row(name).locator(".size")).to_be_hidden()
        await expect(label.locator(".brief")).to_contain_text("bytes")
    long = manager.row(next(iter(NAMES))).locator("b")
    assert (await long.bounding_box())["width"] > 150
    await manager.page.get_by_role("combobox", name="Order").select_option("FILENAME_DESC")
    await manager.lists("note.txt", next(iter(NAMES)))


@pytest.mark.parametrize("width", [390, 768, 1280])
async def test_totals_are_told_at_every_width(narrow, width):
    """How many files there are and what they take is in the window, beside a preview too."""
    manager = await narrow(width)
    totals = manager.page.locator(".summary")
    await expect(totals).to_have_text("2 files · 16 bytes, 16 bytes stored")
    await expect(totals).to_be_in_viewport(ratio=1)
    if width > 760:
        await manager.show("note.txt")
        await expect(totals).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [390, 1024])
async def test_a_finger_finds_what_it_presses(narrow, width):
    """On a screen that is touched, however wide, what is pressed is 44 pixels wide and high, and moves no row."""
    manager = await narrow(width, **TOUCH)
    page = manager.page
    await manager.choose_action("note.txt", "Copy link")
    await expect(manager.toasts).to_contain_text("copied")
    await manager.search.fill("e")
    reached = [
        *await page.get_by_role("group", name="Kind").get_by_role("button").all(),
        manager.toasts.get_by_role("button", name="Dismiss"),
        page.get_by_role("button", name="Clear the search"),
        page.get_by_role("button", name="Use the dark theme"),
        page.get_by_role("button", name="Upload", exact=True),
        manager.row("note.txt").get_by_role("button"),
    ]
    assert await too_small(reached) == []

    before = await manager.row_at(0).bounding_box()
    await manager.choose_action("note.txt", "Select")
    await expect(manager.selection).to_be_visible()
    assert await manager.row_at(0).bounding_box() == before


@pytest.mark.parametrize("width", [390, 1024])
async def test_a_finger_finds_what_comes_later(narrow, server, width):
    """The way to new files and what a preview brings are as large; so are, on a wide screen, the head and the edge."""
    manager = await narrow(width, **TOUCH)
    await store_all(server, {f"log {number}.txt": b"calm" for number in range(30)})
    await expect(manager.grid).to_have_attribute("aria-rowcount", "33")
    await manager.grid.evaluate("(grid) => (grid.scrollTop = 400)")
    await store(server, "new.txt", b"new")
    reached = [manager.page.get_by_role("button", name="1 new")]
    if width > 760:
        reached += [manager.header(column) for column in ("Name", "Size", "Uploaded")]
        reached += [manager.grid.get_by_role("checkbox", name="Select all")]
    assert await too_small(reached) == []

    await manager.row_at(15).click()
    edge = manager.preview.get_by_role("separator")
    reached = [manager.preview.get_by_role("button", name="Copy the SHA-256")]
    if width > 760:
        reached += [edge]
    assert await too_small(reached) == []
    if width > 760:
        button, box = await manager.row_at(15).get_by_role("button").bounding_box(), await edge.bounding_box()
        assert box["x"] >= button["x"] + button["width"]
        x, y = box["x"] + 4, box["y"] + box["height"] / 2
        await manager.touch(way((x, y), (x - 60, y)))
        await expect(edge).to_have_attribute("aria-valuenow", "480")
