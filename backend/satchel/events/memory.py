"""Wake-ups within one process."""

import asyncio


class MemoryWakeup:
    """The `Wakeup` of a server that is alone with its database."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def notify(self) -> None:
        """Wake the tail reader."""
        self._event.set()

    async def wait(self) -> None:
        """Return when `notify` was called since the last wait ended."""
        await self._event.wait()
        self._event.clear()
