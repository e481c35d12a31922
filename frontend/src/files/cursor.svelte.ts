import type { StoredFile } from "../api/documents";
import type { FileList } from "./list.svelte";

/** The row that Tab leads to and keys work on, wherever the list moves it. */
export class Cursor {
  /** Whether the focus is in a row: the head of the list is none. */
  focused = $state(false);
  /** Rises when the list is to take the focus, because what had it is gone. */
  claims = $state(0);

  #id = $state<string>();
  /** Where the row stood when it was last seen, and what stood below it: that takes its place when it is gone. */
  #was: { index: number; below: string | undefined } = { index: 0, below: undefined };
  #list: FileList;

  readonly index: number = $derived.by(() => {
    const { rows } = this.#list;
    const find = (wanted: string | undefined) => rows.findIndex(({ id }) => id === wanted);
    const at = this.#id === undefined ? 0 : find(this.#id);
    if (at >= 0) {
      this.#was = { index: at, below: rows[at + 1]?.id };
      return at;
    }
    const below = find(this.#was.below);
    return below >= 0 ? below : Math.min(this.#was.index, rows.length - 1);
  });

  constructor(list: FileList) {
    this.#list = list;
  }

  get file(): StoredFile | undefined {
    return this.#list.rows[this.index];
  }

  set(index: number): void {
    const { rows } = this.#list;
    this.#was = { index, below: rows[index + 1]?.id };
    this.#id = rows[index]?.id;
  }

  /** These rows are about to go: the cursor moves on to the next that stays, or back to the one before. */
  leave(ids: ReadonlySet<string>): void {
    const { rows } = this.#list;
    const stays = (at: number) => rows[at] !== undefined && !ids.has(rows[at].id);
    if (stays(this.index)) return;
    const below = rows.findIndex((_, at) => at > this.index && stays(at));
    const above = rows.findLastIndex((_, at) => at < this.index && stays(at));
    this.set(below >= 0 ? below : Math.max(0, above));
  }

  reset(): void {
    this.#id = undefined;
  }

  /** Moves to a file's row, with the focus; false where that is not loaded. */
  goTo(id: string): boolean {
    const index = this.#list.rows.findIndex((row) => row.id === id);
    if (index < 0) return false;
    this.set(index);
    this.takeFocus();
    return true;
  }

  takeFocus(): void {
    this.claims++;
  }
}
