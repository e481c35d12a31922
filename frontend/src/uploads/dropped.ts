/**
 * Files from a drop or a paste. Dropped folders are walked, depth first and in the order the system lists them, by the
 * File and Directory Entries API: the only one that every browser offers for dropped folders.
 */
export interface Dropped {
  files: { path: string; file: File }[];
  emptyFolders: string[];
  unreadable: string[];
}

/** Files that were chosen one by one or with their folder, whose name the browser puts before theirs. */
export function chosenFiles(files: readonly File[]): Dropped {
  const named = files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return { files: named, emptyFolders: [], unreadable: [] };
}

/** How long a folder is walked before what was found is handed on (ms): a large one takes minutes. */
const PORTION = 250;

/**
 * What was dropped, in portions as it is found. Must be called while the event is handled: the transfer's items are gone
 * after it.
 */
export function droppedFiles(transfer: DataTransfer): AsyncIterable<Dropped> {
  const items = [...transfer.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  return walk(items);
}

/**
 * Whether a paste is meant as files. What is copied in a spreadsheet or a word processor carries its picture too, and
 * in a field it is the text that is meant.
 */
export function pastesFiles(types: readonly string[], target: EventTarget | null): boolean {
  if (!types.includes("Files")) return false;
  const typing = target instanceof Element && target.closest("input, textarea, [contenteditable]") !== null;
  return !(typing && types.includes("text/plain"));
}

/** Where one thing was dropped; a pasted image, and what a browser cannot name in its file system, has no entry. */
interface Item {
  entry: FileSystemEntry | null;
  file: File | null;
}

async function* walk(items: Item[]): AsyncGenerator<Dropped> {
  const left = items.toReversed();
  let found = nothing();
  let since = Date.now();
  for (let item = left.pop(); item; item = left.pop()) {
    const { entry, file } = item;
    const path = entry?.fullPath.replace(/^\//, "") ?? file?.name ?? "";
    try {
      if (entry?.isDirectory) {
        const children = await childrenOf(entry as FileSystemDirectoryEntry);
        if (children.length === 0) found.emptyFolders.push(path);
        for (const child of children.reverse()) left.push({ entry: child, file: null });
      } else {
        const read = entry ? await fileOf(entry as FileSystemFileEntry) : file;
        if (read) found.files.push({ path, file: read });
      }
    } catch {
      found.unreadable.push(path);
    }
    if (Date.now() - since < PORTION) continue;
    yield found;
    found = nothing();
    since = Date.now();
  }
  yield found;
}

const nothing = (): Dropped => ({ files: [], emptyFolders: [], unreadable: [] });

const fileOf = (entry: FileSystemFileEntry) => new Promise<File>((resolve, reject) => entry.file(resolve, reject));

async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    // One call answers at most a hundred; an empty answer is the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return children;
    children.push(...some);
  }
}
