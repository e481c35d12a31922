"""System calls that fail, or that a server does not survive, by strace."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from kept import eventually
from server import STOP_SECONDS, Server


def _may_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    traced = subprocess.run(["strace", "-qq", "-o", os.devnull, "-e", "trace=none", "true"], check=False, timeout=60)
    return traced.returncode == 0


needs_strace = pytest.mark.skipif(not _may_trace(), reason="needs strace, and leave to trace other processes")


@asynccontextmanager
async def tampered(server: Server, injection: str) -> AsyncIterator[None]:
    """Do something to system calls of a server while the block runs, such as `fsync:error=EIO:when=3+`.

    https://man7.org/linux/man-pages/man1/strace.1.html ("Tampering"); each thread counts its own calls.
    """
    options = ["-f", "-qq", "-o", os.devnull, "-e", f"trace={injection.partition(':')[0]}", "-e", f"inject={injection}"]
    tracer = await asyncio.create_subprocess_exec("strace", *options, "-p", str(server.pid))
    try:
        await eventually(lambda: tracer.returncode is not None or _is_traced(server.pid), "the server is traced")
        yield
    finally:
        with suppress(ProcessLookupError):
            tracer.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await tracer.wait()


def _is_traced(pid: int) -> bool:
    """Whether all threads are; a process that is gone was."""
    with suppress(OSError):
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return not any("TracerPid:\t0\n" in (thread / "status").read_text() for thread in threads)
    return True
