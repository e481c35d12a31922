"""From file to file: by arrows, buttons and fingers, to the other copies of the same bytes, and back to the list."""

import pytest
from library import WEBM, png, rename, store, store_all, stored, wav
from manager import FileManager, way
from playwright.async_api import expect

HOLD = "(media) => { window.held = media; media.muted = true; media.loop = true; return media.play() }"


async def stock(manager, count=40):
    """Files 01 to `count`, newest first in the list."""
    for number in range(count, 0, -1):
        await store(manager.server, f"step {number:02}.txt", f"file {number}".encode())
    await expect(manager.row("step 01.txt")).to_be_visible()


async def test_arrows_step_from_anywhere(manager):
    """From any place in the preview, and from the row in the list, which always is in view; the ends are ends."""
    page, preview = manager.page, manager.preview
    await stock(manager)
    await manager.show("step 01.txt")
    await expect(preview).to_contain_text("1 of 40")
    await page.keyboard.press("ArrowRight")
    await manager.opened("step 02.txt")
    await expect(manager.row("step 02.txt")).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await manager.opened("step 01.txt")
    await expect(manager.step("Previous")).to_have_attribute("aria-disabled", "true")

    await preview.locator("pre").focus()
    await page.keyboard.press("ArrowRight")
    await manager.opened("step 02.txt")
    await preview.locator("dt").first.click()
    for number in range(3, 31):
        await page.keyboard.press("ArrowRight")
        await manager.opened(f"step {number:02}.txt")
    await expect(manager.row("step 30.txt")).to_be_in_viewport(ratio=1)
    await expect(preview).to_contain_text("30 of 40")

    await manager.step("Next").click()
    await manager.opened("step 31.txt")
    await manager.step("Previous").click()
    await manager.opened("step 30.txt")
    await expect(manager.step("Previous")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(preview).to_be_hidden()
    await expect(manager.row("step 30.txt")).to_be_focused()


async def test_arrows_go_on_when_what_had_the_focus_goes_with_its_file(manager):
    """A picture, a text and a button that the next file does not have: the keys that stepped away from them step on."""
    page, preview = manager.page, manager.preview
    await stock(manager, count=3)
    for number in range(3, 0, -1):
        await store(manager.server, f"view {number}.png", png(400, 300, colour=(number, 0, 0)))
    await manager.show("view 1.png")
    await preview.get_by_role("group", name="Picture").click()
    for name in ("view 2.png", "view 3.png", "step 01.txt"):
        await page.keyboard.press("ArrowRight")
        await manager.opened(name)
        await expect(preview).to_be_focused()
    await preview.locator("pre").focus()
    for name in ("view 3.png", "view 2.png"):
        await page.keyboard.press("ArrowLeft")
        await manager.opened(name)
    await page.keyboard.press("ArrowRight")
    await manager.opened("view 3.png")
    await preview.get_by_role("button", name="Zoom in").focus()
    for name in ("step 01.txt", "step 02.txt"):
        await page.keyboard.press("ArrowRight")
        await manager.opened(name)


async def test_arrows_step_where_the_focus_is_nowhere(manager):
    """As it is when an address opens the file."""
    await stock(manager, count=3)
    second = next(entry for entry in await stored(manager.server) if entry["filename"] == "step 02.txt")
    await manager.open(f"/?file={second['id']}")
    await manager.opened("step 02.txt")
    await expect(manager.preview).to_contain_text("2 of 3")
    await manager.page.keyboard.press("ArrowRight")
    await manager.opened("step 03.txt")
    for name in ("step 02.txt", "step 01.txt"):
        await manager.page.keyboard.press("ArrowLeft")
        await manager.opened(name)


async def test_neighbouring_pictures_are_fetched_ahead(manager):
    """The pictures next to the one that is open are there before they are asked for."""
    await store_all(manager.server, {f"ahead {number}.png": png(colour=(number, 0, 0)) for number in range(5)})
    await expect(manager.rows).to_have_count(5)
    names = await manager.names.all_text_contents()
    asked = []
    manager.page.on("request", lambda request: asked.append(request) if request.resource_type == "image" else None)
    async with (
        manager.page.expect_request_finished(lambda request: "/files/" in request.url),
        manager.page.expect_event("request", lambda request: len(asked) == 3),
    ):
        await manager.rows.nth(2).click()
    assert len({request.url for request in asked}) == 3, names


async def test_films_and_sound_can_be_sought_and_stop_when_left(viewer):
    """Seeking asks for a range; the keys of the player are its own; what is left or closed is silent."""
    page, preview = viewer.page, viewer.preview
    await store(viewer.server, "left.webm", WEBM)
    await store(viewer.server, "left.wav", wav(seconds=60))
    ranges = []
    page.on("request", lambda request: ranges.append(request.headers.get("range")))
    await viewer.show("left.wav")
    audio = preview.locator("audio")
    await expect(audio).to_have_js_property("duration", 60)
    await audio.evaluate("(audio) => { audio.currentTime = 45 }")
    await expect(audio).to_have_js_property("seeking", False)
    await expect(audio).to_have_js_property("currentTime", 45)
    assert any(each and each.startswith("bytes=") for each in ranges)
    await audio.focus()
    await page.keyboard.press("ArrowRight")
    await viewer.opened("left.wav")
    await audio.evaluate(HOLD)
    await viewer.step("Next").click()

    await viewer.opened("left.webm")
    assert await page.evaluate("held.paused")
    video = preview.locator("video")
    await expect(video).to_have_js_property("videoWidth", 16)
    await video.evaluate("(video) => { video.muted = true; return video.play() }")
    await expect(video).to_have_js_property("ended", True)
    await video.evaluate("(video) => { video.currentTime = 0.35 }")
    await expect(video).to_have_js_property("seeking", False)
    assert await video.evaluate("(video) => video.currentTime") == pytest.approx(0.35, abs=0.05)
    await video.evaluate(HOLD)
    await page.keyboard.press("Escape")
    await expect(preview).to_be_hidden()
    assert await page.evaluate("held.paused")


async def test_files_that_share_bytes_are_opened_from_one_another(viewer):
    """The number of files with the same bytes opens their list, where each opens its file and others join or change."""
    await store(viewer.server, "share 1.txt", b"the same in both")
    preview = await viewer.show("share 1.txt")
    await expect(preview).to_contain_text("No other file shares these bytes")
    await store(viewer.server, "share 2.txt", b"the same in both")
    shared = preview.get_by_role("button", name="2 files share these bytes")
    await shared.click()
    await expect(shared).to_have_attribute("aria-expanded", "true")
    copies = preview.get_by_role("list", name="Files with these bytes").get_by_role("button")
    await expect(copies).to_have_count(2)
    await expect(copies.nth(1)).to_have_attribute("aria-current", "true")
    await copies.filter(has_text="share 2").click()
    await viewer.opened("share 2.txt")
    await expect(copies.nth(0)).to_have_attribute("aria-current", "true")
    await expect(copies.nth(0)).to_be_focused()
    third = await store(viewer.server, "share 3.txt", b"the same in both")
    await expect(copies).to_have_count(3)
    await expect(copies.first).to_contain_text("Today")
    await rename(viewer.server, third["id"], "share, renamed.txt")
    await expect(copies.first).to_contain_text("share, renamed.txt")


async def test_a_server_in_trouble_is_not_blamed_on_the_file(viewer):
    """Where the bytes do not come, the page says why and tries again when asked."""
    page, preview = viewer.page, viewer.preview
    answer = '{"code": "STORE_UNAVAILABLE", "detail": "later"}'
    for name, content in (("late.png", png()), ("late.txt", b"here I am"), ("late.wav", wav())):
        entry = await store(viewer.server, name, content)
        address = f"**{entry['preview_url']}"
        await page.route(address, lambda route: route.fulfill(status=503, body=answer))
        await viewer.show(name)
        await expect(preview.get_by_role("alert")).to_contain_text("file store does not answer.")
        await page.unroute(address)
        await preview.get_by_role("button", name="Try again").click()
        await expect(preview.locator("audio, pre, [role=group] img").first).to_be_visible()
        await expect(preview.get_by_role("alert")).to_be_hidden()


async def test_what_takes_its_time_is_announced(viewer):
    """While a picture is on its way its place is kept, and said to be loading."""
    entry = await store(viewer.server, "slow.png", png(30, 20))
    held = []

    async def hold(route):
        held.append(route)

    await viewer.page.route(f"**{entry['preview_url']}", hold)
    await viewer.show("slow.png")
    await expect(viewer.preview.get_by_role("status")).to_have_text("Loading…")
    for route in held:
        await route.continue_()
    await expect(viewer.preview.get_by_role("img", name="slow.png")).to_be_visible()
    await expect(viewer.preview.get_by_role("status")).to_be_hidden()


async def test_fingers_step_and_close_on_a_phone(profile, server):
    """A swipe to the side steps, one down closes; a short one, and one along a text, do neither."""
    context = await profile(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    manager = FileManager(await context.new_page(), server)
    page, sheet = manager.page, manager.page.get_by_role("dialog", name="Preview")
    for name, content in (("3.txt", b"three " * 2000), ("2.png", png(600, 400)), ("1.png", png(400, 600))):
        await store(server, name, content)
    await page.goto(server.url)
    await manager.row("1.png").tap()
    await manager.opened("1.png")
    await expect(sheet.get_by_role("button", name="Zoom in")).to_be_visible()
    await manager.touch(way((300, 300), (120, 310)))
    await manager.opened("2.png")
    await manager.touch(way((300, 300), (280, 300)))
    await manager.touch(way((300, 620), (100, 625)))
    await manager.opened("3.txt")
    await expect(sheet.locator("pre")).to_contain_text("three")
    await manager.touch(way((200, 300), (205, 500)))
    await manager.opened("3.txt")
    await manager.touch(way((100, 300), (300, 305)))
    await manager.opened("2.png")
    await expect(sheet.get_by_role("button", name="Zoom in")).to_be_visible()
    await manager.touch(way((200, 250), (205, 450)))
    await expect(sheet).to_be_hidden()
    await expect(manager.row("2.png")).to_be_focused()
    # A browser takes a tap that comes while the swipe runs on for the wish to stop it.
    await page.wait_for_timeout(1000)
    await manager.row("1.png").tap()
    await expect(sheet).to_be_visible()
    await manager.touch(way((150, 30), (150, 260)))
    await expect(sheet).to_be_hidden()
