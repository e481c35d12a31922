"""Stores and databases that are busy, lie, break off or die under load: F12, F15 and F16."""

import asyncio
import random
from urllib.parse import urlsplit

import pytest
from storm import moment, survived

from cutter import Cutter
from kept import kept_by
from postgres import Postgres
from seaweed import Seaweed
from stacks import scaled_only
from unreliable import (
    UnreliableProxy,
    answering,
    any_request,
    delayed,
    losing_the_answer,
    lying,
    resetting,
    slowly,
)

pytestmark = scaled_only

# A refused upload is read to its end, so that no client misses why.
SETTINGS = {"upload_lease": "10s", "sweep_interval": "0.3s", "delete_grace": "0.001s", "refusal_drain": "16MiB"}
STORE = {"STORE_UNAVAILABLE"}
DATABASE = {"DATABASE_UNAVAILABLE", "LEASE_LOST"}  # a lease cannot be renewed meanwhile

LARGE = 0.3  # of the uploads go to the store in parts


def sometimes(which, share=0.2):
    """Every fifth or so of the requests of a kind."""
    chance = random.Random(15)
    return lambda request: which(request) and chance.random() < share


BAD_STORES = {
    "500 for a fifth of all": (sometimes(any_request), answering(500, "InternalError")),
    "503 for a fifth of all": (sometimes(any_request), answering(503, "SlowDown")),
    "reset in mid-body": (sometimes(lambda request: request.method == "PUT"), resetting(100_000)),
    "answers lost": (sometimes(any_request), losing_the_answer()),
    "failures in a 200": (lambda request: request.is_complete, answering(200, "InternalError")),
    "wrong ETags": (sometimes(lambda request: request.is_part, 0.5), lying()),
    "late": (any_request, delayed(0.5)),
    "slow": (lambda request: request.method == "PUT", slowly(0.02)),
    "away": (any_request, resetting(0)),
}


async def test_a_store_that_does_all_that_stores_do(start, place, seaweed, tmp_path, count, report):
    """Each failure is told by its code, or hidden by trying again, and nothing is lost or left."""
    seconds = count(1.5, 60)
    async with UnreliableProxy(seaweed.host, seaweed.port) as proxy:
        address = f"s3+http://{proxy.host}:{proxy.port}{urlsplit(place['storage_url']).path}"
        server = await start(**SETTINGS, storage_url=address)

        async def disturb():
            for which, fault in BAD_STORES.values():
                proxy.plant(which, fault)
                await asyncio.sleep(seconds)
                proxy.heal()

        checker = await survived([server], tmp_path, disturb, STORE, kept=kept_by(place), large=LARGE)
    report(f"F15: a store that {len(BAD_STORES)} things are wrong with for {seconds} s each, {checker.summary()}")


@pytest.fixture
def own_seaweed():
    """A store to be killed."""
    with Seaweed() as store:
        yield store


@pytest.fixture
def own_postgres():
    """A database server to be killed."""
    with Postgres() as postgres:
        yield postgres


async def test_a_store_that_is_killed(start, place, own_seaweed, tmp_path, count, recovery, report):
    """What was acknowledged is there when the store is back."""
    keys = {"s3_access_key": own_seaweed.access_key, "s3_secret_key": own_seaweed.secret_key}
    place = {**place, **keys, "storage_url": own_seaweed.new_bucket_url()}
    server, kills, moments = await start(**SETTINGS, **place), count(3, 50), random.Random(16)

    async def disturb():
        for _ in range(kills):
            await asyncio.sleep(moments.uniform(0, 2))
            own_seaweed.kill()
            await asyncio.sleep(moments.uniform(0, 1))
            await asyncio.to_thread(own_seaweed.restart)
            await recovery.of(server, moment(server))

    checker = await survived([server], tmp_path, disturb, STORE, kept=kept_by(place), large=LARGE)
    report(f"F16: {kills} kills of the store, {checker.summary()}, {recovery}")


async def test_a_database_that_loses_commits(start, place, tmp_path, count, report):
    """A connection may end before a COMMIT, in it or after it: the client is told what came of it, or to ask again."""
    cuts, moments = count(30, 1000), random.Random(12)
    async with Cutter(place["database_url"]) as cutter:
        server = await start(**SETTINGS, database_url=cutter.url)

        async def disturb():
            while cutter.cuts < cuts:
                cutter.moment = cutter.moment or moments.choice(["before", "during", "after"])
                await asyncio.sleep(moments.uniform(0, 0.3))
            cutter.moment = None

        checker = await survived([server], tmp_path, disturb, DATABASE, kept=kept_by(place))
    report(f"F12: {cuts} connections lost at COMMIT, {checker.summary()}")


async def test_a_database_that_is_killed(start, place, own_postgres, tmp_path, count, recovery, report):
    """Its connections are ended one after the other, then all at once; the service comes back with it."""
    place = {**place, "database_url": await own_postgres.new_database()}
    server, kills, moments = await start(**SETTINGS, **place), count(3, 50), random.Random(13)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 's%'"

    async def disturb():
        for _ in range(kills):
            for _ in range(2):
                await asyncio.sleep(moments.uniform(0, 1))
                await own_postgres.execute(others)
            await asyncio.sleep(moments.uniform(0, 1))
            own_postgres.kill()
            await asyncio.sleep(moments.uniform(0, 1))
            await asyncio.to_thread(own_postgres.launch)
            await recovery.of(server, moment(server))

    checker = await survived([server], tmp_path, disturb, DATABASE, kept=kept_by(place))
    faults = f"{kills} kills of the database, twice as many ends of all its connections"
    report(f"F12: {faults}, {checker.summary()}, {recovery}")
