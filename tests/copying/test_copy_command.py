"""`satchel copy`, run as a process; `test_copier.py` has what a copy does."""

import asyncio
import re
import signal
import sqlite3
from contextlib import asynccontextmanager

import httpx
import pytest
from contents import all_files, apart_from_place, content, upload

from kept import eventually, kept_by
from nursery import ForkedServer
from satchel import copier
from satchel.app import opened
from satchel.config import Settings
from server import SATCHEL, environment

SECONDS = 120  # a bound for each wait; nothing is measured by it

every_pair_with_both = pytest.mark.parametrize(
    "kinds", [("embedded", "embedded"), ("embedded", "scaled"), ("scaled", "embedded")], ids="-to-".join, indirect=True
)
embedded_to_scaled = pytest.mark.parametrize("kinds", [("embedded", "scaled")], ids="-to-".join, indirect=True)
scaled_to_scaled = pytest.mark.parametrize("kinds", [("scaled", "scaled")], ids="-to-".join, indirect=True)


@pytest.fixture
def start(begin, pair, tmp_path):
    """Starts `satchel copy` from source to target, with more options and settings, in a directory of its own."""

    def start(*options, alone=(), **settings):
        source, target = pair
        chosen = {**source, **{f"copy_to_{name}": value for name, value in target.items()}, **settings}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        directory = tmp_path / "working"
        directory.mkdir(exist_ok=True)
        env = environment(chosen, data_dir=chosen.pop("data_dir"), tmpdir=directory)
        return begin("copy", *options, cwd=directory, env=env, alone=alone)

    return start


@pytest.fixture
def run(start):
    """Runs `satchel copy` to its end, and gives its exit code, output and errors."""

    async def run(*options, **settings):
        async with start(*options, **settings) as process:
            out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


@pytest.fixture
def served(nursery):
    """Serves a place while a block runs, from a directory for all else, and gives a client of the server."""

    @asynccontextmanager
    async def served(place, directory):
        settings = dict(place)
        data_dir = settings.pop("data_dir")
        server = ForkedServer(nursery, directory, **settings)
        server.data = data_dir
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=SECONDS) as client:
                yield client
        finally:
            await server.kill()

    return served


def open_stack(place):
    """A stack in this process, while no other is to use it."""
    return opened(Settings(_env_file=None, **place))


async def fill(place, count=3):
    """Put some files into a stack, and give them by id."""
    async with open_stack(place) as stack:
        for number in range(count):
            await upload(stack, f"{number}.txt", f"number {number}".encode())
        return await all_files(stack)


async def files_in(place):
    async with open_stack(place) as stack:
        return await all_files(stack)


# The way from one command to the larger stack, and back


@every_pair_with_both
async def test_a_server_of_the_target_serves_what_that_of_the_source_served(run, served, pair, tmp_path):
    """Same ids, same metadata, same bytes under the same ETag; only the names of the objects are others."""
    async with served(pair[0], tmp_path / "first") as client:
        for name, data in (("one.txt", b"one"), ("größe.txt", b"x" * 5_000_000), ("empty", b"")):
            assert (await client.post("/files/upload", files={"file": (name, data)})).status_code == 200
        before = await everything(client)
    code, out, err = await run()
    assert (code, out.splitlines()[-1]) == (0, "The target holds all of the source.")
    assert "Traceback" not in err
    async with served(pair[1], tmp_path / "second") as client:
        assert await everything(client) == before


async def everything(client):
    """What the server tells of each file, and gives for it."""
    found = []
    for file in (await client.get("/files")).json():
        response = await client.get(f"/files/{file['id']}/download")
        headers = {name: response.headers[name] for name in ("ETag", "Repr-Digest", "Content-Type", "Last-Modified")}
        del file["minio_object_name"]
        found.append((file, headers, response.content))
    return found


async def test_the_summary_tells_both_sides(run, pair):
    """Counts and bytes stand there for both, and the second time says that all was there."""
    await fill(pair[0])
    code, out, err = await run()
    assert code == 0
    assert out == (
        "copied:    3 files; 3 blobs sent, 24 bytes\n"
        "skipped:   0 files that the target has already\n"
        "failed:    0 files\n"
        "source:    3 files, 24 bytes; 3 blobs, 24 bytes\n"
        "target:    3 files, 24 bytes; 3 blobs, 24 bytes\n"
        "The target holds all of the source.\n"
    )
    assert re.fullmatch(r"(\d of 3 files, [^\n]* read, [^\n]*/s\n)*", err)
    assert (await run())[1].startswith("copied:    0 files; 0 blobs sent, 0 bytes\nskipped:   3 files ")


async def test_what_could_not_be_copied_makes_the_exit_code(run, pair):
    """The others arrive; standard error names the file, and the summary does not say that all is well."""
    files = await fill(pair[0])
    bad = next(iter(files.values()))
    kept_by(pair[0]).store.remove(bad.object_name)
    code, out, err = await run()
    assert code == 1
    assert "failed:    1 file\n" in out
    assert out.endswith("The target does not hold all of the source.\n")
    [line] = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert str(bad.id) in line
    assert "Traceback" not in err
    assert set(await files_in(pair[1])) == set(files) - {bad.id}


async def test_what_the_target_has_of_its_own_is_told(run, pair):
    """Nothing is deleted there, so the numbers may differ, and the last line says why."""
    await fill(pair[0])
    async with open_stack(pair[1]) as stack:
        await upload(stack, "own", b"own")
    code, out, _ = await run()
    assert (code, out.splitlines()[-1]) == (0, "The target holds all of the source, and 1 file of its own.")


async def test_the_target_is_named_by_options_and_by_settings(run, pair, tmp_path):
    """An option counts more than the environment, and that more than the `.env` file."""
    await fill(pair[0])
    (tmp_path / "working").mkdir()
    (tmp_path / "working" / ".env").write_text(f"SATCHEL_COPY_TO_DATA_DIR={tmp_path / 'file'}\n")
    for expected, options, setting in (
        ("file", [], None),
        ("environment", [], tmp_path / "environment"),
        ("option", ["--to-data-dir", str(tmp_path / "option")], tmp_path / "environment"),
        ("urls", [
            "--to-database-url", f"sqlite:///{tmp_path / 'urls' / 'satchel.db'}",
            "--to-storage-url", f"file://{tmp_path / 'urls' / 'objects'}",
            "--to-data-dir", str(tmp_path / "urls"),
        ], None),
    ):  # fmt: skip
        assert (await run(*options, copy_to_data_dir=setting))[0] == 0
        assert (tmp_path / expected / "satchel.db").exists()
        assert len(await files_in({"data_dir": tmp_path / expected})) == 3


@scaled_to_scaled
async def test_both_sides_may_be_served_meanwhile(run, served, pair, tmp_path):
    """With PostgreSQL and S3, each copy takes what has come to the source, and the target has it at once."""
    async with served(pair[0], tmp_path / "first") as source, served(pair[1], tmp_path / "second") as target:
        for name in ("one", "two"):
            assert (await source.post("/files/upload", files={"file": (name, name.encode())})).status_code == 200
            assert (await run())[0] == 0
            assert (await target.get("/files")).json()[0]["filename"] == name
        assert await everything(target) == await everything(source)


# Killed and stopped


@every_pair_with_both
async def test_a_copy_that_is_killed_goes_on_where_it_was(start, run, pair):
    """Killed again and again, it sends no blob twice that was published; at the end all is the same, and no more."""
    async with open_stack(pair[0]) as stack:
        for number in range(100):
            await upload(stack, f"{number}.bin", number.to_bytes(4, "big") * 25_000)
        there = await all_files(stack)
    kept, arrived = kept_by(pair[1]), 0
    for enough in (1, 30, 60):
        async with start(copy_to_upload_lease="1s") as process:
            await eventually(lambda: process.returncode is not None or _arrived(kept) >= enough)  # noqa: B023
            if process.returncode is None:
                process.kill()
            await process.wait()
        assert _arrived(kept) >= max(arrived, enough)
        arrived = _arrived(kept)
    code, out, err = await run(copy_to_upload_lease="1s")
    assert (code, "Traceback" in err) == (0, False)
    assert out.startswith(f"copied:    {_files(100 - arrived)}; ")
    assert f"\nskipped:   {_files(arrived)} " in out

    async with open_stack(pair[1]) as stack:
        here = await all_files(stack)
        assert apart_from_place(here) == apart_from_place(there)
        for number, record in enumerate(here.values()):
            assert await content(stack, record) == number.to_bytes(4, "big") * 25_000
        async with asyncio.timeout(SECONDS):
            while not kept.is_clean():  # the leases of those that were killed have to run out
                await asyncio.sleep(0.1)
                await stack.sweeper.sweep()


def _arrived(kept):
    try:
        return kept.count("files")
    except sqlite3.OperationalError:  # there are no tables yet
        return 0


async def _let_go_on(process):
    while process.returncode is None:
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.02)


def _files(number):
    return f"{number} file{'' if number == 1 else 's'}"


async def test_a_copy_ends_at_ctrl_c(start, pair):
    """It does so at once and without a traceback, and the target has whole files only."""
    async with open_stack(pair[0]) as stack:
        for number in range(100):
            await upload(stack, f"{number}.bin", number.to_bytes(4, "big") * 25_000)
    kept = kept_by(pair[1])
    # It waits for us at each file, and so cannot be at its end before we look.
    async with start(failpoint="U3.durable:stop", alone=[SATCHEL]) as process, asyncio.TaskGroup() as tasks:
        going_on = tasks.create_task(_let_go_on(process))
        await eventually(lambda: process.returncode is not None or _arrived(kept) >= 1)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        going_on.cancel()
    assert process.returncode != 0
    assert "Traceback" not in err.decode()
    assert 1 <= len(await files_in(pair[1])) < 100


# Copies that cannot be


async def refused(run, *options, **settings):
    """The one line with which a copy does not start."""
    code, out, err = await run(*options, **settings)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    return line


async def test_a_copy_needs_a_target(run, pair):
    """The line says how to name one."""
    await fill(pair[0])
    assert "--to-data-dir" in await refused(run, copy_to_data_dir=None)


async def test_a_copy_needs_a_source(run, pair):
    """A data directory that is not there is a mistake, and is not made."""
    line = await refused(run)
    assert line.endswith(f"there is nothing to copy: {pair[0]['data_dir'] / 'satchel.db'} does not exist")
    assert not pair[0]["data_dir"].exists()
    assert not pair[1]["data_dir"].exists()


async def test_a_stack_is_not_copied_into_itself(run, pair, tmp_path):
    """Neither whole, nor with only its database or its store in common, however they are written."""
    await fill(pair[0])
    data, other = pair[0]["data_dir"], tmp_path / "other"
    (tmp_path / "link").symlink_to(data)
    assert "same database" in await refused(run, copy_to_data_dir=data)
    assert "same database" in await refused(run, copy_to_data_dir=tmp_path / "link")
    url = f"sqlite:///{tmp_path / 'working' / '..' / 'source' / 'satchel.db'}"
    assert "same database" in await refused(run, copy_to_data_dir=other, copy_to_database_url=url)
    store = f"file://{data / 'objects'}"
    assert "same store" in await refused(run, copy_to_data_dir=other, copy_to_storage_url=store)
    urls = {"copy_to_database_url": f"sqlite:///{other / 'satchel.db'}", "copy_to_storage_url": f"file://{other}"}
    assert "a data directory each" in await refused(run, copy_to_data_dir=data, **urls)
    assert not other.exists()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("postgresql://me:secret@db/satchel", "postgresql://you@DB:5432/satchel"),
        ("s3+http://store/bucket", "s3+http://store:80/bucket/"),
        ("s3+https://store/bucket", "s3+https://store:443/bucket"),
        ("sqlite:////data/satchel.db", "sqlite:////data/./satchel.db"),
        ("file:///data/objects", "file:///data/objects/"),
    ],
)
def test_two_ways_to_write_one_place(one, two):
    """Who goes there, and what is the default, makes no difference."""
    assert copier.place(one) == copier.place(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("postgresql://db/one", "postgresql://db/two"),
        ("postgresql://db/one", "postgresql://db:5433/one"),
        ("s3+http://store:9000/bucket", "s3+http://store:9001/bucket"),
        ("file:///data/objects", "file:///data/others"),
    ],
)
def test_two_places(one, two):
    """Another host, port or name is another place."""
    assert copier.place(one) != copier.place(two)


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
async def test_an_embedded_stack_must_not_be_served_meanwhile(run, served, pair, tmp_path, side):
    """The line names the data directory that is in use."""
    await fill(pair[0])
    async with served(pair[side], tmp_path / "server"):
        assert f"another server runs on {pair[side]['data_dir']}" in await refused(run)


async def test_a_bad_setting_of_the_target_is_named_as_the_targets(run, pair):
    """So is a missing one."""
    await fill(pair[0])
    line = await refused(run, copy_to_database_url="mysql://host/db")
    assert line.startswith("satchel: SATCHEL_COPY_TO_DATABASE_URL: ")
    line = await refused(run, copy_to_storage_url="s3+http://host/bucket")
    assert line.startswith("satchel: SATCHEL_COPY_TO_S3_ACCESS_KEY: ")


@embedded_to_scaled
async def test_a_target_that_does_not_let_us_in_is_named(run, pair):
    """A wrong key, or a database that is not there."""
    await fill(pair[0])
    line = await refused(run, copy_to_s3_secret_key="wrong")
    assert line.startswith("satchel: cannot start: the target: ")
    assert "SATCHEL_COPY_TO_S3_SECRET_KEY" in line
    line = await refused(run, copy_to_database_url=f"{pair[1]['database_url']}_not")
    assert line.startswith("satchel: cannot start: the target: ")
    assert "SATCHEL_COPY_TO_DATABASE_URL" in line


async def test_help_says_what_may_be_served(run):
    """And where the settings of the target come from."""
    code, out, _ = await run("--help", columns="80")
    assert code == 0
    for words in ("SATCHEL_COPY_TO_", "must not be served meanwhile", "Run it again"):
        assert words in out
