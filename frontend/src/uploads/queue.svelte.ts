import { type Answer, type Failure, failed } from "../api/answer";
import type { UploadedFile } from "../api/documents";
import type { UploadOptions } from "../api/upload";

/**
 * waiting → sending → storing (all bytes sent, the answer is awaited) → done, or stored where the service already had
 * the bytes. From any of the first three: cancelled, failed. From these two, by retry: waiting.
 */
export type UploadState = "waiting" | "sending" | "storing" | "done" | "stored" | "failed" | "cancelled";

export class Upload {
  readonly id: number;
  /** With the folders it came in. */
  readonly path: string;
  /** Undefined for what could not be read: there is nothing to send. */
  readonly file: File | undefined;
  readonly size: number;
  state = $state<UploadState>("waiting");
  sent = $state(0);
  failure = $state.raw<Failure>();
  idempotencyKey = randomKey();

  constructor(id: number, path: string, file?: File) {
    this.id = id;
    this.path = path;
    this.file = file;
    this.size = file?.size ?? 0;
  }

  get active(): boolean {
    return this.state === "waiting" || this.state === "sending" || this.state === "storing";
  }
}

export interface UploadTotals {
  files: number;
  /** Still waiting or on their way. */
  active: number;
  failed: number;
  cancelled: number;
  sent: number;
  bytes: number;
  /** Bytes per second over the last seconds; 0 until known. */
  speed: number;
  secondsLeft: number | undefined;
}

export type Send = (file: File, options: UploadOptions) => Promise<Answer<UploadedFile>>;

const AT_ONCE = 3;
/** How often speed and totals are worked out (ms), and the weight of the newest measure in the speed. */
const TICK = 250;
const NEWEST = 0.15;

const nothing: UploadTotals = {
  files: 0,
  active: 0,
  failed: 0,
  cancelled: 0,
  sent: 0,
  bytes: 0,
  speed: 0,
  secondsLeft: undefined,
};

/** Sends files in the order they were added, three at a time. */
export class UploadQueue {
  items = $state.raw<readonly Upload[]>([]);
  totals = $state.raw<UploadTotals>(nothing);

  #send: Send;
  #stored: (uploaded: UploadedFile) => void;
  #next = 1;
  #sending = new Map<Upload, AbortController>();
  #ticking: ReturnType<typeof setInterval> | undefined;
  #moved = 0;
  #speed = 0;

  /** `stored` hears of every file that the service has taken. */
  constructor(send: Send, stored: (uploaded: UploadedFile) => void = () => {}) {
    this.#send = send;
    this.#stored = stored;
  }

  get active(): boolean {
    return this.totals.active > 0;
  }

  add(files: readonly { path: string; file: File }[]): void {
    this.#append(files.map(({ path, file }) => new Upload(this.#next++, path, file)));
  }

  /** Lists what was dropped but could not be read, so that nothing is lost in silence. */
  addUnreadable(paths: readonly string[]): void {
    this.#append(
      paths.map((path) => {
        const item = new Upload(this.#next++, path);
        item.state = "failed";
        item.failure = failed("UNREADABLE").failure;
        return item;
      }),
    );
  }

  cancel(item: Upload): void {
    if (!item.active) return;
    item.state = "cancelled";
    this.#sending.get(item)?.abort();
    this.#sending.delete(item);
    this.#advance();
  }

  cancelAll(): void {
    // The waiting ones first, or each cancelled one would make room for another.
    for (const item of this.items.toReversed()) this.cancel(item);
  }

  retry(item: Upload): void {
    if (!this.canRetry(item)) return;
    // The key belongs to other content now; every other failure keeps it, since the bytes may have arrived after all.
    if (item.failure?.code === "IDEMPOTENCY_CONFLICT") item.idempotencyKey = randomKey();
    item.failure = undefined;
    item.sent = 0;
    item.state = "waiting";
    this.#advance();
  }

  retryFailed(): void {
    for (const item of this.items) if (item.state === "failed") this.retry(item);
  }

  canRetry(item: Upload): boolean {
    return (item.state === "failed" || item.state === "cancelled") && item.file !== undefined;
  }

  clearFinished(): void {
    this.items = this.items.filter((item) => item.active);
    this.#measure();
  }

  #append(items: readonly Upload[]): void {
    // A new batch after the last one is done starts its totals afresh.
    const kept = this.active ? this.items : this.items.filter(({ state }) => state === "failed");
    this.items = [...kept, ...items];
    this.#advance();
  }

  #advance(): void {
    for (const item of this.items) {
      if (this.#sending.size >= AT_ONCE) break;
      if (item.state === "waiting") void this.#run(item);
    }
    this.#measure();
    this.#tick();
  }

  async #run(item: Upload): Promise<void> {
    const aborting = new AbortController();
    const { signal } = aborting;
    this.#sending.set(item, aborting);
    item.state = "sending";
    const { data, failure } = await this.#send(item.file as File, {
      idempotencyKey: item.idempotencyKey,
      signal,
      progress: (sent) => this.#progress(item, sent),
    });
    // Cancelled, and perhaps sent again by now: the item is no longer this attempt's.
    if (signal.aborted) return;
    this.#sending.delete(item);
    if (failure) {
      item.failure = failure;
      item.state = "failed";
    } else {
      this.#progress(item, item.size);
      item.state = data.deduplicated ? "stored" : "done";
      this.#stored(data);
    }
    this.#advance();
  }

  #progress(item: Upload, sent: number): void {
    if (item.state !== "sending" && item.state !== "storing") return;
    this.#moved += Math.max(0, sent - item.sent);
    item.sent = sent;
    if (sent === item.size && item.size > 0) item.state = "storing";
  }

  #tick(): void {
    if (this.active === (this.#ticking !== undefined)) return;
    if (this.active) {
      this.#moved = 0;
      this.#speed = 0;
      this.#ticking = setInterval(() => {
        const speed = (this.#moved * 1000) / TICK;
        this.#moved = 0;
        this.#speed = this.#speed === 0 ? speed : speed * NEWEST + this.#speed * (1 - NEWEST);
        this.#measure();
      }, TICK);
    } else {
      clearInterval(this.#ticking);
      this.#ticking = undefined;
    }
  }

  #measure(): void {
    const totals = { ...nothing, files: this.items.length };
    for (const item of this.items) {
      if (item.active) totals.active++;
      if (item.state === "failed") totals.failed++;
      if (item.state === "cancelled") totals.cancelled++;
      // What will not be sent is not part of the way; what needs no sending has arrived.
      if (item.state === "failed" || item.state === "cancelled") continue;
      totals.bytes += item.size;
      totals.sent += item.sent;
    }
    if (totals.active > 0 && this.#speed > 1) {
      totals.speed = this.#speed;
      totals.secondsLeft = (totals.bytes - totals.sent) / this.#speed;
    }
    this.totals = totals;
  }
}

/** 128 random bits. `crypto.randomUUID` is missing on a plain-HTTP page. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
