/** The composition root: every store of the page, wired together. Components take them from here. */
import { deleteWhileLeaving, mutate, query } from "./api/client";
import { DeleteFiles, type FileEvent, FilePage, OneFile, type StoredFile, Totals } from "./api/documents";
import { isReachable, uploadFile } from "./api/upload";
import { Deletions } from "./files/deletions";
import { FileList } from "./files/list.svelte";
import { LiveEvents } from "./files/live.svelte";
import { OpenFile } from "./preview/open.svelte";
import { copy } from "./ui/clipboard";
import { Foot } from "./ui/foot.svelte";
import { ThemeChoice } from "./ui/theme.svelte";
import { Toasts } from "./ui/toasts.svelte";
import type { Dropped } from "./uploads/dropped";
import { UploadQueue } from "./uploads/queue.svelte";
import { words } from "./words";

export const theme = new ThemeChoice();
export const toasts = new Toasts();
export const foot = new Foot();
export const live = new LiveEvents();

export const list: FileList = new FileList({
  page: (wanted, signal) => query(FilePage, wanted, signal),
  totals: (filter, signal) => query(Totals, { filter }, signal),
  listed: (eventCursor) => live.resumeFrom(eventCursor),
});

export const opened = new OpenFile({
  known: (id) => list.find(id),
  fetch: (id, signal) => query(OneFile, { id }, signal),
});

export const uploads = new UploadQueue({
  send: uploadFile,
  reachable: isReachable,
  // The event says the same; this row does not wait for it.
  stored: ({ file }) => changed([{ kind: "UPLOADED", fileId: file.id, file }]),
});

export const deletions = new Deletions(list, toasts, {
  send: (ids) => mutate(DeleteFiles, { ids }),
  sendWhileLeaving: deleteWhileLeaving,
});

function changed(events: readonly Pick<FileEvent, "kind" | "fileId" | "file">[]): void {
  list.apply(events);
  opened.apply(events);
}

/** Loads the list and follows what happens to it, until the returned function is called. */
export function start(): () => void {
  const unlisten = live.listen({
    changed,
    expired: () => {
      void list.reload();
      opened.reload();
    },
  });
  const unfollow = opened.follow();
  const leave = () => deletions.leave();
  addEventListener("pagehide", leave);
  const wake = () => uploads.wake();
  addEventListener("online", wake);
  const unwatch = $effect.root(() => {
    $effect(() => {
      if (live.state === "live") wake();
    });
  });
  void list.reload();
  return () => {
    unlisten();
    unfollow();
    unwatch();
    removeEventListener("pagehide", leave);
    removeEventListener("online", wake);
    list.close();
  };
}

/** Deletes a file, with a way back; a preview of it has nothing left to show. */
export function remove(file: StoredFile): void {
  if (opened.id === file.id) opened.close();
  deletions.delete(file);
}

/** Queues what was dropped, pasted or chosen, and says what could not be. */
export async function add(dropped: Promise<Dropped>): Promise<void> {
  const { files, unreadable, emptyFolders } = await dropped;
  if (files.length > 0) uploads.add(files);
  if (unreadable.length > 0) {
    uploads.addUnreadable(unreadable);
    toasts.show({ tone: "bad", text: words.unreadable(unreadable) });
  }
  if (emptyFolders.length > 0) toasts.show({ text: words.emptyFolder(emptyFolders) });
}

export async function copyText(text: string): Promise<void> {
  toasts.show((await copy(text)) ? { text: words.copied } : { tone: "bad", text: words.notCopied });
}
