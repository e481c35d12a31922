/** What a row carries when it is dragged out of the page. None of it is of the type "Files", which the page itself takes. */
import type { StoredFile } from "../api/documents";

type Dragged = Pick<StoredFile, "filename" | "contentType" | "downloadUrl">;

/**
 * Chromium saves the first file where it is dropped on a desktop; everything else that takes a drop is given the links.
 *
 * @returns the data by its type, as `DataTransfer.setData` takes them.
 */
export function dragData(files: readonly Dragged[], origin: string): Map<string, string> {
  const links = files.map(({ downloadUrl }) => new URL(downloadUrl, origin).href);
  const data = new Map([
    ["text/uri-list", links.join("\r\n")],
    ["text/plain", links.join("\n")],
  ]);
  const [first] = files;
  if (first && files.length === 1) {
    const type = first.contentType.split(";")[0];
    // Its parts are set apart by colons.
    data.set("DownloadURL", `${type}:${first.filename.replaceAll(":", "-")}:${links[0]}`);
  }
  return data;
}
