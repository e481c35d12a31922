"""The address names the open file: it can be reloaded, sent to somebody, and left with Back."""

from library import png, remove, store
from playwright.async_api import expect

GONE = "This file was deleted. It can no longer be downloaded."
NOT_THERE = "There is no file at this address. It may have been deleted."


async def test_a_reload_opens_the_same_file(viewer):
    """What is open stays open over a reload, and over a copy of the address in another window."""
    entry = await store(viewer.server, "open me.png", png(40, 30))
    await viewer.show("open me.png")
    await expect(viewer.page).to_have_url(f"{viewer.server.url}/?file={entry['id']}")
    await viewer.page.reload()
    await expect(viewer.preview.get_by_role("img", name="open me.png")).to_have_js_property("naturalWidth", 40)
    await expect(viewer.page).to_have_title("open me.png · Satchel")

    copy = await viewer.page.context.new_page()
    await copy.goto(viewer.page.url)
    await expect(copy.get_by_role("img", name="open me.png")).to_have_js_property("naturalWidth", 40)


async def test_back_closes_and_forward_opens(viewer):
    """One Back closes the preview, however many files were looked at; Forward opens the last one."""
    page = viewer.page
    for name in ("back 1.txt", "back 2.txt"):
        await store(viewer.server, name, name.encode())
    await viewer.show("back 1.txt")
    await viewer.show("back 2.txt")
    await page.go_back()
    await expect(viewer.preview).to_be_hidden()
    await expect(page).to_have_url(f"{viewer.server.url}/")
    await expect(page).to_have_title("Satchel")
    await page.go_forward()
    await expect(viewer.preview.locator("pre")).to_have_text("back 2.txt")


async def test_closing_is_going_back(viewer):
    """The Close button and Esc leave no second entry behind for Back."""
    page = viewer.page
    await store(viewer.server, "close me.txt", b"short")
    for close in ("button", "key"):
        await viewer.show("close me.txt")
        before = await page.evaluate("history.length")
        if close == "button":
            await viewer.preview.get_by_role("button", name="Close").click()
        else:
            await page.keyboard.press("Escape")
        await expect(viewer.preview).to_be_hidden()
        await expect(page).to_have_url(f"{viewer.server.url}/")
        assert await page.evaluate("history.length") == before


async def test_what_is_opened_right_after_closing_stays(viewer):
    """A browser takes its time to go back; what is opened meanwhile stays open, and its address names it."""
    page = viewer.page
    await store(viewer.server, "closed.txt", b"closed")
    entry = await store(viewer.server, "opened.txt", b"opened")
    await viewer.show("closed.txt")
    before = await page.evaluate("history.length")
    close = await viewer.preview.get_by_role("button", name="Close").element_handle()
    row = await viewer.row("opened.txt").element_handle()
    await page.evaluate("([close, row]) => { close.click(); row.click(); }", [close, row])
    await expect(page).to_have_url(f"{viewer.server.url}/?file={entry['id']}")
    await expect(viewer.preview.locator("pre")).to_have_text("opened")
    assert await page.evaluate("history.length") == before
    await page.go_back()
    await expect(viewer.preview).to_be_hidden()


async def test_a_file_deleted_elsewhere_says_so(viewer):
    """The open preview of a file that somebody deletes says what happened, and a reload does too."""
    entry = await store(viewer.server, "short-lived.txt", b"not for long")
    await viewer.show("short-lived.txt")
    await expect(viewer.preview.locator("pre")).to_have_text("not for long")
    await remove(viewer.server, entry["id"])
    await expect(viewer.preview.get_by_role("alert")).to_have_text(GONE)
    await expect(viewer.row("short-lived.txt")).to_have_count(0)
    await viewer.page.reload()
    await expect(viewer.preview.get_by_role("alert")).to_have_text(NOT_THERE)


async def test_an_address_of_no_file_says_so(viewer):
    """An id that never was, or is none at all, is answered with words and a way back."""
    for wrong in ("01890000-0000-7000-8000-000000000000", "nonsense", "<b>"):
        await viewer.page.goto(f"{viewer.server.url}/?file={wrong}")
        await expect(viewer.preview.get_by_role("alert")).to_have_text(NOT_THERE)
        await viewer.preview.get_by_role("button", name="Close").click()
        await expect(viewer.preview).to_be_hidden()


async def test_deleting_the_open_file_closes_it(viewer):
    """The preview's own Delete closes the pane; Forward says that the file is deleted, and Undo brings it back."""
    await store(viewer.server, "delete me.txt", b"for now")
    await viewer.show("delete me.txt")
    await viewer.preview.get_by_role("button", name="Delete").click()
    await expect(viewer.preview).to_be_hidden()
    await expect(viewer.row("delete me.txt")).to_have_count(0)
    await viewer.page.go_forward()
    await expect(viewer.preview.get_by_role("alert")).to_have_text(GONE)
    await viewer.toasts.get_by_role("button", name="Undo").click()
    await expect(viewer.row("delete me.txt")).to_be_visible()
    await expect(viewer.preview.locator("pre")).to_have_text("for now")
