"""The file manager speaks the reader's language: the browser's first, then the one that was chosen."""

import re
from datetime import UTC, datetime

from library import store
from manager import ROW
from playwright.async_api import expect


async def test_the_browsers_language_comes_first_and_another_can_be_chosen(profile, server):
    """Words, plural forms, numbers and units are those of the language, and a choice outlives the page."""
    await store(server, "un.bin", bytes(1500 * 1024))
    page = await (await profile(locale="fr-CA")).new_page()
    await page.goto(server.url)
    grid = page.locator("[role=grid]")
    await expect(page.locator("html")).to_have_attribute("lang", "fr")
    await expect(page.get_by_role("searchbox")).to_have_attribute("placeholder", "Rechercher parmi 1 fichier")
    await expect(grid).to_contain_text("1,5 Mo")
    await expect(grid).to_contain_text("À l\u2019instant")
    await store(server, "deux.bin", bytes(3))
    await expect(page.get_by_role("searchbox")).to_have_attribute("placeholder", "Rechercher parmi 2 fichiers")

    await page.get_by_role("button", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.get_by_role("searchbox")).to_have_attribute("placeholder", "Search 2 files")
    await expect(grid).to_contain_text("1.5 MB")
    await page.reload()
    await expect(page.get_by_role("searchbox")).to_have_attribute("placeholder", "Search 2 files")
    await page.get_by_role("button", name="Français").click()
    await expect(page.locator("html")).to_have_attribute("lang", "fr")


async def test_what_was_said_before_speaks_the_language_chosen_since(manager):
    """A toast with its way back, too."""
    await store(manager.server, "draft.txt", b"draft")
    await manager.row("draft.txt").click()
    await manager.page.keyboard.press("Delete")
    await expect(manager.toasts.locator(".text")).to_have_text("Deleted \u201cdraft.txt\u201d")
    await manager.page.get_by_role("button", name="Français").click()
    await expect(manager.toasts.locator(".text")).to_have_text("\u00ab\xa0draft.txt\xa0\u00bb supprimé")
    await manager.toasts.get_by_role("button", name="Annuler").click()
    await expect(manager.page.locator(ROW)).to_have_count(1)


async def test_dates_are_written_as_the_readers_country_does(profile, server):
    """A language without words of its own gets English ones, and an American an American date."""
    day = datetime.fromisoformat((await store(server, "dated.txt", b"dated"))["upload_date"]).astimezone(UTC)
    for locale, lang, written in (("de-DE", "en", f"{day.day} {day:%B}"), ("en-US", "en", f"{day:%B} {day.day}")):
        page = await (await profile(locale=locale, timezone_id="UTC")).new_page()
        await page.goto(server.url)
        await expect(page.locator("html")).to_have_attribute("lang", lang)
        await expect(page.locator("[role=grid] time")).to_have_attribute("title", re.compile(written))
