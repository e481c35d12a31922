import type { StoredFile } from "../api/documents";
import type { Change } from "./changes";
import type { FileList } from "./list.svelte";

type Files = ReadonlyMap<string, StoredFile>;

/**
 * The files that the reader has picked out of the listing. They stay selected while rows come and go around them, are
 * sorted anew or lie on a page that is no longer loaded, and only as long as they belong to the listing.
 */
export class Selection {
  #files = $state.raw<Files>(new Map());
  #list: FileList;
  /** Where a range begins. */
  #anchor: string | undefined;
  /** Where the last range ended, or the file that was last toggled. */
  #end: string | undefined;
  /** What was selected before the range that is being drawn: drawing it anew lets go of the rest of the old one. */
  #before: Files = new Map();

  readonly bytes: number = $derived.by(() => [...this.#files.values()].reduce((sum, { size }) => sum + size, 0));

  /** Whether every loaded row is selected. */
  readonly all: boolean = $derived.by(
    () => this.#files.size > 0 && this.#list.rows.every(({ id }) => this.#files.has(id)),
  );

  constructor(list: FileList) {
    this.#list = list;
  }

  get size(): number {
    return this.#files.size;
  }

  /** In the order of the list; what is not loaded comes last. */
  get files(): StoredFile[] {
    const rest = new Map(this.#files);
    const loaded = this.#list.rows.filter(({ id }) => rest.delete(id));
    return [...loaded, ...rest.values()];
  }

  has(id: string): boolean {
    return this.#files.has(id);
  }

  /** Selects a file, or lets go of it; the next range begins here. */
  toggle(file: StoredFile): void {
    const files = new Map(this.#files);
    if (!files.delete(file.id)) files.set(file.id, file);
    this.#begin(file.id, files);
    this.#files = files;
  }

  /**
   * Draws the range that ends at `from` on to `to`, anew from where it began. Where none ends there, or its beginning is
   * gone, another one begins at `from`.
   */
  stretch(from: StoredFile, to: StoredFile): void {
    const known = this.#end === from.id && this.#indexOf(this.#anchor) >= 0;
    if (!known) this.#begin(from.id, this.#files);
    const ends = [this.#indexOf(this.#anchor), this.#indexOf(to.id)];
    const range = this.#list.rows.slice(Math.min(...ends), Math.max(...ends) + 1);
    this.#files = new Map([...this.#before, ...range.map((file) => [file.id, file] as const)]);
    this.#end = to.id;
  }

  /** Selects all that is loaded. */
  selectAll(): void {
    this.#files = new Map([...this.#files, ...this.#list.rows.map((file) => [file.id, file] as const)]);
    this.#anchor = undefined;
    this.#end = undefined;
  }

  clear(): void {
    this.#anchor = undefined;
    this.#end = undefined;
    this.#before = new Map();
    this.#files = this.#before;
  }

  drop(ids: Iterable<string>): void {
    const dropped = new Set(ids);
    this.#keep((file) => !dropped.has(file.id));
  }

  /** The listing is another one: what is not in it cannot stay selected, since nobody would see that it is. */
  prune(): void {
    this.#keep((file) => this.#list.holds(file));
  }

  /** To be called when the list has applied the same events. */
  apply(changes: readonly Change[]): void {
    if (this.#files.size === 0) return;
    const changed = changes.filter(({ fileId, file }) => this.#files.has(file?.id ?? fileId ?? ""));
    if (changed.length === 0) return;
    const files = new Map(this.#files);
    for (const { kind, fileId, file } of changed) {
      if (kind === "DELETED" || !file) files.delete(file?.id ?? fileId ?? "");
      else files.set(file.id, file);
    }
    this.#files = files;
    this.prune();
  }

  #begin(id: string, before: Files): void {
    this.#anchor = id;
    this.#end = id;
    this.#before = before;
  }

  #keep(wanted: (file: StoredFile) => boolean): void {
    this.#before = kept(this.#before, wanted);
    this.#files = kept(this.#files, wanted);
  }

  #indexOf(id: string | undefined): number {
    return this.#list.rows.findIndex((row) => row.id === id);
  }
}

function kept(files: Files, wanted: (file: StoredFile) => boolean): Files {
  const rest = [...files].filter(([, file]) => wanted(file));
  return rest.length === files.size ? files : new Map(rest);
}
