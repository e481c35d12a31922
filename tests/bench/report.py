"""The measurements as Markdown: the machine, a table per section, and the budgets."""

import itertools
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import satchel
from bench.listings import DATABASES, DEPTH_LISTINGS, DEPTHS
from bench.scaled import DIRECT
from bench.servers import nginx_version
from bench.transfers import DOORS, GRAPHQL, NGINX, NGINX_DURABLE, QUIET, REST, Result

KIB, MIB = 2**10, 2**20

LARGE_GROWTH = 64 * MIB
MANY_PEAK = 512 * MIB
DOOR_RATIO = 0.95
LEAST = {
    "transfers": (NGINX, "nginx's", {("upload", REST): 0.6, ("upload", GRAPHQL): 0.6, ("download", REST): 0.8}),
    "scaled": (
        DIRECT,
        "the S3 store's own",
        {("upload", REST): 0.9, ("upload", GRAPHQL): 0.9, ("download", REST): 0.8},
    ),
}
"""By section: what is compared with, and the least ratio of speeds."""
DATABASE_WRITES = MIB  # per upload; bytes that are written twice would be more than that
DEPTH_RATIO = 1.25  # "the same time", as far as a clock on a busy machine can tell
PAGE_SECONDS = 0.01
LIVE_SECONDS, WINDOW_MEMORY = 1, 100 * KIB
STALL_SECONDS = 0.05
CROWD_SECONDS = 0.1


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
        "scaled": _scaled,
        "large": _large,
        "many": _many,
        "small": _small,
        "pages": _pages,
        "live": _live,
        "stalls": _stalls,
        "crowds": _crowds,
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
    title = (
        f"{_shape(results)} above 1 is faster than nginx. Satchel hashes what it receives and answers when it is on "
        "the disk; nginx's PUT does neither, so a second line adds the fsync. Downloads come from the page cache. "
        f"{_noise(results)}\n"
    )
    return f"{title}\n{_transfer_table(results, {'to nginx': NGINX, 'to nginx with fsync': NGINX_DURABLE})}"


def _scaled(results: list[Result]) -> str:
    title = (
        f"{_shape(results)} above 1 is faster than without Satchel. Over PostgreSQL and SeaweedFS; beside "
        "miniopy-async, which Satchel uses too, on the same store: there memory and CPU are the client's, which has no "
        "server between. "
        f"{_noise(results)}\n"
    )
    return f"{title}\n{_transfer_table(results, {'to the store itself': DIRECT})}"


def _shape(results: list[Result]) -> str:
    rounds = max(result["round"] for result in results)
    size = _size(results[0]["size"])
    return f"A file of {size}, {rounds} rounds. A ratio is the median of the ratios within each round;"


def _transfer_table(results: list[Result], rivals: Mapping[str, str]) -> str:
    lines = []
    for what in ("upload", "download"):
        mine = [r for r in results if r["what"] == what]
        lines += [_transfer_line(results, what, by, rivals) for by in _contestants(mine)]
    return _table(("", "median", "best", *rivals, "peak memory", "server CPU", "written / size"), lines)


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
    return [name for name in (*DOORS, NGINX, NGINX_DURABLE, DIRECT) if name in present]


def _transfer_line(results: list[Result], what: str, by: str, rivals: Mapping[str, str]) -> list[str]:
    mine = [r for r in results if (r["what"], r["by"]) == (what, by)]
    mine = [r for r in mine if r["stolen"] <= QUIET] or mine
    speeds = [r["size"] / r["seconds"] / MIB for r in mine]
    fsynced = by == NGINX_DURABLE
    return [
        f"{what.capitalize()}, {_who(what, by)}",
        f"{median(speeds):.0f} MiB/s",
        f"{max(speeds):.0f} MiB/s",
        *(_ratio(results, what, by, rival) for rival in rivals.values()),
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
    pages = [r for r in results if r["what"] == "page"]
    databases = [database for database in DATABASES if any(r["database"] == database for r in results)]
    count = f"{results[0]['files']:,} files"
    missing = "" if len(databases) == len(DATABASES) else " PostgreSQL did not start, and is left out."
    columns = "all", "slowest", "which is", "there and back, slowest"
    return "\n".join((
        f"Pages of 50 out of {count}, in all six orders and at {len(DEPTHS)} depths: the time in the database, "
        f"as median of all pages, and of the slowest; and of the slowest with the way there and back.{missing}\n",
        _table(("", "files", *(f"{d}, {what}" for d in databases for what in columns)),
               [_listing_line(pages, listing, databases) for listing in dict.fromkeys(r["listing"] for r in pages)]),
        "By depth, with the way there and back.\n",
        _table(("", *DEPTHS), [_depth_line(pages, *key) for key in itertools.product(databases, DEPTH_LISTINGS)]),
        f"What else takes time among {count}: the median, and the longest. Counts are exact.\n",
        _table(("", *databases), _other_lines(results, databases)),
    ))  # fmt: skip


def _live(results: list[Result]) -> str:
    lines = [
        (f"{r['windows']:,}", *(_ms(r[key]) for key in ("median", "p99", "worst")), _ms(r["cpu"]), _kib(r["memory"]))
        for r in results
    ]
    return "\n".join((
        "From the answer to an upload until a window of the file manager is told of it; the server's processor time "
        "for an upload and all that, and its memory for a window.\n",
        _table(("windows", "median", "99 of 100", "worst", "processor", "memory"), lines),
    ))  # fmt: skip


def _stalls(results: list[Result]) -> str:
    lines = [(r["what"], _ms(r["median"]), _ms(r["worst"])) for r in sorted(results, key=lambda r: -r["median"])]
    return "\n".join((
        "What others wait at most while a hostile request is under way: the longest answer to another connection, as "
        "median of the rounds, and in the worst of them, in which a busy machine shows too.\n",
        _table(("", "median", "worst"), lines),
    ))  # fmt: skip


def _crowds(results: list[Result]) -> str:
    lines = [
        (r["what"], *(_ms(r[key]) for key in ("median", "p99", "worst")), f"{r['growth'] / MIB:.0f} MiB")
        for r in sorted(results, key=lambda r: -r["p99"])
    ]
    return "\n".join((
        "What others wait for `{ __typename }` while a crowd means harm, and by how much the resident memory grows.\n",
        _table(("", "median", "99 of 100", "worst", "growth"), lines),
    ))  # fmt: skip


def _listing_line(pages: list[Result], listing: str, databases: Sequence[str]) -> list[str]:
    cells = []
    for database in databases:
        own = [r for r in pages if (r["listing"], r["database"]) == (listing, database)]
        slowest = max(own, key=lambda r: median(r["seconds"]))
        cells += [_ms(median(median(r["seconds"]) for r in own)), _ms(median(slowest["seconds"]))]
        cells.append(f"{slowest['order']}, {slowest['depth']}")
        cells.append(_ms(max(median(r["whole"]) for r in own)))
    return [listing.capitalize(), f"{own[0]['matches']:,}", *cells]


def _depth_line(pages: list[Result], database: str, listing: tuple[str, str]) -> list[str]:
    times = _depth_times(pages, database, listing, median)
    return [f"{database}: {', '.join(listing)}", *(_ms(times[depth]) for depth in DEPTHS)]


def _other_lines(results: list[Result], databases: Sequence[str]) -> Iterable[list[str]]:
    others = {(r["what"], r["database"]): r["seconds"] for r in results if r["what"] != "page"}
    for what in dict.fromkeys(what for what, _ in others):
        times = (others[what, database] for database in databases)
        yield [what.capitalize(), *(f"{_ms(median(seconds))}, {_ms(max(seconds))}" for seconds in times)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _depth_times(
    pages: list[Result], database: str, listing: tuple[str, str], pick: Callable[[list[float]], float]
) -> dict[str, float]:
    return {
        r["depth"]: pick(r["whole"])
        for r in pages
        if (r["database"], r.get("listing"), r.get("order")) == (database, *listing)
    }


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
    for name in LEAST:
        made += _ratio_budgets(name, raw[name]) if name in raw else []
    if "pages" in raw:
        for database in dict.fromkeys(r["database"] for r in raw["pages"]):
            made += [_page_budget(raw["pages"], database), _depth_budget(raw["pages"], database)]
    if "live" in raw:
        made += _live_budgets(raw["live"])
    if "stalls" in raw:
        made.append(_stall_budget(raw["stalls"]))
    if "crowds" in raw:
        made += _crowd_budgets(raw["crowds"])
    return made


def _live_budgets(results: list[Result]) -> Iterable[Budget]:
    most = max(results, key=lambda r: r["windows"])
    promise = f"99 of 100 of {most['windows']:,} windows are told within {_ms(LIVE_SECONDS)}"
    yield Budget(promise, _ms(most["p99"]), most["p99"] <= LIVE_SECONDS)
    promise = f"Each of {most['windows']:,} windows takes {_kib(WINDOW_MEMORY)} at most"
    yield Budget(promise, _kib(most["memory"]), most["memory"] <= WINDOW_MEMORY)


def _stall_budget(results: list[Result]) -> Budget:
    longest = max(results, key=lambda r: r["median"])
    promise = f"No request keeps others waiting for more than {_ms(STALL_SECONDS)}"
    return Budget(promise, f"{_ms(longest['median'])}, {longest['what']}", longest["median"] <= STALL_SECONDS)


def _crowd_budgets(results: list[Result]) -> Iterable[Budget]:
    longest = max(results, key=lambda r: r["p99"])
    promise = f"99 of 100 answers to others come within {_ms(CROWD_SECONDS)}, whatever crowd is there"
    yield Budget(promise, f"{_ms(longest['p99'])}, {longest['what']}", longest["p99"] <= CROWD_SECONDS)
    strays = max(len(r["strays"]) for r in results)
    yield Budget("Nothing is written beside the store", f"{strays} files", strays == 0)


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


def _ratio_budgets(section: str, results: list[Result]) -> list[Budget]:
    other, whose, least = LEAST[section]
    made = []
    for (what, by), ratio in least.items():
        who = f"A {what}" if what == "download" else f"An upload by {by}"
        promise = f"{who} has at least {ratio * 100:.0f} % of {whose} speed"
        if ratios := _ratios(results, what, by, other):
            measured = f"{median(ratios):.2f} in {len(ratios)} rounds"
            made.append(Budget(promise, measured, median(ratios) >= ratio))
        else:
            made.append(
                Budget(promise, f"nothing to compare with: no {other}, or a machine that never was quiet", None)
            )
    return made


def _page_budget(results: list[Result], database: str) -> Budget:
    # The first decile, because a median of some milliseconds still feels who else wanted the processor.
    pages = [r for r in results if r["what"] == "page" and r["database"] == database]
    slow = [r for r in pages if _first_decile(r["seconds"]) >= PAGE_SECONDS]
    slowest = max(pages, key=lambda r: _first_decile(r["seconds"]))
    promise = (
        f"Any page of any listing of {pages[0]['files']:,} files takes less than {_ms(PAGE_SECONDS)} in {database}"
    )
    where = f"{slowest['listing']}, {slowest['order']}, {slowest['depth']}"
    measured = (
        f"{len(slow)} of {len(pages)} take longer; the slowest {_ms(_first_decile(slowest['seconds']))} ({where})"
    )
    return Budget(promise, measured, not slow)


def _depth_budget(results: list[Result], database: str) -> Budget:
    times = [_depth_times(results, database, listing, _first_decile).values() for listing in DEPTH_LISTINGS]
    least, most = max(((min(depths), max(depths)) for depths in times), key=lambda ends: ends[1] / ends[0])
    promise = (
        f"{database}: a page of 50 out of {results[0]['files']:,} files takes the same time at any depth (within 25 %)"
    )
    measured = f"{_ms(most)} at the slowest depth, {_ms(least)} at the fastest"
    return Budget(promise, measured, most / least <= DEPTH_RATIO)


def _verdict(budget: Budget) -> str:
    return {True: "kept", False: "**not kept**", None: "not measured"}[budget.kept]


# Pieces


def _kib(count: float) -> str:
    return f"{count / KIB:.0f} KiB"


def _size(count: float) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", MIB), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count:.0f} B"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; numbers stand to the right."""
    rule = ("---", *("---:" for _ in header[1:]))
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *lines))
