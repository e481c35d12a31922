/** The service's order and filter, again on this side: a live event must know its place without asking. */
import type { FileFilter, FileOrder, StoredFile } from "../api/documents";

type Compare = (a: StoredFile, b: StoredFile) => number;

const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const ascending: Record<string, Compare> = {
  UPLOAD_DATE: (a, b) => compareInstants(a.uploadDate, b.uploadDate),
  FILENAME: (a, b) => names.compare(a.filename, b.filename),
  SIZE: (a, b) => a.size - b.size,
};

/** Equal keys are ordered by id, in the direction of the key, so that every order is total. */
export function comparator(order: FileOrder): Compare {
  const [, key, direction] = /^(.+)_(ASC|DESC)$/.exec(order) ?? [];
  const compare = ascending[key ?? ""] ?? (() => 0);
  const sign = direction === "DESC" ? -1 : 1;
  return (a, b) => sign * (compare(a, b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** The service's instants are finer than a Date's milliseconds, and two uploads may share one of those. */
function compareInstants(a: string, b: string): number {
  return Date.parse(a) - Date.parse(b) || Number(fraction(a)) - Number(fraction(b));
}

const fraction = (iso: string) => (/\.(\d+)/.exec(iso)?.[1] ?? "").padEnd(9, "0").slice(0, 9);

export function belongs(file: StoredFile, { search, kind }: Pick<FileFilter, "search" | "kind">): boolean {
  return (!kind || file.kind === kind) && (!search || folded(file.filename).includes(folded(search)));
}

const folded = (text: string) => text.normalize("NFC").toLowerCase();

/** Where `file` stands, or would stand, among rows in this order. */
export function placeOf(file: StoredFile, rows: readonly StoredFile[], compare: Compare): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(rows[middle] as StoredFile, file) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
