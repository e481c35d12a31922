"""One copy from stack to stack, in this process; `test_copy_command.py` runs the command."""

import asyncio
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from contents import all_files, apart_from_place, content, upload

from kept import kept_by
from satchel import copier
from satchel.app import opened
from satchel.config import Settings
from satchel.copier import Copier, Progress, Tally
from satchel.errors import CannotStart, Code, SatchelError
from satchel.metadata import EventKind, FileFilter, FileOrder, Metadata

SECONDS = 60  # a bound for each wait; nothing is measured by it
NOW = timedelta(microseconds=1)

every_pair = pytest.mark.parametrize(
    "kinds",
    [("embedded", "embedded"), ("embedded", "scaled"), ("scaled", "embedded"), ("scaled", "scaled")],
    ids="-to-".join,
    indirect=True,
)

every_kind = pytest.mark.parametrize(
    "kinds", [("embedded", "embedded"), ("scaled", "embedded")], ids=["embedded", "scaled"], indirect=True
)

NAMES = ["plain.txt", "naïve café.pdf", "文件 10.png", "ملف.zip", "🦊.mp4", "a" * 200 + ".bin", "no extension"]


@pytest.fixture
async def source(pair, chosen):
    """The source, opened."""
    async with opened(Settings(_env_file=None, **pair[0], **chosen)) as stack:
        yield stack


@pytest.fixture
async def target(pair, chosen):
    """The target, opened."""
    async with opened(Settings(_env_file=None, **pair[1], **chosen)) as stack:
        yield stack


@pytest.fixture
def kept(pair, target):
    """What the target keeps, seen from outside."""
    return kept_by(pair[1])


@pytest.fixture
def damage(pair, source):
    """The source's store, to be damaged."""
    return kept_by(pair[0]).store


@pytest.fixture
def copy(source, target):
    """Copies, and gives what came of it, with the lines that were said."""

    async def copy():
        lines = []
        one = Copier(source.metadata, source.blobs, target.metadata, target.files, lines.append)
        async with asyncio.timeout(SECONDS):
            return await one.run(), lines

    return copy


@pytest.fixture
def without_patience(monkeypatch):
    """What may pass is tried again at once."""
    monkeypatch.setattr(copier, "PATIENCE", (0.0, 0.0, 0.0))


async def sweep(stack):
    """Remove all that was given up by now."""
    await asyncio.sleep(0.005)  # the database's clock ticks in milliseconds
    await stack.sweeper.sweep()


# Everything


@every_pair
async def test_everything_is_copied(source, target, copy, kept):
    """Ids, names, types, kinds, dates and bytes are those of the source; identical bytes are stored once."""
    large = bytes(range(256)) * 50_000
    originals = {(await upload(source, name, f"data of {name}".encode())).id for name in NAMES}
    originals |= {(await upload(source, name, b"the same")).id for name in ("one.txt", "two.txt", "three.txt")}
    originals |= {(await upload(source, "empty", b"")).id, (await upload(source, "large.bin", large)).id}
    tally, lines = await copy()
    assert (tally.copied, tally.blobs, tally.done, tally.total, lines) == (12, 10, 12, 12, [])
    assert tally.complete

    there, here = await all_files(source), await all_files(target)
    assert set(here) == originals
    assert apart_from_place(here) == apart_from_place(there)
    for file_id, record in here.items():
        assert await content(target, record) == await content(source, there[file_id])
    assert await target.metadata.usage() == await source.metadata.usage()
    found = await target.metadata.list_files(10, None, FileFilter(search="文件"), FileOrder.FILENAME_ASC)
    assert [record.filename for record in found.records] == ["文件 10.png"]
    assert kept.is_clean()
    assert len(kept.objects()) == 10


@every_pair
async def test_copying_again_takes_only_what_is_new(source, target, copy, kept):
    """What the target has is left alone, without a look at its bytes; a new name is taken over."""
    first, second = await upload(source, "first"), await upload(source, "second", b"other data")
    await copy()
    before = kept.objects()

    third = await upload(source, "third", b"more data")
    await source.files.rename(str(second.id), "renamed")
    await source.files.delete(str(first.id))
    tally, lines = await copy()
    assert (tally.copied, tally.present, tally.renamed, tally.blobs, tally.complete) == (1, 0, 1, 1, True)
    assert lines == []
    assert {record.filename for record in (await all_files(target)).values()} == {"first", "renamed", "third"}
    assert len(kept.objects() - before) == 1
    assert third.id in await all_files(target)

    tally, _ = await copy()
    assert (tally.copied, tally.present, tally.blobs, tally.size) == (0, 2, 0, 0)


async def test_more_files_than_a_page_are_all_copied(source, target, copy, monkeypatch):
    """Bytes that come up again on a later page are still sent once."""
    monkeypatch.setattr(copier, "PAGE", 3)
    for number in range(20):
        await upload(source, f"{number}", b"x" * (number % 5))
    tally, _ = await copy()
    assert (tally.copied, tally.blobs, tally.total) == (20, 5, 20)
    assert apart_from_place(await all_files(target)) == apart_from_place(await all_files(source))


async def test_nothing_is_copied_from_an_empty_source(copy, kept):
    """There is nothing to do, and that is no failure."""
    tally, lines = await copy()
    assert (tally, lines) == (Tally(), [])
    assert kept.is_empty()


async def test_bytes_that_the_target_has_are_not_sent(source, target, copy, kept):
    """Files of the target's own stay, and share their bytes with those that come."""
    own = await upload(target, "own.txt", b"shared")
    theirs = await upload(source, "theirs.txt", b"shared")
    tally, _ = await copy()
    assert (tally.copied, tally.blobs) == (1, 0)
    assert set(await all_files(target)) == {own.id, theirs.id}
    assert kept.objects() == {own.object_name}


async def test_idempotency_keys_go_along(source, target, copy):
    """A client that sends its upload again, now to the target, gets the file of then; for no longer than before."""
    record = await upload(source, "a.txt", b"data", key="once")
    await copy()
    assert (await upload(target, "a.txt", b"data", key="once")).id == record.id
    with pytest.raises(SatchelError) as raised:
        await upload(target, "b.txt", b"data", key="once")
    assert raised.value.code is Code.IDEMPOTENCY_CONFLICT
    [there], [here] = [await stack.metadata.list_idempotency_keys("", 10) for stack in (source, target)]
    assert here == there


async def test_windows_that_look_at_the_target_see_the_files_come(source, target, copy):
    """Each file is an event of the target's, in the order of the upload dates where nothing hinders it."""
    record = await upload(source)
    head = await target.events.head()
    await copy()
    [event] = await target.metadata.events_after(head, 10)
    assert (event.kind, event.record.id, event.record.upload_date) == (
        EventKind.UPLOADED,
        record.id,
        record.upload_date,
    )
    assert event.record.object_name == (await all_files(target))[record.id].object_name


async def test_a_cursor_of_the_source_has_expired_at_the_target(source, target, copy):
    """A client that followed the source is told to load its list again."""
    await upload(source)
    await copy()
    with pytest.raises(SatchelError) as raised:
        await target.events.resume(source.events.cursor(await source.events.head()))
    assert raised.value.code is Code.CURSOR_EXPIRED


# What cannot be copied


@every_pair
async def test_damaged_bytes_cost_their_own_files_only(source, target, copy, kept, damage):
    """One line tells each blob that is not what the record says; the others arrive, and nothing else is left."""
    good = [await upload(source, f"good {number}", f"good {number}".encode()) for number in range(5)]
    for name, data in (("missing", b"gone"), ("short", b"too short"), ("twice", b"the same"), ("again", b"the same")):
        await upload(source, name, data)
    records = {record.filename: record for record in (await all_files(source)).values()}
    for name in ("missing", "twice"):
        damage.remove(records[name].object_name)
    damage.truncate(records["short"].object_name, 3)
    tally, lines = await copy()
    assert (tally.copied, tally.failed, tally.done, tally.complete) == (5, 4, 9, False)
    assert len(lines) == 3
    assert all(line.startswith("failed: ") and "missing or damaged" in line for line in lines)
    assert [line for line in lines if str(records["short"].id) in line and "'short'" in line]
    assert [line for line in lines if "and 1 more with the same bytes" in line]
    assert set(await all_files(target)) == {record.id for record in good}
    await sweep(target)
    assert kept.is_clean()


async def test_bytes_that_changed_on_the_disk_are_found_out(source, target, copy, kept, pair):
    """A blob of the right size with one wrong bit is not copied."""
    bad, good = await upload(source, "bad", b"x" * 3_000_000), await upload(source, "good", b"good")
    with (pair[0]["data_dir"] / "objects" / bad.object_name).open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"y")
    tally, [line] = await copy()
    assert (tally.copied, tally.failed, tally.size) == (1, 1, 4)
    assert str(bad.id) in line
    assert "hash to" in line
    assert set(await all_files(target)) == {good.id}
    await sweep(target)
    assert kept.is_clean()

    tally, _ = await copy()
    assert (tally.present, tally.failed) == (1, 1)


async def test_another_file_with_the_same_id_is_a_conflict(source, target, copy):
    """The target keeps its file, and the others arrive."""
    one, two = await upload(source, "one", b"one"), await upload(source, "two", b"two")
    async with target.files.intake() as intake:
        other = await intake.start("other", None)
        await other.write(memoryview(b"other"))
        await other.finish()
        await target.files.adopt([replace(one, sha256=other.sha256, size=other.size)], [other])
    tally, [line] = await copy()
    assert (tally.copied, tally.conflicts, tally.complete) == (1, 1, False)
    assert line.startswith("conflict: ")
    assert str(one.id) in line
    files = await all_files(target)
    assert await content(target, files[one.id]) == b"other"
    assert await content(target, files[two.id]) == b"two"


@pytest.mark.settings(delete_grace=NOW)
async def test_what_is_deleted_while_it_is_copied_is_no_failure(source, target, copy, kept, monkeypatch):
    """A source that is served may lose files, and their bytes, after they were listed."""
    kept_file, lost = await upload(source, "kept", b"kept"), await upload(source, "lost", b"lost")
    read = source.blobs.read

    async def deleted_first(name, *args):
        if name == lost.object_name and await source.metadata.file(lost.id):
            await source.files.delete(str(lost.id))
            await sweep(source)
        return await read(name, *args)

    monkeypatch.setattr(source.blobs, "read", deleted_first)
    tally, lines = await copy()
    assert (tally.copied, tally.failed, tally.total, lines) == (1, 0, 1, [])
    assert set(await all_files(target)) == {kept_file.id}
    await sweep(target)
    assert kept.is_clean()


@every_kind
async def test_one_database_under_two_names_is_refused(source, pair):
    """Whatever it is called, a database is not copied into itself; a clone of one is another."""
    again = Metadata(source.settings.database)
    await again.open()
    try:
        with pytest.raises(CannotStart, match="the target's database is the source's"):
            await Copier(source.metadata, source.blobs, again, source.files, print).run()
    finally:
        await again.close()
    assert kept_by(pair[0]).is_empty()


# What fails on the way


@pytest.mark.settings(upload_lease="1s")
async def test_a_full_target_stops_the_copy_and_the_next_one_goes_on(source, target, copy, kept, monkeypatch):
    """What was copied stays, and is not sent again."""
    monkeypatch.setattr(copier, "BATCH_BLOBS", 1)
    for number in range(10):
        await upload(source, f"{number}", b"x" * number)
    create = target.blobs.create

    async def full(name):
        if len(await all_files(target)) >= 3:
            raise SatchelError(Code.INSUFFICIENT_STORAGE, "There is no room left.")
        return await create(name)

    with monkeypatch.context() as patch:
        patch.setattr(target.blobs, "create", full)
        with pytest.raises(SatchelError) as raised:
            await copy()
    assert raised.value.code is Code.INSUFFICIENT_STORAGE
    arrived = len(await all_files(target))
    assert 3 <= arrived < 10

    tally, _ = await copy()
    assert (tally.present, tally.copied, tally.blobs) == (arrived, 10 - arrived, 10 - arrived)
    assert apart_from_place(await all_files(target)) == apart_from_place(await all_files(source))
    async with asyncio.timeout(SECONDS):
        while not kept.is_clean():  # a lease may have to run out first
            await sweep(target)


@pytest.mark.usefixtures("without_patience")
async def test_a_store_that_fails_for_a_moment_is_asked_again(source, target, copy, kept, monkeypatch):
    """The blob is sent once more, from its start."""
    record = await upload(source, "a", b"x" * 3_000_000)
    read, failures = source.blobs.read, iter([0, 1, 2])

    async def unsteady(*args):
        reader = await read(*args)
        if next(failures, None) is not None:
            reader._stop -= 1_000_000
            return Ending(reader)
        return reader

    monkeypatch.setattr(source.blobs, "read", unsteady)
    tally, lines = await copy()
    assert (tally.copied, tally.blobs, tally.size, lines) == (1, 1, 3_000_000, [])
    assert await content(target, (await all_files(target))[record.id]) == b"x" * 3_000_000
    await sweep(target)
    assert kept.is_clean()


class Ending:
    """A reader that fails at its end."""

    def __init__(self, reader):
        self._reader = reader

    async def __aiter__(self):
        async for chunk in self._reader:
            yield chunk
        raise SatchelError(Code.STORE_UNAVAILABLE, "The blob store failed; try again later.")

    async def aclose(self):
        await self._reader.aclose()


@pytest.mark.usefixtures("without_patience")
async def test_one_blob_that_cannot_be_read_does_not_stop_the_others(source, target, copy, kept, monkeypatch):
    """A bad sector fails as a store that does not answer; but the store does answer, so it is this blob's fault."""
    bad, good = await upload(source, "bad", b"bad"), await upload(source, "good", b"good")
    read = source.blobs.read

    async def unreadable(name, *args):
        reader = await read(name, *args)
        return Ending(reader) if name == bad.object_name else reader

    monkeypatch.setattr(source.blobs, "read", unreadable)
    tally, [line] = await copy()
    assert (tally.copied, tally.failed) == (1, 1)
    assert str(bad.id) in line
    assert set(await all_files(target)) == {good.id}
    await sweep(target)
    assert kept.is_clean()


@pytest.mark.usefixtures("without_patience")
async def test_a_side_that_does_not_answer_any_more_stops_the_copy(source, copy, kept, monkeypatch):
    """Not one blob after the other is given up, but the copy, with the reason."""
    for number in range(10):
        await upload(source, f"{number}", b"x" * number)

    async def away(*_):
        raise SatchelError(Code.STORE_UNAVAILABLE, "The blob store failed; try again later.")

    for method in ("read", "ping"):
        monkeypatch.setattr(source.blobs, method, away)
    with pytest.raises(SatchelError) as raised:
        await copy()
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert kept.is_empty()


@pytest.mark.usefixtures("without_patience")
async def test_an_upload_that_was_reclaimed_is_sent_again(source, target, copy, kept, monkeypatch):
    """A machine that slept for longer than the lease finds its bytes swept, and sends them anew."""
    record = await upload(source, "a", b"data")
    read, reclaimed = source.blobs.read, iter([0])

    async def slept(*args):
        reader = await read(*args)
        if next(reclaimed, None) is not None:
            return Reclaiming(reader, target)
        return reader

    monkeypatch.setattr(source.blobs, "read", slept)
    tally, lines = await copy()
    assert (tally.copied, tally.blobs, lines) == (1, 1, [])
    assert await content(target, (await all_files(target))[record.id]) == b"data"
    await sweep(target)
    assert kept.is_clean()


class Reclaiming(Ending):
    """A reader at whose end the target's sweeper has taken every upload."""

    def __init__(self, reader, target):
        super().__init__(reader)
        self._target = target

    async def __aiter__(self):
        async for chunk in self._reader:
            yield chunk
        for upload_id in list(self._target.files.uploads._leased):
            await self._target.metadata.abandon_upload(upload_id)
        await self._target.sweeper.sweep()


async def test_two_copies_at_once_end_with_the_same(source, target, kept):
    """Each file is there once, whichever brought it."""
    for number in range(30):
        await upload(source, f"{number}", b"x" * (number % 20))
    copiers = [Copier(source.metadata, source.blobs, target.metadata, target.files, print) for _ in range(2)]
    async with asyncio.timeout(SECONDS):
        tallies = await asyncio.gather(*(one.run() for one in copiers))
    assert sum(tally.copied for tally in tallies) == 30
    assert all(tally.complete and tally.done == 30 for tally in tallies)
    assert apart_from_place(await all_files(target)) == apart_from_place(await all_files(source))
    await sweep(target)
    assert kept.is_clean()


async def test_a_cancelled_copy_leaves_nothing_behind(source, target, kept, monkeypatch):
    """Ctrl-C in the middle of a blob ends its upload."""
    await upload(source, "a", b"x" * 3_000_000)
    reading = asyncio.Event()
    read = source.blobs.read

    async def endless(*args):
        return Endless(await read(*args), reading)

    monkeypatch.setattr(source.blobs, "read", endless)
    task = asyncio.create_task(Copier(source.metadata, source.blobs, target.metadata, target.files, print).run())
    async with asyncio.timeout(SECONDS):
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await sweep(target)
    assert kept.is_empty()


class Endless(Ending):
    """A reader that never comes to its end."""

    def __init__(self, reader, reading):
        super().__init__(reader)
        self._reading = reading

    async def __aiter__(self):
        async for chunk in self._reader:
            yield chunk
            self._reading.set()
            await asyncio.Event().wait()


# Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


async def test_progress_is_one_line_on_a_terminal(monkeypatch):
    """It is written over in place, never wider than the terminal, and gone at the end; other lines stay."""
    monkeypatch.setenv("COLUMNS", "30")
    out, tally = Terminal(), Tally(total=1_000_000, copied=1234, failed=1, read=5 * 1024**3)
    progress = Progress(out)
    async with progress.watching(tally):
        await asyncio.sleep(0)
        progress.say("failed: something")
    assert out.getvalue() == "\r\x1b[K1,235 of 1,000,000 files, 5.0\r\x1b[Kfailed: something\n\r\x1b[K"


async def test_progress_is_plain_lines_elsewhere():
    """A log gets whole lines without control characters."""
    out = io.StringIO()
    async with Progress(out).watching(Tally(total=10, copied=2, present=1, failed=1, read=2000)):
        await asyncio.sleep(0)
    assert out.getvalue() == "4 of 10 files, 2.0 KiB read, 0 bytes/s, 1 failed\n"
