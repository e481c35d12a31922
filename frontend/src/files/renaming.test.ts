import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer } from "../api/answer";
import type { StoredFile } from "../api/documents";
import { Toasts } from "../ui/toasts.svelte";
import { Renaming } from "./renaming.svelte";
import { fileWith } from "./testing";

const draft = fileWith({ filename: "draft.txt" });

describe("a file that is being renamed", () => {
  let toasts: Toasts;
  let renaming: Renaming;
  const send = vi.fn<(id: string, filename: string) => Promise<Answer<{ renameFile: StoredFile }>>>();
  const renamed = vi.fn<(file: StoredFile) => void>();
  const texts = () => toasts.shown.map(({ text }) => text());
  const open = () => renaming.at("row", draft.id);

  beforeEach(() => {
    send.mockReset().mockImplementation(async (_, filename) => ({ data: { renameFile: { ...draft, filename } } }));
    renamed.mockReset();
    toasts = new Toasts();
    renaming = new Renaming(toasts, { send, renamed });
    renaming.start(draft, "row");
  });

  it("starts with the name that it has, in one place", () => {
    expect([renaming.draft, open(), renaming.at("preview", draft.id)]).toEqual(["draft.txt", true, false]);
  });

  it("is called as was typed, without the space around it", async () => {
    renaming.draft = "  letter.txt ";
    await renaming.save();
    expect(send).toHaveBeenCalledExactlyOnceWith(draft.id, "letter.txt");
    expect(renamed.mock.lastCall?.[0].filename).toBe("letter.txt");
    expect([open(), texts()]).toEqual([false, ["Renamed to “letter.txt”"]]);
  });

  it("gets its old name back by Undo", async () => {
    renaming.draft = "letter.txt";
    await renaming.save();
    toasts.act(toasts.shown[0]?.id ?? 0);
    await vi.waitFor(() => expect(renamed.mock.lastCall?.[0].filename).toBe("draft.txt"));
    expect(send).toHaveBeenLastCalledWith(draft.id, "draft.txt");
  });

  it("says when the old name does not come back", async () => {
    renaming.draft = "letter.txt";
    await renaming.save();
    send.mockResolvedValue({ failure: { code: "NOT_FOUND", message: "" } });
    toasts.act(toasts.shown[0]?.id ?? 0);
    await vi.waitFor(() => expect(texts()[0]).toContain("This file no longer exists"));
  });

  it.each(["", "   ", "draft.txt", " draft.txt "])("keeps its name where “%s” was typed", async (typed) => {
    renaming.draft = typed;
    await renaming.save();
    expect(send).not.toHaveBeenCalled();
    expect([open(), texts()]).toEqual([false, []]);
  });

  it("stays in the field where the service refuses the name", async () => {
    send.mockResolvedValue({ failure: { code: "INVALID_FILENAME", message: "" } });
    renaming.draft = "...";
    await renaming.save();
    expect([open(), renaming.draft, renaming.busy]).toEqual([true, "...", false]);
    expect(renaming.refused).toEqual({ code: "INVALID_FILENAME", message: "" });
  });

  it.each(["2026/draft.txt", "a\\b"])("cannot be called %s, which the service would cut", async (typed) => {
    renaming.draft = typed;
    await renaming.save();
    expect([send.mock.calls.length, renaming.refused, open()]).toEqual([0, "slash", true]);
  });

  it("keeps what is typed when somebody else renames it, and Undo gives back that name", async () => {
    renaming.draft = "mine.txt";
    renaming.apply([{ kind: "RENAMED", fileId: draft.id, file: { ...draft, filename: "theirs.txt" } }]);
    expect([open(), renaming.draft]).toEqual([true, "mine.txt"]);
    await renaming.save();
    toasts.act(toasts.shown[0]?.id ?? 0);
    await vi.waitFor(() => expect(send).toHaveBeenLastCalledWith(draft.id, "theirs.txt"));
  });

  it("that is deleted meanwhile is let go of, and the reader told", () => {
    renaming.apply([{ kind: "DELETED", fileId: draft.id, file: draft }]);
    expect([open(), texts()]).toEqual([false, ["“draft.txt” was deleted while you were renaming it."]]);
  });

  it("is not set back by an answer that is later than the event of the next name", async () => {
    let answer = (_: Answer<{ renameFile: StoredFile }>) => {};
    send.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    renaming.draft = "mine.txt";
    const saved = renaming.save();
    renaming.apply([{ kind: "RENAMED", fileId: draft.id, file: { ...draft, filename: "theirs.txt" } }]);
    answer({ data: { renameFile: { ...draft, filename: "mine.txt" } } });
    await saved;
    expect(renamed).not.toHaveBeenCalled();
  });

  it("does not end what is typed anew by the answer to what was given up", async () => {
    let answer = (_: Answer<{ renameFile: StoredFile }>) => {};
    send.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    renaming.draft = "given up.txt";
    const saved = renaming.save();
    renaming.cancel();
    renaming.start(draft, "row");
    answer({ data: { renameFile: { ...draft, filename: "given up.txt" } } });
    await saved;
    expect([open(), renaming.busy]).toEqual([true, false]);
  });

  it("is sent once, however often Enter is pressed", async () => {
    renaming.draft = "letter.txt";
    await Promise.all([renaming.save(), renaming.save()]);
    expect(send).toHaveBeenCalledOnce();
  });
});
