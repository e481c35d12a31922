import type { Answer, Failure } from "../api/answer";
import type { StoredFile } from "../api/documents";
import type { Toasts } from "../ui/toasts.svelte";
import { words } from "../words";
import type { Change } from "./changes";

export interface RenamingPort {
  send(id: string, filename: string): Promise<Answer<{ renameFile: StoredFile }>>;
  /** The service has given the file another name. */
  renamed(file: StoredFile): void;
}

/** Where the field stands: the same file may be in the list and in the preview. */
export type RenamePlace = "row" | "preview";

/**
 * A file's name while it is being typed. What others do to the file meanwhile changes nothing in the field, unless the
 * file is deleted.
 */
export class Renaming {
  draft = $state("");
  /** Why the name was not taken. */
  refused = $state.raw<Failure | "slash">();
  busy = $state(false);

  #file = $state.raw<StoredFile>();
  #place = $state<RenamePlace>("row");
  /** Which edit this is: the answer to one that was given up may come late. */
  #edit = 0;
  #heard = false;
  #toasts: Toasts;
  #port: RenamingPort;

  constructor(toasts: Toasts, port: RenamingPort) {
    this.#toasts = toasts;
    this.#port = port;
  }

  at(place: RenamePlace, id: string): boolean {
    return this.#file?.id === id && this.#place === place;
  }

  start(file: StoredFile, place: RenamePlace): void {
    this.#edit++;
    this.#file = file;
    this.#place = place;
    this.draft = file.filename;
    this.refused = undefined;
    this.busy = false;
  }

  cancel(): void {
    this.#edit++;
    this.#file = undefined;
  }

  /** Sends the name; the field stays where the service does not take it. */
  async save(): Promise<void> {
    const file = this.#file;
    const name = this.draft.trim();
    if (!file || this.busy) return;
    if (name === "" || name === file.filename) return this.cancel();
    // The service would take it for a path, and keep only its end.
    if (/[/\\]/.test(name)) {
      this.refused = "slash";
      return;
    }
    this.busy = true;
    this.refused = undefined;
    const edit = this.#edit;
    const failure = await this.#send(file, name);
    if (edit !== this.#edit) return;
    this.busy = false;
    this.refused = failure;
    if (!failure) this.cancel();
  }

  apply(changes: readonly Change[]): void {
    const before = this.#file;
    for (const { kind, fileId, file } of changes) {
      if (!before || (file?.id ?? fileId) !== before.id) continue;
      this.#heard = true;
      if (kind === "DELETED" || !file) {
        this.cancel();
        this.#toasts.show({ tone: "bad", text: () => words.renamedGone(before.filename) });
        return;
      }
      this.#file = file;
    }
  }

  async #send(file: StoredFile, name: string): Promise<Failure | undefined> {
    this.#heard = false;
    const { data, failure } = await this.#port.send(file.id, name);
    if (failure) return failure;
    // An event may have been faster, and tell of a name given after this one.
    if (!this.#heard) this.#port.renamed(data.renameFile);
    this.#toasts.show({
      text: () => words.renamed(data.renameFile.filename),
      action: { label: () => words.undo, run: () => void this.#undo(file) },
    });
    return undefined;
  }

  async #undo({ id, filename }: StoredFile): Promise<void> {
    const { data, failure } = await this.#port.send(id, filename);
    if (failure) this.#toasts.show({ tone: "bad", text: () => words.notRenamed(filename, words.failure(failure)) });
    else this.#port.renamed(data.renameFile);
  }
}
