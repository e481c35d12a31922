"""A window that outlives its server misses nothing and shows nothing twice."""

import pytest
from library import remove, store, stored
from manager import FileManager
from playwright.async_api import expect

# The preview is a script and a style of its own, loaded once the list is there.
PREVIEW_LOADED = """() => {
  const loaded = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/Preview-"));
  return loaded.length >= 2;
}"""


@pytest.fixture
async def context(profile):
    """A window so high that the whole list is drawn."""
    return await profile(viewport={"width": 1280, "height": 2000})


async def away(server, act):
    """Run the server where the window does not look for it, do something there, and bring it back."""
    address = server.port
    server.port = 0
    await server.start()
    await act()
    await server.stop()
    server.port = address
    await server.start()


async def test_what_happened_while_the_window_was_away_shows_up(manager, server):
    """Uploads and deletes that the window could not hear of are there once the server is."""
    before = await store(server, "before.txt", b"1")
    await store(server, "stays.txt", b"2")
    await manager.lists("stays.txt", "before.txt")
    await server.stop()
    await expect(manager.state).to_have_text("Reconnecting…")
    await manager.lists("stays.txt", "before.txt")

    async def meanwhile():
        await store(server, "meanwhile.txt", b"3")
        await remove(server, before["id"])

    await away(server, meanwhile)
    await expect(manager.state).to_have_text("Live")
    await manager.lists("meanwhile.txt", "stays.txt")
    await store(server, "after.txt", b"4")
    await manager.lists("after.txt", "meanwhile.txt", "stays.txt")


async def test_every_window_follows_over_many_restarts(manager, context, server):
    """Files uploaded as soon as the server is back, before or after a window is, come once each and in order."""
    windows = [manager, await FileManager(await context.new_page(), server).open()]
    names = []
    for restart in range(3):
        await server.stop() if restart < 2 else await server.kill()
        await expect(manager.state).to_have_text("Reconnecting…")
        await server.start()
        for number in range(4):
            names.insert(0, f"restart {restart} file {number}.txt")
            await store(server, names[0], names[0].encode())
    for window in windows:
        await expect(window.state).to_have_text("Live")
        await window.lists(*names)
    await store(server, "last.txt", b"the end")
    for window in windows:
        await window.lists("last.txt", *names)
        await expect(window.grid).to_have_attribute("aria-rowcount", str(len(names) + 2))
    assert [entry["filename"] for entry in await stored(server)] == ["last.txt", *names]


async def test_a_window_opened_while_the_server_is_down_says_so_and_recovers(manager, server):
    """A list that could not be read says what failed; it is read when the reader asks again."""
    await store(server, "found.txt", b"here")
    await manager.lists("found.txt")
    await manager.page.route("**/graphql**", lambda route: route.abort())
    await manager.page.reload()
    await expect(manager.page.get_by_role("heading", name="The files could not be loaded")).to_be_visible()
    await expect(manager.page.get_by_text("The server cannot be reached.")).to_be_visible()
    await manager.page.unroute("**/graphql**")
    await manager.page.get_by_role("button", name="Try again").click()
    await manager.lists("found.txt")
    await expect(manager.state).to_have_text("Live")


async def test_the_list_stays_usable_without_a_connection(manager, server):
    """While the server is away the loaded rows can be looked at, and the page says what will happen."""
    await store(server, "here.txt", b"still readable")
    await manager.lists("here.txt")
    await manager.page.wait_for_function(PREVIEW_LOADED)
    await server.stop()
    await expect(manager.state).to_have_text("Reconnecting…")
    await expect(manager.page.get_by_text("The connection is lost.")).to_be_visible()
    await manager.show("here.txt")
    await expect(manager.preview).to_contain_text("Plain text")
    await server.start()
    await expect(manager.state).to_have_text("Live")
