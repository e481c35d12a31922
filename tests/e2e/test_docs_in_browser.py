"""The documentation pages of the real server, in a browser that has no other host to talk to."""

import hashlib
import re

import pytest
from playwright.async_api import expect


@pytest.fixture
async def page(page):
    """A page that fails its test when its own policy had to stop something."""
    stopped = []
    page.on("console", lambda message: stopped.append(message.text) if "Security" in message.text else None)
    yield page
    assert stopped == []


async def test_swagger_ui_uploads_a_file(page, shared_server):
    """The page's "Try it out" sends a chosen file and its hash to this server and shows the answer."""
    content = b"from Swagger UI"
    await page.goto(f"{shared_server.url}/docs")
    operation = page.locator(".opblock", has_text="/files/upload")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.locator("input[type=file]").set_input_files(
        {"name": "swagger.txt", "mimeType": "text/plain", "buffer": content}
    )
    field = operation.locator("tr", has=page.get_by_text("hash", exact=True)).locator("input[type=text]")
    await field.fill(hashlib.sha256(content).hexdigest())
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    await expect(answer.locator("tbody .response-col_status").first).to_contain_text("200")
    await expect(answer).to_contain_text('"filename": "swagger.txt"')


async def test_redoc_shows_the_routes(page, shared_server):
    """ReDoc reads the OpenAPI document and asks no other host for anything."""
    await page.goto(f"{shared_server.url}/redoc")
    await expect(page.get_by_text("/files/upload").first).to_be_visible()


async def test_the_playground_queries_uploads_and_subscribes(page, server):
    """The three tabs of a newcomer work as they stand; an upload in one arrives in another."""
    send = page.get_by_role("button", name="Send Request").locator("visible=true")
    result = page.locator(".app-result:visible, app-query-result:visible").first

    await page.goto(f"{server.url}/graphql")
    await send.click()
    await expect(result).to_contain_text('"totalCount"')

    await page.get_by_text("Events", exact=True).click()
    await send.click()
    await expect(result).to_contain_text('"READY"')

    await page.get_by_text("Upload", exact=True).click()
    await page.get_by_text(re.compile(r"^\s*variables\s*$", re.IGNORECASE)).locator("visible=true").click()
    await page.get_by_role("button", name="Add files").locator("visible=true").click()
    await page.locator("input[type=file]").set_input_files(
        {"name": "altair.txt", "mimeType": "text/plain", "buffer": b"from the playground"}
    )
    await send.click()
    await expect(result).to_contain_text('"deduplicated": false')

    await page.get_by_text("Events", exact=True).click()
    await expect(result).to_contain_text("altair.txt")
