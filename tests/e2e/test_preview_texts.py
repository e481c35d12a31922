"""Code is coloured beside the page, long texts come a megabyte at a time, and hostile text stays text."""

import random

import pytest
from library import store
from playwright.async_api import expect

MEGABYTE = 1024 * 1024

# Workers are given nothing to do until the test says so.
HOLD = """() => {
  const { postMessage } = Worker.prototype;
  const held = [];
  Worker.prototype.postMessage = function (...job) { held.push(() => postMessage.apply(this, job)) };
  window.release = () => {
    Worker.prototype.postMessage = postMessage;
    for (const post of held) post();
  };
}"""


async def test_code_is_coloured(viewer):
    """Words of the language, strings and remarks differ in colour, and lines carry their numbers."""
    await store(viewer.server, "sum.py", b'# adds\ndef sum(a, b):\n    return f"{a + b}"\n')
    preview = await viewer.show("sum.py")
    text = preview.locator("pre")
    await expect(text.locator(".keyword")).to_have_text(["def", "return"])
    await expect(text.locator(".comment")).to_have_text("# adds")
    colours = await text.evaluate(
        """(text) => ["", ".keyword", ".comment", ".string"].map(
          (name) => getComputedStyle(name ? text.querySelector(name) : text).color,
        )"""
    )
    assert len(set(colours)) == 4
    numbers = "(lines) => lines.map((line) => line.dataset.number)"
    assert await text.locator(".line").evaluate_all(numbers) == ["1", "2", "3"]
    assert await text.text_content() == '# adds\ndef sum(a, b):\n    return f"{a + b}"\n'


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_colour_of_code_can_be_read(viewer, theme):
    """In both themes each colour has a contrast of 4.5 and more on the ground that it stands on."""
    await store(viewer.server, f"ground in {theme}.py", b"pass\n# " + theme.encode())
    await viewer.page.emulate_media(color_scheme=theme)
    preview = await viewer.show(f"ground in {theme}.py")
    await expect(preview.locator(".keyword")).to_be_visible()
    contrasts = await preview.locator(".stage").evaluate(
        """(stage) => {
          const paint = document.createElement("canvas").getContext("2d");
          const light = (colour) => {
            paint.fillStyle = colour;
            paint.fillRect(0, 0, 1, 1);
            const [red, green, blue] = [...paint.getImageData(0, 0, 1, 1).data].map((part) => {
              const share = part / 255;
              return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
          };
          const ground = light(getComputedStyle(stage).backgroundColor);
          const names = ["keyword", "string", "number", "comment", "name", "type", "meta"];
          return [...names.map((name) => `--code-${name}`), "--ok", "--bad", "--faint"].map((token) => {
            const probe = stage.appendChild(document.createElement("i"));
            probe.style.color = `var(${token})`;
            const ink = light(getComputedStyle(probe).color);
            probe.remove();
            return [token, Math.max(ink, ground) / Math.min(ink, ground)];
          });
        }"""
    )
    assert [(token, contrast) for token, contrast in contrasts if contrast < 4.5] == []


async def test_a_long_text_comes_a_megabyte_at_a_time(viewer):
    """The page says how much of it is shown; each next megabyte is fetched when asked for, and no character is torn."""
    ranges = []
    viewer.page.on("request", lambda request: ranges.append(request.headers.get("range")))
    lines = "".join(f"{number}: à la lueur du phare, 灯台 👩‍🚀\n" for number in range(55_000))
    content = lines.encode()
    assert 2 * MEGABYTE < len(content) < 3 * MEGABYTE
    await store(viewer.server, "long.log", content)
    preview = await viewer.show("long.log")
    text = preview.locator("pre")
    await expect(preview.get_by_text("The first 1.0 MB of 2.5 MB are shown.")).to_be_visible()
    more = preview.get_by_role("button", name="Show more")
    await more.click()
    await expect(preview.get_by_text("The first 2.0 MB of 2.5 MB are shown.")).to_be_visible()
    await more.press("Enter")
    await expect(more).to_be_hidden()
    await expect(preview.locator("pre:focus")).to_have_count(1)
    await expect(text).to_contain_text("54999: ")
    assert await text.text_content() == lines
    assert [each for each in ranges if each] == [
        f"bytes=0-{MEGABYTE - 1}",
        f"bytes={MEGABYTE}-{2 * MEGABYTE - 1}",
        f"bytes={2 * MEGABYTE}-{len(content) - 1}",
    ]


async def test_minified_code_does_not_hold_up_the_page(viewer):
    """A megabyte in one line is shown at once and can be read to its end, while a worker has yet to colour it."""
    chance = random.Random(4)
    code = "".join(f'function f{chance.randrange(9999)}(a,b){{return a+"{number}"+b/2}};' for number in range(25_000))
    await store(viewer.server, "bundle.min.js", code.encode()[:MEGABYTE])
    await viewer.page.evaluate(HOLD)
    preview = await viewer.show("bundle.min.js")
    text = preview.locator("pre")
    await expect(text).to_contain_text(code[:500])
    await text.evaluate("(text) => text.scrollTo(0, text.scrollHeight)")
    await expect(text).to_contain_text(code[MEGABYTE - 500 : MEGABYTE])
    await expect(text.locator(".keyword")).to_have_count(0)
    await viewer.page.evaluate("release()")
    await expect(text.locator(".keyword").first).to_be_visible()
    assert await text.evaluate("(text) => text.scrollWidth <= text.clientWidth")
    await text.evaluate("(text) => text.scrollTo(0, text.scrollHeight / 2)")
    await expect(text.locator(".block:has(.keyword)").nth(3)).to_be_attached()
    assert await text.locator("[data-number]").count() == 1


async def test_what_is_copied_is_what_is_in_the_file(viewer, context):
    """The lines and pieces that the text is drawn in leave no trace in a copy."""
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    content = "let a = 1;\n\n// two\n" + "x = 'a long line';" * 300 + "\nlast"
    await store(viewer.server, "copied.js", content.encode())
    preview = await viewer.show("copied.js")
    await expect(preview.locator("pre .keyword").first).to_be_visible()
    await preview.locator("pre").evaluate("(text) => getSelection().selectAllChildren(text)")
    await preview.locator("pre").press("Control+c")
    assert await viewer.page.evaluate("navigator.clipboard.readText()") == content


async def test_wrapping_is_remembered(viewer):
    """Who wants no wrapped lines says so once."""
    for name in ("wrap 1.csv", "wrap 2.csv"):
        await store(viewer.server, name, name.encode() + b"column," * 400)
    preview = await viewer.show("wrap 1.csv")
    await preview.get_by_role("button", name="Wrap lines").click()
    await viewer.show("wrap 2.csv")
    await expect(preview.get_by_role("button", name="Wrap lines")).to_have_attribute("aria-pressed", "false")
    await viewer.page.reload()
    await expect(preview.get_by_role("button", name="Wrap lines")).to_have_attribute("aria-pressed", "false")
    assert await preview.locator("pre").evaluate("(text) => text.scrollWidth > text.clientWidth")


HOSTILE = {
    "hostile.js": "`</span><img src=x onerror=window.ran=1>`; // </pre><script>window.ran=1</script> &lt;b&gt; &amp;",
    "hostile.md": '# <svg onload=window.ran=1>\n[x](javascript:ran=1)\n```html\n<b class="hljs-x">"&#x27;"</b>\n```',
    "hostile.svelte": "{#if a}<img src=x onerror=window.ran=1>{/if}<style>@import 'x'</style><script>ran=1</script>",
    "hostile.json": '{"</span><iframe srcdoc=x>": "\\u003cimg src=x onerror=ran=1>\\ud800"}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_code_stays_text(viewer, name):
    """Coloured or not, markup in a file is shown letter by letter, and nothing of it becomes an element."""
    await store(viewer.server, name, HOSTILE[name].encode())
    preview = await viewer.show(name)
    text = preview.locator("pre")
    await expect(text.locator(".string, .keyword, .name").first).to_be_visible()
    assert await text.text_content() == HOSTILE[name]
    elements = await text.evaluate(
        "(text) => [...new Set([...text.querySelectorAll('*')].map((each) => each.localName))]"
    )
    assert elements == ["span"]
    assert await viewer.page.evaluate("window.ran") is None
