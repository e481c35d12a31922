"""Hostile files, opened in every way that a browser has: none runs, none asks anybody, none reaches the site."""

from contextlib import suppress

import pytest
from library import WEBM, packed_pdf, pdf, png, store_all, stored, wav
from manager import FileManager
from playwright.async_api import Error, expect

from hostile.careless import EMBED, PAGE, Careless
from hostile.corpus import PWNED, As, Corpus
from kept import eventually
from nursery import ForkedServer

AT_ONCE = 22
# What a document that is shown can reach; each member throws or is null where it should.
REACHES = """() => {
  const tried = (read) => { try { return String(read()) } catch (error) { return error.name } };
  return {
    origin: self.origin,
    cookie: tried(() => document.cookie),
    storage: tried(() => localStorage.length),
    databases: tried(() => indexedDB.open("x")),
    workers: tried(() => navigator.serviceWorker.controller),
    ran: tried(() => self.ran),
  };
}"""
NOTHING = {
    "origin": "null",
    "cookie": "SecurityError",
    "storage": "SecurityError",
    "databases": "SecurityError",
    "workers": "SecurityError",
    "ran": "undefined",
}
SHOWN_BY_THE_BROWSER = {"PDF", "VIDEO", "AUDIO"}
"""Of the document that its own viewer or player makes of such a file, the file has no part."""


@pytest.fixture(scope="module")
async def other():
    """The stranger's server."""
    async with Careless() as careless:
        yield careless


@pytest.fixture(scope="module")
async def logging_server(nursery, tmp_path_factory):
    """A server that logs every request."""
    settings = {"log_level": "debug", "max_url_size": "16KiB"}
    server = await ForkedServer(nursery, tmp_path_factory.mktemp("hostile"), **settings).start()
    yield server
    await server.kill()


@pytest.fixture(scope="module")
async def hostile(logging_server, other):
    """The metadata of the whole corpus, stored."""
    files = {file.filename: file.content for file in Corpus(other.url).files}
    return list((await store_all(logging_server, files)).values())


@pytest.fixture
async def said(context):
    """The words of the boxes that pages showed."""
    said = []

    async def close(dialog):
        said.append(dialog.message)
        with suppress(Error):  # the page was left before
            await dialog.dismiss()

    context.on("dialog", close)
    return said


@pytest.fixture
async def unharmed(context, said, logging_server, other):
    """After the test, nothing has run, and nobody was asked for anything."""
    yield
    frames = [frame for page in context.pages for frame in page.frames]
    assert frames
    assert {await frame.evaluate("self.ran") for frame in frames} == {None}
    assert other.pwned == set()
    assert PWNED not in logging_server.logged()
    assert "Traceback" not in logging_server.logged()
    assert said == []


def in_turn(every):
    """As many as one visit of a page opens."""
    return [every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE)]


async def open_host(context, server):
    """A page of the site that allows everything: what keeps it safe is what the files themselves are served with."""
    page = await context.new_page()
    address = f"{server.url}/host"
    await page.route(address, lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    await page.goto(address)
    return page


async def can_show(page, entry):
    """Whether the browser shows a file of this kind at all; one without a viewer of documents saves them."""
    return entry["kind"] != "PDF" or await page.evaluate("navigator.pdfViewerEnabled")


async def test_the_corpus_is_hostile(browser):
    """On a careless server each file does what it is made for; so the other tests can fail."""
    async with Careless() as careless, await browser.new_context(accept_downloads=False) as context:
        careless.files = Corpus(careless.url).files
        harmful = [number for number, file in enumerate(careless.files) if file.works not in {As.NOTHING, As.PAPER}]
        page = await context.new_page()
        for some in in_turn(harmful):
            await page.goto(careless.url)
            await page.evaluate(EMBED, [f"/files/{number}" for number in some])
            left = {str(number): careless.files[number].filename for number in some}
            await eventually(lambda left=left: left.keys() <= careless.pwned, f"what each does of {left}")


async def test_the_papers_are_hostile(context, said):
    """So are those whose harm is a box that their viewer opens, where the browser has one."""
    async with Careless() as careless:
        careless.files = Corpus(careless.url).files
        page = await context.new_page()
        if not await page.evaluate("navigator.pdfViewerEnabled"):
            return
        for number, file in enumerate(careless.files):
            if file.works is As.PAPER:
                said.clear()
                await page.goto(f"{careless.url}/files/{number}")
                await eventually(said.copy, f"a box of {file.filename}")


async def test_embedded_in_a_page_they_do_nothing(context, hostile, logging_server, unharmed):
    """As frame, picture, film, sound, script, module, style, worker, object and font, by both links of each."""
    links = [entry[link] for entry in hostile for link in ("preview_url", "download_url") if entry[link]]
    kinds = {entry["preview_url"]: entry["kind"] for entry in hostile}
    for some in in_turn(links):
        before = len(logging_server.logged())
        page = await open_host(context, logging_server)
        reached = await page.evaluate(EMBED, some)
        for address in some:  # on a busy machine, none is passed over
            answered = f'"path":"{address}"'
            await eventually(lambda line=answered, start=before: line in logging_server.logged()[start:], answered)
        assert {kinds.get(address) for address in reached} <= SHOWN_BY_THE_BROWSER
        assert await page.evaluate("self.ran") is None
        await page.close()
    await context.new_page()


async def test_opened_by_themselves_they_do_nothing(context, hostile, logging_server, unharmed):
    """Each is shown in a place of its own, or saved, by whatever address."""
    page = await context.new_page()
    shown = 0
    for entry in hostile:
        for address in (f"/files/{entry['id']}", entry["download_url"]):
            if address == entry["preview_url"] and await can_show(page, entry):
                await page.goto(f"{logging_server.url}{address}")
                if entry["kind"] not in SHOWN_BY_THE_BROWSER:
                    assert await page.evaluate(REACHES) == NOTHING
                shown += 1
            else:
                with pytest.raises(Error, match="Download is starting"):
                    await page.goto(f"{logging_server.url}{address}")
    assert shown > (40 if await page.evaluate("navigator.pdfViewerEnabled") else 20)


async def test_in_the_file_manager_they_do_nothing(context, hostile, logging_server, unharmed):
    """All of them are stepped through in the preview, whatever they are called."""
    manager = await FileManager(await context.new_page(), logging_server).open()
    entries = await stored(logging_server)
    await manager.rows.first.click()
    for nth, entry in enumerate(entries, 1):
        await expect(manager.preview.get_by_role("heading", level=2)).to_contain_text(entry["filename"])
        if nth < len(entries):
            await manager.step("Next").click()
    assert nth >= len(hostile)
    assert await manager.page.locator(".name img, h2 img, h2 script, .name svg").count() == 0


REAL = {
    "picture.png": png(),
    "sound.wav": wav(),
    "film.webm": WEBM,
    "text.txt": b"Plain words.",
    "paper.pdf": pdf(),
    "packed paper.pdf": packed_pdf(),
}
DRAW = """(type) => new Promise((done) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
  canvas.getContext("2d").fillRect(5, 5, 20, 10);
  canvas.toBlob(async (blob) => done([...new Uint8Array(await blob.arrayBuffer())]), type);
})"""
LOADED = """(address, name) => new Promise((done) => {
  const element = Object.assign(document.createElement(name), { src: address, preload: "auto" });
  element.onload = () => done(element.naturalWidth);
  element.onloadeddata = () => done(element.videoWidth || element.duration);
  element.onerror = () => done(0);
  document.body.append(element);
})"""


async def test_what_is_harmless_is_still_shown(context, logging_server, unharmed):
    """Pictures, films, sounds, documents and text, in a page and by themselves."""
    host = await open_host(context, logging_server)
    pictures = {f"drawn.{kind}": bytes(await host.evaluate(DRAW, f"image/{kind}")) for kind in ("jpeg", "webp", "png")}
    pictures["dot.gif"] = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    entries = await store_all(logging_server, {**REAL, **pictures})
    page = await context.new_page()
    for name, entry in entries.items():
        if not await can_show(page, entry):
            continue
        await page.goto(f"{logging_server.url}{entry['preview_url']}")
        kind = {"IMAGE": "img", "VIDEO": "video", "AUDIO": "audio"}.get(entry["kind"])
        if kind:
            assert await host.evaluate(f"([address]) => ({LOADED})(address, '{kind}')", [entry["preview_url"]]), name
        if kind == "img":
            await expect(page.locator("img")).not_to_have_js_property("naturalWidth", 0)
        elif kind:
            await expect(page.locator("video")).not_to_have_js_property("readyState", 0)
        elif entry["kind"] == "TEXT":
            await expect(page.locator("body")).to_have_text("Plain words.")
        else:
            await eventually(lambda: len(page.frames) > 1, "the viewer has taken the document")
