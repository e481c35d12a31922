"""A real browser for the tests, watched: an error in a page or a request to another host fails the test.

What the pages of a failed test looked like and wrote to their consoles is kept in tests/.artifacts.
"""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import ARGUMENTS, find_chromium
from manager import FileManager
from playwright.async_api import Error, async_playwright, expect

from balancer import Balancer
from nursery import ForkedServer
from stacks import one_is_enough

expect.set_options(timeout=30_000)  # a bound for what never comes; a busy machine is no failure

ARTIFACTS = Path(__file__).parents[1] / ".artifacts"
FAILED = pytest.StashKey[bool]()

# A machine without a network is as good as any: the server is on it too.
ONLINE = "Object.defineProperty(Navigator.prototype, 'onLine', { get: () => true })"


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    """A browser tests what lies in front of every stack, so one is enough, but where a test asks for `balancer`."""
    metafunc.definition.add_marker(one_is_enough, append=False)


def pytest_itemcollected(item):
    """Chromium itself crashes, seldom: then the test has no result, runs once more, and the summary says so."""
    item.add_marker(pytest.mark.flaky(reruns=1, only_rerun="Target page, context or browser has been closed"))


@pytest.fixture(autouse=True)
def on_one_stack(stack_kind):
    """Also for tests that ask for their server only while they run, which pytest cannot know when it collects."""
    return stack_kind


@pytest.fixture
async def balancer(scaled_places, nursery, tmp_path):
    """Two servers over PostgreSQL and S3 behind one address; both are used."""
    async with scaled_places.new() as place:
        servers = [ForkedServer(nursery, tmp_path / name, **place) for name in ("one", "two")]
        try:
            await asyncio.gather(*(server.start() for server in servers))
            async with Balancer(*servers) as balancer:
                yield balancer
            assert all(balancer.connections), "uploads and downloads go to both"
            assert all(balancer.websockets), "each follows the events of one window"
        finally:
            for server in servers:
                await server.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
async def chromium():
    """Starts Chromium, and gives it; again only if it has died, so that one test's crash is not that of all others."""
    found, running = find_chromium(), []

    async def started():
        if not running or not running[-1].is_connected():
            environment = {**os.environ, **found.environment}
            running.append(
                await playwright.chromium.launch(executable_path=found.executable, args=ARGUMENTS, env=environment)
            )
        return running[-1]

    async with async_playwright() as playwright:
        yield started
        for browser in running:
            await browser.close()


@pytest.fixture
async def browser(chromium):
    """One Chromium for the whole run."""
    return await chromium()


@pytest.fixture
async def profile(browser, request):
    """Opens fresh browser profiles, with options such as `color_scheme="dark"`; every page in them is watched."""
    contexts, errors, addresses, console = [], [], [], []

    def watch(page):
        page.on("websocket", lambda socket: addresses.append(socket.url))
        page.on("console", lambda message: console.append(f"{message.type}: {message.text}"))

    async def open_profile(**options):
        context = await browser.new_context(
            **{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options}
        )
        contexts.append(context)
        await context.add_init_script(ONLINE)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("request", lambda request: addresses.append(request.url))
        context.on("page", watch)
        return context

    yield open_profile
    if request.node.stash.get(FAILED, False):
        await _keep(request.node.name, contexts, [*console, *errors])
    for context in contexts:
        await context.close()
    assert errors == [], "an error nobody caught in the page"
    assert [address for address in addresses if _leaves_this_machine(address)] == []


@pytest.fixture
async def context(profile):
    """A fresh profile with nothing special about it."""
    return await profile()


@pytest.fixture
async def page(context):
    """A page of the watched profile."""
    return await context.new_page()


@pytest.fixture
async def manager(page, server):
    """The file manager of the test's own server, opened."""
    return await FileManager(page, server).open()


@pytest.fixture(scope="session")
async def viewed_server(nursery, tmp_path_factory):
    """A server for tests that look only at the files they store themselves, each under a name of its own."""
    server = await ForkedServer(nursery, tmp_path_factory.mktemp("viewed")).start()
    yield server
    await server.kill()


@pytest.fixture
async def viewer(page, viewed_server):
    """The file manager of that server, opened."""
    return await FileManager(page, viewed_server).open()


def _leaves_this_machine(address):
    url = urlsplit(address)
    return url.scheme in {"http", "https", "ws", "wss"} and url.hostname not in {"127.0.0.1", "localhost"}


async def _keep(name, contexts, console):
    folder = ARTIFACTS / re.sub(r"\W+", "-", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "console.txt").write_text("\n".join(console))
    pages = [page for context in contexts for page in context.pages]
    for number, page in enumerate(pages, 1):
        try:
            await page.screenshot(path=folder / f"window-{number}.png")
        except Error as error:  # a page that hangs must not hide why the test failed
            (folder / f"window-{number}.txt").write_text(str(error))
