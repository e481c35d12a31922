"""Pictures of any size are fitted, enlarged about the pointer or between two fingers, and moved."""

import re

import pytest
from library import png, store
from manager import FileManager, way
from playwright.async_api import expect

PLACE = "(img) => { const { x, y, width, height } = img.getBoundingClientRect(); return { x, y, width, height } }"


@pytest.fixture
async def phone(profile, viewed_server):
    """The file manager on a phone."""
    context = await profile(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    manager = FileManager(await context.new_page(), viewed_server)
    await manager.page.goto(viewed_server.url)
    return manager


def percent(manager, share: int):
    """The button that tells the scale."""
    return manager.preview.get_by_role("button", name=re.compile(rf"^{share}%"))


async def centre(locator):
    """The middle of an element, in the window."""
    box = await locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_the_wheel_enlarges_about_the_pointer(viewer):
    """What is under the pointer stays there, and the page keeps its size with Ctrl too; a drag moves the picture."""
    await store(viewer.server, "wheel.png", png(2000, 1500))
    preview = await viewer.show("wheel.png")
    picture = preview.get_by_role("img", name="wheel.png")
    await expect(percent(viewer, 19)).to_be_visible()
    before = await picture.evaluate(PLACE)
    x, y = before["x"] + before["width"] * 0.25, before["y"] + before["height"] * 0.75
    await viewer.page.mouse.move(x, y)
    for _ in range(3):
        await viewer.page.mouse.wheel(0, -100)
    await viewer.page.keyboard.down("Control")
    for _ in range(3):
        await viewer.page.mouse.wheel(0, -100)
    await viewer.page.keyboard.up("Control")
    await expect(percent(viewer, 19)).to_be_hidden()
    after = await picture.evaluate(PLACE)
    assert after["width"] > before["width"] * 4
    assert (x - after["x"]) / after["width"] == pytest.approx(0.25, abs=0.01)
    assert (y - after["y"]) / after["height"] == pytest.approx(0.75, abs=0.01)
    assert await viewer.page.evaluate("visualViewport.scale") == 1

    await viewer.page.mouse.down()
    await viewer.page.mouse.move(x + 40, y - 30, steps=4)
    await viewer.page.mouse.up()
    moved = await picture.evaluate(PLACE)
    assert (moved["x"] - after["x"], moved["y"] - after["y"]) == (pytest.approx(40, abs=8), pytest.approx(-30, abs=8))
    await viewer.page.mouse.wheel(50, 0)
    aside = await picture.evaluate(PLACE)
    assert (aside["x"], aside["y"]) == (pytest.approx(moved["x"] - 50, abs=1), pytest.approx(moved["y"], abs=1))
    for _ in range(7):
        await viewer.page.mouse.wheel(0, 100)
    await expect(percent(viewer, 19)).to_be_visible()


async def test_a_double_click_and_the_keys_change_the_size(viewer):
    """A double click shows full size and back; +, - and 0 work where the picture has the focus, as do arrows."""
    await store(viewer.server, "keys.png", png(1516, 400))
    preview = await viewer.show("keys.png")
    view = preview.get_by_role("group", name="Picture")
    await expect(percent(viewer, 25)).to_be_visible()
    await view.dblclick()
    await expect(percent(viewer, 100)).to_be_visible()
    await view.dblclick()
    await expect(percent(viewer, 25)).to_be_visible()

    await view.focus()
    await viewer.page.keyboard.press("+")
    await expect(percent(viewer, 35)).to_be_visible()
    await viewer.page.keyboard.press("-")
    await expect(percent(viewer, 25)).to_be_visible()
    for _ in range(5):
        await viewer.page.keyboard.press("+")
    await expect(percent(viewer, 141)).to_be_visible()
    before = await view.locator("img").evaluate(PLACE)
    await viewer.page.keyboard.press("ArrowRight")
    assert (await view.locator("img").evaluate(PLACE))["x"] == pytest.approx(before["x"] - 60, abs=1)
    await viewer.opened("keys.png")
    await viewer.page.keyboard.press("0")
    await expect(percent(viewer, 25)).to_be_visible()


async def test_the_buttons_change_the_size(viewer):
    """In and out by steps that stop at 100 %, with the scale between them; at an end the focus stays on the button."""
    await store(viewer.server, "buttons.png", png(450, 100))
    preview = await viewer.show("buttons.png")
    larger, smaller = (preview.get_by_role("button", name=f"Zoom {way}") for way in ("in", "out"))
    await expect(percent(viewer, 84)).to_be_visible()
    await expect(smaller).to_have_attribute("aria-disabled", "true")
    await larger.click()
    await expect(percent(viewer, 100)).to_be_visible()
    await larger.click()
    await expect(percent(viewer, 141)).to_be_visible()
    await smaller.click()
    await smaller.click()
    await expect(percent(viewer, 84)).to_be_visible()
    await expect(smaller).to_be_focused()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 20), (20, 12_000), (6_000, 4_000)])
async def test_no_picture_breaks_the_pane(viewer, width, height):
    """However large, small or thin: fitted, it lies within its frame, and enlarged it moves nothing around it."""
    name = f"{width} by {height}.png"
    await store(viewer.server, name, png(width, height))
    preview = await viewer.show(name)
    view = preview.get_by_role("group", name="Picture")
    picture = view.get_by_role("img")
    await expect(picture).to_have_js_property("naturalWidth", width)
    await expect(preview.get_by_role("button", name="Zoom in")).to_be_visible()
    frame = await view.evaluate(PLACE)
    facts = await preview.locator("dl").evaluate(PLACE)
    fitted = await picture.evaluate(PLACE)
    assert fitted["width"] >= 1
    assert fitted["height"] >= 1
    assert fitted["x"] >= frame["x"]
    assert fitted["x"] + fitted["width"] <= frame["x"] + frame["width"]
    assert fitted["y"] >= frame["y"]
    assert fitted["y"] + fitted["height"] <= frame["y"] + frame["height"]
    await view.focus()
    for _ in range(30):
        await viewer.page.keyboard.press("+")
    await expect(preview.get_by_role("button", name="Zoom in")).to_have_attribute("aria-disabled", "true")
    assert await view.evaluate(PLACE) == frame
    assert await preview.locator("dl").evaluate(PLACE) == facts
    assert await viewer.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


async def test_two_fingers_enlarge_a_picture(phone):
    """What lies between two fingers follows them; one finger then moves the picture, and two taps fit it again."""
    await store(phone.server, "pinched.png", png(2000, 1500))
    await phone.row("pinched.png").tap()
    view = phone.preview.get_by_role("group", name="Picture")
    picture = view.get_by_role("img")
    await expect(phone.preview.get_by_role("button", name="Zoom in")).to_be_visible()
    before = await picture.evaluate(PLACE)
    x, y = await centre(view)
    await phone.touch(way((x - 30, y), (x - 120, y)), way((x + 30, y), (x + 120, y)))
    pinched = await picture.evaluate(PLACE)
    assert pinched["width"] == pytest.approx(before["width"] * 4, rel=0.05)
    assert pinched["x"] + pinched["width"] / 2 == pytest.approx(x, abs=12)
    assert await phone.page.evaluate("visualViewport.scale") == 1

    await phone.touch(way((x, y), (x - 100, y)))
    moved = await picture.evaluate(PLACE)
    assert moved["x"] == pytest.approx(pinched["x"] - 100, abs=12)
    await phone.opened("pinched.png")

    for _ in range(2):
        await phone.page.touchscreen.tap(x, y)
    await expect(picture).to_have_js_property("clientWidth", round(before["width"]))


async def test_a_picture_keeps_the_way_up_that_its_camera_noted(viewer, page):
    """An orientation in the file is followed: what was held upright is shown upright."""
    jpeg = await page.evaluate(
        """() => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 80, height: 20 });
          return [...atob(canvas.toDataURL("image/jpeg").split(",")[1])].map((each) => each.charCodeAt(0));
        }"""
    )
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\0\0MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + b"\x00\x00\x00\x00"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    await store(viewer.server, "upright.jpg", bytes(jpeg[:2]) + segment + bytes(jpeg[2:]))
    preview = await viewer.show("upright.jpg")
    picture = preview.get_by_role("img", name="upright.jpg")
    await expect(preview.get_by_role("button", name="Zoom in")).to_be_visible()
    box = await picture.evaluate(PLACE)
    assert (box["width"], box["height"]) == (20, 80)
