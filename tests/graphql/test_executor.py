"""What many subscribers ask of one event: found out once, for all who ask the same."""

import asyncio
from datetime import UTC, datetime

import pytest
from graphql import map_source_to_response_event, parse

from satchel.graphql.executor import KEPT, SharingExecutor
from satchel.graphql.operation import MAX_REMEMBERED
from satchel.graphql.schema import core_schema
from satchel.graphql.types import File, FileEvent, FileEventKind
from satchel.metadata import FileKind
from stacks import one_is_enough

pytestmark = one_is_enough

FOLLOW = """subscription ($after: String, $counted: Boolean = true) {
    fileEvents(after: $after) { cursor file { id copies @include(if: $counted) } }
}"""


class Counting:
    """A context that counts how often it is asked for copies, answers when it may, and may fail."""

    def __init__(self):
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault = None
        self.copies = self

    async def load(self, _):
        self.asked += 1
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return self.asked


@pytest.fixture
def context():
    return Counting()


@pytest.fixture
def event():
    file = File(
        id="1",
        filename="a.txt",
        size=1,
        content_type="text/plain",
        kind=FileKind.TEXT,
        hash="abc",
        upload_date=datetime.now(UTC),
        object_name="o",
        preview_url=None,
        download_url="/files/1/download",
    )
    return FileEvent(cursor="c", kind=FileEventKind.UPLOADED, file_id="1", file=file)


def asking(context, *events, query=FOLLOW, **variables):
    """What a subscriber is told of events."""

    async def source():
        for event in events:
            yield event

    executor = SharingExecutor.build(core_schema, parse(query), context_value=context, raw_variable_values=variables)
    return map_source_to_response_event(executor, source())


async def test_those_who_ask_the_same_share_an_answer(context, event):
    """Wherever each of them began."""
    told = [await anext(asking(context, event, after=after)) for after in (None, "a", "b")]
    assert [result.data["fileEvents"] for result in told] == 3 * [{"cursor": "c", "file": {"id": "1", "copies": 1}}]
    assert context.asked == 1


@pytest.mark.parametrize("other", [{"counted": False}, {"query": FOLLOW.replace("cursor", "c: cursor")}])
async def test_another_question_has_another_answer(context, event, other):
    """Another document or other variables of it."""
    first, second = await anext(asking(context, event)), await anext(asking(context, event, **other))
    assert first.data != second.data


async def test_whoever_asked_first_may_leave(context, event):
    """The answer comes to the others all the same."""
    context.gate.clear()
    first, second = (asyncio.create_task(anext(asking(context, event))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    context.gate.set()
    assert (await second).data["fileEvents"]["file"] == {"id": "1", "copies": 1}
    assert first.cancelled()


async def test_a_failure_is_not_shared(context, event):
    """It names the request that met it, and may have passed for the next."""
    context.fault = RuntimeError()
    first, second = await anext(asking(context, event)), await anext(asking(context, event))
    assert first.errors[0] is not second.errors[0]
    context.fault = None
    assert not (await anext(asking(context, event))).errors


async def test_a_long_document_is_answered_alone(context, event):
    """Few clients send the same, and to keep it would take memory."""
    long = f"{FOLLOW} # {'a' * MAX_REMEMBERED}"
    for _ in range(2):
        await anext(asking(context, event, query=long))
    assert context.asked == 2


async def test_few_answers_are_kept(context):
    """Those of the newest events."""
    events = [FileEvent.ready(str(number)) for number in range(2 * KEPT)]
    told = [result.data["fileEvents"]["cursor"] async for result in asking(context, *events)]
    assert told == [event.cursor for event in events]
    assert len(SharingExecutor._answers._kept) <= KEPT
