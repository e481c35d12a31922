import { type Answer, type Failure, isPassing, RETRY } from "../api/answer";
import type { FileKind, FileOrder, StorageUsage, StoredFile } from "../api/documents";
import { FIRST } from "../api/first";
import { type Change, recounted } from "./changes";
import { belongs, comparator, merged, placeOf } from "./order";
import { type Counted, without } from "./totals";

export interface PageWanted {
  first: number;
  after: string | null;
  filter: { search?: string; kind?: FileKind };
  orderBy: FileOrder;
  /** True for the first page, which also tells from where on the events are to be followed. */
  head: boolean;
}

export interface Page {
  files: {
    nodes: StoredFile[];
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
    eventCursor?: string;
  };
}

/** How many files there are in all, and of each kind what the search finds, whatever kind is shown. */
export interface Totals {
  files: { kinds: { kind: FileKind; count: number }[] };
  storage: StorageUsage;
}

type Question = Pick<PageWanted, "filter" | "orderBy">;

export interface ListSource {
  page(wanted: PageWanted, signal: AbortSignal): Promise<Answer<Page>>;
  totals(filter: PageWanted["filter"], signal: AbortSignal): Promise<Answer<Totals>>;
  /** Resolves when the rows stand on the screen: the totals come after them. */
  drawn(): Promise<void>;
  /** A listing was read; the events after this cursor are not in it. */
  listed(eventCursor: string): void;
}

/** The first page fills a screen quickly; the ones after it are for somebody who scrolls. */
const NEXT_PAGE = 200;
/** How many rows before the end of what is loaded the next page is asked for. */
const AHEAD = 30;
const SEARCH_PAUSE = 200;
/** How long changes wait for the totals to be counted (ms), and how many times as long as the last count took. */
const TOTALS_PAUSE = 300;
const TOTALS_SHARE = 10;
/** How long a row counts as having just arrived: at least until it is drawn. */
const FRESH = 1_000;
/** How many of the deleted ids are remembered: only an answer that is still on its way may name one. */
const REMEMBERED = 10_000;

/**
 * The files of one filter and order: a prefix of the whole listing, read page by page and kept current by events.
 *
 * Events are applied by id, so that one which is also in a page, or comes twice, changes nothing. A change that arrives
 * while a page is on its way wins over what the page says about the same file.
 */
export class FileList {
  rows = $state.raw<readonly StoredFile[]>([]);
  /** `busy`: another listing is on its way and the rows of the last one still stand. */
  status = $state<"loading" | "busy" | "ready" | "failed">("loading");
  failure = $state.raw<Failure>();
  pageFailure = $state.raw<Failure>();
  /** Rises when the reader asks for another listing: what was scrolled to no longer means anything. */
  listing = $state(0);

  search = $state("");
  kind = $state<FileKind>();
  order = $state<FileOrder>(FIRST.orderBy);

  /** The ids of the rows: to look through a hundred thousand for each page of them would be felt. */
  #ids = new Set<string>();

  /** Rows that an event brought a moment ago; not reactive, for whoever draws a change of `rows`. */
  readonly arrivals: Set<string> = new Set();

  #counted = $state.raw<Counted>();
  /** Taken out of the rows before the service has been told. */
  #hidden = $state.raw<ReadonlyMap<string, StoredFile>>(new Map());
  #totals = $derived(this.#counted && without(this.#counted, this.#hidden.values()));
  #endCursor: string | null = null;
  /**
   * The file that the next page begins behind, as it was when its own page was read; undefined where all is loaded. The
   * last row may be another: rows come and go, and the page that follows does not change with them.
   */
  #edge: StoredFile | undefined;
  #hasMore = $state(false);
  #wanted = 0;
  #source: ListSource;
  #loading: AbortController | undefined;
  #counting: AbortController | undefined;
  #countTook = 0;
  /** The filter and order of the rows; the reader may already have asked for another. */
  #asked = $state.raw<Question>(FIRST);
  /** What events said since the page that is on its way was asked for. */
  #meanwhile: readonly Change[] | undefined;
  /** Deleted since the head was read. An id never returns, so no late answer may bring it back. */
  #gone = new Set<string>();
  #timers: { [Task in "search" | "totals" | "retry" | "page"]?: ReturnType<typeof setTimeout> | undefined } = {};

  constructor(source: ListSource) {
    this.#source = source;
  }

  /** All files of this listing, loaded or not; until they are `counted`, one more than are loaded stands for the rest. */
  get total(): number {
    if (!this.#hasMore) return this.rows.length;
    return Math.max(this.#countedRows ?? 0, this.rows.length + 1);
  }

  /** Whether `total` is known. */
  get counted(): boolean {
    return this.status !== "loading" && (!this.#hasMore || this.#countedRows !== undefined);
  }

  /** How many files this listing has by the totals; undefined where those are of another search. */
  get #countedRows(): number | undefined {
    const { search = "", kind } = this.#asked.filter;
    if (!this.#totals || this.#totals.search !== search) return undefined;
    const { kinds } = this.#totals;
    return kind ? (kinds.get(kind) ?? 0) : [...kinds.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What is stored in all, once that is known. */
  get storage(): StorageUsage | undefined {
    return this.#totals?.storage;
  }

  get #filter(): PageWanted["filter"] {
    const search = this.search.trim();
    return { ...(search ? { search } : {}), ...(this.kind ? { kind: this.kind } : {}) };
  }

  /** What the rows were chosen by. */
  get answered(): PageWanted["filter"] {
    return this.#asked.filter;
  }

  get filtered(): boolean {
    const { search, kind } = this.answered;
    return search !== undefined || kind !== undefined;
  }

  /** How many files of a kind the search finds, once that is known. */
  countOf(kind: FileKind): number | undefined {
    return this.#totals?.kinds.get(kind);
  }

  /** Whether a file is one of this listing, loaded or not. */
  holds(file: StoredFile): boolean {
    return belongs(file, this.#asked.filter);
  }

  find(id: string): StoredFile | undefined {
    return this.rows.find((row) => row.id === id);
  }

  /** Whether a file is deleted, if only on this page so far. */
  isDeleted(id: string): boolean {
    return this.#hidden.has(id) || this.#gone.has(id);
  }

  setSearch(search: string): void {
    this.search = search;
    this.#later("search", SEARCH_PAUSE, () => this.#restart());
  }

  setKind(kind: FileKind | undefined): void {
    if (kind === this.kind) return;
    this.kind = kind;
    this.#restart();
  }

  setOrder(order: FileOrder): void {
    if (order === this.order) return;
    this.order = order;
    this.#restart();
  }

  clearFilter(): void {
    this.search = "";
    this.kind = undefined;
    this.#restart();
  }

  /** Reads the listing anew, from its head. */
  async reload(): Promise<void> {
    clearTimeout(this.#timers.search);
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.page);
    if (this.status === "ready") this.status = "busy";
    this.pageFailure = undefined;
    this.#gone.clear();
    const question = { filter: this.#filter, orderBy: this.order };
    const answer = await this.#read(FIRST.first, null, question);
    if (!answer) return;
    if (answer.failure) {
      this.failure = answer.failure;
      this.status = this.status === "busy" ? "ready" : "failed";
      if (isPassing(answer.failure)) this.#later("retry", RETRY, () => void this.reload());
      return;
    }
    const { files } = answer.data;
    this.failure = undefined;
    this.#asked = question;
    this.#take(answer.data, []);
    this.status = "ready";
    if (files.eventCursor) this.#source.listed(files.eventCursor);
    void this.#count();
    void this.#fill();
  }

  /** Tells which rows are looked at: pages are read until `index` is loaded, with some to spare. */
  want(index: number): void {
    this.#wanted = index;
    void this.#fill();
  }

  /** The reader asks again after a failure. */
  retry(): void {
    if (this.status === "failed") this.status = "loading";
    this.failure = undefined;
    void this.reload();
  }

  retryPage(): void {
    clearTimeout(this.#timers.page);
    this.pageFailure = undefined;
    void this.#fill();
  }

  /** Applies events in their order. The totals are counted by the service, soon after. */
  apply(changes: readonly Change[]): void {
    this.#meanwhile = this.#meanwhile?.concat(changes);
    const draft = this.#draft();
    for (const { kind, fileId, file } of changes) {
      const id = file?.id ?? fileId;
      if (!id) continue;
      if (kind === "DELETED" || !file) {
        this.#gone.add(id);
        this.#remove(draft, id);
      } else {
        this.#put(draft, file);
        if (kind === "UPLOADED" && draft.added.has(id)) this.#arrive(id);
      }
    }
    this.#finish(draft, changes);
    this.#forget();
    this.#countSoon();
    void this.#fill();
  }

  /** Takes files out of sight, as if they were deleted. */
  hide(files: readonly StoredFile[]): void {
    this.#hidden = new Map([...this.#hidden, ...files.map((file) => [file.id, file] as const)]);
    for (const { id } of files) this.#ids.delete(id);
    this.rows = this.rows.filter(({ id }) => this.#ids.has(id));
    void this.#fill();
  }

  /** Puts hidden files back where they belong. */
  restore(ids: readonly string[]): void {
    const hidden = new Map(this.#hidden);
    const back = ids.flatMap((id) => hidden.get(id) ?? []).filter((file) => this.#reaches(file));
    for (const id of ids) hidden.delete(id);
    this.#hidden = hidden;
    for (const { id } of back) this.#ids.add(id);
    this.rows = merged(this.rows, back, comparator(this.#asked.orderBy));
  }

  /** The service has deleted them: nothing is left to hide. */
  deleted(ids: readonly string[]): void {
    this.apply(ids.map((id) => ({ kind: "DELETED", fileId: id, file: null })));
  }

  close(): void {
    this.#loading?.abort();
    this.#counting?.abort();
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
  }

  #restart(): void {
    this.listing++;
    this.#wanted = 0;
    void this.reload();
  }

  /** Reads on as far as somebody looks; `again`, the page that failed, wherever they look by now. */
  async #fill(again = false): Promise<void> {
    const wanted = () => !this.pageFailure && this.#wanted + AHEAD > this.rows.length;
    for (let due = again || wanted(); due && this.#hasMore && !this.#loading; due = wanted()) {
      const answer = await this.#read(NEXT_PAGE, this.#endCursor, this.#asked);
      if (!answer) return;
      this.pageFailure = answer.failure;
      if (answer.data) this.#take(answer.data, this.rows);
      else if (isPassing(answer.failure)) this.#later("page", RETRY, () => void this.#fill(true));
    }
  }

  /** Reads a page; undefined when another listing has taken over in the meantime. */
  async #read(first: number, after: string | null, question: Question): Promise<Answer<Page> | undefined> {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.#meanwhile = [];
    const answer = await this.#source.page({ first, after, head: after === null, ...question }, loading.signal);
    if (loading.signal.aborted) return undefined;
    this.#loading = undefined;
    if (answer.failure) this.#meanwhile = undefined;
    return answer;
  }

  #take({ files }: Page, before: readonly StoredFile[]): void {
    if (before.length === 0) this.#ids.clear();
    const added = files.nodes.filter(({ id }) => !this.#ids.has(id) && !this.#gone.has(id) && !this.#hidden.has(id));
    for (const { id } of added) this.#ids.add(id);
    this.#endCursor = files.pageInfo.endCursor;
    this.#hasMore = files.pageInfo.hasNextPage;
    this.#edge = this.#hasMore ? files.nodes.at(-1) : undefined;
    const draft = this.#draft(before.concat(added));
    const changes = this.#meanwhile ?? [];
    this.#meanwhile = undefined;
    for (const { file } of changes) if (file) this.#put(draft, file);
    this.#finish(draft, changes);
  }

  #draft(rows = [...this.rows]): Draft {
    return { rows, hidden: new Map(this.#hidden), added: new Set(), gone: [] };
  }

  #finish({ rows, hidden, gone }: Draft, changes: readonly Change[]): void {
    const current = recounted(changes);
    this.#counted &&= without(this.#counted, gone);
    this.#hidden = new Map([...hidden].map(([id, file]) => [id, current(file)]));
    this.rows = rows.map(current);
  }

  #indexIn(rows: readonly StoredFile[], id: string): number {
    return this.#ids.has(id) ? rows.findIndex((row) => row.id === id) : -1;
  }

  /** Whether a file is one of the part that is loaded; what lies beyond comes with its page. */
  #reaches(file: StoredFile): boolean {
    const beyond = this.#edge && comparator(this.#asked.orderBy)(file, this.#edge) > 0;
    return belongs(file, this.#asked.filter) && !beyond;
  }

  /** Brings a file to its place among the rows, if it has one. */
  #put(draft: Draft, file: StoredFile): void {
    const { rows, hidden } = draft;
    if (this.#gone.has(file.id)) return;
    if (hidden.has(file.id)) {
      hidden.set(file.id, file);
      return;
    }
    const at = this.#indexIn(rows, file.id);
    if (at >= 0) rows.splice(at, 1);
    this.#ids.delete(file.id);
    if (!this.#reaches(file)) return;
    rows.splice(placeOf(file, rows, comparator(this.#asked.orderBy)), 0, file);
    this.#ids.add(file.id);
    if (at < 0) draft.added.add(file.id);
  }

  #remove(draft: Draft, id: string): void {
    const hidden = draft.hidden.get(id);
    if (hidden) draft.gone.push(hidden);
    draft.hidden.delete(id);
    const at = this.#indexIn(draft.rows, id);
    if (at < 0) return;
    this.#ids.delete(id);
    draft.rows.splice(at, 1);
  }

  #forget(): void {
    // The page that is on its way may name all that went since it was asked for.
    if (this.#loading) return;
    for (const id of this.#gone) {
      if (this.#gone.size <= REMEMBERED) return;
      this.#gone.delete(id);
    }
  }

  #arrive(id: string): void {
    this.arrivals.add(id);
    setTimeout(() => this.arrivals.delete(id), FRESH);
  }

  /** Not put off by further events: a long run of them must not keep the totals old. */
  #countSoon(wait = Math.max(TOTALS_PAUSE, TOTALS_SHARE * this.#countTook)): void {
    this.#timers.totals ??= setTimeout(() => {
      this.#timers.totals = undefined;
      void this.#count();
    }, wait);
  }

  async #count(): Promise<void> {
    this.#counting?.abort();
    const counting = new AbortController();
    this.#counting = counting;
    await this.#source.drawn();
    if (counting.signal.aborted) return;
    const start = Date.now();
    const { filter } = this.#asked;
    const { data, failure } = await this.#source.totals(filter, counting.signal);
    if (failure && isPassing(failure)) this.#countSoon(RETRY);
    if (!data) return;
    this.#countTook = Date.now() - start;
    const kinds = new Map(data.files.kinds.map(({ kind, count }) => [kind, count]));
    this.#counted = { search: filter.search ?? "", kinds, storage: data.storage };
  }

  #later(what: "search" | "retry" | "page", wait: number, run: () => void): void {
    clearTimeout(this.#timers[what]);
    this.#timers[what] = setTimeout(run, wait);
  }
}

/** Rows while a batch of changes is applied to them. */
interface Draft {
  rows: StoredFile[];
  hidden: Map<string, StoredFile>;
  added: Set<string>;
  /** No longer hidden, but deleted. */
  gone: StoredFile[];
}
