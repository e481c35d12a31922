import { type Answer, type Failure, isPassing, RETRY } from "../api/answer";
import type { StoredFile } from "../api/documents";
import { type Change, recounted } from "../files/changes";

export interface OpenFileSource {
  /** What the list already knows of it. */
  known(id: string): StoredFile | undefined;
  /** The list itself, as far as it is loaded, and how long it is in all. */
  rows(): readonly StoredFile[];
  total(): number;
  /** Whether it is deleted on this page, though the service may not have been told. */
  deleted(id: string): boolean;
  fetch(id: string, signal: AbortSignal): Promise<Answer<{ file: StoredFile | null }>>;
}

/** "missing": nothing was ever found at this id; "gone": it was deleted while it was open, or on this page. */
type OpenStatus = "loading" | "ready" | "missing" | "gone" | "failed";

/**
 * The file that the preview shows. The address names it, as `/?file=<id>`, so that a reload or a shared link opens it
 * again and Back closes it.
 */
export class OpenFile {
  id = $state<string>();
  file = $state.raw<StoredFile>();
  failure = $state.raw<Failure>();

  #status = $state<OpenStatus>("loading");
  #source: OpenFileSource;
  #index = $derived.by(() => (this.id === undefined ? -1 : this.#source.rows().findIndex(({ id }) => id === this.id)));
  #loading: AbortController | undefined;
  /** Whether the Back of `close` is still on its way. */
  #leaving = false;

  constructor(source: OpenFileSource) {
    this.#source = source;
  }

  get status(): OpenStatus {
    return this.id !== undefined && this.#source.deleted(this.id) ? "gone" : this.#status;
  }

  /** Follows the address. */
  follow(): void {
    const read = () => this.#show(new URLSearchParams(location.search).get("file") ?? undefined);
    read();
    addEventListener("popstate", () => {
      const opened = this.#leaving ? this.id : undefined;
      this.#leaving = false;
      // What was opened meanwhile is named now: before, its address would have been left too.
      if (opened === undefined) read();
      else history.pushState({ opened: true }, "", addressOf(opened));
    });
  }

  open(id: string): void {
    if (id === this.id) return;
    if (!this.#leaving) {
      const address = addressOf(id);
      // One Back closes the preview, however many files were looked at.
      if (this.id === undefined) history.pushState({ opened: true }, "", address);
      else history.replaceState(history.state, "", address);
    }
    this.#show(id);
  }

  close(): void {
    if (this.id === undefined) return;
    if (!this.#leaving) {
      this.#leaving = Boolean(history.state?.opened);
      if (this.#leaving) history.back();
      else history.replaceState(null, "", addressOf());
    }
    this.#show(undefined);
  }

  /** Where it stands in the list, from 1; undefined where the list does not hold it. */
  get place(): { nth: number; of: number } | undefined {
    return this.#index < 0 ? undefined : { nth: this.#index + 1, of: this.#source.total() };
  }

  /** The file that many rows further on. */
  neighbour(by: number): StoredFile | undefined {
    return this.#index < 0 ? undefined : this.#source.rows()[this.#index + by];
  }

  /** Opens a neighbour; false at the end of the list. */
  step(by: number): boolean {
    const next = this.neighbour(by);
    if (next) this.open(next.id);
    return next !== undefined;
  }

  reload(): void {
    if (this.id === undefined) return;
    if (this.#status === "failed") this.#status = "loading";
    void this.#load(this.id);
  }

  apply(changes: readonly Change[]): void {
    for (const { kind, fileId, file } of changes) {
      if ((file?.id ?? fileId) !== this.id) continue;
      if (kind === "DELETED") this.#status = "gone";
      else if (file && this.#status !== "gone") this.#found(file);
    }
    if (this.file && this.#status !== "gone") this.file = recounted(changes)(this.file);
  }

  #show(id: string | undefined): void {
    if (id === this.id) return;
    this.#loading?.abort();
    this.id = id;
    this.failure = undefined;
    this.file = id === undefined ? undefined : this.#source.known(id);
    this.#status = this.file ? "ready" : "loading";
    if (id !== undefined && !this.file) void this.#load(id);
  }

  async #load(id: string): Promise<void> {
    this.#loading?.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    const { data, failure } = await this.#source.fetch(id, signal);
    if (signal.aborted) return;
    this.failure = failure;
    if (data?.file) this.#found(data.file);
    else if (data || failure?.code === "NOT_FOUND") this.#status = this.file ? "gone" : "missing";
    else if (!this.file) this.#status = "failed";
    if (failure && isPassing(failure)) setTimeout(() => signal.aborted || void this.#load(id), RETRY);
  }

  #found(file: StoredFile): void {
    this.file = file;
    this.#status = "ready";
  }
}

/** The address of the page with this file open. */
export const addressOf = (id?: string): string => (id ? `/?file=${encodeURIComponent(id)}` : "/");
