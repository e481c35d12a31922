"""A list of some hundred files: searched, filtered, sorted, scrolled, and walked through with the keyboard."""

import asyncio
import json
import re
import shutil

import pytest
from library import archive, pdf, png, remove, store, store_all, stored, wav
from manager import FileManager
from playwright.async_api import expect

from kept import eventually
from nursery import ForkedServer

FILES = {
    **{f"photo {n}.png": png(1 + n, 20) for n in range(1, 121)},
    **{f"note {n}.txt": b"line\n" * n for n in range(1, 151)},
    **{f"report {n}.pdf": pdf(f"Report {n}") for n in range(1, 21)},
    **{f"track {n}.wav": wav(seconds=n / 10) for n in range(1, 11)},
    **{f"sails {n}.zip": archive(jib=f"{n} m²") for n in range(1, 20)},
    "Ölstand Straße.txt": b"voll",
}


@pytest.fixture(scope="module")
async def full_server(nursery, tmp_path_factory):
    """A server with all the files; a test that changes something puts it back."""
    server = await ForkedServer(nursery, tmp_path_factory.mktemp("library")).start()
    await store_all(server, FILES)
    yield server
    await server.kill()
    shutil.rmtree(server.data, ignore_errors=True)


@pytest.fixture
async def library(page, full_server):
    """The file manager with a long list, all of which is counted."""
    manager = await FileManager(page, full_server).open()
    await expect(manager.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))
    return manager


# The page learns of it with the next frame, and until then the rows of the place before stand there.
SCROLL = """(grid, row) => {
  grid.scrollTop = row * 52;
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}"""


async def hold_pages(manager):
    """Let no page after the first arrive; gives what lets them."""
    gate = asyncio.Event()

    async def hold(route):
        if "query FilePage" in (route.request.post_data or ""):
            await gate.wait()
        await route.continue_()

    await manager.page.route("**/graphql", hold)
    return gate.set


async def drawn(manager):
    """The names of the rows that exist, by their place in the whole list."""
    rows = await manager.rows.evaluate_all(
        "(rows) => rows.map((row) => [row.ariaRowIndex - 2, row.querySelector('.name [title]').title])"
    )
    return dict(rows)


async def test_every_row_is_reached_and_few_exist(library):
    """Scrolled from end to end, each file is shown once and in order, read page by page, with few rows at a time."""
    cursors = []

    def note(request):
        variables = json.loads(request.post_data or "{}").get("variables", {})
        if request.url.endswith("/graphql") and "first" in variables:
            cursors.append(variables.get("after"))

    library.page.on("request", note)
    seen = {}
    for top in range(0, len(FILES), 9):
        await library.grid.evaluate(SCROLL, top)
        await expect(library.row_at(top)).to_be_visible()
        await expect(library.grid.get_by_text("Loading…")).to_have_count(0)
        assert await library.grid.get_by_role("row").count() < 60
        seen |= await drawn(library)
    expected = [entry["filename"] for entry in await stored(library.server)]
    assert [seen[index] for index in sorted(seen)] == expected
    assert len(cursors) >= 2
    assert None not in cursors, "a later page is asked for by the key of the last row"
    assert len(set(cursors)) == len(cursors), "no page is read twice"


async def test_the_first_rows_are_asked_for_once_by_the_head_of_the_page(library):
    """They are on their way before there is a script, and the script takes what comes."""
    asked = []

    def note(request):
        # What comes by its address, and what a script would send.
        if "query+FilePage" in request.url or "query FilePage" in (request.post_data or ""):
            asked.append(request.method)

    library.page.on("request", note)
    await library.page.reload()
    await expect(library.row_at(0)).to_be_visible()
    await expect(library.state).to_have_text("Live")
    assert asked == ["GET"]


async def test_search_finds_a_part_of_a_name(library):
    """Typing narrows the list without regard to case, says what was not found, and gives all back when cleared."""
    await library.search.fill("NOTE 14")
    await expect(library.rows).to_have_count(11)
    assert set((await drawn(library)).values()) == {"note 14.txt", *(f"note 14{n}.txt" for n in range(10))}
    await library.search.fill("strasse")
    await library.lists("Ölstand Straße.txt")
    await library.search.fill("<no such file>")
    await expect(library.page.get_by_role("heading", name="Nothing found")).to_be_visible()
    await expect(library.page.get_by_text("No name contains “<no such file>”")).to_be_visible()
    await library.page.get_by_role("button", name="Show all files").click()
    await expect(library.search).to_have_value("")
    await expect(library.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
async def test_a_slow_answer_is_seen_to_be_awaited(library, motion):
    """The rows of the last search stand back until those of the next one are there, with or without motion."""
    page, rows, held = library.page, library.grid.locator(".body"), []

    async def hold(route):
        if "FilePage" in route.request.post_data:
            held.append(route)
        else:
            await route.continue_()

    await page.emulate_media(reduced_motion=motion)
    await page.route("**/graphql", hold)
    await library.search.fill("NOTE 14")
    await expect(rows).to_have_css("opacity", "0.6")
    await expect(rows).to_have_css("transition-duration", "0s" if motion == "reduce" else "0.15s")
    for route in held:
        await route.continue_()
    await expect(library.rows).to_have_count(11)
    await expect(rows).to_have_css("opacity", "1")


async def test_a_chip_shows_one_kind(library):
    """A kind and a search narrow the list together."""
    await library.chip("Audio").click()
    await expect(library.chip("Audio")).to_have_attribute("aria-pressed", "true")
    await expect(library.rows).to_have_count(10)
    assert all(name.endswith(".wav") for name in (await drawn(library)).values())
    await library.chip("PDF").click()
    await expect(library.grid).to_have_attribute("aria-rowcount", "21")
    await library.search.fill("report 7")
    await library.lists("report 7.pdf")
    await library.chip("All").click()
    await library.lists("report 7.pdf")
    await library.search.fill("")
    await expect(library.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))


@pytest.mark.parametrize(
    ("column", "directions", "first", "last"),
    [
        ("Name", ("ascending", "descending"), "note 1.txt", "track 10.wav"),
        ("Size", ("descending", "ascending"), "track 10.wav", "Ölstand Straße.txt"),
    ],
)
async def test_a_header_sorts(library, column, directions, first, last):
    """A press on a header sorts by it, a second one turns the order; numbers in names count as numbers."""
    header = library.grid.get_by_role("columnheader", name=column)
    for direction, top in zip(directions, (first, last), strict=True):
        await library.header(column).click()
        await expect(header).to_have_attribute("aria-sort", direction)
        await expect(library.row_at(0).locator(".name")).to_contain_text(top)
    if column == "Name":
        await library.header(column).click()
        await expect(library.row_at(1).locator(".name")).to_contain_text("note 2.txt")


async def test_the_date_header_turns_the_order(library):
    """The newest file is first until the header is pressed; then it is the last, and back."""
    entries = [entry["filename"] for entry in await stored(library.server)]
    header = library.grid.get_by_role("columnheader", name="Uploaded")
    await expect(header).to_have_attribute("aria-sort", "descending")
    for direction, names in (("ascending", entries[::-1]), ("descending", entries)):
        await library.header("Uploaded").click()
        await expect(header).to_have_attribute("aria-sort", direction)
        await expect(library.row_at(0).locator(".name")).to_contain_text(names[0])
        await expect(library.row_at(1).locator(".name")).to_contain_text(names[1])


async def test_an_arrival_joins_the_order_that_is_shown(library):
    """A file that is uploaded elsewhere appears where the chosen order and search put it, or not at all."""
    await library.header("Name").click()
    await library.search.fill("report 1")
    await expect(library.rows).to_have_count(11)
    entry = await store(library.server, "report 1½.pdf", pdf("between"))
    other = await store(library.server, "elsewhere.pdf", pdf("elsewhere"))
    await expect(library.row("report 1½.pdf")).to_be_visible()
    names = await drawn(library)
    assert list(names.values()).count("report 1½.pdf") == 1
    assert "elsewhere.pdf" not in names.values()
    for each in (entry, other):
        await remove(library.server, each["id"])
    await expect(library.rows).to_have_count(11)


async def test_arrivals_above_the_view_are_announced_and_move_nothing(library):
    """While the reader is further down, new files do not shift the rows: a pill counts them and leads to them."""
    await library.grid.hover()
    await library.page.mouse.wheel(0, 52 * 40)
    await expect(library.row_at(45)).to_be_in_viewport()
    await expect(library.row_at(0)).to_have_count(1)  # the row that Tab leads to stays
    before = await library.top_row()
    entries = [await store(library.server, f"arrival {n}.txt", b"new %d" % n) for n in range(2)]
    pill = library.page.get_by_role("button", name="2 new")
    await expect(pill).to_be_visible()
    label, place = await library.top_row()
    assert label == before[0]
    assert abs(place - before[1]) <= 1
    await expect(library.page.locator("[aria-live=polite]").get_by_text("2 new", exact=True)).to_have_count(1)
    await pill.click()
    await expect(library.row("arrival 1.txt")).to_be_focused()
    await expect(library.row("arrival 1.txt")).to_be_in_viewport()
    await expect(library.row("arrival 0.txt")).to_be_in_viewport()
    await expect(pill).to_be_hidden()
    for entry in entries:
        await remove(library.server, entry["id"])
    await expect(library.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))


async def test_a_menu_stays_beside_its_row(library):
    """It says whose it is; arrivals do not part the two, and it is gone as soon as the list is scrolled."""
    names = [entry["filename"] for entry in await stored(library.server)]
    row = library.row(names[2])
    menu = await library.open_menu(names[2])
    await expect(menu.get_by_title(names[2])).to_be_visible()
    before = await row.bounding_box()
    entry = await store(library.server, "arrival.txt", b"new")
    await expect(library.page.get_by_role("button", name="1 new")).to_be_visible()
    assert await row.bounding_box() == before
    await expect(menu).to_be_visible()
    await remove(library.server, entry["id"])
    await expect(library.page.get_by_role("button", name="1 new")).to_be_hidden()
    assert await row.bounding_box() == before

    await library.grid.hover(position={"x": 40, "y": 400})
    await library.page.mouse.wheel(0, 52 * 60)
    await expect(menu).to_be_hidden()
    await expect(library.row_at(65)).to_be_in_viewport()
    await expect(row).not_to_be_in_viewport()
    await expect(row.get_by_role("button")).to_be_focused()


async def test_the_focus_goes_to_the_row_that_takes_the_place_of_one_that_is_gone(library):
    """Not with its element, which is drawn with a row at the end of the view."""
    entry = await store(library.server, "soon gone.txt", b"soon gone")
    await expect(library.row_at(0)).to_contain_text("soon gone")
    await library.row_at(1).get_by_role("checkbox").focus()
    await library.page.keyboard.press("ArrowUp")
    await expect(library.row_at(0)).to_be_focused()
    await remove(library.server, entry["id"])
    await expect(library.row_at(0)).not_to_contain_text("soon gone")
    await expect(library.row_at(0)).to_be_focused()
    await library.page.keyboard.press("ArrowDown")
    await expect(library.row_at(1)).to_be_focused()


async def test_the_keys_walk_through_the_whole_list(library):
    """Arrows, Page keys, Home and End move the focus, over rows that were not loaded yet too."""
    press = library.page.keyboard.press
    await library.row_at(0).focus()
    await press("ArrowDown")
    await press("ArrowDown")
    await expect(library.row_at(2)).to_be_focused()
    await press("ArrowUp")
    await expect(library.row_at(1)).to_be_focused()
    await press("End")
    await expect(library.row_at(len(FILES) - 1)).to_be_focused()
    await expect(library.row_at(len(FILES) - 1)).to_be_in_viewport()
    oldest = (await stored(library.server))[-1]["filename"]
    await expect(library.row_at(len(FILES) - 1).locator(".name")).to_contain_text(oldest)
    await press("PageUp")
    await expect(library.row_at(len(FILES) - 1)).not_to_be_focused()
    await press("Home")
    await expect(library.row_at(0)).to_be_focused()
    await expect(library.row_at(0)).to_be_in_viewport()


async def test_end_no_longer_moves_a_reader_who_is_elsewhere(library):
    """The last row is gone to when it is loaded; not if the list was scrolled, or the focus taken away, meanwhile."""
    release = await hold_pages(library)
    await library.row_at(0).focus()
    await library.page.keyboard.press("End")
    await expect(library.row_at(59)).to_be_focused()
    await library.grid.evaluate(SCROLL, 265)
    release()
    await expect(library.row_at(265)).to_be_in_viewport()
    await expect(library.row_at(59)).to_be_focused()

    await library.open()
    await expect(library.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))
    release = await hold_pages(library)
    await library.row_at(0).focus()
    await library.page.keyboard.press("End")
    await expect(library.row_at(59)).to_be_focused()
    await library.search.focus()
    release()
    await expect(library.row_at(len(FILES) - 1)).to_be_in_viewport()
    await expect(library.search).to_be_focused()


async def test_a_range_goes_on_over_rows_that_are_not_loaded_yet(library):
    """Shift and End select to the very end as soon as it is loaded, unless the selection was cleared meanwhile."""
    press = library.page.keyboard.press
    release = await hold_pages(library)
    await library.row_at(0).focus()
    await press("Shift+End")
    await expect(library.selection).to_contain_text(f"60 of {len(FILES)} selected")
    await press("Escape")
    await expect(library.selection).to_be_hidden()
    release()
    await expect(library.row_at(len(FILES) - 1)).to_be_focused()
    await expect(library.selection).to_be_hidden()

    await library.page.reload()
    await expect(library.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))
    await library.row_at(1).focus()
    await press("Shift+End")
    await expect(library.selection).to_contain_text(f"{len(FILES) - 1} selected")
    await expect(library.row_at(len(FILES) - 1)).to_be_focused()


async def test_enter_opens_escape_closes_and_delete_deletes(library):
    """A file is looked at, put away and deleted without the mouse, and the focus goes on from where it was."""
    press = library.page.keyboard.press
    names = [entry["filename"] for entry in await stored(library.server)]
    await library.row_at(0).focus()
    await press("ArrowDown")
    await press("Enter")
    await expect(library.preview.get_by_role("heading")).to_contain_text(names[1])
    await press("Escape")
    await expect(library.preview).to_be_hidden()
    await expect(library.row_at(1)).to_be_focused()
    await press("Delete")
    await expect(library.toasts).to_contain_text(f"Deleted “{names[1]}”")
    await expect(library.row(names[1])).to_have_count(0)
    await expect(library.row_at(1)).to_be_focused()
    await expect(library.row_at(1).locator(".name")).to_contain_text(names[2])
    await library.toasts.get_by_role("button", name="Undo").click()
    await expect(library.row_at(1).locator(".name")).to_contain_text(names[1])


async def test_a_name_is_changed_where_the_reader_sees_it(library):
    """In the preview when only that shows the file, and in its row when the focus is in the list, which goes there."""
    page = library.page
    entries = await stored(library.server)
    await library.open(f"/?file={entries[-1]['id']}")
    await library.opened(entries[-1]["filename"])
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("F2")
    await expect(library.preview.get_by_role("textbox")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(library.name_field).to_have_count(0)

    await library.box(entries[1]["filename"]).click()
    await page.keyboard.press("End")
    await expect(library.row_at(len(FILES) - 1)).to_be_focused()
    await page.keyboard.press("F2")
    await expect(library.row_at(1).get_by_role("textbox")).to_be_focused()
    await expect(library.row_at(1)).to_be_in_viewport()
    await page.keyboard.press("Escape")
    await expect(library.row_at(1)).to_be_focused()


async def test_slash_searches_and_escape_leaves(library):
    """A slash leads to the search from anywhere, Esc empties it and then leaves it; in the field it is a letter."""
    await library.row_at(0).focus()
    await library.page.keyboard.press("/")
    await expect(library.search).to_be_focused()
    await library.page.keyboard.type("track 10")
    await library.lists("track 10.wav")
    await library.page.keyboard.type("/")
    await expect(library.search).to_have_value("track 10/")
    await library.page.keyboard.press("Escape")
    await expect(library.search).to_have_value("")
    await expect(library.grid).to_have_attribute("aria-rowcount", str(len(FILES) + 1))
    await expect(library.search).to_be_focused()
    await library.page.keyboard.press("Escape")
    await expect(library.search).not_to_be_focused()


@pytest.mark.parametrize("key", ["Enter", "ArrowDown"])
async def test_keys_lead_from_the_search_to_what_it_finds(library, key):
    """As soon as that is listed, unless the reader has typed on; where nothing is found they lead nowhere."""
    asked = []

    async def hold(route):
        if "track 10" in (route.request.post_data or ""):
            asked.append(route)
        else:
            await route.continue_()

    press = library.page.keyboard.press
    await library.page.route("**/graphql", hold)
    await library.row_at(2).focus()
    await press("/")
    await library.page.keyboard.type("track 10")
    await press(key)
    await eventually(lambda: asked, "the search is asked for")
    await expect(library.search).to_be_focused()
    await press("Backspace")
    await press("Backspace")
    await library.page.keyboard.type("9")
    await library.lists("track 9.wav")
    await expect(library.search).to_be_focused()
    await library.search.fill("note 15")
    await press(key)
    await expect(library.row_at(0).filter(has_text="note 15")).to_be_focused()

    await press("/")
    await library.page.keyboard.type("no such name")
    await press(key)
    await expect(library.page.get_by_role("heading", name="Nothing found")).to_be_visible()
    await expect(library.search).to_be_focused()


async def test_the_summary_counts_everything(library):
    """Beside the chips stand the number of files and their size, and with a filter how many it finds."""
    await expect(library.page.get_by_text(re.compile(rf"\b{len(FILES)} files"))).to_be_visible()
    await library.chip("Audio").click()
    await expect(library.page.get_by_text(f"10 of {len(FILES)} files").first).to_be_visible()


async def test_how_many_are_found_is_said_when_they_are_counted(library):
    """Until then the number of rows is unknown, and none that is not it is shown or read aloud."""
    held = []

    async def hold(route):
        if "query Totals" in (route.request.post_data or ""):
            held.append(route)
        else:
            await route.continue_()

    await library.page.route("**/graphql**", hold)
    await library.search.fill("note")
    await expect(library.grid).to_have_attribute("aria-rowcount", "-1")
    found = library.page.get_by_text(f"of {len(FILES)} files")
    await expect(found).to_have_count(0)
    for route in held:
        await route.continue_()
    await expect(library.grid).to_have_attribute("aria-rowcount", "151")
    await expect(found).to_have_text([f"150 of {len(FILES)} files"] * 2)
