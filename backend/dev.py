"""`make dev`: `satchel serve`, started again whenever a Python file changes."""

import socket
import sys
from pathlib import Path

import uvicorn
from uvicorn.supervisors import ChangeReload

from satchel.cli import main


def serve(sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG001
    """What the supervisor runs in a process of its own, and ends with SIGTERM."""
    sys.argv = ["satchel", "serve"]
    main()


if __name__ == "__main__":
    watched = uvicorn.Config("satchel.app", reload=True, reload_dirs=[str(Path(__file__).parent / "satchel")])
    ChangeReload(watched, target=serve, sockets=[]).run()
