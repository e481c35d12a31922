"""The pictures in the README: the page at work, on a library as somebody might have it; and pictures of every state.

`make screenshots` (SATCHEL_SCREENSHOTS=1) draws the first anew, and the second into tests/.artifacts/screenshots, to be
looked at. Otherwise the first page is only looked at, and the second is the business of test_accessible.py.
"""

import base64
import gzip
import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from library import archive, noise, pdf, store_all
from manager import FileManager
from playwright.async_api import expect
from states import each_look, states

PICTURES = Path(__file__).parents[2] / "frontend" / "screenshots"
STATES = Path(__file__).parents[1] / ".artifacts" / "screenshots"
DRAWN = os.environ.get("SATCHEL_SCREENSHOTS") == "1"

WIDTHS = {
    1280: {"viewport": {"width": 1280, "height": 800}},
    900: {"viewport": {"width": 900, "height": 800}},
    390: {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}

MINUTE, HOUR, DAY = 60, 3600, 86400

# A harbour in the evening: sky, sun, three ranges of hills, water with the sun's track on it, and two boats.
PAINT = """() => {
  const [width, height, horizon] = [1536, 1024, 610];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const paint = canvas.getContext("2d");
  const fade = (top, bottom, ...colours) => {
    const gradient = paint.createLinearGradient(0, top, 0, bottom);
    colours.forEach((colour, nth) => gradient.addColorStop(nth / (colours.length - 1), colour));
    return gradient;
  };
  paint.fillStyle = fade(0, horizon, "#2f3e66", "#8a5d7e", "#e58a5c", "#f9cf8f");
  paint.fillRect(0, 0, width, horizon);
  const glow = paint.createRadialGradient(980, 470, 30, 980, 470, 420);
  glow.addColorStop(0, "#fff1c8");
  glow.addColorStop(0.14, "#ffe3a680");
  glow.addColorStop(1, "#ffd99000");
  paint.fillStyle = glow;
  paint.fillRect(0, 0, width, horizon);
  paint.fillStyle = "#fff3d2";
  paint.beginPath();
  paint.arc(980, 470, 58, 0, 7);
  paint.fill();
  const hills = [["#a8667a", 520, 46, 0.9], ["#7a4c6c", 560, 38, 2.1], ["#4b3a5c", 592, 26, 4.4]];
  for (const [colour, top, swing, turn] of hills) {
    paint.fillStyle = colour;
    paint.beginPath();
    paint.moveTo(0, horizon);
    for (let x = 0; x <= width; x += 8) {
      paint.lineTo(x, top + swing * (Math.sin(x / 210 + turn) + 0.45 * Math.sin(x / 83 + 3 * turn)));
    }
    paint.lineTo(width, horizon);
    paint.fill();
  }
  paint.fillStyle = fade(horizon, height, "#c9775c", "#7b516f", "#2c3557");
  paint.fillRect(0, horizon, width, height - horizon);
  for (let y = horizon + 6; y < height; y += 9) {
    const far = (y - horizon) / (height - horizon);
    const reach = 60 + 170 * far;
    paint.fillStyle = `rgba(255, 226, 170, ${0.55 * (1 - far)})`;
    for (let nth = 0; nth < 4; nth++) {
      const x = 980 + reach * Math.sin(y * 1.7 + nth * 2.4);
      paint.fillRect(x - 34 * (0.4 + far), y, 68 * (0.4 + far), 2 + 3 * far);
    }
  }
  for (const [x, y, scale] of [[420, 742, 1.5], [690, 664, 0.8]]) {
    paint.fillStyle = "#251f33";
    paint.beginPath();
    paint.moveTo(x - 90 * scale, y);
    paint.lineTo(x + 96 * scale, y);
    paint.lineTo(x + 70 * scale, y + 28 * scale);
    paint.lineTo(x - 66 * scale, y + 28 * scale);
    paint.fill();
    paint.fillRect(x - 3 * scale, y - 190 * scale, 5 * scale, 190 * scale);
    paint.fillStyle = "#f1dcc0";
    paint.beginPath();
    paint.moveTo(x + 8 * scale, y - 180 * scale);
    paint.lineTo(x + 84 * scale, y - 16 * scale);
    paint.lineTo(x + 8 * scale, y - 16 * scale);
    paint.fill();
    paint.fillStyle = "#c98f6a";
    paint.beginPath();
    paint.moveTo(x - 10 * scale, y - 160 * scale);
    paint.lineTo(x - 62 * scale, y - 16 * scale);
    paint.lineTo(x - 10 * scale, y - 16 * scale);
    paint.fill();
  }
  return canvas.toDataURL("image/jpeg", 0.93).split(",")[1];
}"""


def padded(content, size):
    """A file that programs read to its end and that is as large as such files are."""
    return content + noise(size - len(content))


def library(photo):
    """The files by name, with the seconds since each was uploaded."""
    mp3 = b"ID3\3\0\0\0\0\0\0" + (b"\xff\xfb\x90\0" + b"\0" * 413) * 9000
    hours = range(30 * 24)
    tide = "".join(f"2026-11-{hour // 24 + 1:02},{hour % 24:02}:00,{3.1 + hour % 17 / 10:.1f}\n" for hour in hours)
    return {
        "Harbour at dusk.jpg": (padded(photo, 4_297_114), 4 * MINUTE),
        "Rental agreement, signed.pdf": (padded(pdf("Rental agreement"), 831_500), 38 * MINUTE),
        "Invoices 2026.zip": (padded(archive(january="1", february="2"), 6_120_400), 2 * HOUR),
        "train_model.py": (Path(__file__).read_bytes(), 3 * HOUR),
        "Interview, part 2.mp3": (mp3, 5 * HOUR),
        "Расписание паромов 2026.png": (padded(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1_342_000), 1 * DAY),
        "Harbour at dusk (for print).jpg": (padded(photo, 4_297_114), 1 * DAY + HOUR),
        "Tide readings.csv": (tide.encode() * 60, 3 * DAY),
        "Tide tables 2027.pdf": (padded(pdf("Tide tables"), 2_483_000), 4 * DAY),
        "Team offsite 041.jpg": (padded(photo, 5_880_220), 5 * DAY),
        "site-backup.tar.gz": (gzip.compress(noise(9_800_000), 1), 6 * DAY),
        "Lease draft v3.docx": (padded(archive(word="Draft"), 214_000), 8 * DAY),
        "README.md": (b"# Regatta\n\nHow we time it.\n" * 40, 9 * DAY),
        "Rapport annuel 2025.pdf": (padded(pdf("Rapport"), 3_310_000), 12 * DAY),
        "cover.psd": (padded(b"8BPS\0\1", 7_310_000), 13 * DAY),
    }


@pytest.fixture
async def photo(context):
    """A photograph of which the test is the camera."""
    easel = await context.new_page()
    painted = base64.b64decode(await easel.evaluate(PAINT))
    await easel.close()
    return painted


@pytest.fixture
async def stocked(server, photo):
    """A server on which the files have gathered over some days."""
    files = library(photo)
    await store_all(server, {name: content for name, (content, _) in files.items()})
    await server.stop()
    now = time.time()
    with closing(sqlite3.connect(server.data / "satchel.db")) as database, database:
        for name, (_, age) in files.items():
            moment = int((now - age) * 1_000_000)
            database.execute("UPDATE files SET upload_date = ? WHERE filename = ?", (moment, name))
    return await server.start()


async def test_the_page_looks_as_the_readme_shows_it(profile, stocked, photo, tmp_path):
    """A library, an open photograph and an upload under way, in light and in dark."""
    context = await profile(color_scheme="light", reduced_motion="reduce")
    page = await context.new_page()
    manager = await FileManager(page, stocked).open()
    await expect(manager.row("README.md")).to_be_visible()
    await manager.show("Harbour at dusk.jpg")
    await expect(manager.preview.locator("img")).to_have_js_property("naturalWidth", 1536)
    await expect(manager.preview).to_contain_text("2 files share these bytes")

    again = tmp_path / "Invoices 2026.zip"
    again.write_bytes(library(photo)[again.name][0])
    film = tmp_path / "Regatta, final cut.mov"
    film.write_bytes(padded(b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", 60_000_000))
    await manager.limit_uploads(4_000_000)
    await manager.choose(film, again)
    await expect(manager.upload(again.name)).to_contain_text("Already stored")
    await expect(manager.tray).to_contain_text("left")
    bar = manager.upload(film.name).get_by_role("progressbar")
    await expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[3-9]\d$"))

    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        await page.get_by_role("button", name=f"Use the {'dark' if theme == 'light' else 'light'} theme").wait_for()
        await expect(bar).to_be_visible()
        await expect(manager.state).to_have_text("Live")
        if DRAWN:
            PICTURES.mkdir(exist_ok=True)
            await page.screenshot(path=PICTURES / f"{theme}.png", animations="disabled")


@pytest.mark.skipif(not DRAWN, reason="only `make screenshots` draws")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.timeout(600)
async def test_every_state_is_drawn(profile, server, width):
    """Each state in both languages and both themes, and nothing of it wider than the window."""
    STATES.mkdir(parents=True, exist_ok=True)
    context = await profile(reduced_motion="reduce", **WIDTHS[width])
    manager = await FileManager(await context.new_page(), server).open()
    async for state in states(manager, server):
        async for language, theme in each_look(manager):
            await manager.page.screenshot(path=STATES / f"{state}-{width}-{language}-{theme}.png")
            assert await manager.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), (state, language)
