"""Every state of the page, light and dark, wide and narrow, without a violation that axe-core finds."""

from pathlib import Path

import pytest
from library import noise, png, store
from manager import FileManager, file
from playwright.async_api import expect
from states import THEMES, each_look, states

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

# Reading each state halfway through a fade would find faults of the moment.
STILL = {"reduced_motion": "reduce"}
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules on colours; to no other one it makes a difference which theme a page has."""


async def violations(page, *rules):
    """What axe-core finds, by all rules or by some: each rule with the elements that break it."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    options = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    found = (await page.evaluate("(options) => axe.run(options)", options))["violations"]
    return {rule["id"]: [(node["target"], node["failureSummary"]) for node in rule["nodes"]] for rule in found}


@pytest.mark.timeout(600)  # some thirty looks, each read by axe-core
@pytest.mark.parametrize("theme", THEMES)
async def test_every_state(profile, server, theme):
    """Each state of the page, in each language and theme; the dark one by the rules that it makes a difference to."""
    context = await profile(**STILL)
    manager = await FileManager(await context.new_page(), server).open()
    rules = COLOURS if theme == "dark" else ()
    found = {}
    async for state in states(manager, server):
        async for language, _ in each_look(manager, [theme]):
            if broken := await violations(manager.page, *rules):
                found[state, language] = broken
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_phone(profile, server, theme):
    """On a narrow screen the list fits, and a file opens as a sheet over the page that Back and Close put away."""
    context = await profile(
        color_scheme=theme, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, **STILL
    )
    page = await context.new_page()
    manager = await FileManager(page, server).open()
    await store(server, "sea.png", png(300, 200))
    await store(server, f"{'a long name of a file ' * 5}.txt", b"07:00 calm\n")
    await expect(manager.rows).to_have_count(2)
    assert await violations(page) == {}
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

    await manager.row("sea.png").tap()
    sheet = page.get_by_role("dialog", name="Preview")
    await expect(sheet.get_by_role("img", name="sea.png")).to_have_js_property("naturalWidth", 300)
    box = await sheet.bounding_box()
    assert (box["width"], box["height"]) == (390, 844)
    assert await violations(page) == {}
    await sheet.get_by_role("button", name="Close").tap()
    await expect(sheet).to_be_hidden()
    await manager.row("sea.png").tap()
    await expect(sheet).to_be_visible()
    await page.go_back()
    await expect(sheet).to_be_hidden()

    await manager.limit_uploads(60_000)
    await manager.choose(file("running.bin", noise(4_000_000)))
    await expect(manager.upload("running.bin").get_by_role("progressbar")).to_be_visible()
    assert await violations(page) == {}


async def test_the_theme_is_chosen_and_remembered(manager):
    """The page follows the system until the reader chooses; the choice outlives a reload."""
    page = manager.page
    background = "() => getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(background)
    await page.get_by_role("button", name="Use the dark theme").click()
    await expect(page.get_by_role("button", name="Use the light theme")).to_be_visible()
    dark = await page.evaluate(background)
    assert dark != light
    await page.reload()
    await expect(manager.state).to_have_text("Live")
    assert await page.evaluate(background) == dark
    await page.get_by_role("button", name="Use the light theme").click()
    await expect(page.get_by_role("button", name="Use the dark theme")).to_be_visible()
    assert await page.evaluate(background) == light
    await page.emulate_media(color_scheme="dark")
    await expect(page.get_by_role("button", name="Use the light theme")).to_be_visible()
    assert await page.evaluate(background) == dark
