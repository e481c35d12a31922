import type { StoredFile } from "../api/documents";

type Downloadable = Pick<StoredFile, "filename" | "downloadUrl">;

/** Between two downloads (ms): a browser drops those that come faster than it starts them. */
const PAUSE = 400;

/**
 * Saves files one after the other, until it is aborted; whether the browser lets more than the first through is up to its
 * reader.
 */
export async function downloadAll(
  files: readonly Downloadable[],
  signal: AbortSignal,
  save = saveByAnchor,
): Promise<void> {
  for (const [nth, file] of files.entries()) {
    if (nth > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (signal.aborted) return;
    save(file);
  }
}

function saveByAnchor({ filename, downloadUrl }: Downloadable): void {
  const anchor = document.createElement("a");
  anchor.href = downloadUrl;
  anchor.download = filename;
  anchor.click();
}
