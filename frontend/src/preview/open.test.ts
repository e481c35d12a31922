import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer } from "../api/answer";
import type { StoredFile } from "../api/documents";
import { fileWith } from "../files/testing";
import { OpenFile } from "./open.svelte";

const [a, b] = [fileWith({ id: "a" }), fileWith({ id: "b" })];

describe("the open file", () => {
  let visited: { state: unknown; url: string }[];
  let opened: OpenFile;
  let deleted: string | undefined;
  const fetched = vi.fn<(id: string) => Promise<Answer<{ file: StoredFile | null }>>>();

  beforeEach(() => {
    const page = new EventTarget();
    visited = [{ state: null, url: "/" }];
    const here = () => visited.at(-1) as (typeof visited)[number];
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    vi.stubGlobal("location", {
      get search() {
        return here().url.slice(1);
      },
    });
    vi.stubGlobal("history", {
      get state() {
        return here().state;
      },
      pushState: (state: unknown, _: string, url: string) => visited.push({ state, url }),
      replaceState: (state: unknown, _: string, url: string) => visited.splice(-1, 1, { state, url }),
      // It takes its time, as in a browser.
      back: () =>
        queueMicrotask(() => {
          visited.pop();
          page.dispatchEvent(new Event("popstate"));
        }),
    });
    deleted = undefined;
    fetched.mockReset().mockResolvedValue({ data: { file: a } });
    opened = new OpenFile({
      known: (id) => [a, b].find((file) => file.id === id),
      rows: () => [a, b],
      total: () => 128,
      deleted: (id) => id === deleted,
      fetch: fetched,
    });
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  const address = () => visited.at(-1)?.url;
  const addresses = () => visited.map(({ url }) => url);
  /** What a Back led to has been shown. */
  const arrived = () => Promise.resolve();

  it("is named by the address, and one Back closes it however many were looked at", async () => {
    opened.follow();
    opened.open("a");
    opened.open("b");
    expect(address()).toBe("/?file=b");
    expect(opened.file).toEqual(b);
    history.back();
    await arrived();
    expect(opened.id).toBeUndefined();
    expect(address()).toBe("/");
  });

  it("leaves no entry behind when it is closed", async () => {
    opened.follow();
    opened.open("a");
    opened.close();
    expect(opened.id).toBeUndefined();
    await arrived();
    expect(addresses()).toEqual(["/"]);
  });

  it("stays when it is opened before the last one's address is left", async () => {
    opened.follow();
    opened.open("a");
    opened.close();
    opened.open("a");
    opened.step(1);
    await arrived();
    expect(opened.id).toBe("b");
    expect(addresses()).toEqual(["/", "/?file=b"]);
    opened.close();
    opened.open("a");
    opened.close();
    await arrived();
    expect(opened.id).toBeUndefined();
    expect(addresses()).toEqual(["/"]);
  });

  it("is fetched when the address names one that the list does not hold", async () => {
    visited = [{ state: null, url: "/?file=far" }];
    opened.follow();
    expect(opened.status).toBe("loading");
    await vi.waitFor(() => expect(opened.status).toBe("ready"));
    opened.close();
    expect(address()).toBe("/");
  });

  it("that does not exist is said to be missing", async () => {
    fetched.mockResolvedValue({ data: { file: null } });
    visited = [{ state: null, url: "/?file=never" }];
    opened.follow();
    await vi.waitFor(() => expect(opened.status).toBe("missing"));
  });

  it("stands at its place in the list, and steps to its neighbours and no further", () => {
    opened.follow();
    expect(opened.place).toBeUndefined();
    opened.open("a");
    expect(opened.place).toEqual({ nth: 1, of: 128 });
    expect(opened.step(-1)).toBe(false);
    expect(opened.step(1)).toBe(true);
    expect([opened.id, opened.place, opened.step(1)]).toEqual(["b", { nth: 2, of: 128 }, false]);
    expect(address()).toBe("/?file=b");
  });

  it("that the list does not hold has no place and no neighbours", async () => {
    fetched.mockResolvedValue({ data: { file: fileWith({ id: "far" }) } });
    opened.follow();
    opened.open("far");
    await vi.waitFor(() => expect(opened.status).toBe("ready"));
    expect([opened.place, opened.neighbour(1), opened.step(1)]).toEqual([undefined, undefined, false]);
  });

  it("that failed to load is under way again when it is asked for once more", async () => {
    fetched.mockResolvedValueOnce({ failure: { code: "INTERNAL", message: "" } });
    opened.follow();
    opened.open("far");
    await vi.waitFor(() => expect(opened.status).toBe("failed"));
    opened.reload();
    expect(opened.status).toBe("loading");
    await vi.waitFor(() => expect(opened.status).toBe("ready"));
  });

  it("that failed to load is asked for again by itself, unless it is closed or cannot be had", async () => {
    vi.useFakeTimers();
    fetched.mockResolvedValue({ failure: { code: "NETWORK", message: "" } });
    opened.follow();
    opened.open("far");
    await vi.advanceTimersByTimeAsync(0);
    expect(opened.status).toBe("failed");
    fetched.mockResolvedValue({ data: { file: a } });
    await vi.advanceTimersByTimeAsync(6000);
    expect([opened.status, opened.failure]).toEqual(["ready", undefined]);

    for (const code of ["NETWORK", "BAD_REQUEST"]) {
      fetched.mockClear().mockResolvedValue({ failure: { code, message: "" } });
      opened.open(code);
      await vi.advanceTimersByTimeAsync(0);
      if (code === "NETWORK") opened.close();
      await vi.advanceTimersByTimeAsync(20_000);
      expect(fetched).toHaveBeenCalledOnce();
    }
  });

  it("that is deleted elsewhere says so and stays closed to later news", () => {
    opened.follow();
    opened.open("a");
    opened.apply([{ kind: "DELETED", fileId: "a", file: null }]);
    expect(opened.status).toBe("gone");
    opened.apply([{ kind: "RENAMED", fileId: "a", file: { ...a, filename: "late" } }]);
    expect(opened.status).toBe("gone");
  });

  it("is gone as long as it is deleted on this page, whatever the service still knows of it", async () => {
    deleted = "far";
    visited = [{ state: null, url: "/?file=far" }];
    opened.follow();
    await vi.waitFor(() => expect(opened.file).toBeDefined());
    expect(opened.status).toBe("gone");
    deleted = undefined;
    expect(opened.status).toBe("ready");
  });

  it("follows a new name and a new copy of its bytes", () => {
    opened.follow();
    opened.open("a");
    opened.apply([
      { kind: "RENAMED", fileId: "a", file: { ...a, filename: "new name" } },
      { kind: "UPLOADED", fileId: "c", file: fileWith({ id: "c", hash: a.hash, copies: 2 }) },
    ]);
    expect(opened.file).toMatchObject({ filename: "new name", copies: 2 });
    opened.apply([{ kind: "DELETED", fileId: "c", file: fileWith({ id: "c", hash: a.hash, copies: 1 }) }]);
    expect(opened.file).toMatchObject({ copies: 1 });
  });
});
