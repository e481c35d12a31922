"""The composition root: opens the ports in order, wires the domain between them and the doors, closes in reverse."""

import asyncio
import fcntl
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Match

import satchel
from satchel.blobs import BlobStore
from satchel.blobs.local import LocalBlobStore
from satchel.config import Settings
from satchel.errors import CannotStart, Code, SatchelError
from satchel.events import EventLog, Wakeup
from satchel.events.memory import MemoryWakeup
from satchel.files import FileService
from satchel.graphql.router import router as graphql
from satchel.http import content, files, guards, health, site
from satchel.http.contract import EVERYWHERE, Documented
from satchel.http.docs import docs_routes
from satchel.http.origins import AllowedHostsAndOrigins
from satchel.metadata import Metadata
from satchel.scrubber import Scrubber
from satchel.sweeper import Sweeper

ROUTERS = (files.router, content.router, health.router, graphql, site.router)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory, made if missing, for this process alone; the lock ends with the process, however it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"another server runs on {directory} (SATCHEL_DATA_DIR)") from None
        yield
    finally:
        os.close(fd)


class Stack:
    """The opened parts of one server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metadata = Metadata(settings.database, settings.database_connections)
        self.blobs = _blob_store(settings)
        self.events = EventLog(self.metadata, _wakeup(settings), settings.event_ring_size)
        self.sweeper = Sweeper(self.metadata, self.blobs, settings)
        self.files = FileService(
            self.metadata, self.blobs, settings, changed=self.events.notify, reclaim=self.sweeper.wake
        )


# The drivers of the larger stack take a while to import, and the embedded one has no use for them.


def _wakeup(settings: Settings) -> Wakeup:
    if not settings.uses_postgres:
        return MemoryWakeup()
    from satchel.events.postgres import PostgresWakeup  # noqa: PLC0415

    return PostgresWakeup(settings.database)


def _blob_store(settings: Settings) -> BlobStore:
    if not settings.uses_s3:
        return LocalBlobStore(Path(settings.storage.removeprefix("file://")))
    from satchel.blobs.s3 import Bucket, S3BlobStore, equal_parts  # noqa: PLC0415

    bucket = Bucket(
        settings.storage,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        connections=settings.s3_connections,
        public_url=settings.s3_public_url,
        link_lifetime=settings.download_link_lifetime,
    )
    part = 0 if settings.s3_part_size == "auto" else equal_parts(settings.s3_part_size, settings.max_file_size)
    return S3BlobStore(bucket, part)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Stack]:
    """Open everything that serving needs.

    Raises:
        CannotStart: another server has the data directory, or the database or the store does not let us in.
        OSError: the data directory cannot be made or written to.
        SatchelError: the database cannot be opened.
    """
    async with AsyncExitStack() as exits:
        if not settings.is_shared:
            exits.enter_context(locked(settings.data_dir))
        try:
            stack = Stack(settings)
        except ValueError as error:
            raise CannotStart(str(error)) from error
        await stack.metadata.open()
        exits.push_async_callback(stack.metadata.close)
        await stack.blobs.open()
        exits.push_async_callback(stack.blobs.close)
        await stack.events.open()
        exits.push_async_callback(stack.events.close)
        exits.push_async_callback(stack.files.tasks.drain)
        yield stack


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Stack]:
    """The opened stack with its background work."""
    async with opened(settings) as stack, background(stack, settings):
        yield stack


@asynccontextmanager
async def background(stack: Stack, settings: Settings) -> AsyncIterator[None]:
    """The sweeper, the keeping of leases, and the scrub."""
    work = [stack.sweeper.run(), stack.files.uploads.renew_leases()]
    if rate := settings.effective_scrub_rate:
        work.append(Scrubber(stack.metadata, stack.blobs, rate).run())
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def create_app(stack: Stack) -> FastAPI:
    """The ASGI application over an opened stack."""
    app = Documented(
        title="Satchel",
        version=satchel.__version__,
        summary="Files over plain HTTP. The same files live at /graphql.",
        docs_url=None,
        redoc_url=None,
        responses=EVERYWHERE,
        exception_handlers={
            SatchelError: guards.answer_failure,
            RequestValidationError: _answer_invalid,
            HTTPException: _answer_http,
        },
    )
    app.state.files, app.state.events = stack.files, stack.events
    app.state.websockets = Counter()  # those that are open now, by the address that they come from
    for router in ROUTERS:
        app.include_router(router)
    docs_routes(app)
    app.mount("/", site.Assets(site.APP))
    _guard(app, stack.settings)
    return app


def _guard(app: FastAPI, settings: Settings) -> None:
    """Put what stands before the routes in its order, the innermost first."""
    app.add_middleware(AllowedHostsAndOrigins, hosts=settings.hosts, origins=settings.origins)
    app.add_middleware(guards.LastResort)
    patience = settings.refusal_timeout.total_seconds()
    app.add_middleware(guards.EarlyAnswers, drain=int(settings.refusal_drain), seconds=patience)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.origins),
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    app.add_middleware(guards.SafeHeaders)
    app.add_middleware(guards.RequestIds)


async def _answer_invalid(_: Request, error: Exception) -> Response:
    """FastAPI's own checks of parameters, in our words."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = ".".join(str(place) for place in first.get("loc", ())[1:])
    return guards.problem(SatchelError(Code.BAD_REQUEST, f"The parameter {where!r}: {first.get('msg', 'invalid')}."))


async def _answer_http(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such route, or not with this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        # Starlette names the methods of one route alone; https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
        headers["Allow"] = ", ".join(sorted(_methods(request))) or headers.get("Allow", "")
        return guards.problem(SatchelError(Code.METHOD_NOT_ALLOWED, "Not with this method."), headers)
    if status == 404:
        return guards.problem(SatchelError(Code.NOT_FOUND, "There is nothing at this address."))
    return guards.problem(SatchelError(Code.BAD_REQUEST, "The request cannot be read."), headers)


def _methods(request: Request) -> set[str]:
    """The methods of all routes at the address of the request."""
    routes = [route for router in ROUTERS for route in router.routes]
    at_address = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in at_address for method in getattr(route, "methods", None) or ()}
