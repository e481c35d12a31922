"""The real server as a process of its own, to be stopped, killed and started again."""

import asyncio
import os
import re
import signal
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kept import Kept, kept_by

SATCHEL = Path(sys.executable).with_name("satchel")
START = re.compile(r"Satchel \S+ at http://(?P<host>\S+):(?P<port>\d+) \(data in (?P<data>.*)\)")
START_SECONDS = 60  # bounds for a hung server on a busy machine; nothing is measured by them
STOP_SECONDS = 60


class Server:
    """`satchel serve` on a directory of its own, with nothing of this process's settings.

    Args:
        directory: where everything goes: `data`, `tmp` (the server's TMPDIR), and `log` (its standard error).
        settings: those that differ from the defaults, as in `Server(path, max_file_size="1MB")`.

    Started on any free port; started again, it listens where it did before. No wait is without an end.
    """

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.data = directory / "data"
        self.temporary = directory / "tmp"
        self.log = directory / "log"
        self.settings = settings
        self.host = "127.0.0.1"
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        self.temporary.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where the server listens, such as `http://127.0.0.1:40123`."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where GraphQL answers over WebSocket."""
        return f"ws://{self.host}:{self.port}/graphql"

    @property
    def pid(self) -> int:
        """The process's id, while it runs."""
        return self._running().pid

    async def start(self, **settings: Any) -> "Server":
        """Start, with `settings` instead of those of before where they are given, and return when it listens."""
        assert self.process is None, "the server runs already"
        self.settings |= settings
        self.process = await self._launch()
        try:
            async with asyncio.timeout(START_SECONDS):
                line = (await self._running().stdout.readline()).decode()
            listening = START.fullmatch(line.strip())
            assert listening, f"no start line but {line!r}:\n{self.logged()}"
        except BaseException:
            await self.kill()
            raise
        self.host, self.port = listening["host"], int(listening["port"])
        return self

    async def stop(self) -> int:
        """Ask it to stop (SIGTERM), and give its exit code."""
        self.terminate()
        return await self.wait()

    def terminate(self) -> None:
        """Send SIGTERM and do not wait."""
        self._running().send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        """Give the exit code when the process has ended."""
        process = self._running()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                code = await process.wait()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"the server did not stop:\n{self.logged()}") from None
        self.process = None
        return code

    async def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def restart(self, **settings: Any) -> "Server":
        """Stop, and start again on the same data and port."""
        await self.stop()
        return await self.start(**settings)

    def logged(self) -> str:
        """What it wrote to standard error, over all starts."""
        return self.log.read_text(errors="replace")

    def memory(self) -> int:
        """Bytes that are resident now."""
        return self._status("VmRSS")

    def peak_memory(self) -> int:
        """Bytes that were resident at most, since the start or `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Measure the peak anew from here on."""
        # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def kept(self) -> Kept:
        """What it keeps, in its directory or elsewhere."""
        return kept_by({"data_dir": self.data, **self.settings})

    def open_files(self) -> set[Path]:
        """The regular files, unlinked ones too, that it holds open."""
        found = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if stat.S_ISREG(entry.stat().st_mode):
                    found.add(entry.readlink())
        return found

    async def _launch(self) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                SATCHEL,
                "serve",
                "--port",
                str(self.port),
                env=environment(self.settings, data_dir=self.data, tmpdir=self.temporary),
                cwd=self.temporary,  # no .env lies here
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    def _status(self, field: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        kilobytes = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
        assert kilobytes
        return int(kilobytes[1]) * 1024

    def _running(self) -> asyncio.subprocess.Process:
        assert self.process is not None, "the server does not run"
        return self.process


def environment(settings: Mapping[str, Any], *, data_dir: Path, tmpdir: Path) -> dict[str, str]:
    """The environment of this process with only the given settings of Satchel."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SATCHEL_")}
    chosen = {f"SATCHEL_{name}".upper(): str(value) for name, value in settings.items()}
    return {**inherited, **chosen, "SATCHEL_DATA_DIR": str(data_dir), "TMPDIR": str(tmpdir)}
