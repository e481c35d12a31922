"""`satchel serve --workers N`: several processes on one machine, behind one address."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from clients import client_at
from kept import eventually
from sockets import ready
from stacks import embedded_only, scaled_only

pytestmark = [scaled_only, pytest.mark.settings(workers=2)]


def workers(server):
    """The processes that serve."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return {int(pid) for pid in children}


def lives(pid):
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def upload(server, name):
    """Upload a file over a connection of its own."""
    async with client_at(server) as client:
        response = await client.post("/files/upload", files={"file": (name, name.encode())})
        assert response.status_code == 200, response.text
        return response.json()


async def test_workers_are_one_server(server):
    """Files and events go through any of them, over as many connections as one likes."""
    assert len(workers(server)) == 2
    async with ready(server) as one, ready(server) as two, ready(server) as three:
        files = [await upload(server, f"{number}") for number in range(10)]
        for socket in (one, two, three):
            assert [(await socket.event())["fileId"] for _ in files] == [file["id"] for file in files]
    for file in files:
        async with client_at(server) as client:
            assert (await client.get(file["download_url"])).content == file["filename"].encode()


async def test_a_worker_that_is_killed_is_replaced(server):
    """The others go on meanwhile, and the new one serves like them."""
    file = await upload(server, "before")
    for _ in range(2):
        before = workers(server)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda victim=victim: not lives(victim))
        for _ in range(5):
            async with client_at(server) as client:
                assert (await client.get(file["download_url"])).content == b"before"
        await eventually(lambda before=before: len(workers(server)) == 2 and workers(server) != before)
    [old] = workers(server) & before
    os.kill(old, signal.SIGKILL)
    await eventually(lambda: not lives(old))
    assert (await upload(server, "after"))["filename"] == "after"  # by a new one, which may have to start for it


async def test_a_worker_that_has_not_started_yet_stops_too(server):
    """A signal that comes while a worker is being replaced ends all of them, with exit code 0."""
    before = workers(server)
    os.kill(min(before), signal.SIGKILL)
    await eventually(lambda: len(workers(server) - before) == 1)
    processes = workers(server)
    assert await server.stop() == 0
    assert [pid for pid in processes if lives(pid)] == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_workers_stop_together(server, stop):
    """A stopped server ends with exit code 0, and leaves no process behind."""
    await upload(server, "kept")
    processes = workers(server)
    os.kill(server.pid, stop)
    assert await server.wait() == 0
    assert [pid for pid in processes if lives(pid)] == []
    assert "Traceback" not in server.logged()
    await server.start()
    async with client_at(server) as client:
        assert [file["filename"] for file in (await client.get("/files")).json()] == ["kept"]


async def test_no_worker_outlives_the_process_that_started_it(server):
    """If that is killed, the workers end by themselves."""
    processes = workers(server)
    await server.kill()
    await eventually(lambda: not any(map(lives, processes)))


async def test_running_uploads_are_finished_before_the_workers_end(server):
    """After SIGTERM, a request that runs goes on to its answer."""
    going_on = asyncio.Event()

    async def body():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\n\r\nbegin '
        await going_on.wait()
        yield b"end\r\n--x--\r\n"

    async with client_at(server) as client:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        uploading = asyncio.create_task(client.post("/files/upload", content=body(), headers=headers))
        await eventually(lambda: server.kept.count("uploads") == 1)
        server.terminate()
        await asyncio.sleep(0.2)
        assert not uploading.done()
        going_on.set()
        answer = await uploading
    assert (answer.status_code, answer.json()["size"]) == (200, 9)
    assert await server.wait() == 0


@embedded_only
async def test_the_embedded_stack_has_one_worker(run, tmp_path):
    """SQLite and a directory are for one process; the line says what several need, and nothing is made."""
    for command in (["serve", "--workers", "2"], ["serve"]):
        settings = {} if "--workers" in command else {"workers": 2}
        code, out, err = await run(*command, "--port", "0", **settings)
        assert (code, out) == (2, "")
        assert re.fullmatch(
            r"satchel: SATCHEL_WORKERS: [^\n]*SATCHEL_DATABASE_URL[^\n]*SATCHEL_STORAGE_URL[^\n]*\n", err
        )
    assert not (tmp_path / "data").exists()
