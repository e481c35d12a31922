/** The composition root: every store of the page, wired together. Components take them from here. */
import { deleteWhileLeaving, mutate, query } from "./api/client";
import { Access, DeleteFiles, FilePage, OneFile, RenameFile, type StoredFile, Totals } from "./api/documents";
import { preloaded } from "./api/first";
import { isReachable } from "./api/upload";
import { Changes } from "./files/changes";
import { Cursor } from "./files/cursor.svelte";
import { Deletions } from "./files/deletions.svelte";
import { downloadAll } from "./files/downloads";
import { FileList } from "./files/list.svelte";
import { LiveEvents } from "./files/live.svelte";
import { FileMenu } from "./files/menu.svelte";
import { Renaming } from "./files/renaming.svelte";
import { Selection } from "./files/selection.svelte";
import { KeyTable } from "./keys/shown.svelte";
import { Copies } from "./preview/copies.svelte";
import { addressOf, OpenFile } from "./preview/open.svelte";
import { copy } from "./ui/clipboard";
import { Foot } from "./ui/foot.svelte";
import { painted } from "./ui/painted";
import { ThemeChoice } from "./ui/theme.svelte";
import { Toasts } from "./ui/toasts.svelte";
import type { Dropped } from "./uploads/dropped";
import { UploadQueue } from "./uploads/queue.svelte";
import { Sender } from "./uploads/sender";
import { words } from "./words";
import { startWorker } from "./workers";

export const theme = new ThemeChoice();
export const toasts = new Toasts();
export const foot = new Foot();
export const live = new LiveEvents();

/** What may be done here; the server tells it with the head of the list, and is asked again when it comes back. */
export const access = $state({ readOnly: false });

async function askAccess(): Promise<void> {
  const { data } = await query(Access, {});
  access.readOnly = data?.readOnly ?? access.readOnly;
}

export const list: FileList = new FileList({
  page: async (wanted, signal) => {
    const answer = (await preloaded(wanted, signal)) ?? (await query(FilePage, wanted, signal));
    access.readOnly = answer.data?.readOnly ?? access.readOnly;
    return answer;
  },
  totals: (filter, signal) => query(Totals, { filter }, signal),
  drawn: painted,
  listed: (eventCursor) => {
    selection.prune();
    void painted().then(() => live.resumeFrom(eventCursor));
  },
});

export const cursor = new Cursor(list);
export const selection = new Selection(list);
export const menu = new FileMenu();
export const keys = new KeyTable();

export const opened = new OpenFile({
  known: (id) => list.find(id),
  rows: () => list.rows,
  total: () => list.total,
  deleted: (id) => list.isDeleted(id),
  fetch: (id, signal) => query(OneFile, { id }, signal),
});

const COPIES = 50;

export const copies = new Copies((hash, after, signal) =>
  query(FilePage, { first: COPIES, after, filter: { hash }, orderBy: "UPLOAD_DATE_DESC", head: false }, signal),
);

export const sender = new Sender(() => startWorker("upload"));

export const uploads = new UploadQueue({
  hash: (file) => sender.hash(file),
  send: (file, options) => sender.send(file, options),
  reachable: isReachable,
  // The event says the same; this row does not wait for it.
  stored: ({ file }) => changes.soon({ kind: "UPLOADED", fileId: file.id, file }),
});

export const deletions = new Deletions(list, toasts, {
  send: (ids) => mutate(DeleteFiles, { ids }),
  sendWhileLeaving: deleteWhileLeaving,
});

export const renaming = new Renaming(toasts, {
  send: (id, filename) => mutate(RenameFile, { id, filename }),
  renamed: (file) => changes.now({ kind: "RENAMED", fileId: file.id, file }),
});

const changes = new Changes((all) => {
  for (const store of [list, selection, opened, renaming, copies]) store.apply(all);
});

/** Follows what happens to the list as long as the page is there, and loads it; resolves when there is an answer. */
export function start(): Promise<void> {
  live.listen({
    changed: (event) => changes.soon(event),
    expired: () => {
      changes.now();
      // Which of them were deleted in between nobody tells.
      selection.clear();
      void list.reload();
      opened.reload();
    },
  });
  opened.follow();
  addEventListener("pagehide", () => deletions.leave());
  const wake = () => uploads.wake();
  addEventListener("online", wake);
  let wasLive = false;
  $effect.root(() => {
    $effect(() => {
      if (live.state !== "live") return;
      wake();
      if (wasLive) void askAccess();
      wasLive = true;
    });
  });
  return list.reload();
}

/** Whether files may be changed; where not, the reader is told. */
export function mayChange(): boolean {
  if (access.readOnly) toasts.show({ text: () => words.readOnlyText });
  return !access.readOnly;
}

/** Deletes files, with a way back; a preview of one has nothing left to show. */
export function remove(files: readonly StoredFile[]): void {
  if (files.length === 0 || !mayChange()) return;
  if (files.some(({ id }) => id === opened.id)) opened.close();
  const ids = new Set(files.map(({ id }) => id));
  cursor.leave(ids);
  selection.drop(ids);
  deletions.delete(files);
}

/** Saves files. Nobody tells the page when the browser blocks all but the first, so that is said beforehand. */
export async function download(files: readonly StoredFile[]): Promise<void> {
  const stopping = new AbortController();
  const during = downloadAll(files, stopping.signal);
  if (files.length < 2) return during;
  const action = { label: () => words.stop, run: () => stopping.abort() };
  toasts.show({ text: () => words.downloading(files.length), action, during });
  return during;
}

export async function copyLinks(files: readonly StoredFile[]): Promise<void> {
  // The clipboard keeps what it holds.
  if (files.length === 0) return;
  const links = files.map(({ id }) => location.origin + addressOf(id));
  await copyText(links.join("\n"), () => words.linksCopied(files.length));
}

/** Queues what was dropped, pasted or chosen, and says what could not be. */
export async function add(dropped: AsyncIterable<Dropped> | Iterable<Dropped>): Promise<void> {
  if (!mayChange()) return;
  const { unreadable, emptyFolders } = await uploads.take(dropped);
  if (unreadable.length > 0) toasts.show({ tone: "bad", text: () => words.unreadable(unreadable) });
  if (emptyFolders.length > 0) toasts.show({ text: () => words.emptyFolder(emptyFolders) });
}

export async function copyText(text: string, done = () => words.copied): Promise<void> {
  toasts.show((await copy(text)) ? { text: done } : { tone: "bad", text: () => words.notCopied });
}
