"""The command line: arguments only; what a command does stands in the module that it calls."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

import satchel
from satchel import config

if TYPE_CHECKING:  # imported by the commands that need it, so that `--help` answers at once
    from satchel.app import Stack
    from satchel.checker import Finding

T = TypeVar("T")

cli = typer.Typer(
    name="satchel",
    help="A self-hosted file service. Settings are read from SATCHEL_* variables and from a .env file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on (SATCHEL_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on, 0 for a free one (SATCHEL_PORT).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where to keep everything (SATCHEL_DATA_DIR).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; needs PostgreSQL and S3 (SATCHEL_WORKERS).")] = None,
    socket: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the file manager, GraphQL and HTTP until SIGTERM or Ctrl-C."""
    if socket is None:
        _tell_unknown()
    settings = _settings(host=host, port=port, data_dir=data_dir, workers=workers)
    if settings.workers > 1:
        raise typer.Exit(_run(settings, lambda: _supervise(settings)))

    async def run(stack: "Stack") -> None:
        from satchel.app import create_app
        from satchel.http.server import Server, listening
        from satchel.workers import end_with_parent, inherited

        # uvicorn raises the signal that stopped it again when all is closed; a clean stop is no failure. Not set before
        # there is a server to stop: a signal while things open ends the process, which is safe at any instant.
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, lambda *_: None)
        if socket is not None:
            end_with_parent()
        sockets = [listening(settings.host, settings.port) if socket is None else inherited(socket)]
        await Server(create_app(stack), settings).serve(sockets)

    async def permitted() -> None:
        from satchel.http.server import require_permission

        require_permission(settings)
        await _with_stack(settings, run, background=True)

    _run(settings, permitted)


async def _supervise(settings: config.Settings) -> int:
    from satchel.http.server import listening, require_permission
    from satchel.workers import Workers

    require_permission(settings)
    return await Workers(settings, listening(settings.host, settings.port)).run()


async def _with_stack(
    settings: config.Settings, work: "Callable[[Stack], Awaitable[T]]", *, background: bool = False
) -> T:
    """Open the stack, with its background work or without, do the work, and close it."""
    from satchel.app import opened, working

    async with (working if background else opened)(settings) as stack:
        return await work(stack)


def _run(settings: config.Settings, work: "Callable[[], Coroutine[Any, Any, T]]") -> T:
    """Do the work in an event loop, or say in one line why it cannot be done."""
    import uvloop

    from satchel import logs
    from satchel.errors import CannotStart, SatchelError

    logs.configure(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work())
    except (CannotStart, OSError, SatchelError) as error:
        raise _stop(f"cannot start: {error}") from error


@cli.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from satchel.graphql.schema import schema as contract

    typer.echo(contract.as_str())


@cli.command()
def sweep(
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept (SATCHEL_DATA_DIR).")] = None,
) -> None:
    """Reclaim what is due now, without a server; a running server does this by itself."""

    async def run(stack: "Stack") -> int:
        return await stack.sweeper.sweep()

    settings = _settings(data_dir=data_dir)
    typer.echo(f"{_run(settings, lambda: _with_stack(settings, run))} objects removed")


@cli.command()
def check(
    *,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read all bytes and hash them again, too.")] = False,
    rate: Annotated[
        str | None, typer.Option(help="Bytes a second for that, such as 50MiB (SATCHEL_REHASH_RATE).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object on each line, the last one in total.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept (SATCHEL_DATA_DIR).")] = None,
) -> None:
    """Compare what is recorded with what is stored, and change neither.

    Tells of objects that are missing or of another size, and of those that no
    record names; with --rehash also of bytes that are not what they were.
    The exit code is 2 when something is wrong, and when it cannot be told.
    """
    settings = _settings(data_dir=data_dir, rehash_rate=rate)

    async def run(stack: "Stack") -> bool:
        from satchel.checker import Checker, finding_text, tally_text

        def say(finding: "Finding") -> None:
            typer.echo(finding_text(finding, as_json=as_json))

        tally = await Checker(stack.metadata, stack.blobs, say, int(settings.rehash_rate) if rehash else None).run()
        typer.echo(tally_text(tally, as_json=as_json))
        return tally.findings == 0

    # What is wrong is told in lines of its own, so nothing is logged of it.
    quiet = settings.model_copy(update={"log_level": "critical"})
    raise typer.Exit(0 if _run(quiet, lambda: _with_stack(settings, run)) else 2)


@cli.command()
def copy(
    to_data_dir: Annotated[
        Path | None, typer.Option(help="Where the target keeps everything (SATCHEL_COPY_TO_DATA_DIR).")
    ] = None,
    to_database_url: Annotated[
        str | None, typer.Option(help="The target's database (SATCHEL_COPY_TO_DATABASE_URL).")
    ] = None,
    to_storage_url: Annotated[
        str | None, typer.Option(help="The target's blob store (SATCHEL_COPY_TO_STORAGE_URL).")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the source keeps everything (SATCHEL_DATA_DIR).")] = None,
) -> None:
    """Copy all files, with their ids, names and dates, to another stack.

    The source is the stack of the SATCHEL_* settings. The target is that of
    the same settings as SATCHEL_COPY_TO_*, such as SATCHEL_COPY_TO_DATA_DIR or
    SATCHEL_COPY_TO_S3_SECRET_KEY; both may stand in the .env file. Where the
    target is can be said by the options below, too.

    Every byte is hashed anew. Run it again to go on where it was stopped, and
    to take over what is new. What was deleted at the source since the last
    time stays at the target.

    A stack with SQLite or a local directory must not be served meanwhile. One
    with PostgreSQL and S3 may be, as source and as target; stop serving the
    source before the last run, so that nothing is missed.

    Events are not copied: clients that follow the files load their list again.

    The exit code is 0 when the target holds all of the source, 1 when it does
    not, and 2 when the copy cannot start.
    """
    source = _settings(data_dir=data_dir)
    target = _settings(
        config.TargetSettings, data_dir=to_data_dir, database_url=to_database_url, storage_url=to_storage_url
    )
    # What goes wrong is told in lines of their own, so the logs are for the worst.
    complete = _run(source.model_copy(update={"log_level": "error"}), lambda: _copy(source, target))
    raise typer.Exit(0 if complete else 1)


async def _copy(source: config.Settings, target: config.Settings) -> bool:
    from satchel.app import opened
    from satchel.copier import Copier, Progress, check
    from satchel.errors import CannotStart, SatchelError

    check(source, target)
    async with opened(source) as here, AsyncExitStack() as exits:
        try:
            there = await exits.enter_async_context(opened(target))
        except (CannotStart, OSError, SatchelError) as error:
            raise CannotStart(f"the target: {error}".replace("SATCHEL_", "SATCHEL_COPY_TO_")) from error
        progress = Progress(sys.stderr)
        copier = Copier(here.metadata, here.blobs, there.metadata, there.files, progress.say)
        try:
            async with progress.watching(copier.tally):
                await copier.run()
        except SatchelError as error:
            typer.echo(f"satchel: stopped: {error} Run the same command again to go on.", err=True)
            return False
        for line in await copier.summary():
            typer.echo(line)
        return copier.tally.complete


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(satchel.__version__)


def _settings(kind: type[config.Settings] = config.Settings, /, **overrides: object) -> config.Settings:
    try:
        return config.load(kind, **overrides)
    except config.BadSetting as error:
        raise _stop(str(error)) from error


def _tell_unknown() -> None:
    """A setting that is misspelt changes nothing, and might be the one that was to protect the files."""
    for name, like in config.unknown():
        meant = f"; did you mean {like}?" if like else ""
        typer.echo(f"satchel: {name} is not a setting and changes nothing{meant}", err=True)


def _stop(line: str) -> typer.Exit:
    typer.echo(f"satchel: {line}", err=True)
    return typer.Exit(2)


def main() -> None:
    """The entry point of the `satchel` command."""
    sys.exit(cli())
