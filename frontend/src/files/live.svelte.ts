import { type Failure, isPassing } from "../api/answer";
import { openEvents } from "../api/client";
import type { FileEvent } from "../api/documents";

export interface FileEventListener {
  /** One change after the other, in commit order. */
  changed(event: FileEvent): void;
  /** The service no longer knows the cursor: read the state anew, then call `resumeFrom` with its cursor. */
  expired(): void;
}

/** After a refusal that may pass (ms). */
const RETRY = 3_000;
const EXPIRED_WITHIN = 1_000;

/**
 * The live events of the service, from a cursor on, with none lost and none twice. The socket opens with the first
 * listener (once a cursor is known) and closes with the last.
 */
export class LiveEvents {
  #connection = $state<"connecting" | "live" | "reconnecting">("connecting");
  #online = $state(typeof navigator === "undefined" || navigator.onLine !== false);

  #open: typeof openEvents;
  #listeners = new Set<FileEventListener>();
  #cursor: string | undefined;
  #stop: (() => void) | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(open = openEvents) {
    this.#open = open;
  }

  /** A browser may call itself offline and still reach a server on the same machine: only a lost socket counts. */
  get state(): "connecting" | "live" | "reconnecting" | "offline" {
    return this.#connection !== "live" && !this.#online ? "offline" : this.#connection;
  }

  listen(listener: FileEventListener): () => void {
    this.#listeners.add(listener);
    this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#close();
    };
  }

  /** Where to begin. Once begun, the events themselves move the cursor, and a later listing has nothing to add. */
  resumeFrom(cursor: string): void {
    this.#cursor ??= cursor;
    this.#start();
  }

  #start(): void {
    if (this.#stop || this.#cursor === undefined || this.#listeners.size === 0) return;
    if (typeof window !== "undefined") {
      window.addEventListener("online", this.#network);
      window.addEventListener("offline", this.#network);
    }
    this.#stop = this.#open(() => this.#cursor as string, {
      event: (event) => this.#receive(event),
      lost: () => this.#isLost(),
      ended: (failure) => this.#ended(failure),
    });
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#stop?.();
    this.#stop = undefined;
    this.#connection = "connecting";
    if (typeof window !== "undefined") {
      window.removeEventListener("online", this.#network);
      window.removeEventListener("offline", this.#network);
    }
  }

  #network = (): void => {
    this.#online = navigator.onLine !== false;
  };

  #receive(event: FileEvent): void {
    this.#connection = "live";
    this.#cursor = event.cursor;
    if (event.kind === "READY") return;
    for (const listener of this.#listeners) listener.changed(event);
  }

  #isLost(): void {
    this.#connection = "reconnecting";
  }

  #ended(failure: Failure): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#isLost();
    if (failure.code === "CURSOR_EXPIRED") {
      this.#cursor = undefined;
      // Every open page is told at once, and all would ask for their lists in the same instant.
      this.#retry = setTimeout(() => {
        for (const listener of this.#listeners) listener.expired();
      }, Math.random() * EXPIRED_WITHIN);
    } else {
      this.#retry = setTimeout(() => this.#start(), isPassing(failure) ? RETRY : RETRY * 10);
    }
  }
}
