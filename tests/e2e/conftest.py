"""A real browser for the tests, watched: an error in a page or a request to another host fails the test."""

import os
from urllib.parse import urlsplit

import pytest
from chromium import ARGUMENTS, find_chromium
from playwright.async_api import async_playwright, expect

expect.set_options(timeout=30_000)  # a bound for what never comes; a busy machine is no failure


@pytest.fixture(scope="session")
async def browser():
    """One Chromium for the whole run."""
    chromium = find_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable,
            args=ARGUMENTS,
            env={**os.environ, **chromium.environment},
        )
        yield browser
        await browser.close()


@pytest.fixture
async def context(browser):
    """A fresh profile; every page opened in it is watched."""
    errors, addresses = [], []
    context = await browser.new_context()
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("request", lambda request: addresses.append(request.url))
    context.on("page", lambda page: page.on("websocket", lambda socket: addresses.append(socket.url)))
    yield context
    await context.close()
    assert errors == [], "an error nobody caught in the page"
    assert [address for address in addresses if _leaves_this_machine(address)] == []


@pytest.fixture
async def page(context):
    """A page of the watched profile."""
    return await context.new_page()


def _leaves_this_machine(address):
    url = urlsplit(address)
    return url.scheme not in {"data", "blob", "about"} and url.hostname not in {"127.0.0.1", "localhost"}
