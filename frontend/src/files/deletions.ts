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

/** The service bounds a request; a longer list goes in several. */
const AT_ONCE = 100;

/**
 * Deletes with a way back: the rows go at once, the request goes when the toast does. Files deleted while the toast is
 * shown join it, so that one Undo brings them all back.
 */
export class Deletions {
  #list: FileList;
  #toasts: Toasts;
  #port: DeletionPort;
  #pending: StoredFile[] = [];
  #toast: number | undefined;

  constructor(list: FileList, toasts: Toasts, port: DeletionPort) {
    this.#list = list;
    this.#toasts = toasts;
    this.#port = port;
  }

  delete(files: readonly StoredFile[]): void {
    const pending = new Set(this.#pending.map(({ id }) => id));
    const added = files.filter(({ id }) => !pending.has(id));
    if (added.length === 0) return;
    this.#pending.push(...added);
    this.#list.hide(added);
    if (this.#toast !== undefined) this.#toasts.withdraw(this.#toast);
    this.#toast = this.#toasts.show({
      text: words.deleted(this.#pending.map(({ filename }) => filename)),
      action: { label: words.undo, run: () => this.#undo() },
      expired: () => void this.#commit(),
    });
  }

  /** The page goes away: what was deleted stays deleted. */
  leave(): void {
    const ids = this.#take().map(({ id }) => id);
    for (const some of chunks(ids)) this.#port.sendWhileLeaving(some);
  }

  #undo(): void {
    this.#list.restore(this.#take().map(({ id }) => id));
  }

  async #commit(): Promise<void> {
    const kept: string[] = [];
    let why: Failure | undefined;
    for (const files of chunks(this.#take())) {
      const ids = files.map(({ id }) => id);
      const { failure } = await this.#port.send(ids);
      if (failure) {
        this.#list.restore(ids);
        kept.push(...files.map(({ filename }) => filename));
        why = failure;
      } else {
        this.#list.deleted(ids);
      }
    }
    if (why) this.#toasts.show({ tone: "bad", text: words.notDeleted(kept, words.failure(why)) });
  }

  #take(): StoredFile[] {
    const pending = this.#pending;
    this.#pending = [];
    if (this.#toast !== undefined) this.#toasts.withdraw(this.#toast);
    this.#toast = undefined;
    return pending;
  }
}

function chunks<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, nth) =>
    all.slice(nth * AT_ONCE, (nth + 1) * AT_ONCE),
  );
}
