import type { FileKind, StorageUsage, StoredFile } from "../api/documents";
import { belongs } from "./order";

/** The totals, and the search that they were counted for. */
export interface Counted {
  search: string;
  kinds: ReadonlyMap<FileKind, number>;
  storage: StorageUsage;
}

/** The totals as they are without some of the files. */
export function without(counted: Counted, files: Iterable<StoredFile>): Counted {
  const kinds = new Map(counted.kinds);
  const storage = { ...counted.storage };
  const taken = new Map<string, number>();
  for (const file of files) {
    const count = kinds.get(file.kind);
    if (count && belongs(file, { search: counted.search })) kinds.set(file.kind, count - 1);
    storage.files--;
    storage.logicalBytes -= file.size;
    const copies = (taken.get(file.hash) ?? 0) + 1;
    taken.set(file.hash, copies);
    // The bytes go with the last file that has them.
    if (copies === file.copies) storage.storedBytes -= file.size;
  }
  return { ...counted, kinds, storage };
}
