"""Measures Satchel against its budgets, and beside nginx; prints Markdown, with the progress on standard error.

    .venv/bin/python tests/bench/run.py [--quick] [--transfers] [--large] [--many] [--small] [--pages] [--live]
        [--stalls] [--crowds]

Without a section's name all sections run. Needs Linux (/proc), and nginx with its dav module for the comparison.
A budget that is missed is told and is no failure: a benchmark depends on its machine, and fails no build.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ByteSize, TypeAdapter

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS))  # behind all others: folders of tests/ are named as packages are

from bench import crowds, listings, live, report, scaled, stalls, transfers  # noqa: E402
from bench.servers import nginx_binary  # noqa: E402

MIB, GIB = 2**20, 2**30
BUSY = 0.5
"""A load above which others take so much of the machine that it shows."""
SECTIONS = {
    "transfers": "one file through each door and back, beside nginx",
    "scaled": "the same over PostgreSQL and S3, beside the store itself",
    "large": "the memory that one large file takes",
    "many": "the memory that many uploads at once take",
    "small": "small files in series",
    "pages": "pages of a long listing in both databases",
    "live": "how soon many windows are told of an upload",
    "stalls": "how long hostile requests keep others waiting",
    "crowds": "how long many of them at once do, and the memory they take",
}


@dataclass(frozen=True)
class Scale:
    """How much is measured; sizes in bytes."""

    size: int = GIB
    rounds: int = 12
    scaled_size: int = 256 * MIB
    large: int = 4 * GIB
    many: int = 200
    many_size: int = 50 * MIB
    small: int = 2000
    small_size: int = 4096
    small_connections: int = 8
    small_rounds: int = 3
    files: int = 1_000_000
    page_repeats: int = 10
    windows: tuple[int, ...] = (10, 100, 1000)
    events: int = 60
    stall_rounds: int = 9
    crowd: int = 1000
    crowd_size: int = 2 * GIB

    @property
    def room(self) -> int:
        """Bytes of disk that are taken at most."""
        return max(4 * self.size, 2 * self.large, (self.many + 1) * self.many_size, 2500 * self.files)


QUICK = Scale(
    size=64 * MIB,
    rounds=3,
    scaled_size=64 * MIB,
    large=64 * MIB,
    many=20,
    many_size=2 * MIB,
    small=200,
    small_rounds=1,
    files=10_000,
    page_repeats=5,
    windows=(10, 50),
    events=8,
    stall_rounds=3,
    crowd=50,
    crowd_size=64 * MIB,
)


def main() -> None:
    """Run what was asked for."""
    arguments = _arguments()
    scale = _scale(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped and files removed
    if not Path("/proc/self/io").exists():
        sys.exit("The benchmark reads memory and writes from Linux's /proc, which is not here.")
    arguments.directory.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(arguments.directory).free) < scale.room * 1.1:
        sys.exit(f"{arguments.directory} needs {scale.room * 1.1 / GIB:.1f} GiB of room and has {free / GIB:.1f} GiB.")
    binary = nginx_binary()
    if binary is None:
        _say("There is no nginx with the dav module: the comparison is left out.")
    if (load := os.getloadavg()[0]) > BUSY:
        _say(f"The machine is busy with other work (load {load:.1f}): do not trust the numbers.")
    wanted = [name for name in SECTIONS if getattr(arguments, name)] or list(SECTIONS)
    raw: dict[str, Any] = {"machine": report.machine(arguments.directory, binary), "quick": arguments.quick}
    raw["scale"] = asdict(scale)
    for name in wanted:
        _say(f"{name}: {SECTIONS[name]}")
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=arguments.directory) as directory:
            raw[name] = _run(name, Path(directory), binary, scale)
    if arguments.json:
        arguments.json.write_text(json.dumps(raw, indent=1) + "\n")
    print(report.render(raw))


def _run(name: str, directory: Path, binary: str | None, scale: Scale) -> list[transfers.Result]:
    sections: dict[str, Callable[[], list[transfers.Result]]] = {
        "transfers": lambda: transfers.transfers(directory, binary, scale.size, scale.rounds, _say),
        "scaled": lambda: scaled.scaled(directory, scale.scaled_size, scale.rounds, _say),
        "large": lambda: transfers.large_file(directory, scale.large, _say),
        "many": lambda: transfers.many_files(directory, scale.many, scale.many_size, _say),
        "small": lambda: transfers.small_files(
            directory, binary, scale.small, scale.small_size, scale.small_connections, scale.small_rounds, _say
        ),
        "pages": lambda: listings.pages(directory, scale.files, scale.page_repeats, _say),
        "live": lambda: live.live(directory, scale.windows, scale.events, _say),
        "stalls": lambda: stalls.stalls(directory, scale.stall_rounds, _say),
        "crowds": lambda: crowds.crowds(directory, scale.crowd, scale.crowd_size, _say),
    }
    return sections[name]()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, to see that all works")
    for name, text in SECTIONS.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument("--size", type=_bytes, help="of the file in transfers, such as 256MiB (default 1GiB)")
    parser.add_argument("--rounds", type=_count, help="of transfers (default 12)")
    parser.add_argument("--large-size", type=_bytes, dest="large_size", help="of the file in large (default 4GiB)")
    parser.add_argument("--files", type=_count, help="in the listing of pages (default 1000000)")
    parser.add_argument(
        "--directory",
        type=Path,
        default=TESTS / ".artifacts" / "bench",
        help="where everything is kept while it is needed, on the disk to measure (default %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw numbers here too")
    return parser.parse_args()


def _scale(arguments: argparse.Namespace) -> Scale:
    scale = QUICK if arguments.quick else Scale()
    chosen = {
        "size": arguments.size,
        "rounds": arguments.rounds,
        "large": arguments.large_size,
        "files": arguments.files,
    }
    return replace(scale, **{name: value for name, value in chosen.items() if value is not None})


def _bytes(text: str) -> int:
    size = int(TypeAdapter(ByteSize).validate_python(text))
    if size < 2**10:
        raise ValueError(text)
    return size


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise ValueError(text)
    return count


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
