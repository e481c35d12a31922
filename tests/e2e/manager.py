"""The file manager in a window, found by the roles and words that a person finds it by."""

import asyncio
import hashlib
import re
from pathlib import Path

from playwright.async_api import Download, Locator, Page, expect

from server import Server

ROW = "[role=row][data-index]"

# Remembers each value that each progress bar shows, however short.
RECORD_PROGRESS = """() => {
  window.progress = {};
  const note = (bar) => {
    const values = (window.progress[bar.getAttribute("aria-label")] ??= []);
    const value = Number(bar.getAttribute("aria-valuenow"));
    if (values.at(-1) !== value) values.push(value);
  };
  const look = () => document.querySelectorAll("[role=progressbar]").forEach(note);
  new MutationObserver(look).observe(document, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["aria-valuenow"],
  });
}"""

# Drops files that have no path on this machine.
DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const { name, text } of files) transfer.items.add(new File([text], name));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""

COPY_PICTURE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
  canvas.getContext("2d").fillRect(5, 5, 20, 10);
  const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""


class FileManager:
    """One window on one server."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.grid = page.get_by_role("grid", name="Files")
        self.rows = self.grid.locator(ROW)
        self.names = self.rows.locator(".name b")
        self.state = page.locator(".live").get_by_role("status")
        self.search = page.get_by_role("searchbox", name="Search")
        self.tray = page.get_by_role("region", name="Uploads")
        self.preview = page.get_by_label("Preview", exact=True)
        self.toasts = page.locator(".toast")
        self.selection = page.get_by_role("group", name="Selection")
        self.name_field = page.get_by_role("textbox", name=re.compile("^New name of"))

    async def open(self, address: str = "/") -> "FileManager":
        """Load the page and wait until it is live."""
        await self.page.goto(f"{self.server.url}{address}")
        await expect(self.state).to_have_text("Live")
        return self

    # --- the list

    def row(self, filename: str) -> Locator:
        """The row of a file, by its whole name."""
        return self.rows.filter(has=self.page.locator(".name").get_by_title(filename, exact=True))

    def row_at(self, index: int) -> Locator:
        """The row at a place of the whole list, from 0, if it is drawn."""
        return self.grid.locator(f"[role=row][aria-rowindex='{index + 2}'][data-index]")

    async def lists(self, *filenames: str) -> None:
        """Wait until the list shows exactly these, in this order."""
        await expect(self.names).to_have_text([re.compile(re.escape(name)) for name in filenames])

    async def show(self, filename: str) -> Locator:
        """Open the preview of a file that is listed."""
        await self.row(filename).click()
        await expect(self.preview.get_by_title(filename, exact=True).first).to_be_visible()
        return self.preview

    async def open_menu(self, filename: str) -> Locator:
        """Press the row's own button, and give the menu."""
        await self.row(filename).hover()
        await self.row(filename).get_by_role("button", name=f"More actions: {filename}", exact=True).click()
        menu = self.page.get_by_role("menu")
        await expect(menu).to_be_visible()
        return menu

    async def choose_action(self, filename: str, action: str) -> None:
        """Open the row's menu and choose from it."""
        menu = await self.open_menu(filename)
        await menu.get_by_role("menuitem", name=action, exact=True).click()

    async def delete(self, filename: str) -> None:
        """Choose it from the row's menu."""
        await self.choose_action(filename, "Delete")

    async def download(self, filename: str) -> Download:
        """Press the row's own button, and give what the browser saves."""
        await self.row(filename).hover()
        async with self.page.expect_download() as download:
            await self.row(filename).get_by_role("link", name=f"Download {filename}", exact=True).click()
        return await download.value

    def box(self, filename: str) -> Locator:
        """The check box of a row."""
        return self.row(filename).get_by_role("checkbox")

    async def selects(self, *filenames: str) -> None:
        """Wait until exactly these of the rows that are drawn are selected, in the order of the list."""
        selected = self.grid.locator(f"{ROW}[aria-selected=true] .name b")
        await expect(selected).to_have_text([re.compile(re.escape(name)) for name in filenames])

    def header(self, column: str) -> Locator:
        """The button in a column's header cell."""
        return self.grid.get_by_role("columnheader", name=column).get_by_role("button")

    def chip(self, kind: str) -> Locator:
        """The button that shows only one kind of file."""
        return self.page.get_by_role("group", name="Kind").get_by_role("button", name=re.compile(rf"^{kind}\b"))

    async def top_row(self) -> tuple[str | None, float]:
        """The first row that is wholly in view: its label, and how far from the top of the window it stands."""
        return await self.grid.evaluate(
            """(grid, row) => {
              const head = grid.querySelector("[role=columnheader]").getBoundingClientRect().bottom;
              const rows = [...grid.querySelectorAll(row)].map(
                (row) => [row.ariaLabel, row.getBoundingClientRect().top],
              );
              return rows.filter(([, top]) => top >= head - 1).sort(([, a], [, b]) => a - b)[0];
            }""",
            ROW,
        )

    # --- the preview

    def step(self, direction: str) -> Locator:
        """The button to the "Previous" or the "Next" file."""
        return self.preview.get_by_role("button", name=f"{direction} file")

    async def opened(self, filename: str) -> None:
        """Wait until the preview shows this file."""
        await expect(self.preview.get_by_role("heading", level=2)).to_have_text(filename)

    async def touch(self, *paths: list[tuple[float, float]]) -> None:
        """Put down a finger for each path, move them along together, and lift them."""
        cdp = await self.page.context.new_cdp_session(self.page)
        for nth, points in enumerate(zip(*paths, strict=True)):
            fingers = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
            kind = "touchMove" if nth else "touchStart"
            await cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
        await cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await cdp.detach()

    # --- uploads

    def upload(self, path: str) -> Locator:
        """The tray's entry for a file."""
        return self.tray.get_by_role("listitem").filter(has=self.page.get_by_title(path, exact=True))

    async def choose(self, *files: Path | dict) -> None:
        """Choose files with the Upload button: paths, or `file(...)`."""
        async with self.page.expect_file_chooser() as chooser:
            await self.page.get_by_role("button", name="Upload", exact=True).click()
        await (await chooser.value).set_files(files)

    async def choose_folder(self, folder: Path) -> None:
        """Choose a folder in the menu beside the Upload button."""
        await self.page.get_by_role("button", name="More ways to upload").click()
        async with self.page.expect_file_chooser() as chooser:
            await self.page.get_by_role("menuitem", name="A folder…").click()
        await (await chooser.value).set_files(folder)

    async def paste_picture(self) -> None:
        """Copy a picture as a screenshot is copied, and paste it into the page."""
        await self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await self.page.evaluate(COPY_PICTURE)
        await self.page.keyboard.press("ControlOrMeta+V")

    async def drag(self, *paths: Path) -> None:
        """Drag files and folders from the desktop over the page, and hold them there."""
        self._cdp = await self.page.context.new_cdp_session(self.page)
        self._dragged = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for phase in ("dragEnter", "dragOver"):
            await self._drag_event(phase)

    async def drop(self) -> None:
        """Let go of what is dragged."""
        await self._drag_event("drop")

    async def _drag_event(self, phase: str) -> None:
        await self._cdp.send("Input.dispatchDragEvent", {"type": phase, "x": 300, "y": 300, "data": self._dragged})

    async def drop_text_files(self, **texts: str) -> None:
        """Drop files that a page made, as from another window; `notes="…"` is notes.txt."""
        await self.page.evaluate(DROP, [{"name": f"{name}.txt", "text": text} for name, text in texts.items()])

    async def limit_uploads(self, bytes_per_second: int, *, offline: bool = False) -> None:
        """Make the way to the server as narrow as this; -1 lifts the limit. Offline, there is no way."""
        if not hasattr(self, "_network"):
            self._network = await self.page.context.new_cdp_session(self.page)
            await self._network.send("Network.enable")
        await self._network.send(
            "Network.emulateNetworkConditions",
            {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second},
        )

    async def record_progress(self) -> None:
        """Remember from now on what the progress bars show."""
        await self.page.evaluate(RECORD_PROGRESS)

    async def progress(self, label: str) -> list[int]:
        """The percentages that a bar has shown, in their order."""
        return await self.page.evaluate("(label) => window.progress[label] ?? []", label)


def way(start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> list[tuple[float, float]]:
    """The points that a finger goes through, in a straight line."""
    (x1, y1), (x2, y2) = start, end
    return [(x1 + (x2 - x1) * nth / steps, y1 + (y2 - y1) * nth / steps) for nth in range(steps + 1)]


def file(name: str, content: bytes, content_type: str = "application/octet-stream") -> dict:
    """A file to choose that lies on no disk."""
    return {"name": name, "mimeType": content_type, "buffer": content}


async def saved_hash(download: Download) -> str:
    """The SHA-256 of what the browser has saved."""
    return await asyncio.to_thread(file_hash, Path(await download.path()))


def file_hash(path: Path) -> str:
    """The SHA-256 of a file that may be large."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
