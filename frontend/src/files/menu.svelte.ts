import type { StoredFile } from "../api/documents";

interface Opened {
  /** The file that it stands beside. */
  row: StoredFile;
  /** What it acts on. */
  files: readonly StoredFile[];
  /** Takes the focus back. */
  invoker: HTMLElement;
  /** The point that was clicked (CSS pixels of the window); from the keyboard it comes without. */
  at?: Pick<DOMRect, "left" | "right" | "top" | "bottom"> | undefined;
}

/** The menu of a row, of which one at most is open. */
export class FileMenu {
  opened = $state.raw<Opened>();

  /** Whether it belongs to this file's row alone. */
  isOf(id: string): boolean {
    return this.opened?.files.length === 1 && this.opened.files[0]?.id === id;
  }

  open(row: StoredFile, files: readonly StoredFile[], invoker: HTMLElement, at?: Opened["at"]): void {
    this.opened = { row, files, invoker, at };
  }

  /** What the button of a menu does. */
  toggle(file: StoredFile, invoker: HTMLElement): void {
    if (this.opened?.invoker === invoker) this.close();
    else this.open(file, [file], invoker);
  }

  /** Away, with the focus where it came from; for an entry that moves the focus itself, without. */
  close(returnFocus = true): void {
    const { invoker } = this.opened ?? {};
    this.opened = undefined;
    if (returnFocus) invoker?.focus({ preventScroll: true });
  }
}
