import type { StoredFile } from "../api/documents";

/** A picture that is larger than this is worth its wait, but not on the mere chance that it is looked at (bytes). */
const LARGEST = 12 * 1024 * 1024;

/**
 * Fetches pictures that may be looked at next, after everything else.
 *
 * @returns a function that gives up those still on their way.
 */
export function preload(files: readonly (StoredFile | undefined)[]): () => void {
  if ((navigator as { connection?: { saveData?: boolean } }).connection?.saveData) return () => {};
  const pictures = files
    .filter((file) => file?.kind === "IMAGE" && file.size <= LARGEST)
    .flatMap((file) => {
      if (!file?.previewUrl) return [];
      const picture = new Image();
      picture.fetchPriority = "low";
      picture.src = file.previewUrl;
      return [picture];
    });
  return () => {
    for (const picture of pictures) if (!picture.complete) picture.src = "";
  };
}
