"""The states that the page can be in, one after the other, for whoever looks at all of them: a picture, a checker."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from library import noise, png, remove, store, store_all, wav
from manager import FileManager, file
from playwright.async_api import expect

from server import Server

SECONDS = 60  # a bound for what never comes

LANGUAGES = ("en", "fr")
THEMES = ("light", "dark")

LONG = f"{'A name that is longer than any column is wide, ' * 3}and then some.txt"
CODE = b"""import math


def corrected(seconds: float, rating: float) -> float:
    # A boat with a lower rating is given time.
    return seconds * rating if math.isfinite(seconds) else math.inf
"""
REFUSED = {"errors": [{"message": "The database does not answer", "extensions": {"code": "DATABASE_UNAVAILABLE"}}]}


async def states(manager: FileManager, server: Server) -> AsyncIterator[str]:
    """Bring an empty server and its window from state to state, and name each. It is to be found in English again."""
    page = manager.page
    phone = page.viewport_size["width"] <= 760
    await expect(page.get_by_role("heading", name="Nothing in the satchel yet")).to_be_visible()
    yield "empty"

    await store_all(server, {f"note {number}.txt": b"%d" % number * number for number in range(20)})
    await store(server, LONG, b"long")
    await store(server, "copy of log.txt", b"07:00 calm\n" * 200)
    await store(server, "log.txt", b"07:00 calm\n" * 200)
    sea = await store(server, "sea.png", png(300, 200))
    await store(server, "regatta.py", CODE)
    await store(server, "sails.bin", noise(4000))
    await store(server, "bell.wav", wav())
    await expect(manager.grid).to_have_attribute("aria-rowcount", "28")
    await expect(manager.search).to_have_attribute("placeholder", re.compile("27"))  # counted
    yield "list"

    await manager.search.fill("nothing like it")
    await expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    yield "no-result"
    await manager.search.fill("")
    await expect(manager.row("sea.png")).to_be_visible()

    async for state in _working(manager, server, phone=phone):
        yield state

    await manager.show("log.txt")
    await expect(manager.preview.locator("pre")).to_contain_text("calm")
    yield "text"
    await manager.preview.get_by_role("button", name="2 files share these bytes").click()
    await expect(manager.preview.get_by_role("button", name="copy of log.txt")).to_be_in_viewport(ratio=1)
    yield "copies"
    await _close(manager)
    await manager.show("bell.wav")
    await expect(manager.preview.locator("audio")).to_have_js_property("duration", 1)
    yield "sound"
    await _close(manager)
    await manager.show("regatta.py")
    await expect(manager.preview.locator("pre .keyword").first).to_be_visible()
    yield "code"
    await _close(manager)
    await manager.show("sails.bin")
    await expect(manager.preview.get_by_role("link", name="Download").last).to_be_visible()
    yield "no-preview"
    await _close(manager)
    await manager.show("sea.png")
    await expect(manager.preview.locator("img")).to_have_js_property("naturalWidth", 300)
    yield "picture"
    await remove(server, sea["id"])
    await expect(manager.preview.get_by_role("alert")).to_be_visible()
    yield "gone"
    await _close(manager)

    if not phone:  # which has no folders
        await page.get_by_role("button", name="More ways to upload").click()
        await expect(page.get_by_role("menu")).to_be_visible()
        yield "upload-menu"
        await page.keyboard.press("Escape")
    await manager.delete("sails.bin")
    await manager.toasts.hover()  # it waits as long as the pointer is on it
    yield "deleted"
    await manager.toasts.get_by_role("button", name="Undo").click()

    await page.evaluate(DRAG_OVER, "dragenter")
    await expect(page.get_by_text("Drop to upload")).to_be_visible()
    yield "drop"
    await page.evaluate(DRAG_OVER, "dragleave")

    async for state in _uploading(manager, server):
        yield state
    async for state in _failing(manager):
        yield state

    await server.restart(read_only="true")
    await page.reload()
    await expect(page.get_by_text("Read-only")).to_be_attached()
    await expect(manager.row("new.txt")).to_be_visible()
    yield "read-only"


async def _working(manager: FileManager, server: Server, *, phone: bool) -> AsyncIterator[str]:
    """What is done with the rows."""
    page = manager.page
    menu = await manager.open_menu("regatta.py")
    yield "menu"
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()

    await manager.choose_action("regatta.py", "Select")
    await manager.box("log.txt").click()
    await expect(manager.selection).to_be_visible()
    yield "selected"
    await page.keyboard.press("Escape")
    await manager.choose_action("log.txt", "Rename")
    await expect(manager.name_field).to_be_visible()
    yield "renaming"
    await page.keyboard.press("Escape")
    if not phone:  # it has no keys
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(dialog).to_be_visible()
        yield "keys"
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()

    await manager.grid.evaluate("(grid) => (grid.scrollTop = 300)")
    arrived = await store(server, "arrived.txt", b"while the reader was further down")
    await expect(page.get_by_role("button", name="1 new")).to_be_visible()
    yield "new"
    await remove(server, arrived["id"])
    await expect(page.get_by_role("button", name="1 new")).to_be_hidden()
    await manager.grid.evaluate("(grid) => (grid.scrollTop = 0)")


# Files are dragged in from the desktop, or taken away again.
DRAG_OVER = """(type) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["x"], "x.txt"));
  document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""


# A folder is dropped that takes long to read; `endFolder()` is its end.
DROP_SLOW_FOLDER = """() => {
  const readEntries = (found) => { window.endFolder = () => found([]); };
  const entry = { fullPath: "/Trip", isDirectory: true, createReader: () => ({ readEntries }) };
  const items = [{ kind: "file", webkitGetAsEntry: () => entry, getAsFile: () => null }];
  const event = new Event("drop", { bubbles: true, cancelable: true });
  document.body.dispatchEvent(Object.assign(event, { dataTransfer: { types: ["Files"], items } }));
}"""


async def _uploading(manager: FileManager, server: Server) -> AsyncIterator[str]:
    await manager.page.evaluate(DROP_SLOW_FOLDER)
    await expect(manager.tray.get_by_role("heading")).to_have_text("Reading the folder…")
    yield "reading"
    await manager.page.evaluate("endFolder()")
    await expect(manager.tray).to_be_hidden()
    await manager.toasts.get_by_role("button", name="Dismiss").click()

    await manager.limit_uploads(60_000)
    await manager.choose(
        file("log again.txt", b"07:00 calm\n" * 200),
        file("new.txt", b"new"),
        file("...", b"a name of dots alone"),
        file("Regatta, final cut.mov", noise(9_000_000)),
        file("Harbour at dusk.psd", noise(7_000_000, 2)),
        file("Interview, part 2.wav", noise(5_000_000, 3)),
        file("waiting.txt", b"waiting"),
    )
    await expect(manager.upload("log again.txt")).to_contain_text("Already stored")
    await expect(manager.upload("...")).to_contain_text("Failed")
    await expect(manager.tray).to_contain_text("left")
    yield "uploading"
    await manager.tray.get_by_role("button", name="Collapse the uploads").click()
    yield "uploading-folded"
    await manager.tray.get_by_role("button", name="Show the uploads").click()

    await server.kill()
    await expect(manager.state).to_have_text("Reconnecting…")
    await expect(manager.page.get_by_text("The connection is lost.")).to_be_visible()
    await expect(manager.tray.get_by_role("heading")).to_have_text("Waiting for the connection")
    yield "cut-off"
    await manager.tray.get_by_role("button", name="Cancel all").click()
    await manager.limit_uploads(-1)
    await server.start()
    await expect(manager.state).to_have_text("Live")
    await expect(manager.tray).to_contain_text("1 of 7 uploads failed")
    yield "uploads-ended"
    await manager.tray.get_by_role("button", name="Close the uploads").click()


async def _failing(manager: FileManager) -> AsyncIterator[str]:
    """The service answers nothing yet, then that it cannot, and then only that the next page is not to be had."""
    page = manager.page
    answering = asyncio.Event()

    async def refuse(route):
        # Not for ever: a page whose test has failed meanwhile would never close.
        with suppress(TimeoutError):
            await asyncio.wait_for(answering.wait(), SECONDS)
        await route.fulfill(status=503, json=REFUSED)

    await page.route("**/graphql**", refuse)
    await page.reload()
    await expect(manager.grid).to_have_attribute("aria-busy", "true")
    yield "loading"
    answering.set()
    await expect(page.get_by_role("heading", name="The files could not be loaded")).to_be_visible()
    yield "failed"
    await page.unroute("**/graphql**", refuse)
    await page.get_by_role("button", name="Try again").click()
    await expect(manager.row("new.txt")).to_be_visible()

    async def refuse_order(route):
        await refuse(route) if _sorts(route.request.post_data) else await route.continue_()

    await page.route("**/graphql**", refuse_order)
    if page.viewport_size["width"] > 760:
        await manager.header("Name").click()
    else:
        await page.get_by_role("combobox", name="Order").select_option("FILENAME_ASC")
    await expect(page.get_by_role("alert")).to_contain_text("The files could not be loaded again.")
    yield "failed-again"
    await page.unroute("**/graphql**", refuse_order)


def _sorts(body: str | None) -> bool:
    return json.loads(body or "{}").get("variables", {}).get("orderBy") == "FILENAME_ASC"


async def _close(manager: FileManager) -> None:
    await manager.preview.get_by_role("button", name="Close").click()
    await expect(manager.preview).to_be_hidden()


async def each_look(manager: FileManager, themes: Sequence[str] = THEMES) -> AsyncIterator[tuple[str, str]]:
    """Turn the page through its languages and themes as it stands, and back."""
    page = manager.page
    for language in LANGUAGES:
        if language != "en":
            await _turn_language(manager, language)
        for theme in themes:
            await page.emulate_media(color_scheme=theme)
            await page.wait_for_function(
                "(dark) => matchMedia('(prefers-color-scheme: dark)').matches === dark", arg=theme == "dark"
            )
            yield language, theme
    await _turn_language(manager, "en")


async def _turn_language(manager: FileManager, language: str) -> None:
    # By a script, because what covers the page keeps the button from the reader, as it should.
    name = {"en": "English", "fr": "Français"}[language]
    await manager.page.locator(f"button[title='{name}']").evaluate("(button) => button.click()")
    await expect(manager.page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))
