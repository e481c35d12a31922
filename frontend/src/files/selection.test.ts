import { beforeEach, describe, expect, it } from "vitest";
import type { StoredFile } from "../api/documents";
import { FileList } from "./list.svelte";
import { Selection } from "./selection.svelte";
import { fileWith } from "./testing";

const storage = { files: 6, logicalBytes: 0, storedBytes: 0 };

describe("a selection", () => {
  let files: StoredFile[];
  let list: FileList;
  let selection: Selection;
  const ids = () => selection.files.map(({ id }) => id);
  const file = (id: string) => list.find(id) ?? fileWith({ id });
  const apply = (kind: "UPLOADED" | "RENAMED" | "DELETED", changed: StoredFile) => {
    const events = [{ kind, fileId: changed.id, file: changed }];
    list.apply(events);
    selection.apply(events);
  };

  beforeEach(async () => {
    files = ["f", "e", "d", "c", "b", "a"].map((id, nth) =>
      fileWith({ id, size: 10 ** nth, uploadDate: `2026-11-22T10:0${9 - nth}:00Z`, kind: nth < 3 ? "IMAGE" : "TEXT" }),
    );
    list = new FileList({
      page: async ({ filter }) => {
        const nodes = files.filter(({ kind }) => !filter.kind || kind === filter.kind);
        return {
          data: { files: { nodes, pageInfo: { hasNextPage: false, endCursor: null }, eventCursor: "1" } },
        };
      },
      totals: async () => ({ data: { files: { kinds: [{ kind: "TEXT", count: 6 }] }, storage } }),
      drawn: async () => {},
      listed: () => selection.prune(),
    });
    selection = new Selection(list);
    await list.reload();
  });

  it("takes a file in and lets go of it, and counts what it holds", () => {
    selection.toggle(file("e"));
    selection.toggle(file("c"));
    expect([selection.size, selection.bytes, ids()]).toEqual([2, 1010, ["e", "c"]]);
    selection.toggle(file("e"));
    expect(ids()).toEqual(["c"]);
  });

  it("takes in a range in either direction, beside what was selected before it", () => {
    selection.toggle(file("a"));
    selection.toggle(file("d"));
    selection.stretch(file("d"), file("f"));
    expect(ids()).toEqual(["f", "e", "d", "a"]);
  });

  it("draws a range anew from the same anchor, and lets go of the rest of the old one", () => {
    selection.toggle(file("e"));
    selection.stretch(file("e"), file("b"));
    selection.stretch(file("b"), file("d"));
    expect(ids()).toEqual(["e", "d"]);
    selection.stretch(file("d"), file("f"));
    expect(ids()).toEqual(["f", "e"]);
  });

  it("is stretched step by step, and shrinks on the way back", () => {
    selection.stretch(file("e"), file("d"));
    selection.stretch(file("d"), file("c"));
    expect(ids()).toEqual(["e", "d", "c"]);
    selection.stretch(file("c"), file("d"));
    expect(ids()).toEqual(["e", "d"]);
  });

  it("keeps a range when another begins elsewhere", () => {
    selection.stretch(file("f"), file("e"));
    selection.stretch(file("b"), file("a"));
    expect(ids()).toEqual(["f", "e", "b", "a"]);
  });

  it("takes in all that is loaded", () => {
    selection.selectAll();
    expect([selection.size, selection.all]).toEqual([6, true]);
    selection.toggle(file("b"));
    expect([selection.size, selection.all]).toEqual([5, false]);
    selection.clear();
    expect([selection.size, selection.all]).toEqual([0, false]);
  });

  it("stays as it is when rows arrive around it", () => {
    selection.stretch(file("e"), file("d"));
    apply("UPLOADED", fileWith({ id: "new", uploadDate: "2026-11-22T11:00:00Z" }));
    expect(list.rows).toHaveLength(7);
    expect(ids()).toEqual(["e", "d"]);
    selection.stretch(file("d"), file("c"));
    expect(ids()).toEqual(["e", "d", "c"]);
  });

  it("loses what is deleted, here or elsewhere, also from the range that is being drawn", () => {
    selection.toggle(file("a"));
    selection.toggle(file("d"));
    selection.stretch(file("d"), file("c"));
    apply("DELETED", file("a"));
    list.hide([file("d")]);
    selection.drop(["d"]);
    expect(ids()).toEqual(["c"]);
    selection.stretch(file("c"), file("b"));
    expect(ids()).toEqual(["c", "b"]);
  });

  it("knows a file by its new name", () => {
    selection.toggle(file("c"));
    apply("RENAMED", { ...file("c"), filename: "new name.txt" });
    expect(selection.files[0]?.filename).toBe("new name.txt");
  });

  it("keeps what another filter still shows, and over another order all", async () => {
    selection.toggle(file("f"));
    selection.toggle(file("a"));
    list.setOrder("SIZE_DESC");
    await list.reload();
    expect(selection.size).toBe(2);
    list.setKind("TEXT");
    await list.reload();
    expect(ids()).toEqual(["a"]);
  });
});
