import type { Answer, Failure } from "../api/answer";
import type { StoredFile } from "../api/documents";
import type { Change } from "../files/changes";

export interface CopiesPage {
  files: { nodes: StoredFile[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
}

export type CopiesSource = (hash: string, after: string | null, signal: AbortSignal) => Promise<Answer<CopiesPage>>;

/** The files that share some bytes, newest first, read when somebody wants to see them. */
export class Copies {
  files = $state.raw<readonly StoredFile[]>([]);
  status = $state<"loading" | "ready" | "failed">("loading");
  failure = $state.raw<Failure>();
  hasMore = $state(false);

  #source: CopiesSource;
  #hash: string | undefined;
  #cursor: string | null = null;
  #loading: AbortController | undefined;

  constructor(source: CopiesSource) {
    this.#source = source;
  }

  /** Reads them from the start; those of the same bytes stay in sight until the answer is there. */
  load(hash: string): Promise<void> {
    if (hash !== this.#hash) this.files = [];
    this.#hash = hash;
    return this.#read(null);
  }

  /** Reads the next page; after a failure, what failed. */
  more(): Promise<void> {
    return this.#read(this.#cursor);
  }

  close(): void {
    this.#loading?.abort();
  }

  /** They follow their names. One more or one less is read anew by whoever shows them. */
  apply(changes: readonly Change[]): void {
    if (this.files.length === 0) return;
    const renamed = new Map(changes.flatMap(({ kind, file }) => (kind === "RENAMED" && file ? [[file.id, file]] : [])));
    this.files = this.files.map((each) => renamed.get(each.id) ?? each);
  }

  async #read(after: string | null): Promise<void> {
    if (this.#hash === undefined) return;
    this.#loading?.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#cursor = after;
    this.status = "loading";
    this.failure = undefined;
    const { data, failure } = await this.#source(this.#hash, after, signal);
    if (signal.aborted) return;
    if (failure) {
      this.failure = failure;
      this.status = "failed";
      return;
    }
    const { nodes, pageInfo } = data.files;
    this.files = after === null ? nodes : [...this.files, ...nodes];
    this.hasMore = pageInfo.hasNextPage;
    this.#cursor = pageInfo.endCursor;
    this.status = "ready";
  }
}
