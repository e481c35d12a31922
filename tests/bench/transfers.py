"""Bytes in and out: speed beside nginx, and memory under one large file and under many at once."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

from bench.meters import Sample, settle
from bench.servers import Nginx, Satchel, check_download, check_hash, make_source, nginx, satchel
from bench.wire import Door, Payload, Stored, graphql_door, put_door, rest_door

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


class Transfers:
    """Rounds of one upload per door and one download per server, in each possible order in turn.

    Each upload is of new bytes. What a round stored is deleted, and off the disk, before the next one begins.
    """

    def __init__(self, store: Satchel, rival: Nginx | None) -> None:
        self.results: list[Result] = []
        self._store = store
        self._rival = rival
        self._names = [*DOORS, NGINX] if rival else [*DOORS]
        self._round = 0

    def round(self, number: int, payload: Payload) -> None:
        """One of each. No one comes behind a certain other more often: disks in the cloud give less after a burst."""
        self._round = number
        orders = list(permutations(self._names))
        uploads = {name: self._upload(name, payload) for name in orders[number % len(orders)]}
        for name in DOORS:
            if name != REST:
                self._remove(name, uploads[name])
        self._download(uploads)
        self._remove(REST, uploads[REST])
        if self._rival:
            self._remove(NGINX, uploads[NGINX])
        settle()

    def _upload(self, name: str, payload: Payload) -> "_Upload":
        """New bytes each time, until the machine was ours meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            fresh = Payload(payload.path)
            expected = fresh.sha256()
            settle()
            upload = self._put(fresh, expected) if name == NGINX else self._post(name, fresh, expected)
            if upload.sample.stolen <= QUIET or attempt == ATTEMPTS:
                break
            self._remove(name, upload)
            time.sleep(PAUSE)
        self._note("upload", name, payload.size, upload.sample, attempt)
        if name == NGINX:
            # Satchel answers when the bytes are on the disk, nginx when they are in memory; this is what it lacks.
            start = time.perf_counter()
            _fsync(self._rival_file(upload))
            lacking = time.perf_counter() - start
            durable = replace(upload.sample, seconds=upload.sample.seconds + lacking)
            self._note("upload", NGINX_DURABLE, payload.size, durable, attempt)
        return upload

    def _post(self, name: str, payload: Payload, expected: str) -> "_Upload":
        with self._store.process.measured() as sample, self._store.connect() as connection:
            answer = connection.upload(DOORS[name], payload)
        stored = Stored.read(answer)
        check_hash(stored.sha256, expected)
        return _Upload(f"/files/{stored.id}/download", expected, sample, stored)

    def _put(self, payload: Payload, expected: str) -> "_Upload":
        assert self._rival
        name = f"{os.urandom(8).hex()}.bin"
        with self._rival.process.measured() as sample, self._rival.connect() as connection:
            connection.upload(put_door(name), payload)
        return _Upload(f"/{name}", expected, sample)

    def _remove(self, name: str, upload: "_Upload") -> None:
        if upload.stored:
            self._store.delete(upload.stored.id, upload.stored.object_name)
        else:
            self._rival_file(upload).unlink()

    def _rival_file(self, upload: "_Upload") -> Path:
        assert self._rival
        return self._rival.files / upload.target.lstrip("/")

    def _download(self, uploads: dict[str, "_Upload"]) -> None:
        servers: dict[str, Satchel | Nginx] = {REST: self._store}
        if self._rival:
            servers[NGINX] = self._rival
        for name, server in servers.items():
            with server.connect() as connection:
                check_download(connection, uploads[name].target, uploads[name].expected)
        for name in _turned(list(servers), self._round):
            for attempt in range(1, ATTEMPTS + 1):
                settle()
                with servers[name].process.measured() as sample, servers[name].connect() as connection:
                    size = connection.download(uploads[name].target)
                if sample.stolen <= QUIET or attempt == ATTEMPTS:
                    break
                time.sleep(PAUSE)
            self._note("download", name, size, sample, attempt)

    def _note(self, direction: str, name: str, size: int, sample: Sample, attempts: int) -> None:
        found = {"round": self._round, "what": direction, "by": name, "size": size, "attempts": attempts}
        self.results.append({**found, **asdict(sample)})


@dataclass(frozen=True)
class _Upload:
    """Where the bytes of one upload can be had again, and what it took; `stored` where Satchel has them."""

    target: str
    expected: str
    sample: Sample
    stored: Stored | None = None


def transfers(directory: Path, nginx_binary: str | None, size: int, rounds: int, say: Say) -> list[Result]:
    """One file through each door and back, beside nginx."""
    payload, small = make_source(directory / "source", size), make_source(directory / "small", WARM_UP)
    with ExitStack() as servers:
        store = servers.enter_context(satchel(directory / "satchel"))
        rival = servers.enter_context(nginx(directory / "nginx", nginx_binary)) if nginx_binary else None
        run = Transfers(store, rival)
        run.round(0, small)
        run.results.clear()
        for number in range(1, rounds + 1):
            run.round(number, payload)
            say(f"  round {number} of {rounds}: {_speeds(run.results, number)}")
        _check_no_strays(store)
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
            stored = Stored.read(answer)
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


def _upload_at_once(store: Satchel, door: Door, payloads: list[Payload]) -> list[tuple[Payload, Stored]]:
    everyone = threading.Barrier(len(payloads), timeout=BARRIER_SECONDS)

    def upload(payload: Payload) -> tuple[Payload, Stored]:
        try:
            with store.connect() as connection:
                connection.begin(door, payload)
                everyone.wait()
                return payload, Stored.read(connection.finish(door, payload))
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
