import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Change, Changes } from "./changes";
import { fileWith } from "./testing";

const uploaded = (id: string): Change => ({ kind: "UPLOADED", fileId: id, file: fileWith({ id }) });

describe("changes", () => {
  let applied: string[];
  let changes: Changes;

  beforeEach(() => {
    vi.useFakeTimers();
    applied = [];
    changes = new Changes((all) => applied.push(all.map(({ fileId }) => fileId).join("")));
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("are applied within a frame or two after a quiet time", () => {
    changes.soon(uploaded("a"));
    changes.soon(uploaded("b"));
    expect(applied).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(applied).toEqual(["ab"]);
    vi.advanceTimersByTime(1000);
    changes.soon(uploaded("c"));
    vi.advanceTimersByTime(20);
    expect(applied).toEqual(["ab", "c"]);
  });

  it("are applied a few times a second while they keep coming, all of them and in their order", () => {
    for (const id of "abcdefghijklmnopqrst") {
      changes.soon(uploaded(id));
      vi.advanceTimersByTime(50);
    }
    vi.advanceTimersByTime(250);
    expect(applied.join("")).toBe("abcdefghijklmnopqrst");
    expect(applied.length).toBeLessThan(8);
  });

  it("that the reader makes are applied at once, behind those that wait", () => {
    changes.soon(uploaded("a"));
    changes.now(uploaded("b"));
    expect(applied).toEqual(["ab"]);
    vi.advanceTimersByTime(1000);
    expect(applied).toEqual(["ab"]);
  });
});
