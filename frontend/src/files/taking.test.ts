import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { downloadAll } from "./downloads";
import { dragData } from "./drag";
import { stemLength } from "./format";
import { LongPress } from "./press";
import { fileWith } from "./testing";

const touch = (clientX = 0, clientY = 0) => ({ pointerType: "touch", clientX, clientY });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("files that are downloaded", () => {
  it("are saved one after the other", async () => {
    const save = vi.fn();
    const files = [fileWith(), fileWith(), fileWith()];
    const done = downloadAll(files, new AbortController().signal, save);
    expect(save.mock.calls).toEqual([[files[0]]]);
    await vi.advanceTimersByTimeAsync(450);
    expect(save).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(450);
    await done;
    expect(save.mock.calls.flat()).toEqual(files);
  });

  it("are left alone from the moment on that the reader stops them", async () => {
    const save = vi.fn();
    const files = [fileWith(), fileWith(), fileWith()];
    const stopping = new AbortController();
    const done = downloadAll(files, stopping.signal, save);
    stopping.abort();
    await vi.advanceTimersByTimeAsync(450);
    await done;
    expect(save.mock.calls.flat()).toEqual(files.slice(0, 1));
  });
});

describe("what is dragged", () => {
  const file = { filename: "a: b.txt", contentType: "text/plain; charset=utf-8", downloadUrl: "/files/1/download" };

  it("is saved on the desktop if it is one file, with a name that does not break its own notation", () => {
    expect(Object.fromEntries(dragData([file], "http://here"))).toEqual({
      DownloadURL: "text/plain:a- b.txt:http://here/files/1/download",
      "text/uri-list": "http://here/files/1/download",
      "text/plain": "http://here/files/1/download",
    });
  });

  it("is a list of links if there are more, and never anything that the page would upload", () => {
    const data = dragData([file, { ...file, downloadUrl: "https://store/2" }], "http://here");
    expect([...data.keys()]).toEqual(["text/uri-list", "text/plain"]);
    expect(data.get("text/uri-list")).toBe("http://here/files/1/download\r\nhttps://store/2");
  });
});

describe("a press", () => {
  it("of a finger that rests is long, and the click after it means nothing", () => {
    const press = new LongPress();
    const run = vi.fn();
    press.down(touch(), run);
    press.move(touch(3, 4));
    vi.advanceTimersByTime(600);
    expect(run).toHaveBeenCalledOnce();
    expect([press.swallows(), press.swallows()]).toEqual([true, false]);
  });

  it.each([
    ["lifts", (press: LongPress) => press.end()],
    ["moves on", (press: LongPress) => press.move(touch(0, 30))],
  ])("of a finger that %s is not long", (_, happens) => {
    const press = new LongPress();
    const run = vi.fn();
    press.down(touch(), run);
    vi.advanceTimersByTime(200);
    happens(press);
    vi.advanceTimersByTime(600);
    expect(run).not.toHaveBeenCalled();
    expect(press.swallows()).toBe(false);
  });

  it("of a mouse is never long", () => {
    const press = new LongPress();
    const run = vi.fn();
    press.down({ ...touch(), pointerType: "mouse" }, run);
    vi.advanceTimersByTime(600);
    expect([run.mock.calls.length, press.touched]).toEqual([0, false]);
  });
});

describe("the part of a name that is worth replacing", () => {
  it.each([
    ["letter.pdf", "letter"],
    ["site.tar.gz", "site"],
    [".env", ".env"],
    ["README", "README"],
    ["v1. The whole story", "v1. The whole story"],
    ["a.b.txt", "a.b"],
  ])("of %s is %s", (name, stem) => {
    expect(name.slice(0, stemLength(name))).toBe(stem);
  });
});
