"""Random lives of a service against a model of what it should hold."""

import asyncio
import hashlib
import itertools
import shutil
import tempfile
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from kept import kept_by
from satchel.app import opened
from satchel.config import Settings
from satchel.errors import Code, SatchelError
from satchel.metadata import EventKind, FileFilter, FileOrder, Position

NOW = timedelta(microseconds=1)
contents = st.sampled_from([b"", b"a", b"same bytes", b"x" * 5000, b"\x89PNG\r\n\x1a\n"])
filenames = st.sampled_from(["a.txt", "A.txt", "img2.png", "img10.png", "日本語", "straße", "10%"])


class Life(RuleBasedStateMachine):
    """A service that is used, crashed and started again; all its times are over at once."""

    files = Bundle("files")
    staged = Bundle("staged")

    def __init__(self, places):
        super().__init__()
        self.places = places

    @initialize()
    def start(self):
        self.loop = asyncio.new_event_loop()
        self.path = Path(tempfile.mkdtemp())
        self.place = AsyncExitStack()
        data_dir = self.path / "data"
        place = {"data_dir": data_dir, **self.run(self.place.enter_async_context(self.places.new(data_dir)))}
        self.settings = Settings(**{"_env_file": None, **place, "delete_grace": NOW, "upload_lease": NOW})
        self.kept = kept_by(place)
        self.model = {}  # id: (filename, bytes)
        self.events = []  # (kind, id, filename)
        self.keys = {}  # idempotency key: (filename, bytes, id)
        self.counter = itertools.count()
        self.generation = 0
        self.open()

    def run(self, coroutine):
        async def bounded():
            async with asyncio.timeout(30):
                return await coroutine

        return self.loop.run_until_complete(bounded())

    def open(self):
        self.exits = AsyncExitStack()
        self.stack = self.run(self.exits.enter_async_context(opened(self.settings)))
        self.generation += 1

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        self.run(self.exits.aclose())
        self.run(self.place.aclose())
        self.loop.close()
        shutil.rmtree(self.path)

    async def _stage(self, filename, content):
        upload = await self.stack.files.uploads.begin(filename, None)
        for at in range(0, len(content), 1000):
            await upload.write(memoryview(content[at : at + 1000]))
        await upload.finish()
        return upload

    def _published(self, published, filename, content):
        file_id = str(published.record.id)
        assert published.deduplicated == (content in [held for _, held in self.model.values()])
        self.model[file_id] = (filename, content)
        self.events.append((EventKind.UPLOADED, file_id, filename))
        return file_id

    def fails(self, code, coroutine):
        with pytest.raises(SatchelError) as raised:
            self.run(coroutine)
        assert raised.value.code is code

    # What people do

    @rule(target=files, filename=filenames, content=contents)
    def upload(self, filename, content):
        upload = self.run(self._stage(filename, content))
        return self._published(self.run(self.stack.files.publish(upload)), filename, content)

    @rule(target=files, uploads=st.lists(st.tuples(filenames, contents), min_size=1, max_size=3))
    def upload_several(self, uploads):
        staged = [self.run(self._stage(*one)) for one in uploads]
        published = self.run(self.stack.files.publish_all(staged))
        return multiple(*(self._published(result, *one) for result, one in zip(published, uploads, strict=True)))

    @rule(target=files, filename=filenames, content=contents)
    def use_one_upload_twice(self, filename, content):
        upload = self.run(self._stage(filename, content))
        published = self.run(self.stack.files.publish_all([upload, upload]))
        return multiple(*(self._published(result, filename, content) for result in published))

    @rule(target=files, filename=filenames, content=contents, key=st.sampled_from(["k1", "k2"]))
    def upload_under_a_key(self, filename, content, key):
        upload = self.run(self._stage(filename, content))
        publishing = self.stack.files.publish(upload, idempotency_key=key)
        if key not in self.keys:
            file_id = self._published(self.run(publishing), filename, content)
            self.keys[key] = (filename, content, file_id)
            return file_id
        first_name, first_content, file_id = self.keys[key]
        if (filename, content) != (first_name, first_content):
            self.fails(Code.IDEMPOTENCY_CONFLICT, publishing)
        elif file_id not in self.model:
            self.fails(Code.NOT_FOUND, publishing)
        else:
            assert str(self.run(publishing).record.id) == file_id
            return multiple()
        self.run(self.stack.files.uploads.discard([upload]))
        return multiple()

    @rule(file_id=files, filename=filenames)
    def rename(self, file_id, filename):
        if file_id not in self.model:
            self.fails(Code.NOT_FOUND, self.stack.files.rename(file_id, filename))
            return
        self.run(self.stack.files.rename(file_id, filename))
        old, content = self.model[file_id]
        self.model[file_id] = (filename, content)
        if old != filename:
            self.events.append((EventKind.RENAMED, file_id, filename))

    @rule(file_id=consumes(files))
    def delete(self, file_id):
        if file_id not in self.model:
            self.fails(Code.NOT_FOUND, self.stack.files.delete(file_id))
            return
        self.run(self.stack.files.delete(file_id))
        self._deleted(file_id)

    @rule(file_ids=st.lists(files, max_size=4))
    def delete_several(self, file_ids):
        deleted, missing = self.run(self.stack.files.delete_all([*file_ids, "no id"]))
        there = [file_id for file_id in dict.fromkeys(file_ids) if file_id in self.model]
        assert [str(record.id) for record in deleted] == there
        assert missing == [*(file_id for file_id in dict.fromkeys(file_ids) if file_id not in there), "no id"]
        for file_id in there:
            self._deleted(file_id)

    def _deleted(self, file_id):
        filename, _ = self.model.pop(file_id)
        self.events.append((EventKind.DELETED, file_id, filename))

    # Uploads that take their time

    @rule(target=staged, filename=filenames, content=contents)
    def stage(self, filename, content):
        return self.generation, self.run(self._stage(filename, content)), filename, content

    @rule(target=files, one=consumes(staged))
    def publish(self, one):
        generation, upload, filename, content = one
        if generation != self.generation:
            return multiple()  # its process is gone
        if self.kept.query(f"SELECT 1 FROM uploads WHERE id = '{upload.id.hex}'"):
            return self._published(self.run(self.stack.files.publish(upload)), filename, content)
        self.fails(Code.LEASE_LOST, self.stack.files.publish(upload))
        return multiple()

    @rule(one=consumes(staged))
    def give_up(self, one):
        generation, upload, *_ = one
        if generation == self.generation:
            self.run(self.stack.files.uploads.discard([upload]))

    @rule(content=contents)
    def break_off(self, content):
        async def write_a_part():
            async with self.stack.files.intake() as intake:
                upload = await intake.start("part", None)
                await upload.write(memoryview(content))

        self.run(write_a_part())

    # What befalls the service

    @rule()
    def sweep(self):
        self.run(asyncio.sleep(0.005))  # the database's clock ticks in milliseconds
        self.run(self.stack.sweeper.sweep())
        assert self.kept.is_clean()
        assert self.kept.count("garbage") == 0

    @rule(content=contents)
    def crash(self, content):
        upload = self.run(self.stack.files.uploads.begin("crashed", None))
        self.run(upload.write(memoryview(content)))  # and nobody ends it
        self.run(self.exits.aclose())
        self.open()

    # What always holds

    @invariant()
    def the_listing_is_the_model(self):
        page = self.run(
            self.stack.files.find(first=500, after=None, where=FileFilter(), order=FileOrder.UPLOAD_DATE_ASC)
        )
        assert {str(record.id): record.filename for record in page.records} == {
            file_id: filename for file_id, (filename, _) in self.model.items()
        }

    @invariant()
    def every_file_has_its_bytes(self):
        async def read(record):
            reader = await self.stack.files.read(record, 0, record.size)
            try:
                return b"".join([chunk async for chunk in reader])
            finally:
                await reader.aclose()

        for file_id, (_, content) in self.model.items():
            record = self.run(self.stack.files.get(file_id))
            assert record.sha256 == hashlib.sha256(content).hexdigest()
            assert self.run(read(record)) == content

    @invariant()
    def identical_bytes_are_kept_once(self):
        usage = self.run(self.stack.files.usage())
        held = [content for _, content in self.model.values()]
        assert (usage.files, usage.blobs) == (len(held), len(set(held)))
        assert usage.logical_bytes == sum(map(len, held))
        assert usage.stored_bytes == sum(map(len, set(held)))

    @invariant()
    def every_object_is_known(self):
        known = [
            {name for (name,) in self.kept.query(f"SELECT object_name FROM {table}")}
            for table in ("blobs", "uploads", "garbage")
        ]
        assert sum(map(len, known)) == len(set().union(*known))
        assert self.kept.blobs() <= self.kept.objects() <= set().union(*known)

    @invariant()
    def every_change_is_an_event(self):
        events = self.run(self.stack.metadata.events_after(Position(0, 0), 10_000))
        assert [(event.kind, str(event.record.id), event.record.filename) for event in events] == self.events


@pytest.mark.timeout(600)  # to find the shortest life that fails takes a while
def test_no_life_whatever_breaks_a_promise(places, stack_kind):
    """Files, bytes, events and what is kept agree with the model after every step of random lives."""
    run_state_machine_as_test(
        lambda: Life(places),
        settings=examples(
            max_examples={"embedded": 12, "scaled": 4}[stack_kind],  # a step takes several times as long there
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
