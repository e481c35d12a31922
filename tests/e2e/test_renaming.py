"""A file gets another name: in its row, in the preview, while others do the same."""

import pytest
from library import noise, remove, rename, store, stored
from playwright.async_api import expect

from kept import eventually

NAMES = ("log.tar.gz", "plan.txt", "crew.txt")
SLASH = "A name cannot contain / or \\."


@pytest.fixture
async def entries(server):
    """Three files; their metadata by name."""
    return {name: await store(server, name, noise(2000, seed=nth)) for nth, name in enumerate(NAMES)}


@pytest.fixture
async def stocked(entries, manager):
    """The file manager with the files listed."""
    await expect(manager.rows).to_have_count(len(NAMES))
    return manager


async def names(server):
    """What the server calls its files."""
    return {entry["filename"] for entry in await stored(server)}


async def test_a_file_is_renamed_in_its_row_and_back(stocked, server):
    """The name without its extension is selected, Enter saves it, and the toast takes it back."""
    await stocked.choose_action("log.tar.gz", "Rename")
    await expect(stocked.name_field).to_be_focused()
    await stocked.page.keyboard.type("ship's log")
    await stocked.page.keyboard.press("Enter")
    await expect(stocked.toasts).to_contain_text("Renamed to “ship's log.tar.gz”")
    await expect(stocked.row("ship's log.tar.gz")).to_be_focused()
    assert "ship's log.tar.gz" in await names(server)
    await stocked.toasts.get_by_role("button", name="Undo").click()
    await expect(stocked.row("log.tar.gz")).to_be_visible()
    assert await names(server) == set(NAMES)


async def test_escape_and_a_press_elsewhere_end_it(stocked, server):
    """Esc restores the old name and touches neither preview nor selection; a press elsewhere saves the new one."""
    press = stocked.page.keyboard.press
    await stocked.box("crew.txt").click()
    await press("F2")
    await expect(stocked.name_field).to_be_focused()
    await stocked.name_field.fill("never.txt")
    await press("Escape")
    await expect(stocked.name_field).to_be_hidden()
    await expect(stocked.row("crew.txt")).to_be_focused()
    await stocked.selects("crew.txt")
    await press("F2")
    await stocked.name_field.fill("all hands.txt")
    await stocked.page.mouse.click(640, 30)
    await expect(stocked.row("all hands.txt")).to_be_visible()
    assert await names(server) == {"all hands.txt", "log.tar.gz", "plan.txt"}


async def test_a_name_that_is_refused_says_why(stocked):
    """The field stays, with the reason beside it, until the name is one that can be had."""
    await stocked.choose_action("plan.txt", "Rename")
    row = stocked.grid.get_by_role("row").filter(has=stocked.name_field)
    await stocked.name_field.fill("...")
    await stocked.page.keyboard.press("Enter")
    await expect(row.get_by_role("alert")).to_contain_text("The server cannot use this file name.")
    await expect(stocked.name_field).to_be_focused()
    await expect(stocked.name_field).to_have_attribute("aria-invalid", "true")
    await stocked.name_field.fill("2026/plan.txt")
    await stocked.page.keyboard.press("Enter")
    await expect(row.get_by_role("alert")).to_have_text(SLASH)
    await stocked.name_field.fill("plan 2026.txt")
    await stocked.page.keyboard.press("Enter")
    await expect(stocked.row("plan 2026.txt")).to_be_visible()


async def test_the_focus_goes_back_to_the_row_and_from_nowhere_else(stocked):
    """A name that was refused may be taken back, and whoever goes on before the answer comes is left alone."""
    press, page = stocked.page.keyboard.press, stocked.page
    await stocked.row("plan.txt").focus()
    await press("F2")
    for name in ("2026/plan.txt", "plan.txt"):
        await stocked.name_field.fill(name)
        await press("Enter")
    await expect(stocked.name_field).to_have_count(0)
    await expect(stocked.row("plan.txt")).to_be_focused()

    held = []

    async def hold(route):
        if "sent.txt" in (route.request.post_data or ""):
            held.append(route)
        else:
            await route.continue_()

    await page.route("**/graphql", hold)
    await press("F2")
    await stocked.name_field.fill("sent.txt")
    await press("Enter")
    await eventually(lambda: held, "the name is sent")
    await stocked.search.focus()
    await held[0].continue_()
    await expect(stocked.row("sent.txt")).to_be_visible()
    await expect(stocked.name_field).to_have_count(0)
    await expect(stocked.search).to_be_focused()


async def test_what_is_typed_outlives_what_others_do(stocked, server, entries):
    """A new name from elsewhere, an arrival and another place in the order leave the field and the focus alone."""
    await stocked.header("Name").click()
    await stocked.lists("crew.txt", "log.tar.gz", "plan.txt")
    await stocked.choose_action("crew.txt", "Rename")
    await stocked.name_field.fill("mine")
    await rename(server, entries["crew.txt"]["id"], "zoo.txt")
    await store(server, "arrival.txt", b"new")
    await expect(stocked.row("arrival.txt")).to_be_visible()
    await expect(stocked.name_field).to_have_value("mine")
    await expect(stocked.name_field).to_be_focused()
    await stocked.page.keyboard.type(" too.txt")
    await stocked.page.keyboard.press("Enter")
    await stocked.lists("arrival.txt", "log.tar.gz", "mine too.txt", "plan.txt")

    await stocked.choose_action("plan.txt", "Rename")
    await remove(server, entries["plan.txt"]["id"])
    await expect(stocked.toasts.last).to_have_text("“plan.txt” was deleted while you were renaming it.")
    await expect(stocked.name_field).to_be_hidden()


async def test_a_file_is_renamed_in_the_preview(stocked, server):
    """The title becomes the field, and keys that step or close mean letters there."""
    preview = await stocked.show("plan.txt")
    await preview.get_by_role("button", name="Rename").click()
    await expect(preview.get_by_role("textbox")).to_be_focused()
    await stocked.page.keyboard.press("ArrowRight")
    await stocked.page.keyboard.type("x")
    await stocked.page.keyboard.press("Enter")
    await expect(preview.get_by_role("heading")).to_contain_text("planx.txt")
    await expect(preview.get_by_role("button", name="Rename")).to_be_focused()
    await expect(stocked.row("planx.txt")).to_be_visible()
    assert "planx.txt" in await names(server)
