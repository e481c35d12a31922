import { beforeEach, describe, expect, it, vi } from "vitest";
import { fileWith } from "../files/testing";
import { Copies, type CopiesSource } from "./copies.svelte";

const [a, b, c] = [fileWith({ id: "a" }), fileWith({ id: "b" }), fileWith({ id: "c" })];
const page = (nodes: (typeof a)[], endCursor: string | null = null) => ({
  data: { files: { nodes, pageInfo: { hasNextPage: endCursor !== null, endCursor } } },
});

describe("the files that share some bytes", () => {
  const source = vi.fn<CopiesSource>();
  let copies: Copies;
  const ids = () => copies.files.map(({ id }) => id);

  beforeEach(() => {
    source.mockReset();
    copies = new Copies(source);
  });

  it("are read page by page", async () => {
    source.mockResolvedValueOnce(page([a, b], "after b")).mockResolvedValueOnce(page([c]));
    await copies.load("hash");
    expect([ids(), copies.hasMore]).toEqual([["a", "b"], true]);
    await copies.more();
    expect([ids(), copies.hasMore]).toEqual([["a", "b", "c"], false]);
    expect(source.mock.calls.map(([hash, after]) => [hash, after])).toEqual([
      ["hash", null],
      ["hash", "after b"],
    ]);
  });

  it("stay in sight while they are read anew, and those of other bytes do not", async () => {
    source.mockResolvedValue(page([a]));
    await copies.load("hash");
    const again = copies.load("hash");
    expect(ids()).toEqual(["a"]);
    await again;
    void copies.load("other");
    expect(ids()).toEqual([]);
  });

  it("tell why they could not be read, and are read when asked again", async () => {
    source.mockResolvedValueOnce({ failure: { code: "NETWORK", message: "" } }).mockResolvedValueOnce(page([a]));
    await copies.load("hash");
    expect([copies.status, copies.failure?.code]).toEqual(["failed", "NETWORK"]);
    await copies.more();
    expect([copies.status, copies.failure, ids()]).toEqual(["ready", undefined, ["a"]]);
  });

  it("follow their names, wherever they are given others", async () => {
    source.mockResolvedValueOnce(page([a, b]));
    await copies.load("hash");
    copies.apply([
      { kind: "RENAMED", fileId: b.id, file: { ...b, filename: "new name.txt" } },
      { kind: "RENAMED", fileId: "other", file: fileWith({ id: "other" }) },
      { kind: "UPLOADED", fileId: "c", file: fileWith({ id: "c" }) },
      { kind: "DELETED", fileId: a.id, file: null },
    ]);
    expect(copies.files.map(({ id, filename }) => [id, filename])).toEqual([
      ["a", a.filename],
      ["b", "new name.txt"],
    ]);
  });

  it("of what was asked for last are shown, whatever answers first", async () => {
    let late = (_: ReturnType<typeof page>) => {};
    source.mockReturnValueOnce(
      new Promise((resolve) => {
        late = resolve;
      }),
    );
    source.mockResolvedValueOnce(page([b]));
    const first = copies.load("one");
    await copies.load("two");
    late(page([a]));
    await first;
    expect(ids()).toEqual(["b"]);
  });
});
