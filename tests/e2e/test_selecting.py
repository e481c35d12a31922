"""Files selected and worked on: with the keyboard alone, with the mouse, and with a finger."""

import re

import pytest
from library import png, remove, store, stored
from manager import FileManager
from playwright.async_api import expect
from test_accessible import STILL, violations

from kept import eventually

NAMES = [f"sail {n}.txt" for n in range(8, 0, -1)]

# What a page may know of the clipboard: what was written to it.
CLIPBOARD = """() => {
  window.copied = [];
  Object.defineProperty(navigator, "clipboard", {
    value: { writeText: async (text) => void window.copied.push(text) },
  });
}"""

# Drags a row over the page by the events that a mouse makes, and tells what was in it.
DRAG = """(row) => {
  const transfer = new DataTransfer();
  row.dispatchEvent(new DragEvent("dragstart", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  for (const type of ["dragenter", "dragover"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
  return Object.fromEntries(transfer.types.map((type) => [type, transfer.getData(type)]));
}"""


@pytest.fixture
async def entries(server):
    """Eight small files, of which the last uploaded comes first; their metadata by name."""
    return {name: await store(server, name, b"%d" % nth * 1024) for nth, name in enumerate(reversed(NAMES))}


@pytest.fixture
async def stocked(page, server, entries):
    """The file manager with the files listed."""
    await page.add_init_script(f"({CLIPBOARD})()")
    manager = await FileManager(page, server).open()
    await manager.lists(*NAMES)
    return manager


async def copied(manager):
    """What was written to the clipboard last."""
    return await manager.page.evaluate("window.copied.at(-1)")


async def test_the_keyboard_alone_does_everything(stocked, server, entries):
    """From an arrow pressed nowhere on: move, select, range, all, copy, download, rename, preview, delete, undo."""
    page, press = stocked.page, stocked.page.keyboard.press
    await press("ArrowDown")
    await expect(stocked.row_at(0)).to_be_focused()
    await press("ArrowDown")
    await press("Space")
    await stocked.selects(NAMES[1])
    await expect(stocked.selection).to_contain_text("1 selected")
    await press("Shift+ArrowDown")
    await press("Shift+ArrowDown")
    await press("Shift+ArrowUp")
    await stocked.selects(*NAMES[1:3])
    await expect(stocked.row_at(2)).to_be_focused()
    await press("l")
    await expect(stocked.toasts).to_have_text("2 links copied.")
    links = [f"{server.url}/?file={entries[name]['id']}" for name in NAMES[1:3]]
    assert await copied(stocked) == "\n".join(links)

    saved = []
    page.on("download", lambda download: saved.append(download.suggested_filename))
    await press("d")
    await eventually(lambda: len(saved) == 2, "both files are saved")
    assert saved == NAMES[1:3]

    await press("Escape")
    await stocked.selects()
    await expect(stocked.selection).to_be_hidden()
    await press("Control+a")
    await expect(stocked.selection).to_contain_text("8 selected")
    await expect(stocked.grid.get_by_role("checkbox", name="Select all")).to_be_checked()
    await press("Escape")

    await press("F2")
    await expect(stocked.name_field).to_be_focused()
    await page.keyboard.type("jib d l")
    await press("Enter")
    await expect(stocked.row("jib d l.txt")).to_be_visible()
    await expect(stocked.row_at(2)).to_be_focused()

    await press("ArrowRight")
    await expect(stocked.box("jib d l.txt")).to_be_focused()
    await press("ArrowRight")
    await press("ArrowRight")
    await press("Enter")
    menu = page.get_by_role("menu")
    await expect(menu.get_by_role("menuitem").first).to_be_focused()
    await press("ArrowUp")
    await expect(menu.get_by_role("menuitem", name="Delete")).to_be_focused()
    await press("c")
    await expect(menu.get_by_role("menuitem", name="Copy link")).to_be_focused()
    await press("Escape")
    await expect(menu).to_be_hidden()
    await expect(stocked.row("jib d l.txt").get_by_role("button")).to_be_focused()
    await press("ArrowLeft")
    await press("ArrowLeft")
    await press("ArrowLeft")
    await expect(stocked.row_at(2)).to_be_focused()

    await press("Enter")
    await expect(stocked.preview.get_by_role("heading")).to_contain_text("jib d l.txt")
    await press("Escape")
    await expect(stocked.preview).to_be_hidden()
    await press("Home")
    await press("Shift+End")
    await expect(stocked.selection).to_contain_text("8 selected")
    await press("Delete")
    await expect(stocked.toasts.last).to_contain_text("Deleted 8 files")
    await expect(stocked.rows).to_have_count(0)
    await stocked.toasts.last.get_by_role("button", name="Undo").focus()
    await press("Enter")
    await expect(stocked.rows).to_have_count(8)
    assert len(await stored(server)) == 8


async def test_the_keys_are_shown_and_rest_meanwhile(stocked):
    """A question mark shows the table of the keys; in it and in a field they do nothing, and Esc returns the focus."""
    page, press = stocked.page, stocked.page.keyboard.press
    await stocked.row_at(0).focus()
    await press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog.get_by_role("row")).to_have_count(15)
    await expect(dialog.get_by_role("row", name="Select all that is loaded")).to_contain_text("CtrlA")
    await press("Control+a")
    await press("Delete")
    await press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(stocked.row_at(0)).to_be_focused()
    await expect(stocked.rows).to_have_count(8)
    await stocked.selects()
    await press("/")
    await page.keyboard.type("dl?u")
    await expect(stocked.search).to_have_value("dl?u")
    await expect(dialog).to_be_hidden()
    await stocked.search.fill("")
    await press("Escape")
    async with page.expect_file_chooser():
        # Keys overtake what the browser is told by its driver, an answer of the page does not.
        await page.evaluate("0")
        await press("u")


async def test_keys_with_nothing_to_work_on_do_nothing(stocked):
    """Where no row has the focus and no file is selected or open, the clipboard keeps what it holds."""
    press = stocked.page.keyboard.press
    for key in ("l", "d", "F2", "Delete"):
        await press(key)
    await press("ArrowDown")
    await press("l")
    await expect(stocked.toasts).to_have_text(["Link copied."])
    assert await stocked.page.evaluate("window.copied.length") == 1


async def test_the_focus_goes_to_the_list_when_the_bar_that_had_it_goes(stocked, server, entries):
    """A selection takes the place of the chips, and they its: by keys, and when others delete what is selected."""
    press = stocked.page.keyboard.press
    await stocked.row_at(1).focus()
    await stocked.chip("Images").focus()
    await press("ControlOrMeta+a")
    await expect(stocked.selection).to_contain_text("8 selected")
    await expect(stocked.row_at(1)).to_be_focused()
    await stocked.selection.get_by_role("button", name="Copy links").focus()
    await press("Escape")
    await expect(stocked.selection).to_be_hidden()
    await expect(stocked.row_at(1)).to_be_focused()
    await press("Space")
    await stocked.selection.get_by_role("button", name="Download").focus()
    await remove(server, entries[NAMES[1]]["id"])
    await expect(stocked.selection).to_be_hidden()
    await expect(stocked.row(NAMES[2])).to_be_focused()


async def test_the_mouse_selects(stocked, server, entries):
    """Boxes, Ctrl and Shift select, a plain click opens; what others upload and delete leaves the rest selected."""
    await stocked.box(NAMES[0]).click()
    await stocked.row(NAMES[2]).click(modifiers=["ControlOrMeta"])
    await stocked.selects(NAMES[0], NAMES[2])
    await stocked.row(NAMES[5]).click(modifiers=["Shift"])
    await stocked.selects(NAMES[0], *NAMES[2:6])
    await stocked.box(NAMES[3]).click(modifiers=["Shift"])
    await stocked.selects(NAMES[0], NAMES[2], NAMES[3])
    await expect(stocked.box(NAMES[3])).to_be_checked()
    await stocked.row(NAMES[0]).click(modifiers=["ControlOrMeta"])
    await stocked.selects(NAMES[2], NAMES[3])
    await expect(stocked.selection).to_contain_text("2 KB")
    head = stocked.grid.get_by_role("checkbox", name="Select all")
    await expect(head).to_have_js_property("indeterminate", True)

    await store(server, "newer.txt", b"newer")
    await expect(stocked.row("newer.txt")).to_be_visible()
    await stocked.selects(NAMES[2], NAMES[3])
    await remove(server, entries[NAMES[3]]["id"])
    await stocked.selects(NAMES[2])
    await expect(stocked.selection).to_contain_text("1 selected")

    await stocked.row(NAMES[4]).click()
    await expect(stocked.preview.get_by_role("heading")).to_contain_text(NAMES[4])
    await stocked.selects(NAMES[2])
    await head.click()
    await expect(stocked.selection).to_contain_text("8 selected")
    await head.click()
    await expect(stocked.selection).to_be_hidden()
    await expect(stocked.chip("All")).to_be_visible()


async def test_a_range_begins_where_the_reader_was(stocked):
    """Shift takes in all from the row that was clicked, or gone to with the keys, to the one that is pressed."""
    await stocked.show(NAMES[2])
    await stocked.row(NAMES[5]).click(modifiers=["Shift"])
    await stocked.selects(*NAMES[2:6])
    await expect(stocked.row(NAMES[5])).to_be_focused()
    await stocked.row(NAMES[0]).click(modifiers=["Shift"])
    await stocked.selects(*NAMES[:3])
    await stocked.page.keyboard.press("Escape")
    await stocked.page.keyboard.press("Escape")
    await stocked.selects()
    await stocked.page.keyboard.press("ArrowDown")
    await stocked.box(NAMES[3]).click(modifiers=["Shift"])
    await stocked.selects(*NAMES[1:4])
    await expect(stocked.box(NAMES[3])).to_be_checked()


async def test_a_menu_belongs_to_each_row(stocked, server, entries):
    """The button and the right mouse button lead to it; on a row that is selected it is for all that are."""
    page = stocked.page
    await stocked.choose_action(NAMES[1], "Copy link")
    await expect(stocked.toasts).to_have_text("Link copied.")
    assert await copied(stocked) == f"{server.url}/?file={entries[NAMES[1]]['id']}"
    async with page.expect_download() as download:
        await stocked.choose_action(NAMES[1], "Download")
    assert (await download.value).suggested_filename == NAMES[1]
    await stocked.choose_action(NAMES[1], "Select")
    await stocked.row(NAMES[3]).click(modifiers=["ControlOrMeta"])
    await stocked.row(NAMES[3]).click(button="right")
    menu = page.get_by_role("menu", name="2 selected")
    await expect(menu.get_by_role("menuitem")).to_have_text(["Download", "Copy links", "Delete"])
    await page.mouse.click(640, 30)
    await expect(menu).to_be_hidden()
    await stocked.row(NAMES[0]).click(button="right")
    await expect(page.get_by_role("menu", name=f"More actions: {NAMES[0]}")).to_be_visible()
    await page.keyboard.press("Escape")
    menu = await stocked.open_menu(NAMES[2])
    await stocked.row(NAMES[2]).get_by_role("button", name="More actions").click()
    await expect(menu).to_be_hidden()


async def test_keys_stay_in_an_open_menu(stocked):
    """What it has no use for does nothing to the page; and it goes when the focus does."""
    page, press = stocked.page, stocked.page.keyboard.press
    for name in NAMES[:2]:
        await stocked.box(name).click()
    menu = await stocked.open_menu(NAMES[3])
    for key in ("Delete", "l", "?", "/", "F2"):
        await press(key)
    await expect(menu.get_by_role("menuitem").first).to_be_focused()
    await press("ArrowUp")
    await expect(menu.get_by_role("menuitem", name="Delete")).to_be_focused()
    await stocked.lists(*NAMES)
    await expect(stocked.toasts).to_have_count(0)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await stocked.search.focus()
    await expect(menu).to_be_hidden()
    await expect(stocked.search).to_be_focused()
    await stocked.selects(*NAMES[:2])


async def test_selected_files_are_deleted_together(stocked, server):
    """One toast stands for all, Undo brings all back; without it they are gone everywhere."""
    for name in NAMES[1:4]:
        await stocked.box(name).click()
    await stocked.selection.get_by_role("button", name="Delete").click()
    await stocked.lists(NAMES[0], *NAMES[4:])
    await expect(stocked.toasts).to_have_count(1)
    await expect(stocked.toasts).to_contain_text("Deleted 3 files")
    await expect(stocked.selection).to_be_hidden()
    await expect(stocked.row(NAMES[4])).to_be_focused()
    await stocked.toasts.get_by_role("button", name="Undo").click()
    await stocked.lists(*NAMES)
    assert len(await stored(server)) == 8

    await stocked.box(NAMES[6]).click()
    await stocked.box(NAMES[7]).click()
    await stocked.selection.get_by_role("button", name="Delete").click()
    await stocked.page.mouse.move(640, 30)
    await expect(stocked.toasts).to_have_count(0)
    await stocked.lists(*NAMES[:6])
    assert [entry["filename"] for entry in await stored(server)] == NAMES[:6]


async def test_a_key_takes_back_what_was_done_last(stocked, server):
    """Ctrl+Z runs what the newest message offers, from wherever the focus is; in a field it is the field's."""
    press = stocked.page.keyboard.press
    await stocked.row_at(0).click()
    await press("Delete")
    await expect(stocked.toasts).to_contain_text(f"Deleted “{NAMES[0]}”")
    await stocked.search.focus()
    await press("ControlOrMeta+z")
    await expect(stocked.toasts).to_have_count(1)
    await stocked.row_at(0).focus()
    await press("ControlOrMeta+z")
    await expect(stocked.toasts).to_have_count(0)
    await stocked.lists(*NAMES)
    assert len(await stored(server)) == 8


async def test_keys_on_a_header_are_for_the_file_that_is_shown(stocked):
    """Not for a row, which the sorting may have brought there unseen."""
    press = stocked.page.keyboard.press
    await stocked.show(NAMES[3])
    await stocked.header("Name").click()
    await press("F2")
    await expect(stocked.preview.get_by_role("textbox")).to_be_focused()
    await press("Escape")
    await stocked.header("Size").click()
    await expect(stocked.header("Size")).to_be_focused()
    await press("Delete")
    await expect(stocked.toasts).to_contain_text(f"Deleted “{NAMES[3]}”")
    await expect(stocked.row(NAMES[3])).to_have_count(0)


async def test_downloads_can_be_stopped(stocked):
    """The message about several downloads offers to stop them, and those that have not begun stay where they are."""
    saved = []
    stocked.page.on("download", lambda download: saved.append(download.suggested_filename))
    await stocked.row_at(0).focus()
    await stocked.page.keyboard.press("ControlOrMeta+a")
    async with stocked.page.expect_download():
        await stocked.page.keyboard.press("d")
    await stocked.toasts.get_by_role("button", name="Stop").click()
    await expect(stocked.toasts).to_have_count(0)
    # What was asked for later arrives later: then the stopped ones would be here.
    await stocked.selection.get_by_role("button", name="Clear the selection").click()
    await stocked.download(NAMES[7])
    assert saved[0] == NAMES[0]
    assert len(saved) < 8


async def test_a_row_can_be_dragged_to_the_desktop(stocked, server, entries):
    """It carries its address and, for Chromium, its name; the page does not offer to upload it."""
    link = f"{server.url}/files/{entries[NAMES[0]]['id']}/download"
    dragged = await stocked.row(NAMES[0]).evaluate(DRAG)
    assert dragged["text/uri-list"] == link
    assert re.fullmatch(rf"[\w./-]+:{re.escape(NAMES[0])}:{re.escape(link)}", dragged["downloadurl"])
    await expect(stocked.page.get_by_text("Drop to upload")).to_be_hidden()


async def test_files_are_taken_after_a_row_was_lost_while_it_was_dragged(stocked, server, entries, tmp_path):
    """A row that is deleted elsewhere never says that its drag has ended; what comes from the desktop then is taken."""
    await stocked.row(NAMES[0]).evaluate(DRAG)
    await remove(server, entries[NAMES[0]]["id"])
    await expect(stocked.row(NAMES[0])).to_be_hidden()
    await stocked.page.mouse.move(640, 30)
    late = tmp_path / "late.txt"
    late.write_text("from the desktop")
    await stocked.drag(late)
    await expect(stocked.page.get_by_text("Drop to upload")).to_be_visible()
    await stocked.drop()
    await expect(stocked.row("late.txt")).to_be_visible()


async def test_chips_count_each_kind(stocked, server):
    """The counts follow uploads, deletions and the search."""
    await expect(stocked.chip("Text")).to_have_text(re.compile(r"Text\s*8"))
    entry = await store(server, "sail plan.png", png(10, 10))
    await store(server, "harbour.png", png(12, 10))
    await expect(stocked.chip("Images")).to_have_text(re.compile(r"Images\s*2"))
    await stocked.search.fill("sail")
    await expect(stocked.chip("Images")).to_have_text(re.compile(r"Images\s*1"))
    await stocked.search.fill("")
    await expect(stocked.chip("Images")).to_have_text(re.compile(r"Images\s*2"))
    await remove(server, entry["id"])
    await expect(stocked.chip("Images")).to_have_text(re.compile(r"Images\s*1"))


async def test_chips_that_do_not_fit_are_reached_by_the_wheel(stocked):
    """Beside an open preview the row of chips goes on past its end, where it fades."""
    page = stocked.page
    await page.set_viewport_size({"width": 900, "height": 700})
    await expect(stocked.chip("Other")).to_be_in_viewport(ratio=1)
    await stocked.row(NAMES[0]).click()
    await expect(stocked.chip("Other")).not_to_be_in_viewport()
    await stocked.chip("All").hover()
    await page.mouse.wheel(0, 1000)
    await expect(stocked.chip("Other")).to_be_in_viewport(ratio=1)
    await expect(stocked.chip("All")).not_to_be_in_viewport()


async def test_a_finger_selects_by_a_long_press(profile, server, entries):
    """On a phone a long press begins the selection, taps go on with it, and the bar works on it."""
    context = await profile(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = await context.new_page()
    await page.add_init_script(f"({CLIPBOARD})()")
    manager = await FileManager(page, server).open()
    await manager.lists(*NAMES)
    await expect(manager.box(NAMES[0])).to_be_hidden()

    touch = await context.new_cdp_session(page)
    box = await manager.row(NAMES[1]).bounding_box()
    at = {"x": box["x"] + 150, "y": box["y"] + 30}
    await touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    await manager.selects(NAMES[1])
    await touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await expect(manager.box(NAMES[0])).to_be_visible()
    await manager.selects(NAMES[1])

    await manager.row(NAMES[2]).tap()
    await manager.box(NAMES[4]).tap()
    await manager.selects(NAMES[1], NAMES[2], NAMES[4])
    await expect(manager.preview).to_be_hidden()
    for button in await manager.selection.get_by_role("button").all():
        size = await button.bounding_box()
        assert size["width"] >= 44
        assert size["height"] >= 44
    await manager.selection.get_by_role("button", name="Copy links").tap()
    await expect(manager.toasts).to_contain_text("3 links copied.")
    await manager.selection.get_by_role("button", name="Select all").tap()
    await expect(manager.selection).to_contain_text("8 selected")
    await manager.selection.get_by_role("button", name="Clear the selection").tap()
    await expect(manager.selection).to_be_hidden()
    await manager.row(NAMES[2]).tap()
    await expect(manager.preview).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_selecting_is_accessible(profile, server, entries, theme):
    """The bar, the menu, the field of a name that was refused and the table of the keys, as axe-core sees them."""
    context = await profile(color_scheme=theme, **STILL)
    page = await context.new_page()
    manager = await FileManager(page, server).open()
    await manager.box(NAMES[1]).click()
    await expect(manager.selection).to_be_visible()
    assert await violations(page) == {}
    await manager.open_menu(NAMES[2])
    assert await violations(page) == {}
    await page.get_by_role("menuitem", name="Rename").click()
    await manager.name_field.fill("a/b")
    await page.keyboard.press("Enter")
    await expect(manager.grid.get_by_role("alert")).to_be_visible()
    assert await violations(page) == {}
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert await violations(page) == {}
