import { beforeEach, describe, expect, it } from "vitest";
import type { Change } from "./changes";
import { Cursor } from "./cursor.svelte";
import { FileList } from "./list.svelte";
import { fileWith } from "./testing";

const storage = { files: 5, logicalBytes: 0, storedBytes: 0 };

describe("the cursor", () => {
  let list: FileList;
  let cursor: Cursor;

  beforeEach(async () => {
    const nodes = ["e", "d", "c", "b", "a"].map((id, nth) =>
      fileWith({ id, uploadDate: `2026-11-22T10:0${9 - nth}:00Z` }),
    );
    list = new FileList({
      page: async () => ({ data: { files: { nodes, pageInfo: { hasNextPage: false, endCursor: null } } } }),
      totals: async () => ({ data: { files: { kinds: [{ kind: "TEXT", count: 5 }] }, storage } }),
      drawn: async () => {},
      listed: () => {},
    });
    cursor = new Cursor(list);
    await list.reload();
  });

  it("stands on the first row until it is moved", () => {
    expect(cursor.file?.id).toBe("e");
    cursor.set(2);
    expect(cursor.file?.id).toBe("c");
    cursor.reset();
    expect(cursor.file?.id).toBe("e");
  });

  it("stays with its row when others arrive above it", () => {
    cursor.set(2);
    list.apply([
      { kind: "UPLOADED", fileId: "new", file: fileWith({ id: "new", uploadDate: "2026-11-22T11:00:00Z" }) },
    ]);
    expect([cursor.index, cursor.file?.id]).toEqual([3, "c"]);
  });

  describe("after arrivals above it", () => {
    const arrivals = ["one", "two", "three"].map((id): Change => {
      return { kind: "UPLOADED", fileId: id, file: fileWith({ id, uploadDate: "2026-11-22T11:00:00Z" }) };
    });
    const deletion: Change = { kind: "DELETED", fileId: "c", file: null };

    it("goes to the row below when its own is deleted elsewhere", () => {
      cursor.set(2);
      list.apply(arrivals);
      expect(cursor.index).toBe(5);
      list.apply([deletion]);
      expect([cursor.index, cursor.file?.id]).toEqual([5, "b"]);
    });

    it("does so too when it hears of all at once", () => {
      cursor.set(2);
      list.apply([...arrivals, deletion]);
      expect([cursor.index, cursor.file?.id]).toEqual([5, "b"]);
    });

    it("goes to the last row when there is none below", () => {
      cursor.set(4);
      list.apply(arrivals);
      expect(cursor.file?.id).toBe("a");
      list.apply([{ kind: "DELETED", fileId: "a", file: null }]);
      expect([cursor.index, cursor.file?.id]).toEqual([6, "b"]);
    });
  });

  it("goes to the row that takes the place of one deleted elsewhere", () => {
    cursor.set(1);
    list.apply([{ kind: "DELETED", fileId: "d", file: null }]);
    expect(cursor.file?.id).toBe("c");
  });

  it.each([
    [1, ["e", "d", "c"], "b"],
    [4, ["a", "b"], "c"],
    [2, ["e"], "c"],
  ])("on row %i leaves %j for %s", (at, ids, next) => {
    cursor.set(at);
    cursor.leave(new Set(ids));
    list.hide(list.rows.filter(({ id }) => ids.includes(id)));
    expect(cursor.file?.id).toBe(next);
  });
});
