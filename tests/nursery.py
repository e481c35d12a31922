"""Real servers that start in a third of the time, for tests that start hundreds.

Most of a start is the import of libraries. A process that has them, and nothing of Satchel, forks for each start; the
child imports Satchel anew, with an environment of its own, and runs its command line.
"""

import asyncio
import contextlib
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Self

from kept import eventually
from server import Server, environment

LIBRARIES = (
    *("aiohttp", "aiosqlite", "alembic.command", "asyncpg", "fastapi", "httptools", "miniopy_async.api", "multipart"),
    *(
        "orjson",
        "pure_magic_rs",
        "pydantic_settings",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "sqlalchemy.ext.asyncio",
    ),
    *("sqlite3", "strawberry.fastapi", "structlog", "typer", "uvicorn.protocols.http.httptools_impl", "uvloop"),
    *("websockets.server", "strawberry.subscriptions", "typer.rich_utils"),
)


PRINTED, ERRORS = "printed", "errors"
"""The files in its directory that have what a child prints, and its standard error if nobody named a log for that."""


class Child:
    """A forked process, with what is used of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, output: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.ended = asyncio.Event()
        self.stdout = self
        self._output = output
        self._log = output

    async def readline(self) -> bytes:
        """The first line that it prints; what there is of it when it ends."""
        while not (line := self._output.read_bytes()).endswith(b"\n") and self.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return line

    async def wait(self) -> int:
        await self.ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """All that it printed, and its log, when it has ended."""
        await self.wait()
        return self._output.read_bytes(), self._log.read_bytes()

    def send_signal(self, which: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, which)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """`async with Nursery() as nursery`; what it has started ends with it."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        self._started: asyncio.Queue[Child] = asyncio.Queue()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in self._children.values():
            child.kill()
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def launch(self, *arguments: str, cwd: Path, env: dict[str, str], log: Path | None = None) -> Child:
        """Run `satchel` with these arguments; its output goes into `log`, but for what it prints."""
        async with self._turn:
            output = cwd / PRINTED
            output.write_bytes(b"")
            if log is None:
                log = cwd / ERRORS
                log.write_bytes(b"")
            order = {"arguments": arguments, "cwd": str(cwd), "env": env, "log": str(log), "output": str(output)}
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            child = await self._started.get()
            child._output, child._log = output, log
            return child

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            kind, pid, code = json.loads(line)
            if kind == "started":
                child = self._children[pid] = Child(pid, Path(os.devnull))
                self._started.put_nowait(child)
            else:
                child = self._children.pop(pid)
                child.returncode = code
                child.ended.set()


class ForkedServer(Server):
    """A `Server` that a nursery starts."""

    def __init__(self, nursery: Nursery, directory: Path, **settings: Any) -> None:
        super().__init__(directory, **settings)
        self._nursery = nursery

    async def tasks(self) -> int:
        """How many tasks of asyncio it has."""
        told = self.temporary.with_name("tasks")
        told.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        return await eventually(lambda: told.exists() and int(told.read_text() or 0))

    def open_files(self) -> set[Path]:
        """Those of a `Server`, which prints into a pipe."""
        return super().open_files() - {self.temporary.with_name(PRINTED)}

    async def _launch(self) -> Any:
        env = environment(self.settings, data_dir=self.data, tmpdir=self.temporary)
        self.log.touch()
        return await self._nursery.launch(
            "serve", "--port", str(self.port), cwd=self.temporary.parent, env=env, log=self.log
        )


def main() -> None:
    """Fork for each order from standard input; tell of each child's start and end."""
    for name in LIBRARIES:
        importlib.import_module(name)
    orders = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.01)
        if ready:
            if not (data := os.read(0, 1 << 16)):
                return
            *lines, orders = (orders + data).split(b"\n")
            for line in lines:
                if (pid := os.fork()) == 0:
                    become(json.loads(line))
                tell("started", pid, 0)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                tell("ended", ended[0], os.waitstatus_to_exitcode(ended[1]))


def tell(*what: str | int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def become(order: dict[str, Any]) -> None:
    """Be `satchel`, in a process that has everything open as a new one has."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    for number, path in enumerate((os.devnull, order["output"], order["log"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND
        os.dup2(os.open(path, flags), number)
    tasks = Path.cwd() / "tasks"
    signal.signal(signal.SIGUSR1, lambda *_: tasks.write_text(str(len(asyncio.all_tasks()))))
    sys.argv = ["satchel", *order["arguments"]]
    code: Any = 1
    try:
        importlib.import_module("satchel.cli").main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code
    except BaseException:  # as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
