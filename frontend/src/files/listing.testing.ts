/** The list beside a service of files that do not exist, for tests. */
import { afterEach, beforeEach, vi } from "vitest";
import type { Answer } from "../api/answer";
import type { FileOrder, StoredFile } from "../api/documents";
import { FileList, type Page, type PageWanted } from "./list.svelte";
import { belongs, comparator } from "./order";
import { fileWith, kindsOf } from "./testing";

/** A service that pages by key, and answers when told to. */
export class Service {
  files: StoredFile[] = [];
  asked: PageWanted[] = [];
  cursors: string[] = [];
  held: (() => void)[] | undefined;
  /** How often it was asked to count, and how long that takes (ms). */
  counts = 0;
  counting = 0;
  /** How long the rows take until they stand on the screen (ms). */
  drawing = 0;
  failing: Answer<never> | undefined;

  page = async (wanted: PageWanted): Promise<Answer<Page>> => {
    this.asked.push(wanted);
    const answer = this.failing ?? { data: this.read(wanted) };
    if (this.held) await new Promise<void>((resolve) => this.held?.push(resolve));
    return answer;
  };

  totals = async (filter: PageWanted["filter"]) => {
    this.counts++;
    if (this.counting) await new Promise((resolve) => setTimeout(resolve, this.counting));
    if (this.failing) return this.failing;
    const { kind: _, ...rest } = filter;
    return { data: { files: { kinds: kindsOf(this.matching(rest)) }, storage: this.storage } };
  };

  drawn = async () => {
    if (this.drawing) await new Promise((resolve) => setTimeout(resolve, this.drawing));
  };

  listed = (cursor: string) => this.cursors.push(cursor);

  get storage() {
    const sum = (sizes: Iterable<number>) => [...sizes].reduce((total, size) => total + size, 0);
    const blobs = new Map(this.files.map(({ hash, size }) => [hash, size]));
    return {
      files: this.files.length,
      logicalBytes: sum(this.files.map(({ size }) => size)),
      storedBytes: sum(blobs.values()),
    };
  }

  /** From now on answers wait; the returned function lets the waiting ones go. */
  hold() {
    this.held = [];
    return async () => {
      for (const release of this.held ?? []) release();
      this.held = undefined;
      await settle();
    };
  }

  private matching(filter: PageWanted["filter"], order: FileOrder = "UPLOAD_DATE_DESC") {
    return this.files.filter((file) => belongs(file, filter)).sort(comparator(order));
  }

  private read({ first, after, filter, orderBy, head }: PageWanted): Page {
    const all = this.matching(filter, orderBy);
    const compare = comparator(orderBy);
    const last = after && (JSON.parse(after) as StoredFile);
    const rest = last ? all.filter((file) => compare(file, last) > 0) : all;
    const nodes = rest.slice(0, first);
    return {
      files: {
        nodes,
        pageInfo: { hasNextPage: rest.length > first, endCursor: JSON.stringify(nodes.at(-1) ?? null) },
        ...(head ? { eventCursor: "cursor" } : {}),
      },
    };
  }
}

export const settle = () => vi.advanceTimersByTimeAsync(0);
export const uploaded = (file: StoredFile) => ({ kind: "UPLOADED" as const, fileId: file.id, file });
export const renamed = (file: StoredFile) => ({ kind: "RENAMED" as const, fileId: file.id, file });
export const deleted = (id: string) => ({ kind: "DELETED" as const, fileId: id, file: null });
export const at = (minute: number, given: Partial<StoredFile> = {}) =>
  fileWith({ uploadDate: new Date(Date.UTC(2026, 10, 1, 0, minute)).toISOString(), ...given });
export const ids = (rows: readonly StoredFile[]) => rows.map(({ id }) => id);

/** Of the test that runs. */
export let service: Service;
export let list: FileList;

export async function loaded(files: StoredFile[]): Promise<void> {
  service.files = files;
  void list.reload();
  await settle();
}

/** Gives each test of a file a list of its own, on a clock that stands still. */
export function withListing(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    service = new Service();
    list = new FileList(service);
  });

  afterEach(() => {
    list.close();
    vi.useRealTimers();
  });
}
