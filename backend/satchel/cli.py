"""The command line: arguments only; what a command does stands in the module that it calls."""

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
import uvicorn

import satchel
from satchel import config

if TYPE_CHECKING:  # imported by the commands that need it, so that `--help` answers at once
    from fastapi import FastAPI

    from satchel.app import Stack

T = TypeVar("T")

cli = typer.Typer(
    name="satchel",
    help="A self-hosted file service. Settings are read from SATCHEL_* variables and from a .env file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _Server(uvicorn.Server):
    """Says where it listens and keeps its data, once both are true."""

    def __init__(self, server: uvicorn.Config, settings: config.Settings) -> None:
        super().__init__(server)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            where = self._settings.data_dir.resolve()
            print(f"Satchel {satchel.__version__} at http://{host}:{port} (data in {where})", flush=True)  # noqa: T201


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

        await _Server(_server_config(create_app(stack), settings), settings).serve()

    # uvicorn raises the signal that stopped it again when all is closed; a clean stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    _run(settings, run, background=True)


def _server_config(app: "FastAPI", settings: config.Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=int(settings.websocket_max_message),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(settings.shutdown_timeout.total_seconds()),
    )


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
