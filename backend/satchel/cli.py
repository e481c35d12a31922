"""The command line: arguments only; what a command does stands in the module that it calls."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

import satchel
from satchel import config

if TYPE_CHECKING:  # imported by the commands that need it, so that `--help` answers at once
    from satchel.app import Stack

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
) -> None:
    """Serve the file manager, GraphQL and HTTP until SIGTERM or Ctrl-C."""
    settings = _settings(host=host, port=port, data_dir=data_dir)

    async def run(stack: "Stack") -> None:
        from satchel.app import create_app
        from satchel.http.server import Server

        # uvicorn raises the signal that stopped it again when all is closed; a clean stop is no failure. Not set before
        # there is a server to stop: a signal while things open ends the process, which is safe at any instant.
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, lambda *_: None)
        await Server(create_app(stack), settings).serve()

    _run(settings, run, background=True)


def _run(settings: config.Settings, work: "Callable[[Stack], Awaitable[T]]", *, background: bool) -> T:
    """Open the stack, with its background work or without, do the work, and close it; or say in one line why not."""
    from satchel import logs
    from satchel.app import DataDirectoryInUse, opened, working
    from satchel.errors import SatchelError

    logs.configure(settings)

    async def run() -> T:
        async with (working if background else opened)(settings) as stack:
            return await work(stack)

    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(run())
    except (DataDirectoryInUse, OSError, SatchelError) as error:
        raise _stop(f"cannot start: {error}") from error


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


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

    typer.echo(f"{_run(_settings(data_dir=data_dir), run, background=False)} objects removed")


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(satchel.__version__)


def _settings(**overrides: object) -> config.Settings:
    try:
        return config.load(**overrides)
    except config.BadSetting as error:
        raise _stop(str(error)) from error


def _stop(line: str) -> typer.Exit:
    typer.echo(f"satchel: {line}", err=True)
    return typer.Exit(2)


def main() -> None:
    """The entry point of the `satchel` command."""
    sys.exit(cli())
