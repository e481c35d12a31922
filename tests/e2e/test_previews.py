"""Each kind of file is shown as what it is, and nothing in a file or its name is ever run."""

import hashlib
from urllib.parse import urlsplit

import pytest
from library import WEBM, archive, noise, pdf, png, store, stored, wav
from manager import FileManager, file, saved_hash
from playwright.async_api import expect

from kept import eventually

MANY_SCRIPTS = (
    "Ahoj, Привет, שלום, مرحبا, नमस्ते, 你好, こんにちは, 👩‍🚀\n\t<b>not bold</b> & <script>alert(1)</script>\n"
)
FITS = "(text) => text.scrollWidth <= text.clientWidth && text.clientWidth < 500"


async def test_an_image_is_shown(viewer):
    """A picture is drawn, fitted to the pane, and at its own size when asked."""
    entry = await store(viewer.server, "wide.png", png(1200, 300))
    preview = await viewer.show("wide.png")
    picture = preview.get_by_role("img", name="wide.png")
    await expect(picture).to_have_js_property("naturalWidth", 1200)
    assert (await picture.bounding_box())["width"] < 500
    await preview.get_by_role("button", name="Show at full size").click()
    await expect(picture).to_have_js_property("clientWidth", 1200)
    await preview.get_by_role("button", name="Fit to the pane").click()
    await expect(picture).not_to_have_js_property("clientWidth", 1200)
    await expect(preview).to_contain_text("PNG image")
    await expect(preview).to_contain_text(entry["hash"])


async def test_a_broken_image_becomes_a_tile(viewer):
    """A picture that cannot be decoded is not shown as a hole: the page says so and offers the bytes."""
    await store(viewer.server, "torn.png", png()[:16] + b"\xff" * 100)
    preview = await viewer.show("torn.png")
    await expect(preview.get_by_text("This browser cannot show the file.")).to_be_visible()
    await expect(preview.get_by_role("link", name="Download").last).to_be_visible()


async def test_a_pdf_is_shown_by_the_browser(viewer):
    """A PDF opens in the browser's own viewer, or behind a link where the browser has none."""
    entry = await store(viewer.server, "manual.pdf", pdf())
    preview = await viewer.show("manual.pdf")
    if await viewer.page.evaluate("navigator.pdfViewerEnabled"):
        frame = preview.locator("iframe")
        await expect(frame).to_have_attribute("title", "manual.pdf")
        await expect(frame).to_be_visible()
        # The page's own frame, the document's, and those that the viewer brings along.
        await eventually(lambda: len(viewer.page.frames) > 2, "the viewer has taken the document")
    else:
        link = preview.get_by_role("link", name="Open the PDF")
        await expect(link).to_have_attribute("href", entry["preview_url"])
    await expect(preview).to_contain_text("PDF document")


async def test_files_can_be_dropped_on_a_pdf(page, viewed_server, tmp_path):
    """While files are dragged over the page the viewer gives way to it, and afterwards takes the pointer again."""
    await page.add_init_script("Object.defineProperty(Navigator.prototype, 'pdfViewerEnabled', { get: () => true })")
    viewer = await FileManager(page, viewed_server).open()
    await store(viewer.server, "under.pdf", pdf())
    preview = await viewer.show("under.pdf")
    under = """(frame) => {
      const { x, y } = frame.getBoundingClientRect();
      return document.elementFromPoint(x + 9, y + 9).tagName;
    }"""
    frame = preview.locator("iframe")
    assert await frame.evaluate(under) == "IFRAME"
    path = tmp_path / "over the document.txt"
    path.write_text("dropped")
    await viewer.drag(path)
    await expect(page.get_by_text("Drop to upload")).to_be_visible()
    assert await frame.evaluate(under) != "IFRAME"
    await viewer.drop()
    await expect(viewer.row(path.name)).to_be_visible()
    assert await frame.evaluate(under) == "IFRAME"


async def test_a_video_can_be_played(viewer):
    """A film comes with its length and size, and plays to its end."""
    await store(viewer.server, "flicker.webm", WEBM)
    preview = await viewer.show("flicker.webm")
    video = preview.locator("video")
    await expect(video).to_have_js_property("videoWidth", 16)
    await video.evaluate("(video) => { video.muted = true; return video.play() }")
    await expect(video).to_have_js_property("ended", True)
    await expect(preview).to_contain_text("WebM video")


async def test_sound_can_be_sought(viewer):
    """A recording comes with its length, and can be heard from any place of it."""
    await store(viewer.server, "silence.wav", wav(seconds=20))
    preview = await viewer.show("silence.wav")
    audio = preview.locator("audio")
    await expect(audio).to_have_js_property("duration", 20)
    await audio.evaluate("(audio) => { audio.currentTime = 15 }")
    await expect(audio).to_have_js_property("seeking", False)
    await expect(audio).to_have_js_property("currentTime", 15)
    await expect(preview).to_contain_text("WAV audio")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_text_of_any_script_is_shown_as_text(viewer, encoding):
    """What is in a text file appears letter by letter; tags in it are letters too."""
    name = f"greetings in {encoding}.txt"
    await store(viewer.server, name, MANY_SCRIPTS.encode(encoding))
    preview = await viewer.show(name)
    text = preview.locator("pre")
    await expect(text).to_contain_text("こんにちは")
    assert await text.text_content() == MANY_SCRIPTS
    assert await text.locator("b, script").count() == 0


async def test_lines_wrap_until_asked_not_to(viewer):
    """Long lines can be read in either way."""
    await store(viewer.server, "wide.csv", b"column," * 400)
    preview = await viewer.show("wide.csv")
    text = preview.locator("pre")
    await expect(text).to_contain_text("column")
    assert await text.evaluate(FITS)
    await preview.get_by_role("button", name="Wrap lines").click()
    await expect(preview.get_by_role("button", name="Wrap lines")).to_have_attribute("aria-pressed", "false")
    assert not await text.evaluate(FITS)
    await text.evaluate("(text) => text.scrollBy(5000, 0)")
    await expect(text).not_to_have_js_property("scrollLeft", 0)


@pytest.mark.parametrize(
    ("name", "content"), [("odds and ends.bin", noise(3000)), ("sails.zip", archive(jib="12 m²")), ("empty.bin", b"")]
)
async def test_anything_else_is_a_tile_and_a_download(viewer, name, content):
    """A file that no browser shows is named, described and offered."""
    await store(viewer.server, name, content)
    preview = await viewer.show(name)
    if content:
        await expect(preview.get_by_text("There is no preview for this kind of file.")).to_be_visible()
    async with viewer.page.expect_download() as download:
        await preview.get_by_role("link", name="Download").last.click()
    assert (await download.value).suggested_filename == name
    assert await saved_hash(await download.value) == hashlib.sha256(content).hexdigest()


# --- hostile files ----------------------------------------------------------------------------------------------------

HOSTILE = [
    "<img src=x onerror=window.ran=1>.png",
    "<script>window.ran=1<script>.png",
    "{{constructor.constructor('window.ran=1')()}}${window.ran=1}.png",
    "&lt;b&gt; &amp; 100%25 #1?file=x.png",
    "javascript:window.ran=1;.png",
    "تقرير سنوي ٢٠٢٦.png",
    "דו״ח שנתי.png",
    "日本語の とても長い ファイル名.png",
    "👩‍👩‍👧‍👦 família.png",
    "Z̷̢͎̺a̸l̶g̵o̴ text.png",
    f"{'a very long name ' * 14}.png",
    "W" * 251 + ".png",
]


async def test_a_name_is_only_ever_text(manager, server):
    """A hostile, foreign or very long name is shown letter by letter in every place, and breaks none of them."""
    page = manager.page
    await manager.choose(*(file(name, png(colour=(number, 0, 0)), "image/png") for number, name in enumerate(HOSTILE)))
    await expect(manager.rows).to_have_count(len(HOSTILE))
    names = [entry["filename"] for entry in await stored(server)]
    for name in names:
        preview = await manager.show(name)
        await expect(preview.get_by_role("heading")).to_contain_text(name)
        await expect(preview.locator("img")).to_have_js_property("naturalWidth", 64)
        await expect(preview.locator("img")).to_have_attribute("alt", name)
        await expect(page).to_have_title(f"{name} · Satchel")
    await manager.tray.get_by_role("button", name="Close the uploads").click()
    for name in names:
        await manager.delete(name)
        await expect(manager.toasts).to_contain_text(name)
        await manager.toasts.get_by_role("button", name="Undo").click()
        await expect(manager.row(name)).to_be_visible()
    assert await page.locator(".name img, h2 img, .tray img, .toast img, h2 b").count() == 0
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert await page.evaluate("window.ran") is None


@pytest.mark.parametrize("name", HOSTILE[:2])
async def test_a_hostile_name_is_saved_as_it_is(viewer, name):
    """The browser proposes the file's own name, as far as its system can write it."""
    await store(viewer.server, name, png())
    saved = (await viewer.download(name)).suggested_filename
    assert saved.endswith(".png")
    assert "/" not in saved


async def test_a_name_cannot_turn_its_extension_around(viewer):
    """Marks that change the direction of text are gone from a name before it is shown."""
    await viewer.choose(file("invoice\u202egpj.exe", noise(100)))
    await expect(viewer.row("invoicegpj.exe")).to_be_visible()


SCRIPT = "fetch('/ran'); parent.ran = top.ran = 1"
ACTIVE = {
    "page.html": f'<!doctype html><title>Page</title><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}">',
    "drawing.svg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{SCRIPT}"><script>{SCRIPT}</script></svg>',
    "page.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><script>{SCRIPT}</script></body></html>',
    "page hidden.txt": f"<!doctype html><script>{SCRIPT}</script>",
}


@pytest.mark.parametrize("name", ACTIVE)
async def test_a_file_with_a_script_is_only_saved(viewer, context, name):
    """HTML and SVG have no preview; opened at their own address or framed, they are saved and run nothing."""
    requests = []
    context.on("request", lambda request: requests.append(urlsplit(request.url).path))
    content = ACTIVE[name].encode()
    entry = await store(viewer.server, name, content)
    assert entry["preview_url"] is None
    preview = await viewer.show(name)
    await expect(preview.get_by_text("There is no preview for this kind of file.")).to_be_visible()
    await expect(preview.get_by_role("link", name="Download").last).to_be_visible()

    address = f"/files/{entry['id']}"
    page = await context.new_page()
    await page.goto(f"{viewer.server.url}/healthz")
    async with page.expect_download() as download:
        await page.evaluate("(address) => { location.href = address }", address)
    assert await saved_hash(await download.value) == hashlib.sha256(content).hexdigest()
    async with viewer.page.expect_download():
        await viewer.page.evaluate(
            """(address) => {
              const frame = document.createElement("iframe");
              frame.src = address;
              document.body.append(frame);
            }""",
            address,
        )
    assert "/ran" not in requests
    for each in context.pages:
        assert await each.evaluate("window.ran") is None


async def test_a_script_is_shown_as_its_source(viewer, context):
    """JavaScript is text here: it can be read, in the pane and at its own address, and is not run."""
    entry = await store(viewer.server, "code.js", SCRIPT.encode())
    preview = await viewer.show("code.js")
    await expect(preview.locator("pre")).to_have_text(SCRIPT)
    page = await context.new_page()
    await page.goto(f"{viewer.server.url}{entry['preview_url']}")
    await expect(page.get_by_text(SCRIPT)).to_be_visible()
    assert await page.evaluate("window.ran") is None
