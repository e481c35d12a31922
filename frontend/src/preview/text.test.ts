import { afterEach, describe, expect, it, vi } from "vitest";
import { PAGE, TextFile } from "./text.svelte";

const highlight = vi.fn(async () => new Uint32Array([1, 1]));

/** A server that knows ranges. */
function serving(bytes: Uint8Array<ArrayBuffer>) {
  const fetched = vi.fn<typeof fetch>(async (_, options) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(new Headers(options?.headers).get("Range") ?? "") ?? [];
    return new Response(bytes.slice(Number(first), Number(last) + 1), { status: 206 });
  });
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

const fileOf = (size: number, contentType = "text/plain") => new TextFile({ size, contentType }, "/files/1", highlight);

afterEach(() => {
  vi.unstubAllGlobals();
  highlight.mockClear();
});

describe("a text", () => {
  it("is read in one piece where it is short", async () => {
    const fetched = serving(new TextEncoder().encode("héllo"));
    const text = fileOf(6);
    await text.more();
    expect([text.text, text.hasMore, text.status]).toEqual(["héllo", false, "ready"]);
    expect(fetched.mock.calls[0]?.[1]?.headers).toEqual({ Range: "bytes=0-5" });
  });

  it("is read page by page, and no character is cut in two", async () => {
    const whole = `${"a".repeat(PAGE - 2)}€${"b".repeat(10)}\ud83d\udc69`;
    const bytes = new TextEncoder().encode(whole);
    const fetched = serving(bytes);
    const text = fileOf(bytes.length);
    await text.more();
    expect([text.text.length, text.hasMore, text.read]).toEqual([PAGE - 2, true, PAGE]);
    await text.more();
    expect(text.text).toBe(whole);
    expect(text.hasMore).toBe(false);
    expect(fetched.mock.calls[1]?.[1]?.headers).toEqual({ Range: `bytes=${PAGE}-${bytes.length - 1}` });
  });

  it("with the mark of UTF-16 is read as that, over pages too", async () => {
    const body = "ж".repeat(PAGE / 2 + 3);
    const bytes = new Uint8Array([
      0xff,
      0xfe,
      ...new Uint8Array(Uint16Array.from(body, (c) => c.charCodeAt(0)).buffer),
    ]);
    serving(bytes);
    const text = fileOf(bytes.length);
    await text.more();
    await text.more();
    expect(text.text).toBe(body);
  });

  it("that is no UTF-8 is read as Windows writes it in the west", async () => {
    const bytes = Uint8Array.from("Gr\u00f6\u00dfe;\u0080 ;caf\u00e9", (c) => c.charCodeAt(0));
    serving(bytes);
    const text = fileOf(bytes.length, "text/csv");
    await text.more();
    expect(text.text).toBe("Gr\u00f6\u00dfe;\u20ac ;caf\u00e9");
  });

  it("that is empty needs no request", async () => {
    const fetched = serving(new Uint8Array());
    const text = fileOf(0);
    await text.more();
    expect([text.text, text.status, text.blocks.length]).toEqual(["", "ready", 0]);
    expect(fetched).not.toHaveBeenCalled();
  });

  it("that comes whole where a page was asked for is still shown page by page", async () => {
    const bytes = new TextEncoder().encode("a".repeat(PAGE) + "b".repeat(PAGE));
    vi.stubGlobal("fetch", async () => new Response(bytes));
    const text = fileOf(bytes.length);
    await text.more();
    expect([text.read, text.hasMore]).toEqual([PAGE, true]);
    await text.more();
    expect(text.text.slice(PAGE)).toBe("b".repeat(PAGE));
  });

  it("that fails tells why, keeps what is shown, and goes on where it stopped", async () => {
    const bytes = new TextEncoder().encode(`${"a".repeat(PAGE - 1)}é and more`);
    serving(bytes);
    const text = fileOf(bytes.length);
    await text.more();
    const problem = JSON.stringify({ code: "STORE_UNAVAILABLE", detail: "" });
    vi.stubGlobal("fetch", async () => new Response(problem, { status: 503 }));
    await text.more();
    expect([text.status, text.failure?.code, text.text.length]).toEqual(["failed", "STORE_UNAVAILABLE", PAGE - 1]);
    serving(bytes);
    await text.more();
    expect([text.status, text.failure, text.text.slice(PAGE - 1)]).toEqual(["ready", undefined, "é and more"]);
  });

  it("of a language is coloured beside the page, and anew when there is more of it", async () => {
    const bytes = new TextEncoder().encode("let a;\n".repeat(PAGE / 7 + 9));
    serving(bytes);
    const text = fileOf(bytes.length, "text/javascript");
    await text.more();
    await vi.waitFor(() => expect(text.marks).toBeDefined());
    await text.more();
    expect(highlight.mock.calls.map((call: unknown[]) => [(call[0] as string).length, call[1]])).toEqual([
      [PAGE, "javascript"],
      [bytes.length, "javascript"],
    ]);
  });

  it("without a language is not coloured", async () => {
    serving(new TextEncoder().encode("plain"));
    await fileOf(5).more();
    expect(highlight).not.toHaveBeenCalled();
  });

  it("that was closed says nothing more", async () => {
    serving(new TextEncoder().encode("late"));
    const text = fileOf(4);
    const reading = text.more();
    text.close();
    await reading;
    expect([text.text, text.status]).toEqual(["", "loading"]);
  });
});
