"""Finds a Chromium for the tests: the one named, the machine's own, or the one npm brought.

The last one makes the tests run on a machine without a browser, without root and without a further download:
`@sparticuz/chromium` is a compressed headless Chromium with the few libraries and the font it needs.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

ARGUMENTS = [
    "--no-sandbox",  # CI runs as root, where Chromium's sandbox does not start
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# Telling the package that it runs on its own platform makes it unpack its libraries too.
UNPACK = """
process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs24.x";
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
"""

# The package's own file names folders under /tmp; the machine's fonts help where it has some.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{folder}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{folder}/fonts-cache</cachedir>
</fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """An executable, and what its environment must hold."""

    executable: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_chromium() -> Chromium:
    """The executable that SATCHEL_TEST_CHROMIUM names, else one on PATH, else the one in node_modules.

    SATCHEL_TEST_CHROMIUM=npm takes the last one at once.
    """
    named = os.environ.get("SATCHEL_TEST_CHROMIUM")
    if named == "npm":
        return _unpacked()
    for name in [named] if named else ["chromium", "google-chrome"]:
        if found := shutil.which(name):
            return Chromium(Path(found))
    if named:
        raise FileNotFoundError(f"SATCHEL_TEST_CHROMIUM: there is no executable {named}")
    return _unpacked()


def _unpacked() -> Chromium:
    # Inside node_modules, so that `npm ci` removes it together with the package it came from.
    folder = ROOT / "node_modules" / ".chromium"
    if not folder.exists():
        # An interrupted unpacking must not look like a finished one.
        partial = folder.with_name(f".chromium-{os.getpid()}")
        partial.mkdir()
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        node = shutil.which("node", path=tools) or "node"
        subprocess.run(
            [node, "--input-type=module", "-e", UNPACK],
            cwd=ROOT,
            env={**os.environ, "PATH": tools, "TMPDIR": str(partial)},
            check=True,
        )
        (partial / "fonts" / "fonts.conf").write_text(FONTS.format(folder=folder))
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():  # else another process that runs tests was faster
                raise
            shutil.rmtree(partial)
    libraries = [str(folder / "al2023" / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    return Chromium(
        folder / "chromium",
        {
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
            "FONTCONFIG_FILE": str(folder / "fonts" / "fonts.conf"),
        },
    )
