import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer } from "../api/answer";
import { Toasts } from "../ui/toasts.svelte";
import { Deletions } from "./deletions.svelte";
import { FileList } from "./list.svelte";
import { fileWith } from "./testing";

const files = [fileWith({ filename: "draft.docx" }), fileWith({ filename: "letter.pdf" }), fileWith()];
const [draft, letter] = files as [(typeof files)[0], (typeof files)[0]];

describe("a deletion", () => {
  let list: FileList;
  let toasts: Toasts;
  let deletions: Deletions;
  let nodes = files;
  const send = vi.fn<(ids: string[]) => Promise<Answer<unknown>>>();
  const sendWhileLeaving = vi.fn<(ids: string[]) => void>();
  const names = () => list.rows.map(({ filename }) => filename);

  beforeEach(async () => {
    vi.useFakeTimers();
    nodes = files;
    send.mockReset().mockResolvedValue({ data: {} });
    sendWhileLeaving.mockReset();
    const storage = { files: 3, logicalBytes: 0, storedBytes: 0 };
    list = new FileList({
      page: async () => ({
        data: { files: { nodes, pageInfo: { hasNextPage: false, endCursor: null } } },
      }),
      totals: async () => ({ data: { files: { kinds: [{ kind: "TEXT", count: 3 }] }, storage } }),
      drawn: async () => {},
      listed: () => {},
    });
    await list.reload();
    toasts = new Toasts();
    deletions = new Deletions(list, toasts, { send, sendWhileLeaving });
  });

  afterEach(() => {
    list.close();
    vi.useRealTimers();
  });

  it("takes the row away at once and is sent when the toast is gone", async () => {
    deletions.delete([draft]);
    expect(names()).not.toContain("draft.docx");
    expect(toasts.shown.map(({ text }) => text())).toEqual(["Deleted “draft.docx”"]);
    expect(send).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(7000);
    expect(send).toHaveBeenCalledExactlyOnceWith([draft.id]);
    expect(names()).not.toContain("draft.docx");
  });

  it("that is undone brings the row back and sends nothing", async () => {
    deletions.delete([draft]);
    toasts.act(toasts.shown[0]?.id ?? 0);
    await vi.advanceTimersByTimeAsync(7000);
    expect(names()).toContain("draft.docx");
    expect(send).not.toHaveBeenCalled();
  });

  it("joins the one before it, and one Undo brings both back", () => {
    deletions.delete([draft]);
    deletions.delete([letter]);
    expect(toasts.shown.map(({ text }) => text())).toEqual(["Deleted 2 files"]);
    toasts.act(toasts.shown[0]?.id ?? 0);
    expect(names()).toHaveLength(3);
  });

  it("that fails brings the row back and says why", async () => {
    send.mockResolvedValue({ failure: { code: "DATABASE_UNAVAILABLE", message: "" } });
    deletions.delete([draft]);
    await vi.advanceTimersByTimeAsync(7000);
    expect(names()).toContain("draft.docx");
    expect(toasts.shown[0]?.text()).toContain("DATABASE_UNAVAILABLE");
  });

  it("of many files is one toast, and asks in several requests", async () => {
    const many = Array.from({ length: 250 }, () => fileWith());
    deletions.delete([...many, ...files]);
    expect(toasts.shown.map(({ text }) => text())).toEqual(["Deleted 253 files"]);
    expect(names()).toEqual([]);
    await vi.advanceTimersByTimeAsync(7000);
    expect(send.mock.calls.map(([ids]) => ids.length)).toEqual([100, 100, 53]);
  });

  it("of many files that fails in part says so once", async () => {
    send.mockResolvedValueOnce({ failure: { code: "DATABASE_UNAVAILABLE", message: "" } });
    send.mockResolvedValueOnce({ failure: { code: "DATABASE_UNAVAILABLE", message: "" } });
    deletions.delete(Array.from({ length: 250 }, () => fileWith()));
    await vi.advanceTimersByTimeAsync(7000);
    expect(toasts.shown).toHaveLength(1);
    expect(toasts.shown[0]?.text()).toMatch(/^200 files were not deleted/);
  });

  it("of a hundred thousand files, its undoing and its sending cost no more than their share", async () => {
    const many = Array.from({ length: 100_000 }, () => fileWith());
    nodes = many;
    await list.reload();
    deletions.delete(many);
    toasts.act(toasts.shown[0]?.id ?? 0);
    expect(list.rows).toHaveLength(many.length);
    deletions.delete(many);
    await vi.advanceTimersByTimeAsync(7000);
    expect(send).toHaveBeenCalledTimes(1000);
    expect([list.rows.length, deletions.tooMany]).toEqual([0, false]);

    nodes = many.map(({ id }) => fileWith({ id: `another ${id}` }));
    await list.reload();
    send.mockResolvedValue({ failure: { code: "NETWORK", message: "" } });
    deletions.delete(nodes);
    await vi.advanceTimersByTimeAsync(7000);
    expect(list.rows).toHaveLength(many.length);
    expect(toasts.shown[0]?.text()).toMatch(/^100,000 files were not deleted/);
  }, 20_000);

  it("made while another is sent follows it", async () => {
    const release: (() => void)[] = [];
    send.mockImplementation(async () => {
      await new Promise<void>((resolve) => release.push(resolve));
      return { data: {} };
    });
    for (const file of [draft, letter]) {
      deletions.delete([file]);
      await vi.advanceTimersByTimeAsync(7000);
    }
    expect(send).toHaveBeenCalledExactlyOnceWith([draft.id]);
    release.pop()?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(send).toHaveBeenLastCalledWith([letter.id]);
    release.pop()?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(names()).toHaveLength(1);
  });

  it("is sent again when the page goes away before the answer", async () => {
    send.mockReturnValue(new Promise(() => {}));
    deletions.delete([draft]);
    await vi.advanceTimersByTimeAsync(7000);
    deletions.delete([letter]);
    deletions.leave();
    expect(sendWhileLeaving.mock.calls).toEqual([[[draft.id, letter.id]]]);
  });

  it("of more than outlives the page is told of before, and goes on if the page is kept", async () => {
    const many = Array.from({ length: 1501 }, () => fileWith());
    deletions.delete(many.slice(1));
    expect(deletions.tooMany).toBe(false);
    deletions.delete(many.slice(0, 1));
    expect(deletions.tooMany).toBe(true);
    deletions.leave();
    expect(sendWhileLeaving.mock.calls.flat(2)).toHaveLength(1500);
    await vi.advanceTimersByTimeAsync(7000);
    expect(send.mock.calls.flat(2)).toContain(many[0]?.id);
    expect(deletions.tooMany).toBe(false);
  });

  it("is sent at once when the page goes away", async () => {
    deletions.delete([draft]);
    deletions.leave();
    expect(sendWhileLeaving).toHaveBeenCalledExactlyOnceWith([draft.id]);
    await vi.advanceTimersByTimeAsync(7000);
    expect(send).not.toHaveBeenCalled();
  });
});
