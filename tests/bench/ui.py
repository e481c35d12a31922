"""Measures the file manager in a real browser against its budgets, with a long list; prints a Markdown table.

    .venv/bin/python tests/bench/ui.py [--quick] [--files N] [--minutes N]

Time to the first rows, frames while the list is scrolled from top to bottom (in steps, and by the wheel), frames while
four hundred small files and a large one are sent at once, and the memory that a long run of live inserts leaves behind.
A budget that is missed is told and is no failure: a benchmark depends on its machine, and fails no build.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "e2e")]  # behind all others: folders of tests/ are named as packages are

from chromium import ARGUMENTS, find_chromium  # noqa: E402
from manager import ROW, FileManager  # noqa: E402

from bench.listings import fill_database  # noqa: E402
from server import Server  # noqa: E402

FIRST_ROWS = 300
FRAME = 20
"""Budgets, in milliseconds."""
LOADS = 15
SETTLING = 1
"""Seconds in which the browser makes and closes profiles and tabs: processes, storage, caches."""
STEPS = 400
WHEEL = 2_400
"""Pixels that each turn of the wheel moves: two screens and more."""
SMALL, SMALL_SIZE = 400, 4_096
PER_SECOND = 5
GIB = 2**30

# Frames are counted from here on, by the time between one and the next.
COUNT_FRAMES = """() => {
  window.frames_ = [];
  const counting = (window.counting = {});
  let last;
  requestAnimationFrame(function frame(now) {
    if (counting !== window.counting) return;
    if (last !== undefined) window.frames_.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  });
}"""
STOP_COUNTING = "() => { window.counting = undefined; return window.frames_; }"

# One step a frame, from top to bottom.
SCROLL = """async ([grid, steps]) => {
  for (let step = 0; step <= steps; step++) {
    grid.scrollTop = ((grid.scrollHeight - grid.clientHeight) * step) / steps;
    await new Promise(requestAnimationFrame);
  }
}"""

# Since the page began to load: when a row of a file, not its placeholder, is presented on the screen, as the browser
# tells it (https://wicg.github.io/element-timing/). The page says it by itself, because who asks a page loads half a
# megabyte of script into it first.
WATCH_ROWS = """(row) => {
  new PerformanceObserver((list) => {
    for (const { renderTime } of list.getEntries()) console.info("first rows", renderTime);
  }).observe({ type: "element" });
  new MutationObserver((_, observer) => {
    const cell = document.querySelector(`${row} .size`);
    cell?.setAttribute("elementtiming", "size");
    if (cell) observer.disconnect();
  }).observe(document, { childList: true, subtree: true });
}"""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    what: str
    measured: str
    budget: str = ""
    kept: bool | None = None


def frames(what: str, deltas: list[float]) -> Line:
    """The frame that only one of twenty exceeds, and the longest."""
    ordered = sorted(deltas)
    p95 = ordered[int(len(ordered) * 0.95)]
    told = f"{p95:.1f} ms p95, {ordered[-1]:.0f} ms longest of {len(ordered)}"
    return Line(what, told, f"{FRAME} ms p95", p95 <= FRAME)


async def first_rows(browser: Browser, server: Server) -> Line:
    """Into an empty tab of a new profile each time, so that its cache is empty.

    What a browser does to make a profile and a tab, and to close them, is no part of a load, and has its own time; nor
    is that in which the browser itself begins, so the first load does not count.
    """
    times = []
    for _ in range(1 + LOADS):
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_init_script(f"({WATCH_ROWS})({ROW!r})")
        page = await context.new_page()
        await asyncio.sleep(SETTLING)
        async with page.expect_console_message(lambda line: line.text.startswith("first rows")) as told:
            await page.goto(server.url, wait_until="commit")
        times.append(float((await told.value).text.split()[-1]))
        await context.close()
        await asyncio.sleep(SETTLING)
    del times[0]
    told = f"{median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})"
    return Line("first rows, cold cache", told, f"{FIRST_ROWS} ms", median(times) <= FIRST_ROWS)


async def idle(page: Page) -> Line:
    """What the machine gives while nothing happens: no frame can be faster."""
    await page.evaluate(COUNT_FRAMES)
    await asyncio.sleep(3)
    return frames("frames, nothing happens", await page.evaluate(STOP_COUNTING))


async def scrolled_in_steps(manager: FileManager, steps: int) -> Line:
    await manager.page.evaluate(COUNT_FRAMES)
    await manager.page.evaluate(SCROLL, [await manager.grid.element_handle(), steps])
    return frames(f"frames, scrolled to the end in {steps} steps", await manager.page.evaluate(STOP_COUNTING))


async def scrolled_by_wheel(manager: FileManager, turns: int) -> Line:
    await manager.grid.evaluate("(grid) => { grid.scrollTop = 0 }")
    await manager.grid.hover()
    await manager.page.evaluate(COUNT_FRAMES)
    for _ in range(turns):
        await manager.page.mouse.wheel(0, WHEEL)
        await asyncio.sleep(0.03)
    return frames(f"frames, {turns} turns of the wheel", await manager.page.evaluate(STOP_COUNTING))


async def sending(manager: FileManager, directory: Path, large: int) -> list[Line]:
    """Small files and a large one, which is sparse so that it takes no room before it is stored."""
    film = directory / "film.bin"
    with film.open("wb") as content:
        content.truncate(large)
    paths = [film]
    for number in range(SMALL):
        paths.append(directory / f"small {number}.bin")
        paths[-1].write_bytes(os.urandom(SMALL_SIZE))
    session = await manager.page.context.new_cdp_session(manager.page)
    start = time.perf_counter()
    await manager.page.evaluate(COUNT_FRAMES)
    await manager.choose(*paths)
    ended = manager.tray.get_by_role("status")
    await expect(ended).to_have_text(f"{SMALL + 1} uploads finished", timeout=3_600_000)
    seconds = time.perf_counter() - start
    counted = await manager.page.evaluate(STOP_COUNTING)
    await manager.tray.get_by_role("button", name="Close the uploads").click()
    what = f"{SMALL} small files and one of {large / GIB:g} GiB"
    return [
        frames(f"frames, {what} sent at once", counted),
        Line(f"{what}, sent", f"{seconds:.0f} s"),
        Line("JS heap after it", f"{await heap(session):.1f} MB"),
    ]


async def live_inserts(page: Page, server: Server, minutes: float) -> list[Line]:
    """Files come from elsewhere at an even pace; memory is what is left after a collection."""
    session = await page.context.new_cdp_session(page)
    before = await heap(session)
    nodes = await page.evaluate("document.querySelectorAll('*').length")
    await page.evaluate(COUNT_FRAMES)
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        start, number = time.monotonic(), 0
        while (due := start + number / PER_SECOND) < start + minutes * 60:
            await asyncio.sleep(max(0, due - time.monotonic()))
            files = {"file": (f"arrival {number}.txt", b"arrival %d" % number)}
            (await client.post("/files/upload", files=files)).raise_for_status()
            number += 1
    counted = await page.evaluate(STOP_COUNTING)
    after = await heap(session)
    what = f"{number} live inserts in {minutes:g} min"
    more = await page.evaluate("document.querySelectorAll('*').length") - nodes
    return [
        frames(f"frames, {what}", counted),
        Line("JS heap before", f"{before:.1f} MB"),
        Line(f"JS heap after {what}", f"{after:.1f} MB ({after - before:+.1f} MB, {more:+d} elements)"),
    ]


async def heap(session: CDPSession) -> float:
    """Megabytes of script memory that are in use after a full collection."""
    for _ in range(2):
        await session.send("HeapProfiler.collectGarbage")
    return (await session.send("Runtime.getHeapUsage"))["usedSize"] / 1e6


async def measure(arguments: argparse.Namespace, directory: Path) -> list[Line]:
    """Everything, on one server."""
    server = await Server(directory).start()
    await server.stop()
    say(f"Writing {arguments.files} rows …")
    await fill_database(server.data / "satchel.db", arguments.files)
    await server.start()
    chromium = find_chromium()
    environment = {**os.environ, **chromium.environment}
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium.executable, args=ARGUMENTS, env=environment
            )
            say("First rows …")
            lines = [await first_rows(browser, server)]
            page = await browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
            manager = await FileManager(page, server).open()
            await expect(manager.grid).to_have_attribute("aria-rowcount", str(arguments.files + 1))
            lines.append(await idle(page))
            say("Live inserts …")
            lines += await live_inserts(page, server, arguments.minutes)
            say("Uploads …")
            lines += await sending(manager, directory, arguments.large)
            say("Scrolling …")
            await page.reload()  # as a reader comes to it
            await expect(manager.grid).to_have_attribute("aria-rowcount", re.compile(r"\d{4,}"))
            lines.append(await scrolled_by_wheel(manager, arguments.wheel))
            lines.append(await scrolled_in_steps(manager, arguments.steps))
            await browser.close()
    finally:
        await server.kill()
    return lines


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half a minute of inserts and a small large file")
    parser.add_argument("--files", type=int, default=100_000, help="in the list (default %(default)s)")
    parser.add_argument("--minutes", type=float, help="of live inserts (default 10)")
    parser.add_argument("--large", type=float, help="GiB of the large file that is sent (default 4)")
    parser.add_argument("--directory", type=Path, default=TESTS / ".artifacts" / "bench", help="on the disk to use")
    arguments = parser.parse_args()
    arguments.minutes = arguments.minutes or (0.5 if arguments.quick else 10)
    arguments.large = int((arguments.large or (0.25 if arguments.quick else 4)) * GIB)
    arguments.steps, arguments.wheel = STEPS, STEPS // 4 if arguments.quick else STEPS
    arguments.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-ui-", dir=arguments.directory) as directory:
        lines = asyncio.run(measure(arguments, Path(directory)))
    print(f"{arguments.files:,} files, load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| | measured | budget | |\n|---|---|---|---|")
    for line in lines:
        verdict = "" if line.kept is None else "kept" if line.kept else "**missed**"
        print(f"| {line.what} | {line.measured} | {line.budget} | {verdict} |")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
