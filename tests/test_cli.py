import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

import satchel
from kept import eventually
from raw import END, MULTIPART, connected, head_of_part
from satchel import config
from server import SATCHEL, Server, environment
from stacks import embedded_only

ROOT = Path(__file__).parent.parent
SECONDS = 60  # a bound for each wait; nothing is measured by it


# Commands


async def test_the_printed_schema_is_the_contract(run):
    """`satchel schema` prints schema.graphql; if this fails, `satchel schema > schema.graphql` brings them together."""
    code, out, err = await run("schema")
    assert (code, err) == (0, "")
    assert out == (ROOT / "schema.graphql").read_text()


async def test_help_names_every_command(run):
    """Help is shown when it is asked for, and when nothing is."""
    for arguments in (["--help"], []):
        _, out, err = await run(*arguments)
        for command in ("serve", "schema", "sweep", "check", "copy", "version"):
            assert re.search(rf"^\W*{command}\b", out + err, re.MULTILINE)


@pytest.mark.parametrize("command", ["serve", "schema", "sweep", "check", "copy", "version"])
async def test_every_command_has_help(run, command):
    """Each command says what it does, and does not do it."""
    code, out, _ = await run(command, "--help")
    assert (code, "Usage" in out) == (0, True)


async def test_serving_names_the_settings_of_its_options(run):
    """An option says which setting it stands for."""
    _, out, _ = await run("serve", "--help")
    for option, setting in (("--host", "HOST"), ("--port", "PORT"), ("--data-dir", "DATA_DIR")):
        assert re.search(rf"{option}\b.*SATCHEL_{setting}", out)


async def test_the_version_is_printed(run):
    """By the command, and by the module as well."""
    for alone in ([SATCHEL], [sys.executable, "-m", "satchel"]):
        assert await run("version", alone=alone) == (0, f"{satchel.__version__}\n", "")


async def test_sweeping_without_a_server(run):
    """`satchel sweep` says how much it removed, and that it cannot beside a server."""
    assert (await run("sweep", alone=[SATCHEL]))[:2] == (0, "0 objects removed\n")


# Settings

BAD = {
    "SATCHEL_PORT": ["abc", "-1", "65536", ""],
    "SATCHEL_MAX_FILE_SIZE": ["0", "-5", "10 bananas"],
    "SATCHEL_DATABASE_URL": ["mysql://host/db", "satchel.db"],
    "SATCHEL_STORAGE_URL": ["ftp://host", "/objects"],
    "SATCHEL_UPLOAD_LEASE": ["0", "-1", "soon", "1y", "", "s", "²s", "9" * 30 + "d"],
    "SATCHEL_MAX_PAGE_SIZE": ["0", "1.5"],
    "SATCHEL_MAX_DELETE_FILES": ["99"],
    "SATCHEL_LOG_LEVEL": ["loud"],
    "SATCHEL_SCRUB_RATE": ["fast", "-1"],
    "SATCHEL_S3_PART_SIZE": ["0", "large"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_setting_is_named_in_one_line(monkeypatch, tmp_path, name, value):
    """The line has the name of the variable and the value that it had."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(config.BadSetting) as raised:
        config.load()
    assert str(raised.value).startswith(f"{name}: ")
    assert repr(value) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_setting_of_two_kinds_is_told_both(monkeypatch, tmp_path):
    """That a size would do is said, too, and not the word alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SATCHEL_SCRUB_RATE", "fast")
    with pytest.raises(config.BadSetting, match=r"'auto'; or: .*unit.*\(got 'fast'\)$"):
        config.load()


@pytest.mark.parametrize("command", ["serve", "sweep"])
async def test_a_bad_setting_stops_the_start_with_one_line(run, tmp_path, command):
    """Nothing is opened, and one line says which setting is wrong."""
    code, out, err = await run(command, max_file_size="many")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"satchel: SATCHEL_MAX_FILE_SIZE: [^\n]*'many'[^\n]*\n", err)
    assert not (tmp_path / "data").exists()


async def test_settings_are_read_from_a_file(run, tmp_path):
    """A `.env` file in the working directory counts, and the environment counts more."""
    (tmp_path / ".env").write_text("SATCHEL_PORT=abc\n")
    code, _, err = await run("serve")
    assert (code, err.startswith("satchel: SATCHEL_PORT: ")) == (2, True)
    (tmp_path / ".env").write_text("SATCHEL_PORT=abc\nSATCHEL_UNKNOWN=1\n")
    assert (await run("sweep", port="0"))[0] == 0


async def test_a_misspelt_setting_is_told(run, tmp_path):
    """It would change nothing in silence, and might be the one that was to protect the files."""
    (tmp_path / ".env").write_text("SATCHEL_READONLY=true\nSATCHEL_COPY_TO_STORAGE_URL=\nSATCHEL_PORT=abc\nPORT=1\n")
    _, _, err = await run("serve", zzz="1")
    assert err.splitlines()[:2] == [
        "satchel: SATCHEL_READONLY is not a setting and changes nothing; did you mean SATCHEL_READ_ONLY?",
        "satchel: SATCHEL_ZZZ is not a setting and changes nothing",
    ]
    assert "STORAGE_URL" not in err


@pytest.mark.parametrize(
    ("value", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("PT90S", 90)]
)
def test_durations_have_units(monkeypatch, tmp_path, value, seconds):
    """Plain numbers are seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SATCHEL_UPLOAD_LEASE", value)
    assert config.load().upload_lease.total_seconds() == seconds


@pytest.mark.parametrize(("value", "size"), [("1000", 1000), ("64KiB", 65536), ("5GB", 5 * 10**9), ("1 MiB", 2**20)])
def test_sizes_have_units(monkeypatch, tmp_path, value, size):
    """Plain numbers are bytes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SATCHEL_MAX_FILE_SIZE", value)
    assert config.load().max_file_size == size


# Starts that cannot be


@embedded_only
async def test_a_second_server_on_the_same_data_stops_with_one_line(server, run):
    """Two servers on one directory would damage it, so the second one stops, and the first one goes on."""
    for command in (("serve", "--port", "0"), ("sweep",)):
        code, out, err = await run(*command, "--data-dir", str(server.data))
        assert (code, out) == (2, "")
        assert re.fullmatch(
            rf"satchel: [^\n]*another server runs on {re.escape(str(server.data))} \(SATCHEL_DATA_DIR\)\n", err
        )
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_a_host_that_is_not_ours_stops_the_start_with_one_line(run):
    """So it is with an address that this machine does not have, and with a name that nobody has."""
    for host in ("192.0.2.1", "no-such-host.invalid"):
        code, out, err = await run("serve", "--host", host, "--port", "0", open=True)
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"satchel: cannot start: [^\n]*{host}[^\n]*SATCHEL_HOST[^\n]*\n", err)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
@pytest.mark.parametrize("workers", [1, 2])
async def test_listening_beyond_the_machine_wants_permission(run, tmp_path, host, workers):
    """Before anything is opened or listened on, one line names the setting that gives it."""
    shared = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "storage_url": "s3+http://127.0.0.1:1/none"}
    keys = {"s3_access_key": "key", "s3_secret_key": "secret"}
    stack = {**shared, **keys, "workers": workers} if workers > 1 else {}
    code, out, err = await run("serve", "--port", "0", host=host, **stack)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"satchel: cannot start: [^\n]*SATCHEL_OPEN=true[^\n]*\n", err)
    assert not (tmp_path / "data").exists()


async def test_with_permission_it_listens_beyond_the_machine(serve):
    """And answers to any of its addresses."""
    server = await serve(host="0.0.0.0", open="true")
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{server.port}/healthz")).status_code == 200


async def test_a_port_in_use_stops_the_start_with_one_line(run):
    """The line names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = await run("serve", "--port", port)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"satchel: cannot start: [^\n]*{port}[^\n]*SATCHEL_PORT[^\n]*\n", err)


@pytest.mark.parametrize("blocked", ["data", "data/objects", "data/satchel.db"])
async def test_a_data_directory_that_cannot_be_used_stops_the_start(run, tmp_path, blocked):
    """Where the data should be there is something else, and the last line says so."""
    path = tmp_path / blocked
    path.parent.mkdir(exist_ok=True)
    if blocked == "data/satchel.db":
        path.mkdir()
    else:
        path.write_text("a file")
    code, out, err = await run("serve", "--port", "0")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"satchel: cannot start: [^\n]+", err.splitlines()[-1])


async def test_a_database_that_is_none_stops_the_start(run, tmp_path):
    """A file that is no database is not written over."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "satchel.db").write_bytes(b"this is not a database" * 100)
    code, out, err = await run("serve", "--port", "0")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"satchel: cannot start: [^\n]+", err.splitlines()[-1])
    assert (tmp_path / "data" / "satchel.db").read_bytes() == b"this is not a database" * 100


# Serving and stopping


@embedded_only
async def test_a_server_says_where_it_is(server):
    """The start line has the address that it listens on, and where the data is; there is nothing else to read."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/healthz")).status_code == 200
    assert server.port != 0
    assert (server.data / "satchel.db").exists()
    assert "Traceback" not in server.logged()


async def test_a_stopped_server_ends_well_and_keeps_everything(serve):
    """SIGTERM and Ctrl-C end the server with exit code 0, and the next one has all files."""
    server = await serve()
    async with httpx.AsyncClient(base_url=server.url) as client:
        response = await client.post("/files/upload", files={"file": ("a.txt", b"data")})
    for stop in (signal.SIGTERM, signal.SIGINT):
        os.kill(server.pid, stop)
        assert await server.wait() == 0
        assert "Traceback" not in server.logged()
        assert not (server.data / "satchel.db-wal").exists()  # merged into the database by a clean end
        await server.start()
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get(response.json()["download_url"])).content == b"data"


async def test_a_running_upload_is_finished_before_the_server_ends(serve):
    """After SIGTERM no new connection is taken, but an upload that runs goes on to its answer."""
    server = await serve()
    size = 300_000
    body = head_of_part("file", "a.bin") + b"x" * size + END
    async with connected(server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": str(len(body))}
        await raw.request("POST", "/files/upload", headers, body[:100_000])
        await eventually(lambda: server.kept.count("uploads") == 1)
        server.terminate()
        await eventually(lambda: not _listens(server))
        await raw.send(body[100_000:])
        answer = await raw.answer()
        assert (answer.status, answer.json()["size"]) == (200, size)
    assert await server.wait() == 0
    await server.start()
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get(answer.json()["download_url"])).content == b"x" * size


def _listens(server):
    try:
        socket.create_connection((server.host, server.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.settings(shutdown_timeout="1s", upload_lease="1s", sweep_interval="0.2s")
async def test_an_upload_that_does_not_end_does_not_keep_the_server(server):
    """When the time for it is over, it is told, the server ends without it, and nothing of it is left."""
    async with connected(server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": "1000000"}
        await raw.request("POST", "/files/upload", headers, head_of_part("file", "a.bin") + b"x" * 1000)
        await eventually(lambda: server.kept.count("uploads") == 1)
        assert await server.stop() == 0
        answer = await raw.answer()
    assert (answer.status, answer.json()["code"]) == (503, "SHUTTING_DOWN")
    assert "Traceback" not in server.logged()
    await server.start()
    await eventually(server.kept.is_empty)


async def test_a_signal_while_the_server_starts_is_not_lost(tmp_path):
    """Whenever it is told to stop, it stops: there is no moment at which the signal is swallowed."""
    server = Server(tmp_path)
    for delay in (0.0, 0.1, 0.3, 0.6, 1.0, 1.5):
        process = await asyncio.create_subprocess_exec(
            SATCHEL,
            "serve",
            "--port",
            "0",
            env=environment({}, data_dir=server.data, tmpdir=server.temporary),
            cwd=server.temporary,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.sleep(delay)
        process.terminate()
        try:
            async with asyncio.timeout(SECONDS):
                assert await process.wait() in {0, -signal.SIGTERM}
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_killed_server_leaves_only_what_the_next_one_reclaims(serve):
    """After a crash in the middle of an upload the whole files are there, and the rest is swept."""
    server = await serve(upload_lease="1s", sweep_interval="0.2s")
    async with httpx.AsyncClient(base_url=server.url) as client:
        kept = (await client.post("/files/upload", files={"file": ("a.txt", b"kept")})).json()
    async with connected(server) as raw:
        headers = {"Content-Type": MULTIPART, "Content-Length": "100000000"}
        await raw.request("POST", "/files/upload", headers, head_of_part("file", "a.bin") + b"x" * 20_000_000)
        await eventually(lambda: len(server.kept.objects()) == 2)
        await server.kill()
    assert server.kept.count("uploads") == 1
    await server.start()
    await eventually(server.kept.is_clean)
    assert server.kept.objects() == {kept["minio_object_name"]}
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get(kept["download_url"])).content == b"kept"
