import type { FileKind, StoredFile } from "../api/documents";

let made = 0;

/** A file for tests: what matters is given, the rest is plausible and its id is its own. */
export function fileWith(given: Partial<StoredFile> = {}): StoredFile {
  const id = given.id ?? `file-${String(++made).padStart(4, "0")}`;
  return {
    id,
    filename: `${id}.txt`,
    size: 100,
    contentType: "text/plain",
    kind: "TEXT",
    hash: `hash of ${id}`,
    uploadDate: "2026-11-22T10:00:00Z",
    copies: 1,
    previewUrl: `/files/${id}`,
    downloadUrl: `/files/${id}/download`,
    ...given,
  };
}

/** How many of the files are of each kind, as the service tells it. */
export function kindsOf(files: readonly StoredFile[]): { kind: FileKind; count: number }[] {
  const kinds = ["IMAGE", "VIDEO", "AUDIO", "PDF", "TEXT", "ARCHIVE", "OTHER"] as const;
  return kinds.map((kind) => ({ kind, count: files.filter((file) => file.kind === kind).length }));
}
