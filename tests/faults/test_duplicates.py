"""The same bytes from many clients, while others delete their last file: F18."""

import asyncio
import random

from aftermath import GRACE
from storm import survived

UPLOADERS, DELETERS = 5, 15  # so that the last file goes again and again, while the next one comes
SETTINGS = {"upload_lease": "5s", "sweep_interval": "0.1s", "delete_grace": GRACE}


class Rounds:
    """Gives the same bytes to so many uploads, then others to as many, and so on."""

    def __init__(self, uploads):
        self._uploads = uploads
        self._given = 0
        self._random = random.Random(18)

    def __call__(self):
        if self._given % self._uploads == 0:
            self._data = self._random.randbytes(1000)
        self._given += 1
        return self._data

    @property
    def over(self):
        """How many rounds are."""
        return self._given // self._uploads


async def test_the_same_bytes_come_and_go_at_once(start, stack_kind, tmp_path, count, report):
    """There is one object for them, however they meet, and none when nobody has them any more."""
    servers = [await start(**SETTINGS) for _ in range(2 if stack_kind == "scaled" else 1)]
    wanted, rounds = count(2, 100), Rounds(50)

    async def disturb():
        while rounds.over < wanted:  # noqa: ASYNC110 - the clients are at it
            await asyncio.sleep(0.05)

    clients = {"uploaders": UPLOADERS, "deleters": DELETERS, "deleted": 1, "contents": rounds}
    checker = await survived(servers, tmp_path, disturb, (), **clients)
    objects = len({upload.answer["object"] for upload in checker.uploads})
    times = f"{rounds.over} contents uploaded 50 times each and deleted as often"
    report(f"F18: {times}, kept as {objects} objects one after the other; {checker.summary()}")
