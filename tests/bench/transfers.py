"""Bytes in and out: speed beside nginx, and memory under one large file and under many at once."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any, Protocol

from bench.meters import Sample, settle
from bench.servers import Nginx, Satchel, check_download, check_hash, make_source, nginx, satchel
from bench.wire import Door, FileAnswer, Payload, graphql_door, put_door, rest_door

REST, GRAPHQL, NGINX = "REST", "GraphQL", "nginx"
NGINX_DURABLE = "nginx, then fsync"
DOORS = {REST: rest_door(), GRAPHQL: graphql_door()}
WARM_UP = 1024 * 1024
BARRIER_SECONDS = 60
QUIET = 0.05
"""A share of the machine's time; where a hypervisor takes more of it, a measurement tells of others."""
ATTEMPTS = 15
PAUSE = 10
"""Seconds of rest after one that did not count; who has used much of a shared machine gets less of it for a while."""

Result = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stored:
    """A file that was stored: where its bytes can be had again, what they hash to, and what to remove it by."""

    target: str
    sha256: str
    key: tuple[str, ...] = ()


class Contestant(Protocol):
    """One way to store bytes and to have them again."""

    def upload(self, payload: Payload, sample: Sample) -> Stored:
        """Store the bytes; the sample is of the time that this takes."""

    def download(self, stored: Stored, sample: Sample) -> int:
        """Have the bytes again, and count them."""

    def check(self, stored: Stored) -> None:
        """Raise where the bytes are not those that were stored; a download comes from memory after that."""

    def finish(self, stored: Stored) -> dict[str, float]:
        """Do what others did when they answered, and give the seconds that it took by the name of the line."""

    def remove(self, stored: Stored) -> None:
        """Remove the bytes, off the disk."""


class ThroughDoor:
    """Satchel, through one of its doors."""

    def __init__(self, store: Satchel, door: Door) -> None:
        self._store = store
        self._door = door

    def upload(self, payload: Payload, sample: Sample) -> Stored:
        with self._store.process.measured(sample), self._store.connect() as connection:
            answer = connection.upload(self._door, payload)
        file = FileAnswer.read(answer)
        return Stored(f"/files/{file.id}/download", file.sha256, (file.id, file.object_name))

    def download(self, stored: Stored, sample: Sample) -> int:
        with self._store.process.measured(sample), self._store.connect() as connection:
            return connection.download(stored.target)

    def check(self, stored: Stored) -> None:
        with self._store.connect() as connection:
            check_download(connection, stored.target, stored.sha256)

    def finish(self, stored: Stored) -> dict[str, float]:
        return {}

    def remove(self, stored: Stored) -> None:
        self._store.delete(*stored.key)


class ThroughNginx:
    """nginx's PUT, which ends when the bytes are in memory, and then the fsync that it does not do."""

    def __init__(self, server: Nginx) -> None:
        self._server = server

    def upload(self, payload: Payload, sample: Sample) -> Stored:
        name = f"{os.urandom(8).hex()}.bin"
        with self._server.process.measured(sample), self._server.connect() as connection:
            connection.upload(put_door(name), payload)
        return Stored(f"/{name}", payload.sha256(), (name,))

    def download(self, stored: Stored, sample: Sample) -> int:
        with self._server.process.measured(sample), self._server.connect() as connection:
            return connection.download(stored.target)

    def check(self, stored: Stored) -> None:
        with self._server.connect() as connection:
            check_download(connection, stored.target, stored.sha256)

    def finish(self, stored: Stored) -> dict[str, float]:
        start = time.perf_counter()
        _fsync(self._server.files / stored.key[0])
        return {NGINX_DURABLE: time.perf_counter() - start}

    def remove(self, stored: Stored) -> None:
        (self._server.files / stored.key[0]).unlink()


class Rounds:
    """Rounds of one upload and one download per contestant, in each possible order in turn.

    Each upload is of new bytes. What a round stored is deleted, and off the disk, before the next one begins. No one
    comes behind a certain other more often: disks in the cloud give less after a burst.

    Args:
        contestants: by name.
        downloads: the names of those whose downloads are measured; the others' are the same.
    """

    def __init__(self, contestants: Mapping[str, Contestant], downloads: Collection[str]) -> None:
        self.results: list[Result] = []
        self._contestants = contestants
        self._downloads = downloads
        self._orders = list(permutations(contestants))
        self._round = 0

    def round(self, number: int, payload: Payload) -> None:
        """One of each."""
        self._round = number
        order = self._orders[number % len(self._orders)]
        stored = {name: self._upload(name, payload) for name in order}
        for name in order:
            if name not in self._downloads:
                self._contestants[name].remove(stored[name])
        for name in self._downloads:
            self._contestants[name].check(stored[name])
        for name in order:
            if name in self._downloads:
                self._download(name, stored[name])
        for name in self._downloads:
            self._contestants[name].remove(stored[name])
        settle()

    def _upload(self, name: str, payload: Payload) -> Stored:
        contestant = self._contestants[name]
        for attempt in _attempts():
            fresh = Payload(payload.path)
            expected = fresh.sha256()
            settle()
            sample = Sample()
            stored = contestant.upload(fresh, sample)
            check_hash(stored.sha256, expected)
            if _counts(sample, attempt):
                break
            contestant.remove(stored)
            time.sleep(PAUSE)
        self._note("upload", name, payload.size, sample, attempt)
        for line, seconds in contestant.finish(stored).items():
            durable = replace(sample, seconds=sample.seconds + seconds)
            self._note("upload", line, payload.size, durable, attempt)
        return stored

    def _download(self, name: str, stored: Stored) -> None:
        for attempt in _attempts():
            settle()
            sample = Sample()
            size = self._contestants[name].download(stored, sample)
            if _counts(sample, attempt):
                break
            time.sleep(PAUSE)
        self._note("download", name, size, sample, attempt)

    def _note(self, direction: str, name: str, size: int, sample: Sample, attempts: int) -> None:
        found = {"round": self._round, "what": direction, "by": name, "size": size, "attempts": attempts}
        self.results.append({**found, **asdict(sample)})


def _attempts() -> Iterable[int]:
    return range(1, ATTEMPTS + 1)


def _counts(sample: Sample, attempt: int) -> bool:
    """Whether the machine was ours meanwhile, or has been given up to be."""
    return sample.stolen <= QUIET or attempt == ATTEMPTS


def transfers(directory: Path, nginx_binary: str | None, size: int, rounds: int, say: Say) -> list[Result]:
    """One file through each door and back, beside nginx."""
    payload, small = make_source(directory / "source", size), make_source(directory / "small", WARM_UP)
    with ExitStack() as servers:
        store = servers.enter_context(satchel(directory / "satchel"))
        contestants: dict[str, Contestant] = {name: ThroughDoor(store, door) for name, door in DOORS.items()}
        if nginx_binary:
            contestants[NGINX] = ThroughNginx(servers.enter_context(nginx(directory / "nginx", nginx_binary)))
        results = run_rounds(Rounds(contestants, {REST, NGINX} & contestants.keys()), small, payload, rounds, say)
        _check_no_strays(store)
        return results


def run_rounds(run: Rounds, small: Payload, payload: Payload, rounds: int, say: Say) -> list[Result]:
    """A round of small files, to warm up, and then those that are measured."""
    run.round(0, small)
    run.results.clear()
    for number in range(1, rounds + 1):
        run.round(number, payload)
        say(f"  round {number} of {rounds}: {_speeds(run.results, number)}")
    return run.results


def large_file(directory: Path, size: int, say: Say) -> list[Result]:
    """One file of a size that no memory should depend on, each time with a server that has just started."""
    payload = make_source(directory / "source", size)
    results: list[Result] = []
    stored = None
    for name, door in DOORS.items():
        if stored:
            with satchel(directory / "satchel") as store:
                store.delete(stored.id, stored.object_name)
        fresh = Payload(payload.path)
        expected = fresh.sha256()
        with _fresh(directory) as store:
            with store.process.measured() as sample, store.connect() as connection:
                answer = connection.upload(door, fresh)
            stored = FileAnswer.read(answer)
            check_hash(stored.sha256, expected)
            _check_no_strays(store)
        results.append({"what": "upload", "by": name, "size": size, **asdict(sample)})
        say(f"  upload by {name}: {sample.growth / 2**20:.1f} MiB more")
    assert stored
    with _fresh(directory) as store:
        with store.process.measured() as sample, store.connect() as connection:
            connection.download(f"/files/{stored.id}/download")
        results.append({"what": "download", "by": REST, "size": size, **asdict(sample)})
        say(f"  download: {sample.growth / 2**20:.1f} MiB more")
    return results


def many_files(directory: Path, count: int, size: int, say: Say) -> list[Result]:
    """Uploads that all begin before the first of them sends its file."""
    source = make_source(directory / "source", size)
    results: list[Result] = []
    for name, door in DOORS.items():
        with satchel(directory / name) as store:
            settle()
            with store.process.measured() as sample:
                answers = _upload_at_once(store, door, [Payload(source.path) for _ in range(count)])
            for payload, stored in answers:
                check_hash(stored.sha256, payload.sha256())
            _check_no_strays(store)
        results.append({"what": "upload", "by": name, "count": count, "size": count * size, **asdict(sample)})
        say(f"  {count} uploads by {name}: {sample.peak / 2**20:.0f} MiB at most, {sample.seconds:.1f} s")
        _remove_objects(directory / name)
    return results


def _upload_at_once(store: Satchel, door: Door, payloads: list[Payload]) -> list[tuple[Payload, FileAnswer]]:
    everyone = threading.Barrier(len(payloads), timeout=BARRIER_SECONDS)

    def upload(payload: Payload) -> tuple[Payload, FileAnswer]:
        try:
            with store.connect() as connection:
                connection.begin(door, payload)
                everyone.wait()
                return payload, FileAnswer.read(connection.finish(door, payload))
        except BaseException:
            everyone.abort()
            raise

    with ThreadPoolExecutor(len(payloads)) as threads:
        return list(threads.map(upload, payloads))


def small_files(
    directory: Path, nginx_binary: str | None, count: int, size: int, connections: int, rounds: int, say: Say
) -> list[Result]:
    """Files that are all overhead, over connections that stay open."""
    source = make_source(directory / "source", size)
    results: list[Result] = []
    with ExitStack() as servers:
        store = servers.enter_context(satchel(directory / "satchel"))
        contestants: dict[str, tuple[Satchel | Nginx, Door | None]] = {n: (store, door) for n, door in DOORS.items()}
        if nginx_binary:
            contestants[NGINX] = servers.enter_context(nginx(directory / "nginx", nginx_binary)), None
        for server, door in contestants.values():
            _upload_in_turn(server, door, source, connections, connections, "warm-up")
        for number in range(1, rounds + 1):
            for name in _turned(list(contestants), number):
                server, door = contestants[name]
                settle()
                with server.process.measured() as sample:
                    _upload_in_turn(server, door, source, count, connections, str(number))
                shape = {"count": count, "size": size, "connections": connections}
                results.append({"round": number, "by": name, **shape, **asdict(sample)})
            say(f"  round {number} of {rounds}")
    return results


def _upload_in_turn(
    server: Satchel | Nginx, door: Door | None, source: Payload, count: int, connections: int, series: str
) -> None:
    """Upload over several connections, one file after the other on each; PUT takes a name per file."""

    def upload(numbers: range) -> None:
        with server.connect(keep=True) as connection:
            for number in numbers:
                connection.upload(door or put_door(f"{series}-{number}.bin"), Payload(source.path))

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(upload, [range(first, count, connections) for first in range(connections)]))


@contextmanager
def _fresh(directory: Path) -> Iterator[Satchel]:
    """A server with the data of before that has done nothing yet."""
    with satchel(directory / "satchel") as store:
        settle()
        yield store


def _check_no_strays(store: Satchel) -> None:
    assert not store.strays(), f"the server left files behind: {store.strays()}"


def _remove_objects(directory: Path) -> None:
    for path in (directory / "data" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    settle()


def _turned(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _speeds(results: list[Result], number: int) -> str:
    mine = [result for result in results if result["round"] == number]
    return ", ".join(f"{r['by']} {r['what']} {r['size'] / r['seconds'] / 2**20:.0f} MiB/s" for r in mine)
