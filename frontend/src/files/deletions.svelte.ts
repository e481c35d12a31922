import type { Answer, Failure } from "../api/answer";
import type { StoredFile } from "../api/documents";
import type { Toasts } from "../ui/toasts.svelte";
import { words } from "../words";
import type { FileList } from "./list.svelte";

export interface DeletionPort {
  send(ids: string[]): Promise<Answer<unknown>>;
  /** Must outlive the page; no answer is heard. */
  sendWhileLeaving(ids: string[]): void;
}

/** The service takes as many in a request, however it is set; a longer list goes in several. */
const AT_ONCE = 100;
/** How many files fit into the 64 KiB of requests that browsers let outlive a page. */
const CARRIED = 1_500;

/**
 * Deletes with a way back: the rows go at once, the request goes when the toast does. Files deleted while the toast is
 * shown join it, so that one Undo brings them all back.
 */
export class Deletions {
  #list: FileList;
  #toasts: Toasts;
  #port: DeletionPort;
  #undoable = $state.raw<readonly StoredFile[]>([]);
  /** Without a way back any more; the service has not answered for them yet. */
  #sending = $state.raw<readonly StoredFile[]>([]);
  #toast: number | undefined;

  constructor(list: FileList, toasts: Toasts, port: DeletionPort) {
    this.#list = list;
    this.#toasts = toasts;
    this.#port = port;
  }

  /** Whether some would not be deleted if the page went away now. */
  get tooMany(): boolean {
    return this.#sending.length + this.#undoable.length > CARRIED;
  }

  delete(files: readonly StoredFile[]): void {
    const before = new Set(idsOf(this.#undoable));
    const added = files.filter(({ id }) => !before.has(id));
    if (added.length === 0) return;
    this.#undoable = [...this.#undoable, ...added];
    this.#list.hide(added);
    if (this.#toast !== undefined) this.#toasts.withdraw(this.#toast);
    const names = this.#undoable.map(({ filename }) => filename);
    this.#toast = this.#toasts.show({
      text: () => words.deleted(names),
      action: { label: () => words.undo, run: () => this.#undo() },
      expired: () => void this.#commit(),
    });
  }

  /** The page goes away: what was deleted stays deleted, as far as the browser carries it. */
  leave(): void {
    const ids = idsOf([...this.#sending, ...this.#undoable]);
    for (let from = 0; from < Math.min(ids.length, CARRIED); from += AT_ONCE) {
      this.#port.sendWhileLeaving(ids.slice(from, Math.min(from + AT_ONCE, CARRIED)));
    }
    // Should the page be kept for Back, it goes on with the rest.
    if (!this.tooMany) this.#take();
  }

  #undo(): void {
    this.#list.restore(idsOf(this.#take()));
  }

  async #commit(): Promise<void> {
    const files = this.#take();
    const underWay = this.#sending.length > 0;
    this.#sending = [...this.#sending, ...files];
    if (!underWay) await this.#send();
  }

  /** The list hears of it at the end: to tell it of each request would take longer than the requests. */
  async #send(): Promise<void> {
    const [gone, kept]: [StoredFile[], StoredFile[]] = [[], []];
    let why: Failure | undefined;
    while (this.#sending.length > 0) {
      const files = this.#sending.slice(0, AT_ONCE);
      const { failure } = await this.#port.send(idsOf(files));
      (failure ? kept : gone).push(...files);
      why = failure ?? why;
      this.#sending = this.#sending.slice(files.length);
    }
    this.#list.deleted(idsOf(gone));
    this.#list.restore(idsOf(kept));
    const names = kept.map(({ filename }) => filename);
    const reason = why;
    if (reason) this.#toasts.show({ tone: "bad", text: () => words.notDeleted(names, words.failure(reason)) });
  }

  #take(): readonly StoredFile[] {
    const files = this.#undoable;
    this.#undoable = [];
    if (this.#toast !== undefined) this.#toasts.withdraw(this.#toast);
    this.#toast = undefined;
    return files;
  }
}

const idsOf = (files: readonly StoredFile[]) => files.map(({ id }) => id);
