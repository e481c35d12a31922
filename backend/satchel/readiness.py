"""Waiting for descriptors without a thread."""

import asyncio


async def readable(fd: int) -> None:
    """Return when there is something to read, or the other side is gone. Nobody else may watch this descriptor."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)


async def writable(fd: int) -> None:
    """Return when there is room to write, or the other side is gone. Nobody else may watch this descriptor."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
