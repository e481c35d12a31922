"""What a data directory holds, looked at from outside, whether a server runs on it or not."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 30


class DataDirectory:
    """Rows and objects of a data directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def count(self, table: str) -> int:
        """How many rows a table has."""
        [(rows,)] = self.query(f"SELECT count(*) FROM {table}")
        return rows

    def query(self, sql: str) -> list[tuple]:
        """The rows of a SELECT."""
        with closing(sqlite3.connect(f"file:{self.path / 'satchel.db'}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    def objects(self) -> set[str]:
        """The names of all objects in the store."""
        root = self.path / "objects"
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}

    def blobs(self) -> set[str]:
        """The names of the objects that blobs refer to."""
        return {name for (name,) in self.query("SELECT object_name FROM blobs")}

    def is_clean(self) -> bool:
        """Whether only whole files are left: no upload, and no object that belongs to no blob."""
        return self.count("uploads") == 0 and self.objects() == self.blobs()

    def is_empty(self) -> bool:
        """Whether nothing was kept: no file, no blob, no upload, no object."""
        return self.is_clean() and self.count("files") == self.count("blobs") == 0


async def eventually(condition: Callable[[], T], what: str = "") -> T:
    """Wait until a condition holds, and give its value; fail when it never does."""
    for _ in range(PATIENCE * 20):
        if value := condition():
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never came to pass: {what or condition}")
