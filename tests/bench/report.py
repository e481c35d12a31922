"""The measurements as Markdown: the machine, a table per section, and the budgets."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import satchel
from bench.listings import DEPTHS, LISTINGS
from bench.servers import nginx_version
from bench.transfers import DOORS, GRAPHQL, NGINX, NGINX_DURABLE, QUIET, REST, Result

MIB = 2**20

LARGE_GROWTH = 64 * MIB
MANY_PEAK = 512 * MIB
DOOR_RATIO = 0.95
NGINX_RATIOS = {("upload", REST): 0.6, ("upload", GRAPHQL): 0.6, ("download", REST): 0.8}
DATABASE_WRITES = MIB  # per upload; bytes that are written twice would be more than that
DEPTH_RATIO = 1.25  # "the same time", as far as a clock on a busy machine can tell


@dataclass(frozen=True)
class Budget:
    """A promise, and what became of it; None where that could not be told."""

    promise: str
    measured: str
    kept: bool | None


# The machine


def machine(directory: Path, nginx_binary: str | None) -> dict[str, str]:
    """What the numbers depend on."""
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "File system": _file_system(directory),
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "nginx": nginx_version(nginx_binary) if nginx_binary else "none",
        "Satchel": satchel.__version__,
        "Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Load before": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the deepest mount that the directory is in."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    around = [mount for mount in mounts if directory.resolve().is_relative_to(mount[1])]
    return max(around, key=lambda mount: len(mount[1]))[2]


# The report


def render(raw: dict[str, Any]) -> str:
    """All of it, in Markdown."""
    parts = [f"{_version_line(raw)}\n"]
    if raw["quick"]:
        parts.append("A quick run: its sizes are smaller than the budgets ask for, so it only shows that all works.\n")
    sections: dict[str, Callable[[list[Result]], str]] = {
        "transfers": _transfers,
        "large": _large,
        "many": _many,
        "small": _small,
        "pages": _pages,
    }
    if made := budgets(raw):
        parts.append(_table(("Budget", "Measured", ""), ((b.promise, b.measured, _verdict(b)) for b in made)))
    parts += [draw(raw[name]) for name, draw in sections.items() if name in raw]
    return "\n".join(parts)


def _version_line(raw: dict[str, Any]) -> str:
    told = raw["machine"]
    versions = ", ".join(f"{name} {told[name]}" for name in ("Python", "nginx", "Satchel"))
    where = ", ".join((told["CPU"], told["Memory"], told["File system"], told["Kernel"]))
    return f"Measured on {told['Date']}: {where}; {versions}; load {told['Load before']} before the start."


def _transfers(results: list[Result]) -> str:
    size = _size(results[0]["size"])
    rounds = max(result["round"] for result in results)
    lines = []
    for what in ("upload", "download"):
        lines += [_transfer_line(results, what, by) for by in _contestants(r for r in results if r["what"] == what)]
    title = (
        f"A file of {size}, {rounds} rounds. A ratio is the median of the ratios within each round; "
        "above 1 is faster than nginx. Satchel hashes what it receives and answers when it is on the disk; nginx's PUT "
        "does neither, so a second line adds the fsync. Downloads come from the page cache. "
        f"{_noise(results)}\n"
    )
    header = ("", "median", "best", "to nginx", "to nginx with fsync", "peak memory", "server CPU", "written / size")
    return f"{title}\n{_table(header, lines)}"


def _noise(results: list[Result]) -> str:
    """What a hypervisor gave to others, and what was done about it."""
    measured = [r for r in results if r["by"] != NGINX_DURABLE]
    repeated = sum(r["attempts"] - 1 for r in measured)
    never = sum(r["stolen"] > QUIET for r in measured)
    return (
        f"A measurement in which the hypervisor took more than {QUIET * 100:.0f} % of the machine was repeated: "
        f"{repeated} times in all, for {len(measured)} measurements. {never} never were quiet, and count for no ratio."
    )


def _contestants(results: Iterable[Result]) -> list[str]:
    """Those that took part, in one order for all tables."""
    present = {result["by"] for result in results}
    return [name for name in (*DOORS, NGINX, NGINX_DURABLE) if name in present]


def _transfer_line(results: list[Result], what: str, by: str) -> list[str]:
    mine = [r for r in results if (r["what"], r["by"]) == (what, by)]
    mine = [r for r in mine if r["stolen"] <= QUIET] or mine
    speeds = [r["size"] / r["seconds"] / MIB for r in mine]
    fsynced = by == NGINX_DURABLE
    return [
        f"{what.capitalize()}, {_who(what, by)}",
        f"{median(speeds):.0f} MiB/s",
        f"{max(speeds):.0f} MiB/s",
        _ratio(results, what, by, NGINX),
        _ratio(results, what, by, NGINX_DURABLE),
        "" if fsynced else f"{max(r['peak'] for r in mine) / MIB:.0f} MiB",
        "" if fsynced else f"{median(r['cpu'] for r in mine):.2f} s",
        "" if fsynced or what == "download" else f"{max(r['written'] / r['size'] for r in mine):.3f}",
    ]


def _who(what: str, by: str) -> str:
    if by in DOORS:
        return "Satchel" if what == "download" else f"Satchel, {by}"
    return by


def _ratio(results: list[Result], what: str, by: str, other: str) -> str:
    ratios = _ratios(results, what, by, other)
    return f"{median(ratios):.2f}" if ratios and by in DOORS else ""


def _ratios(results: list[Result], what: str, by: str, other: str) -> list[float]:
    """How many times as fast as the other, round by round."""
    seconds = {(r["round"], r["by"]): r["seconds"] for r in results if r["what"] == what and r["stolen"] <= QUIET}
    numbers = sorted({number for number, _ in seconds})
    return [seconds[n, other] / seconds[n, by] for n in numbers if {(n, by), (n, other)} <= seconds.keys()]


def _large(results: list[Result]) -> str:
    lines = [
        (
            f"{r['what'].capitalize()}, {r['by']}",
            f"{r['growth'] / MIB:.1f} MiB",
            f"{r['peak'] / MIB:.0f} MiB",
            f"{r['size'] / r['seconds'] / MIB:.0f} MiB/s",
            f"{r['written'] / r['size']:.3f}" if r["what"] == "upload" else "",
        )
        for r in results
    ]
    title = f"One file of {_size(results[0]['size'])}, each time with a server that has just started.\n"
    return f"{title}\n{_table(('', 'growth', 'peak memory', 'speed', 'written / size'), lines)}"


def _many(results: list[Result]) -> str:
    first = results[0]
    lines = [
        (
            f"Upload, {r['by']}",
            f"{r['peak'] / MIB:.0f} MiB",
            f"{r['growth'] / MIB:.0f} MiB",
            f"{r['size'] / r['seconds'] / MIB:.0f} MiB/s",
            f"{r['written'] / r['size']:.3f}",
        )
        for r in results
    ]
    title = f"{first['count']} uploads of {_size(first['size'] // first['count'])} at once.\n"
    return f"{title}\n{_table(('', 'peak memory', 'growth', 'speed in all', 'written / size'), lines)}"


def _small(results: list[Result]) -> str:
    lines = []
    for by in _contestants(results):
        mine = [r for r in results if r["by"] == by]
        rates = [r["count"] / r["seconds"] for r in mine]
        cpu = median(r["cpu"] / r["count"] for r in mine) * 1000
        lines.append(
            (f"Upload, {_who('upload', by)}", f"{median(rates):.0f} /s", f"{max(rates):.0f} /s", f"{cpu:.2f} ms")
        )
    first = results[0]
    files = f"{first['count']:,} files of {_size(first['size'])} over {first['connections']} connections"
    title = f"{files}, by a client in Python. nginx makes nothing durable here.\n"
    return f"{title}\n{_table(('', 'median', 'best', 'server CPU per file'), lines)}"


def _pages(results: list[Result]) -> str:
    lines = []
    for listing in LISTINGS:
        times = _page_times(results, listing, median)
        lines.append([listing.capitalize(), *(f"{times[depth] * 1000:.2f} ms" for depth in DEPTHS)])
    title = f"A page of 50 among {results[0]['files']:,} files, median, without HTTP.\n"
    return f"{title}\n{_table(('', *DEPTHS), lines)}"


def _page_times(results: list[Result], listing: str, pick: Callable[[list[float]], float]) -> dict[str, float]:
    return {r["depth"]: pick(r["seconds"]) for r in results if r["listing"] == listing}


def _first_decile(values: list[float]) -> float:
    return sorted(values)[len(values) // 10]


# The budgets


def budgets(raw: dict[str, Any]) -> list[Budget]:
    """Those that the sections which ran can tell of."""
    made: list[Budget] = []
    if "large" in raw:
        made += [_large_budget(raw["large"], what) for what in ("upload", "download")]
    if "many" in raw:
        made.append(_many_budget(raw["many"]))
    if uploads := [r for name in ("transfers", "large", "many") for r in raw.get(name, ()) if _is_ours(r)]:
        made.append(_written_budget(uploads))
    if "transfers" in raw:
        made.append(_door_budget(raw["transfers"]))
        made += [_nginx_budget(raw["transfers"], what, by) for what, by in NGINX_RATIOS]
    if "pages" in raw:
        made.append(_depth_budget(raw["pages"]))
    return made


def _large_budget(results: list[Result], what: str) -> Budget:
    growth = max(r["growth"] for r in results if r["what"] == what)
    promise = f"One {what} of {_size(results[0]['size'])} raises the resident memory by less than {_size(LARGE_GROWTH)}"
    return Budget(promise, f"{growth / MIB:.1f} MiB", growth < LARGE_GROWTH)


def _many_budget(results: list[Result]) -> Budget:
    first, peak = results[0], max(r["peak"] for r in results)
    each = _size(first["size"] // first["count"])
    promise = f"{first['count']} uploads of {each} at once stay under {_size(MANY_PEAK)} of resident memory"
    return Budget(promise, f"{peak / MIB:.0f} MiB", peak < MANY_PEAK)


def _is_ours(result: Result) -> bool:
    return result["what"] == "upload" and result["by"] in DOORS


def _written_budget(uploads: list[Result]) -> Budget:
    promise = "No byte of an upload is written to a disk but once, by the store"
    if not any(r["written"] for r in uploads):
        return Budget(promise, "this file system does not count", None)
    extra = max((r["written"] - r["size"]) / r.get("count", 1) for r in uploads)
    return Budget(promise, f"{_size(extra)} per upload beside its bytes, by the database", extra < DATABASE_WRITES)


def _door_budget(results: list[Result]) -> Budget:
    promise = "GraphQL uploads are as fast as REST uploads, within 5 %"
    if not (ratios := _ratios(results, "upload", GRAPHQL, REST)):
        return Budget(promise, "the machine was never quiet", None)
    ratio = median(ratios)
    rest, graphql = (median(r["cpu"] for r in results if _is_ours(r) and r["by"] == door) for door in (REST, GRAPHQL))
    measured = f"{ratio:.3f} times the speed, {graphql / max(rest, 0.01):.2f} times the CPU"
    return Budget(promise, measured, ratio >= DOOR_RATIO)


def _nginx_budget(results: list[Result], what: str, by: str) -> Budget:
    least = NGINX_RATIOS[what, by]
    who = f"A {what}" if what == "download" else f"An upload by {by}"
    promise = f"{who} has at least {least * 100:.0f} % of nginx's speed"
    ratios = _ratios(results, what, by, NGINX)
    if not ratios:
        return Budget(promise, "no nginx, or the machine was never quiet", None)
    return Budget(promise, f"{median(ratios):.2f} in {len(ratios)} rounds", median(ratios) >= least)


def _depth_budget(results: list[Result]) -> Budget:
    # The first decile, because a median of some milliseconds still feels who else wanted the processor.
    times = [_page_times(results, listing, _first_decile).values() for listing in LISTINGS]
    ratio = max(max(depths) / min(depths) for depths in times)
    promise = f"A page of 50 out of {results[0]['files']:,} files takes the same time at any depth (within 25 %)"
    return Budget(promise, f"{ratio:.2f} times as long at the slowest depth as at the fastest", ratio <= DEPTH_RATIO)


def _verdict(budget: Budget) -> str:
    return {True: "kept", False: "**not kept**", None: "not measured"}[budget.kept]


# Pieces


def _size(count: float) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", MIB), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count:.0f} B"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; numbers stand to the right."""
    rule = ("---", *("---:" for _ in header[1:]))
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *lines))
