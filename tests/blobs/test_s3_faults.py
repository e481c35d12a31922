"""The S3 store on a line and a server that fail: what is tried again, what is given up, and what is left behind."""

import asyncio
import random
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path

import pytest
import uvloop
from aiohttp import ClientConnectionResetError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from multidict import CIMultiDict
from stored import SHARE, code_of, either_way, get, put
from structlog.testing import capture_logs

from satchel.blobs import new_object_name
from satchel.blobs.s3.bucket import PAUSES
from satchel.blobs.s3.wire import Body
from satchel.blobs.s3.writer import MIB, MIN_PART
from satchel.errors import Code, SatchelError
from unreliable import (
    UnreliableProxy,
    answering,
    any_request,
    cutting_the_answer,
    held,
    losing_the_answer,
    redirecting,
    refusing,
    resetting,
    stopping_the_answer,
)

TRIES = 1 + len(PAUSES)
PATIENCE = 60


def is_whole(request):
    """A PUT without parts."""
    return request.method == "PUT" and not request.is_part


def is_part(request):
    """A PUT of a part."""
    return request.is_part


def is_begin(request):
    """The beginning of an upload in parts."""
    return request.is_begin


def is_complete(request):
    """Its end."""
    return request.is_complete


def is_get(request):
    """A download."""
    return request.method == "GET" and "uploads" not in request.query


def is_head(request):
    """A look at the size."""
    return request.method == "HEAD"


def is_delete(request):
    """A removal."""
    return request.method == "DELETE"


@pytest.fixture
def remains(seaweed, bucket):
    """Whether the store holds anything of an object."""

    async def look(name):
        return name in await seaweed.objects(bucket) or name in await seaweed.multiparts(bucket)

    return look


async def upload(store, data):
    """Write an object as an upload does: committed, or given up after a failure. Its name."""
    name, rest = new_object_name(), memoryview(data)
    writer, running, written = await store.create(name), set(), []
    try:
        while rest:
            step = writer.step(SHARE)
            running.add(asyncio.create_task(writer.write(rest[:step])))
            rest = rest[step:]
            if len(running) == writer.parallel:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                written += done
        await asyncio.gather(*written, *running)
        await writer.commit()
    except BaseException:
        for task in running:
            task.cancel()
        await asyncio.gather(*written, *running, return_exceptions=True)
        await writer.abort()
        raise
    return name


async def eventually(condition):
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in the proxy
            await asyncio.sleep(0.01)


# What passes


@pytest.mark.parametrize("fault", [answering(500, "InternalError"), answering(503, "SlowDown"), answering(502),
                                   answering(429), refusing(503, "SlowDown"), resetting(0), resetting(2 * MIB),
                                   losing_the_answer()])  # fmt: skip
@pytest.mark.parametrize("which", [is_whole, is_part])
async def test_bytes_are_sent_again(faulty, proxy, which, fault):
    """A busy server, a broken connection and a lost answer cost time, and nothing else."""
    data = random.Random(1).randbytes(100_000 if which is is_whole else 2 * MIN_PART + 100_000)
    proxy.plant(which, fault, times=2)
    name = await upload(faulty, data)
    assert proxy.count(which) == (3 if which is is_whole else 5)
    assert await get(faulty, name, len(data)) == data


@pytest.mark.parametrize("which", [is_begin, is_complete, is_head])
@pytest.mark.parametrize("fault", [answering(500), answering(503, "SlowDown"), resetting(0)])
async def test_calls_are_made_again(faulty, proxy, which, fault):
    """The steps around the bytes are repeated too."""
    data = random.Random(2).randbytes(MIN_PART + 1)
    proxy.plant(which, fault, times=2)
    name = await upload(faulty, data)
    assert await get(faulty, name, len(data)) == data


@pytest.mark.parametrize("fault", [losing_the_answer(), cutting_the_answer(0)])
async def test_a_beginning_that_nobody_heard_of_is_taken_back(faulty, proxy, seaweed, bucket, fault):
    """An upload that was begun twice leaves nothing of the first time, whose id was lost with the answer."""
    data = random.Random(3).randbytes(MIN_PART + 1)
    proxy.plant(is_begin, fault, times=2)
    name = await upload(faulty, data)
    assert proxy.count(is_begin) == 3
    assert name not in await seaweed.multiparts(bucket)
    assert await get(faulty, name, len(data)) == data


@pytest.mark.parametrize("fault", [answering(500), answering(503, "SlowDown"), resetting(0), cutting_the_answer(0)])
async def test_a_download_is_asked_for_again(faulty, proxy, fault):
    """A download that did not begin begins a little later."""
    name = await put(faulty, b"data")
    proxy.plant(is_get, fault, times=2)
    assert await get(faulty, name, 4) == b"data"


@pytest.mark.parametrize("which", [is_whole, is_begin, is_part, is_complete, is_head])
async def test_a_store_that_stays_away_is_unavailable(faulty, proxy, remains, which):
    """After some tries the failure is told, in the table's words, and nothing is left in the store."""
    proxy.plant(which, answering(503, "SlowDown"))
    with pytest.raises(SatchelError, match=r"^[^/]*$") as raised:
        await upload(faulty, b"x" * (100 if which is is_whole else MIN_PART + 1))
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert "planted" not in raised.value.detail
    assert proxy.count(which) <= 2 * TRIES if which is is_part else TRIES
    assert not any(await asyncio.gather(*(remains(name) for name in _names(proxy))))


def _name(request):
    """The object that a request is about."""
    return request.path.split("/", 2)[2]


def _names(proxy):
    """The objects that requests were about."""
    return {_name(request) for request in proxy.seen if request.path.count("/") > 1}


@pytest.mark.parametrize("which", [is_whole, is_begin, is_part, is_complete])
@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_refusal_is_final(faulty, proxy, remains, which, status):
    """What the store does not want will not be wanted later."""
    proxy.plant(which, answering(status, "AccessDenied"))
    assert await code_of(upload(faulty, b"x" * (100 if which is is_whole else MIN_PART))) is Code.STORE_UNAVAILABLE
    assert proxy.count(which) == 1
    assert not any(await asyncio.gather(*(remains(name) for name in _names(proxy))))


@pytest.mark.parametrize(("status", "code"), [(507, "XMinioStorageFull"), (400, "XMinioAdminBucketQuotaExceeded")])
@pytest.mark.parametrize("which", [is_whole, is_part])
async def test_a_full_store_says_so(faulty, proxy, which, status, code):
    """No room is a failure of its own, and asking again would not make any."""
    proxy.plant(which, answering(status, code))
    size = 100 if which is is_whole else MIN_PART
    assert await code_of(upload(faulty, b"x" * size)) is Code.INSUFFICIENT_STORAGE
    assert proxy.count(which) == 1


@pytest.mark.parametrize("which", [is_whole, is_begin, is_part, is_complete, is_head, is_get, is_delete])
async def test_no_redirect_is_followed(faulty, proxy, seaweed, which):
    """Whoever answers in the store's place leads the server nowhere."""
    name = await put(faulty, b"data")
    size = MIN_PART if which in {is_begin, is_part, is_complete} else 100
    async with UnreliableProxy(seaweed.host, seaweed.port) as elsewhere:
        proxy.plant(which, redirecting(f"http://{elsewhere.host}:{elsewhere.port}"))
        attempts = {is_get: get(faulty, name, 4), is_delete: faulty.delete(name)}
        attempt = attempts.get(which) or upload(faulty, b"x" * size)
        assert await code_of(attempt) is Code.STORE_UNAVAILABLE
        assert elsewhere.seen == []
    for unused in attempts.values():
        unused.close()


async def test_a_request_that_took_too_long_is_made_again(faulty, proxy):
    """RequestTimeout is the one fault of the line that comes with a 400."""
    proxy.plant(is_whole, answering(400, "RequestTimeout"), times=1)
    assert await get(faulty, await put(faulty, b"data"), 4) == b"data"


async def test_no_signature_is_logged(faulty, proxy):
    """What stands in a signed address would let anyone who reads the log use it."""
    proxy.plant(is_whole, resetting(0))
    with capture_logs() as logs, pytest.raises(SatchelError):
        await upload(faulty, b"x" * 100_000)
    assert len([entry for entry in logs if "error" in entry]) >= TRIES
    assert "X-Amz" not in str(logs)
    assert "Signature" not in str(logs)


# Silence


@pytest.fixture
def impatient(monkeypatch):
    """Silence is told after a moment."""
    for silence in ("bucket.SILENCE", "tap.SILENCE"):
        monkeypatch.setattr(f"satchel.blobs.s3.{silence}", 2.0)
    monkeypatch.setattr("satchel.blobs.s3.bucket.PING_TIMEOUT", 2.0)


async def test_a_silent_store_is_asked_for_nothing_but_a_sign_of_life(impatient, faulty, proxy):
    """One request finds out; until the store answers again the others send it nothing, and fail without more tries."""
    name = await put(faulty, b"data")
    proxy.seen.clear()
    proxy.plant(any_request, held(asyncio.Event()))
    assert await code_of(get(faulty, name, 4)) is Code.STORE_UNAVAILABLE
    others = [get(faulty, name, 4), put(faulty, b"data"), put(faulty, bytes(MIN_PART)), faulty.delete(name)]
    assert await asyncio.gather(*(code_of(other) for other in others)) == [Code.STORE_UNAVAILABLE] * len(others)
    signs = [request for request in proxy.seen if request.method == "HEAD" and request.path.count("/") == 1]
    assert len(signs) == 1 + len(others)
    assert len(proxy.seen) == 1 + len(signs)
    proxy.heal()
    assert await get(faulty, name, 4) == b"data"
    proxy.seen.clear()
    await faulty.delete(name)
    assert not proxy.count(is_head)  # it was heard of


@either_way
async def test_a_store_that_falls_silent_in_a_download_is_not_asked_to_go_on(impatient, faulty, proxy, way):
    """The rest is asked for once the store gives a sign of life."""
    name = await put(faulty, b"x" * 2 * MIB)
    proxy.plant(is_get, stopping_the_answer(1000), times=1)
    proxy.plant(any_request, held(asyncio.Event()))
    reader = await faulty.read(name, 2 * MIB, 0, 2 * MIB)
    assert await code_of(_end(way(reader))) is Code.STORE_UNAVAILABLE
    assert proxy.count(is_get) == 1
    await reader.aclose()


async def _end(pieces):
    async for _ in pieces:
        pass


async def test_a_store_that_refuses_is_not_silent(impatient, faulty, proxy):
    """Whatever it answers, it is there, and is asked again."""
    proxy.plant(is_whole, held(asyncio.Event()), times=1)
    proxy.plant(is_whole, answering(503, "SlowDown"), times=2)
    assert await get(faulty, await put(faulty, b"data"), 4) == b"data"


# The end of an upload


async def test_a_failure_in_a_200_is_no_success(faulty, proxy, remains):
    """S3 may send the status before the work is done, and then tell of a failure in the body."""
    proxy.plant(is_complete, answering(200, "InternalError"))
    assert await code_of(upload(faulty, b"x" * MIN_PART)) is Code.STORE_UNAVAILABLE
    assert proxy.count(is_complete) == TRIES
    assert not any(await asyncio.gather(*(remains(name) for name in _names(proxy))))


async def test_a_failure_in_a_200_may_pass(faulty, proxy):
    """Such a failure is one of the server's, after which the parts are still there."""
    data = random.Random(4).randbytes(MIN_PART)
    proxy.plant(is_complete, answering(200, "InternalError"), times=2)
    assert await get(faulty, await upload(faulty, data), len(data)) == data


async def test_an_answer_that_is_no_xml_is_not_taken_for_success(faulty, proxy):
    """What cannot be read is not known, so the store is looked at."""
    data = random.Random(5).randbytes(MIN_PART)
    proxy.plant(is_complete, lambda exchange: exchange.answer(200, b"<half"), times=1)
    assert await get(faulty, await upload(faulty, data), len(data)) == data
    assert proxy.count(is_complete) == 2


async def test_what_is_completed_already_is_complete(faulty, proxy):
    """A store that has no such upload any more, because its answer got lost, is believed when it has the object."""
    data = random.Random(6).randbytes(2 * MIN_PART)

    async def complete_and_forget(exchange):
        await exchange.forward(answer=False)
        proxy.plant(is_complete, answering(404, "NoSuchUpload"))

    proxy.plant(is_complete, complete_and_forget, times=1)
    assert await get(faulty, await upload(faulty, data), len(data)) == data
    assert proxy.count(is_complete) == 2


async def test_what_the_store_did_not_complete_to_its_end_is_completed(faulty, proxy, seaweed, bucket):
    """A store may end between the object and the end of its upload in parts, which nobody would look for again."""
    data = random.Random(8).randbytes(2 * MIN_PART)

    async def end_half_way(exchange):
        async with seaweed.client() as client:
            await client.put_object(bucket, _name(exchange.request), BytesIO(data), len(data))
        exchange.reset()

    proxy.plant(is_complete, end_half_way, times=1)
    name = await upload(faulty, data)
    assert await get(faulty, name, len(data)) == data
    assert name not in await seaweed.multiparts(bucket)


@pytest.mark.parametrize("size", [100, MIN_PART + 100])
async def test_what_is_stored_is_counted(faulty, proxy, seaweed, bucket, size):
    """An object that is not of the size that was sent is damaged, and removed."""

    async def damage(exchange):
        async with seaweed.client() as client:
            await client.put_object(bucket, _name(exchange.request), BytesIO(b"other"), 5)
        await exchange.forward()

    proxy.plant(is_head, damage, times=1)
    assert await code_of(upload(faulty, b"x" * size)) is Code.STORE_INTEGRITY
    assert not _names(proxy) & set(await seaweed.objects(bucket))


async def test_an_object_that_vanished_is_damaged(faulty, proxy):
    """A store that confirmed an object and does not have it is not to be trusted with the next."""
    proxy.plant(is_head, answering(404))
    assert await code_of(upload(faulty, b"data")) is Code.STORE_INTEGRITY


# Giving up


@pytest.mark.parametrize("which", [is_whole, is_begin, is_part, is_complete, is_head])
async def test_a_cancelled_upload_leaves_nothing(faulty, proxy, remains, which):
    """At whatever request the client leaves: the upload is aborted, and what was stored is removed."""
    gate = asyncio.Event()
    proxy.plant(which, held(gate))
    uploading = asyncio.create_task(upload(faulty, b"x" * (100 if which is is_whole else 2 * MIN_PART)))
    await eventually(lambda: proxy.count(which))
    uploading.cancel()
    await asyncio.sleep(0)
    gate.set()  # the store has the request, and goes on with it
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert not any(await asyncio.gather(*(remains(name) for name in _names(proxy))))


async def test_an_abort_that_is_cancelled_goes_on(s3_at, proxy, bucket, remains):
    """Removing what was stored is not stopped half way, and the store waits for it when it closes."""
    gate = asyncio.Event()
    async with s3_at(f"s3+http://{proxy.host}:{proxy.port}/{bucket}") as store:
        name = new_object_name()
        writer = await store.create(name)
        await writer.write(memoryview(b"x" * MIN_PART))
        proxy.plant(lambda request: request.method == "DELETE", held(gate))
        aborting = asyncio.create_task(writer.abort())
        await eventually(lambda: proxy.count(lambda request: request.method == "DELETE"))
        aborting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await aborting
        assert await remains(name)
        gate.set()
    assert not await remains(name)


async def test_an_abort_never_raises(faulty, proxy):
    """What cannot be removed is left to the sweeper."""
    writer = await faulty.create(new_object_name())
    await writer.write(memoryview(b"x" * MIN_PART))
    proxy.plant(any_request, answering(403, "AccessDenied"))
    await writer.abort()


async def test_an_abort_ends_what_would_begin_later(s3_at, proxy, bucket, seaweed, monkeypatch):
    """An upload in parts that could not be begun so far is not begun once nobody waits for it any more."""
    monkeypatch.setattr("satchel.blobs.s3.bucket.ABORT_TIMEOUT", 0.05)
    name = new_object_name()
    async with s3_at(f"s3+http://{proxy.host}:{proxy.port}/{bucket}") as store:
        proxy.plant(is_begin, resetting(0))
        writer = await store.create(name)
        writing = asyncio.create_task(writer.write(memoryview(b"x" * MIN_PART)))
        await eventually(lambda: proxy.count(is_begin))
        writing.cancel()
        await asyncio.wait([writing])
        await writer.abort()
        proxy.heal()
    # Closed, the store has waited for what still went on.
    assert name not in await seaweed.multiparts(bucket)


# Servers run on uvloop, whose transports keep what they could not send yet where it is; asyncio's own copy it.
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("ended_by", ["cancellation", "refusal"])
def test_nothing_is_sent_from_memory_that_was_given_back(seaweed, bucket, s3_at, new_loop, ended_by):
    """After a failed or cancelled write the memory is another upload's, so not a byte of it may follow."""
    arrived, data = bytearray(), bytearray(8 * MIN_PART)

    async def upload_and_overwrite():
        begun, reused = asyncio.Event(), asyncio.Event()

        async def keep(exchange):
            async for chunk in exchange.body(MIB):
                arrived.extend(chunk)
            begun.set()
            if ended_by == "refusal":
                await exchange.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            await reused.wait()
            async for chunk in exchange.body():
                arrived.extend(chunk)

        async with AsyncExitStack() as exits:
            proxy = await exits.enter_async_context(UnreliableProxy(seaweed.host, seaweed.port))
            store = await exits.enter_async_context(s3_at(f"s3+http://{proxy.host}:{proxy.port}/{bucket}"))
            proxy.plant(is_part, keep, times=1)
            writer = await store.create(new_object_name())
            writing = asyncio.create_task(writer.write(memoryview(data)))
            await begun.wait()
            if ended_by == "cancellation":
                writing.cancel()
            await asyncio.wait([writing])
            data[:] = b"\xff" * len(data)
            assert writing.cancelled() or isinstance(writing.exception(), SatchelError)
            reused.set()
            await writer.abort()
            await eventually(lambda: not proxy._connections)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(upload_and_overwrite(), PATIENCE))
    assert MIB <= len(arrived) < len(data)
    assert b"\xff" not in arrived


# Downloads


@pytest.mark.parametrize(("start", "length"), [(0, 3 * MIB), (1000, 2 * MIB)])
@either_way
async def test_a_download_goes_on_where_it_broke(faulty, proxy, start, length, way):
    """A connection that breaks in mid-body is replaced; the client sees no seam."""
    data = random.Random(7).randbytes(3 * MIB)
    name = await put(faulty, data)
    proxy.plant(is_get, cutting_the_answer(500_000), times=3)
    assert await get(faulty, name, len(data), start, length, way) == data[start : start + length]
    assert proxy.count(is_get) == 4


@either_way
async def test_a_download_that_never_goes_on_is_given_up(faulty, proxy, way):
    """Without one more byte in several tries the store counts as gone."""
    name = await put(faulty, b"x" * 2 * MIB)
    proxy.plant(is_get, cutting_the_answer(1000), times=1)
    proxy.plant(is_get, cutting_the_answer(0))
    assert await code_of(get(faulty, name, 2 * MIB, way=way)) is Code.STORE_UNAVAILABLE


async def test_a_download_that_cannot_go_on_is_asked_for_no_more_than_others(faulty, proxy):
    """What was asked for again without success is not asked for again because a body broke off before."""
    name = await put(faulty, b"x" * 2 * MIB)
    proxy.plant(is_get, cutting_the_answer(1000), times=1)
    proxy.plant(is_get, answering(503, "SlowDown"))
    assert await code_of(get(faulty, name, 2 * MIB)) is Code.STORE_UNAVAILABLE
    assert proxy.count(is_get) == 1 + TRIES


@either_way
async def test_an_object_that_is_lost_while_it_is_read_is_damaged(faulty, proxy, seaweed, bucket, way):
    """A reader that cannot go on because the object is gone says so, and does not end as if all were well."""
    name = await put(faulty, b"x" * 2 * MIB)
    proxy.plant(is_get, cutting_the_answer(1000), times=1)
    reader = await faulty.read(name, 2 * MIB, 0, 2 * MIB)
    async with seaweed.client() as client:
        await client.remove_object(bucket, name)
    with pytest.raises(SatchelError) as raised:
        [piece async for piece in way(reader)]
    assert raised.value.code is Code.STORE_INTEGRITY
    await reader.aclose()


async def test_a_store_that_ignores_ranges_is_no_store(faulty, proxy):
    """Other bytes than those that were asked for are never passed on."""
    name = await put(faulty, b"0123456789")
    proxy.plant(is_get, lambda exchange: exchange.answer(200, b"0123456789"))
    assert await code_of(get(faulty, name, 10, 3, 4)) is Code.STORE_UNAVAILABLE


@either_way
async def test_closing_ends_a_download_at_once(faulty, proxy, way):
    """A reader that is closed in the middle, also by a cancelled client, keeps no connection."""
    name = await put(faulty, b"x" * 8 * MIB)
    for cancelled in (False, True):
        reader = await faulty.read(name, 8 * MIB, 0, 8 * MIB)
        await anext(way(reader))
        assert proxy._connections
        if cancelled:
            reading = asyncio.create_task(_stall(reader))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        else:
            await reader.aclose()
        await eventually(lambda: not proxy._connections)


async def _stall(reader):
    try:
        await asyncio.Event().wait()
    finally:
        await reader.aclose()


def _queued(port):
    """Bytes that wait in the sockets of a port, on either side: https://docs.kernel.org/networking/proc_net_tcp.html."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [fields[4] for fields in sockets if f":{port:04X}" in (fields[1][8:], fields[2][8:])]
    return sum(int(count, 16) for counts in ours for count in counts.split(":"))


@either_way
async def test_a_slow_reader_holds_little(faulty, proxy, way):
    """What the client does not take yet stays with the store, and in sockets, which the system makes large."""
    size = 64 * MIB
    name = await put(faulty, bytes(size))
    sent = 0

    async def counted(exchange):
        nonlocal sent
        real = exchange._writer.write

        def write(data):
            nonlocal sent
            sent += len(data)
            real(data)

        exchange._writer.write = write
        await exchange.forward()

    proxy.plant(is_get, counted)
    reader = await faulty.read(name, size, 0, size)
    taken = 0
    async for piece in way(reader):
        assert len(piece) <= MIB
        taken += len(piece)
        await asyncio.sleep(0.001)
        assert sent - taken - _queued(proxy.port) <= 4 * MIB
    assert taken == size
    await reader.aclose()


@pytest.mark.parametrize("data", [b"", b"data"])
async def test_a_connection_that_was_lost_before_the_body_is_told_of_by_the_body(data):
    """Of an empty body too, whose head would go with its end, where a failure is only logged as nobody's."""
    loop = asyncio.get_running_loop()
    writer = StreamWriter(ResponseHandler(loop), loop)  # not connected any more
    await writer.write_headers("PUT / HTTP/1.1", CIMultiDict())
    with pytest.raises(ClientConnectionResetError):
        await Body(memoryview(data)).write(writer)
