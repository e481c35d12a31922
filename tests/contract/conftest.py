"""Programs that people use with the service, started as they start them."""

import asyncio
import shutil
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
NODE = ROOT / ".venv" / "bin" / "node"
SECONDS = 60


@pytest.fixture
def start(tmp_path):
    """Start a program in an empty directory; it is ended with the test."""
    processes = []

    async def start(*command):
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()


@pytest.fixture
def run(start):
    """Run a program to its end and give its output; it must succeed."""

    async def run(*command, stdin=b""):
        process = await start(*command)
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(stdin)
        assert process.returncode == 0, err.decode()
        return out

    return run


@pytest.fixture
def node():
    """The path of Node.js, which `make setup` installs."""
    found = NODE if NODE.exists() else shutil.which("node")
    assert found, "no Node.js: run `make setup`"
    assert (ROOT / "node_modules").exists(), "no node_modules: run `make setup`"
    return found


@pytest.fixture
def curl():
    """The path of curl."""
    found = shutil.which("curl")
    if not found:
        pytest.skip("curl is not installed here; nothing of Satchel needs it, and no package brings it")
    return found


@pytest.fixture
async def client(shared_server):
    """Looks at the server from another side."""
    async with httpx.AsyncClient(base_url=shared_server.url, timeout=60) as client:
        yield client
