import type { FileEvent, StoredFile } from "../api/documents";

export type Change = Pick<FileEvent, "kind" | "fileId" | "file">;

/** Changes are drawn together (ms): those of a frame after a quiet time, and of a longer one while they keep coming. */
const FRAME = 16;
const BURST = 250;

/**
 * Gives a file the number of copies that the changes tell last. It belongs to the bytes, so that any change to a file
 * that shares them tells it. The service counts when it tells: of a deletion, those that are left.
 */
export function recounted(changes: readonly Change[]): (file: StoredFile) => StoredFile {
  const copies = new Map(changes.flatMap(({ file }) => (file ? [[file.hash, Math.max(1, file.copies)]] : [])));
  return (file) => {
    const now = copies.get(file.hash) ?? file.copies;
    return now === file.copies ? file : { ...file, copies: now };
  };
}

/** Gathers changes to files, from wherever they are heard of, and hands them on in their order. */
export class Changes {
  #apply: (changes: readonly Change[]) => void;
  #waiting: Change[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #appliedAt = Number.NEGATIVE_INFINITY;

  constructor(apply: (changes: readonly Change[]) => void) {
    this.#apply = apply;
  }

  soon(change: Change): void {
    this.#waiting.push(change);
    this.#timer ??= setTimeout(() => this.now(), Math.max(FRAME, this.#appliedAt + BURST - performance.now()));
  }

  /** What waits, and behind it what the reader has just done. */
  now(...changes: readonly Change[]): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const all = [...this.#waiting, ...changes];
    this.#waiting = [];
    if (all.length === 0) return;
    this.#appliedAt = performance.now();
    this.#apply(all);
  }
}
