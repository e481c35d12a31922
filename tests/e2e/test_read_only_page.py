"""A server of which files can only be read: the page offers what can be done, and says why it does no more."""

import pytest
from library import store, stored
from manager import FileManager
from playwright.async_api import expect

WHY = "Files can be looked at and downloaded here, not changed."


@pytest.fixture
async def manager(page, server):
    """The file manager of a server that took two files before."""
    for name in ("log.txt", "plan.txt"):
        await store(server, name, name.encode())
    await server.restart(read_only="true")
    manager = await FileManager(page, server).open()
    await expect(page.get_by_text("Read-only")).to_be_visible()
    return manager


async def test_only_what_can_be_done_is_offered(manager):
    """No button uploads, renames or deletes: not in the header, a menu, the selection's bar or the preview."""
    page = manager.page
    await expect(page.get_by_role("button", name="Upload", exact=True)).to_have_count(0)
    menu = await manager.open_menu("log.txt")
    await expect(menu.get_by_role("menuitem")).to_have_text(["Download", "Copy link", "Select"])
    await menu.get_by_role("menuitem", name="Select").click()
    await expect(manager.selection.get_by_role("button", name="Download")).to_be_visible()
    await expect(manager.selection.get_by_role("button", name="Delete")).to_have_count(0)
    preview = await manager.show("plan.txt")
    await expect(preview.locator("pre")).to_have_text("plan.txt")
    for name in ("Rename", "Delete"):
        await expect(preview.get_by_role("button", name=name)).to_have_count(0)
    await manager.download("plan.txt")


@pytest.mark.parametrize("key", ["u", "F2", "Delete"])
async def test_a_key_that_would_change_something_says_why_not(manager, server, key):
    """And nothing changes."""
    await manager.row("log.txt").focus()
    await manager.page.keyboard.press(key)
    await expect(manager.toasts).to_contain_text(WHY)
    assert {file["filename"] for file in await stored(server)} == {"log.txt", "plan.txt"}


async def test_a_key_with_nothing_to_change_says_nothing(manager):
    """Without a row that has the focus, or a file that is selected or open, there is nothing to refuse."""
    for key in ("F2", "Delete", "u"):
        await manager.page.keyboard.press(key)
    await expect(manager.toasts).to_have_count(1)


async def test_an_open_page_learns_what_a_server_that_comes_back_allows(manager, server):
    """Nothing is loaded anew for it."""
    upload = manager.page.get_by_role("button", name="Upload", exact=True)
    for read_only in ("false", "true"):
        await server.restart(read_only=read_only)
        await expect(upload).to_have_count(1 if read_only == "false" else 0)
    await expect(manager.page.get_by_text("Read-only")).to_be_visible()


async def test_what_is_dragged_over_the_page_is_not_taken(manager, tmp_path):
    """The page says so while it is held there."""
    (tmp_path / "new.txt").write_text("new")
    await manager.drag(tmp_path / "new.txt")
    await expect(manager.page.get_by_text(WHY)).to_be_visible()
    await manager.drop()
    await expect(manager.tray).to_have_count(0)
