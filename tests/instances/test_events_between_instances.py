"""What happens at one instance is told at another, whole and in order."""

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from clients import client_at
from followers import Follower, committed, end_listening, stopped
from kept import eventually
from sockets import EVENTS, opened, ready
from stacks import scaled_only

pytestmark = scaled_only


async def upload(client, name, data=None):
    response = await client.post("/files/upload", files={"file": (name, data or name.encode())})
    assert response.status_code == 200, response.text
    return response.json()


async def names(socket, count):
    """The names that the next events tell."""
    return [(await socket.event())["file"]["filename"] for _ in range(count)]


async def churn(clients, rounds, done):
    """Upload files and delete some, at any of the servers; notes each change that was answered."""
    for number in range(rounds):
        client = clients[number % len(clients)]
        file = await upload(client, f"{number}.txt")
        done.append(file["id"])
        if number % 3 == 0:
            other = clients[(number + 1) % len(clients)]
            assert (await other.delete(f"/files/{file['id']}")).status_code == 200
            done.append(file["id"])


async def test_an_upload_at_one_appears_at_the_other(shared_pair):
    """A subscriber hears of what happens anywhere, each once and in order."""
    here, there = shared_pair
    async with ready(here) as socket, ready(there) as other, client_at(here) as client, client_at(there) as second:
        for number in range(5):
            await upload(client, f"here {number}")
            await upload(second, f"there {number}")
        expected = [f"{place} {number}" for number in range(5) for place in ("here", "there")]
        assert await names(socket, 10) == expected
        assert await names(other, 10) == expected


async def test_a_cursor_of_one_is_a_place_at_the_other(shared_pair):
    """Who followed one instance goes on at another where it stopped."""
    here, there = shared_pair
    async with client_at(here) as client:
        async with ready(here) as socket:
            await upload(client, "first")
            assert await names(socket, 1) == ["first"]
            await upload(client, "second")
            await upload(client, "third")
            cursor = (await socket.event())["cursor"]
        async with ready(there, after=cursor) as socket:
            await upload(client, "fourth")
            assert await names(socket, 2) == ["third", "fourth"]


async def test_a_list_and_its_event_cursor_come_from_different_instances(shared_pair):
    """The cursor that a list at one names is where the events at the other begin."""
    here, there = shared_pair
    async with client_at(here) as client, client_at(there) as other:
        await upload(client, "listed")
        query = "{ files { nodes { filename } eventCursor } }"
        listing = (await client.post("/graphql", json={"query": query})).json()["data"]["files"]
        await upload(other, "after")
        async with ready(there, after=listing["eventCursor"]) as socket:
            assert listing["nodes"][0]["filename"] == "listed"
            assert await names(socket, 1) == ["after"]


async def test_nothing_is_lost_or_doubled_by_a_follower_that_changes_servers(shared_pair):
    """Followers that move between instances, in the middle of everything, are told every change once and in order."""
    here, there = shared_pair
    async with ready(here) as socket:
        start = socket.cursor
    followers = [Follower(start) for _ in range(3)]
    following = [asyncio.create_task(follower.follow(lambda: random.choice(shared_pair))) for follower in followers]
    async with client_at(here) as client, client_at(there) as other:
        done = []
        await asyncio.gather(*(churn([client, other], 15, done) for _ in range(4)))
    for follower in followers:
        await follower.has_heard(len(done))
    await stopped(following)
    expected = committed(here.kept, start)
    assert len(expected) == len(done)
    for follower in followers:
        assert follower.told == expected


async def test_nothing_is_lost_or_doubled_when_an_instance_is_killed(pair):
    """A crash of the instance that a client follows, or uploads to, costs no event and repeats none."""
    doomed, survivor = pair
    async with ready(doomed) as socket:
        start = socket.cursor
    follower = Follower(start)
    following = asyncio.create_task(follower.follow(lambda: random.choice(pair)))

    async def upload_until_it_dies():
        async with client_at(doomed) as client:
            with suppress(httpx.TransportError):
                for number in range(10_000):
                    await upload(client, f"doomed {number}")

    dying = [asyncio.create_task(upload_until_it_dies()) for _ in range(3)]
    async with client_at(survivor) as client:
        for number in range(10):
            await upload(client, f"survivor {number}")
        await follower.has_heard(15)
        await doomed.kill()
        await asyncio.gather(*dying)
        for number in range(10, 20):
            await upload(client, f"survivor {number}")
    expected = committed(
        survivor.kept, start
    )  # some of the doomed server's may be among them that it had no time to answer
    await follower.has_heard(len(expected))
    await stopped([following])
    assert follower.told == expected


async def test_lost_connections_to_the_database_cost_no_event(shared_pair, postgres):
    """While the connections that listen are ended again and again, every change comes once and in order."""
    here, _ = shared_pair
    database = urlsplit(here.settings["database_url"]).path.strip("/")
    ended = 0

    async def end_again_and_again():
        nonlocal ended
        while True:
            ended += await end_listening(postgres, database)
            await asyncio.sleep(0.1)

    ending = asyncio.create_task(end_again_and_again())
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(ready(server)) for server in shared_pair]
        client, other = [await exits.enter_async_context(client_at(server)) for server in shared_pair]
        done = []
        await asyncio.gather(*(churn([client, other], 10, done) for _ in range(2)))
        told = [[await socket.event() for _ in done] for socket in sockets]
        await stopped([ending])
    expected = committed(here.kept, sockets[0].cursor)
    assert ended > 4
    for events in told:
        assert [(event["kind"], event["fileId"]) for event in events] == expected


@pytest.mark.settings(event_max_rows=5, sweep_interval="0.2s")
async def test_a_cursor_behind_what_is_kept_has_expired_everywhere(pair):
    """No instance goes on from its own memory where the log does not reach back any more."""
    here, _ = pair
    async with ready(here) as socket, client_at(here) as client:
        start = socket.cursor
        for number in range(12):
            await upload(client, f"{number}")
        assert await names(socket, 12) == [f"{number}" for number in range(12)]
    await eventually(lambda: here.kept.count("events") == 5)
    for server in pair:
        async with opened(server) as socket:
            await socket.initialise()
            await socket.subscribe(EVENTS, after=start)
            assert (await socket.error())["extensions"]["code"] == "CURSOR_EXPIRED"
