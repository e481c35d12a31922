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

/** Must be called while the event is handled: the transfer's items are gone after it. */
export function droppedFiles(transfer: DataTransfer): Promise<Dropped> {
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

async function walk(items: { entry: FileSystemEntry | null; file: File | null }[]): Promise<Dropped> {
  const found: Dropped = { files: [], emptyFolders: [], unreadable: [] };
  for (const { entry, file } of items) {
    // A pasted image, and whatever a browser cannot name in its file system, comes without an entry.
    if (entry) await visit(entry, found);
    else if (file) found.files.push({ path: file.name, file });
  }
  return found;
}

async function visit(entry: FileSystemEntry, found: Dropped): Promise<void> {
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isDirectory) {
      const children = await childrenOf(entry as FileSystemDirectoryEntry);
      if (children.length === 0) found.emptyFolders.push(path);
      for (const child of children) await visit(child, found);
    } else {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      found.files.push({ path, file });
    }
  } catch {
    found.unreadable.push(path);
  }
}

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
