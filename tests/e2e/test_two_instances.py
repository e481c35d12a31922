"""Windows on several instances behind one address outlive any of them."""

import pytest
from library import store
from manager import FileManager, file
from playwright.async_api import expect


@pytest.fixture
async def windows(context, balancer):
    """Two windows, so that their connections for events are at different instances or move there."""
    return [await FileManager(await context.new_page(), balancer).open() for _ in range(2)]


async def test_windows_move_on_when_an_instance_dies(windows, balancer):
    """Whichever instance dies, both windows come back at another, miss nothing, and can go on uploading."""
    one, two = windows
    await one.choose(file("before.txt", b"before"))
    for window in windows:
        await window.lists("before.txt")
    names = ["before.txt"]
    for number, server in enumerate(balancer.servers):
        await server.kill()
        names.insert(0, f"meanwhile {number}.txt")
        await store(balancer, names[0], names[0].encode())
        for window in windows:
            await expect(window.row(names[0])).to_be_visible()
            await expect(window.state).to_have_text("Live")
        await server.start()
        names.insert(0, f"after {number}.txt")
        await two.choose(file(names[0], names[0].encode()))
        for window in windows:
            await window.lists(*names)
