/** The service's order and filter, again on this side: a live event must know its place without asking. */
import type { FileFilter, FileOrder, StoredFile } from "../api/documents";

type Compare = (a: StoredFile, b: StoredFile) => number;

const ascending: Record<string, Compare> = {
  UPLOAD_DATE: (a, b) => compareInstants(a.uploadDate, b.uploadDate),
  FILENAME: (a, b) => compareText(keyOf(a), keyOf(b)),
  SIZE: (a, b) => a.size - b.size,
};

/** Equal keys are ordered by id, in the direction of the key, so that every order is total. */
export function comparator(order: FileOrder): Compare {
  const [, key, direction] = /^(.+)_(ASC|DESC)$/.exec(order) ?? [];
  const compare = ascending[key ?? ""] ?? (() => 0);
  const sign = direction === "DESC" ? -1 : 1;
  return (a, b) => sign * (compare(a, b) || compareText(a.id, b.id));
}

/** The service's instants are finer than a Date's milliseconds, and two uploads may share one of those. */
function compareInstants(a: string, b: string): number {
  return Date.parse(a) - Date.parse(b) || Number(fraction(a)) - Number(fraction(b));
}

const fraction = (iso: string) => (/\.(\d+)/.exec(iso)?.[1] ?? "").padEnd(9, "0").slice(0, 9);

export function belongs(file: StoredFile, { search, kind }: Pick<FileFilter, "search" | "kind">): boolean {
  return (!kind || file.kind === kind) && (!search || folded(file.filename).includes(folded(search)));
}

/** A name without regard to case and compatibility forms, as the service folds it: ß is ss, and I, i, İ and ı are one. */
function folded(text: string): string {
  const lower = text.normalize("NFKC").toUpperCase().toLowerCase();
  return lower.replaceAll("ς", "σ").replaceAll("i\u0307", "i").normalize("NFKC");
}

const keys = new WeakMap<StoredFile, string>();

/** Kept as long as the file is: it takes as long as some hundred comparisons. */
function keyOf(file: StoredFile): string {
  const key = keys.get(file) ?? naturalKey(file.filename);
  keys.set(file, key);
  return key;
}

/**
 * The service's natural order as a string: `img2` before `img10`, and accents only where all else is the same. A number
 * is written behind the count of its digits, a `9` for each full nine of them and then the rest as one digit.
 */
function naturalKey(name: string): string {
  const full = folded(name).normalize("NFD");
  const letters = full.replace(/\p{Mn}/gu, "").replace(/\d+/g, (run) => {
    const digits = run.replace(/^0+/, "");
    return "9".repeat(Math.floor(digits.length / 9)) + (digits.length % 9) + digits;
  });
  return `${letters}\x01${full}`;
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

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

/** Rows in this order with more files among them; one by one, each would move all that stand behind it. */
export function merged(
  rows: readonly StoredFile[],
  files: readonly StoredFile[],
  compare: Compare,
): readonly StoredFile[] {
  const sorted = files.toSorted(compare);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (!first || !last) return rows;
  const [from, to] = [placeOf(first, rows, compare), placeOf(last, rows, compare)];
  return [...rows.slice(0, from), ...rows.slice(from, to).concat(sorted).sort(compare), ...rows.slice(to)];
}
