"""The turns of the event loop, counted: what takes many of them lets others have theirs."""

import asyncio


class Turns:
    """Counts the turns of the event loop."""

    def __init__(self):
        self.count = -1
        self._turn()

    def _turn(self):
        self.count += 1
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self):
        self._handle.cancel()
