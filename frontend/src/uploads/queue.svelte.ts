import { type Answer, type Failure, failed, isPassing } from "../api/answer";
import type { UploadedFile } from "../api/documents";
import type { UploadOptions } from "../api/upload";
import type { Dropped } from "./dropped";
import { hex } from "./sha256";

/**
 * waiting → hashing → sending → storing (all bytes sent, the answer is awaited) → done, or stored where the service
 * already had the bytes. A refusal that may pass leads to retrying, and from there back to waiting; so does a connection
 * that is lost, without being counted. From any of the first four and from retrying: cancelled, failed. From these two,
 * by retry: waiting.
 */
export type UploadState =
  | "waiting"
  | "hashing"
  | "sending"
  | "storing"
  | "retrying"
  | "done"
  | "stored"
  | "failed"
  | "cancelled";

/** Whether an upload is still waiting or on its way. */
export function isActive(state: UploadState): boolean {
  return ["waiting", "hashing", "sending", "storing", "retrying"].includes(state);
}

type Shown = Pick<Upload, "state" | "sent" | "failure">;

export class Upload {
  readonly id: number;
  /** With the folders it came in. */
  readonly path: string;
  /** Undefined for what could not be read: there is nothing to send. */
  readonly file: File | undefined;
  readonly size: number;
  state: UploadState = "waiting";
  sent = 0;
  failure: Failure | undefined;
  /** These, as they were at the last tick: small files pass through their states faster than anybody reads. */
  shown = $state.raw<Shown>({ state: "waiting", sent: 0, failure: undefined });
  idempotencyKey = randomKey();
  /** What the service is told that the bytes hash to, where that is known. */
  hash: string | undefined;
  /** Refusals since it was last asked for. */
  refusals = 0;

  constructor(id: number, path: string, file?: File) {
    this.id = id;
    this.path = path;
    this.file = file;
    this.size = file?.size ?? 0;
  }

  get active(): boolean {
    return isActive(this.state);
  }

  show(): void {
    const { state, sent, failure, shown } = this;
    if (state === shown.state && sent === shown.sent && failure === shown.failure) return;
    this.shown = { state, sent, failure };
  }
}

export interface UploadTotals {
  files: number;
  /** Still waiting or on their way. */
  active: number;
  failed: number;
  cancelled: number;
  /** Failures of earlier batches that are still listed, and are counted nowhere else. */
  earlier: number;
  sent: number;
  bytes: number;
  /** Bytes per second over the last seconds; 0 until known. */
  speed: number;
  /** Undefined where it is not known, or more than a day. */
  secondsLeft: number | undefined;
}

export interface UploadPort {
  hash(file: File): Promise<string | undefined>;
  send(file: File, options: UploadOptions): Promise<Answer<UploadedFile>>;
  /** Whether anything answers at the service's address, whatever it says. */
  reachable(): Promise<boolean>;
  /** Hears of every file that the service has taken. */
  stored?(uploaded: UploadedFile): void;
}

const AT_ONCE = 3;
/** How often speed and totals are worked out and shown (ms), and the least weight of the newest measure in the speed. */
const TICK = 250;
const NEWEST = 0.15;
/** Measures until a speed is worth telling: the first ones only fill the buffers on the way. */
const KNOWN = 4;
/** The most time left that is told (s). Small files are slow by the byte, which says nothing of a large one behind them. */
const FORESEEN = 86_400;
/** Waits before what was refused is sent again (ms); after as many it has failed. */
const RETRIES = [1_000, 3_000, 9_000];
/** Waits between looks for a service that could not be reached (ms); the last one goes on. */
const LOOKS = [1_000, 2_000, 4_000, 8_000, 15_000];
/** How long nothing at all may move before the connection is suspected (ms): a network that is cut may not say so. */
const STALLED = 20_000;

const nothing: UploadTotals = {
  files: 0,
  active: 0,
  failed: 0,
  cancelled: 0,
  earlier: 0,
  sent: 0,
  bytes: 0,
  speed: 0,
  secondsLeft: undefined,
};

/** Sends files in the order they were added, three at a time, and sits out a lost connection. */
export class UploadQueue {
  items = $state.raw<readonly Upload[]>([]);
  totals = $state.raw<UploadTotals>(nothing);
  /** The service cannot be reached: all wait, and go on by themselves. The idempotency key makes that safe. */
  paused = $state(false);
  /** How many folders are still being walked. */
  reading = $state(0);

  #port: UploadPort;
  #next = 1;
  /** No item before this place is waiting. */
  #from = 0;
  /** What had failed when the batch began, and was not sent again since. */
  #earlier = new WeakSet<Upload>();
  #sending = new Map<Upload, AbortController>();
  #retrying = new Map<Upload, ReturnType<typeof setTimeout>>();
  #ticking: ReturnType<typeof setInterval> | undefined;
  #looking: ReturnType<typeof setTimeout> | undefined;
  #looks = 0;
  /** How often all was cancelled. */
  #cancelled = 0;
  #moved = 0;
  #movedAt = 0;
  #speed = 0;
  #measures = 0;

  constructor(port: UploadPort) {
    this.#port = port;
  }

  get active(): boolean {
    return this.totals.active > 0 || this.reading > 0;
  }

  /**
   * Queues files as they are found, until there are no more or all is cancelled.
   *
   * @returns what could not be queued.
   */
  async take(found: AsyncIterable<Dropped> | Iterable<Dropped>): Promise<Omit<Dropped, "files">> {
    const [unreadable, emptyFolders]: [string[], string[]] = [[], []];
    const cancelled = this.#cancelled;
    this.#begin();
    this.reading++;
    for await (const portion of found) {
      if (cancelled !== this.#cancelled) break;
      this.add(portion.files);
      this.addUnreadable(portion.unreadable);
      unreadable.push(...portion.unreadable);
      emptyFolders.push(...portion.emptyFolders);
    }
    this.reading--;
    this.#advance();
    return { unreadable, emptyFolders };
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
    this.#cancel([item]);
  }

  cancelAll(): void {
    this.#cancelled++;
    this.#cancel(this.items);
  }

  retry(item: Upload): void {
    this.#retry([item]);
  }

  retryFailed(): void {
    this.#retry(this.items.filter(({ state }) => state === "failed"));
  }

  canRetry({ state, file }: Pick<Upload, "state" | "file">): boolean {
    return (state === "failed" || state === "cancelled") && file !== undefined;
  }

  /** Whether there is something to clear. */
  get finished(): boolean {
    return this.totals.files > this.totals.active + this.totals.failed;
  }

  /** Takes out what is done or cancelled. What failed keeps its place, its reason and its way back. */
  clearFinished(): void {
    this.#keep((item) => item.active || item.state === "failed");
  }

  /** Takes out all that is over, with the failures. */
  close(): void {
    this.#keep((item) => item.active);
  }

  #keep(wanted: (item: Upload) => boolean): void {
    this.items = this.items.filter(wanted);
    this.#from = 0;
    this.#measure();
  }

  /** The network may be back: looks at once, not at the next turn. */
  wake(): void {
    if (!this.paused) return;
    this.#looks = 0;
    void this.#look();
  }

  #append(items: readonly Upload[]): void {
    this.#begin();
    this.items = [...this.items, ...items];
    this.#from = 0;
    this.#advance();
  }

  /** A new batch after the last one is done starts its totals afresh. */
  #begin(): void {
    if (this.active) return;
    this.items = this.items.filter(({ state }) => state === "failed");
    this.#earlier = new WeakSet(this.items);
  }

  #cancel(items: readonly Upload[]): void {
    for (const item of items) {
      if (!item.active) continue;
      item.state = "cancelled";
      item.failure = undefined;
      clearTimeout(this.#retrying.get(item));
      this.#retrying.delete(item);
      this.#sending.get(item)?.abort();
      this.#sending.delete(item);
    }
    this.#advance();
  }

  #retry(items: readonly Upload[]): void {
    for (const item of items) {
      if (!this.canRetry(item)) continue;
      // The key belongs to other content now; every other failure keeps it, since the bytes may have arrived after all.
      if (item.failure?.code === "IDEMPOTENCY_CONFLICT") item.idempotencyKey = randomKey();
      item.refusals = 0;
      this.#wait(item);
    }
    this.#advance();
  }

  #wait(item: Upload): void {
    this.#earlier.delete(item);
    item.failure = undefined;
    item.sent = 0;
    item.state = "waiting";
    this.#from = 0;
  }

  #advance(): void {
    this.#start();
    this.#measure();
    if (this.paused && !this.active) this.#resume();
    this.#tick();
  }

  #start(): void {
    if (this.paused) return;
    for (; this.#sending.size < AT_ONCE && this.#from < this.items.length; this.#from++) {
      const item = this.items[this.#from];
      if (item?.state === "waiting") void this.#run(item);
    }
  }

  async #run(item: Upload): Promise<void> {
    const aborting = new AbortController();
    const { signal } = aborting;
    this.#sending.set(item, aborting);
    const file = item.file as File;
    item.state = "hashing";
    item.hash ??= await this.#port.hash(file);
    if (signal.aborted) return;
    item.state = "sending";
    const { data, failure } = await this.#port.send(file, {
      hash: item.hash,
      idempotencyKey: item.idempotencyKey,
      signal,
      progress: (sent) => this.#progress(item, sent),
    });
    // A broken connection says nothing about the file, unless the service can be reached all the same.
    const cutOff = failure?.code === "NETWORK" && !signal.aborted && !(await this.#port.reachable());
    // Cancelled, and perhaps sent again by now: the item is no longer this attempt's.
    if (signal.aborted) return;
    this.#sending.delete(item);
    this.#movedAt = Date.now();
    if (cutOff) {
      this.#wait(item);
      this.#pause();
    } else if (failure) {
      this.#refused(item, failure);
    } else {
      this.#progress(item, item.size);
      item.state = data.deduplicated ? "stored" : "done";
      this.#port.stored?.(data);
      this.#resume();
    }
    this.#start();
    // Among thousands of small files the totals wait for the next tick, but for the end.
    if (this.#sending.size === 0) this.#advance();
  }

  #refused(item: Upload, failure: Failure): void {
    item.failure = failure;
    // The bytes were changed on the way, or in the file since it was hashed.
    if (failure.code === "HASH_MISMATCH") item.hash = undefined;
    const wait = isPassing(failure) ? RETRIES[item.refusals++] : undefined;
    item.state = wait === undefined ? "failed" : "retrying";
    if (wait === undefined) return;
    item.sent = 0;
    const timer = setTimeout(
      () => {
        this.#retrying.delete(item);
        this.#wait(item);
        this.#advance();
      },
      wait * (0.75 + Math.random() / 2),
    );
    this.#retrying.set(item, timer);
  }

  #progress(item: Upload, sent: number): void {
    if (item.state !== "sending" && item.state !== "storing") return;
    this.#moved += Math.max(0, sent - item.sent);
    if (sent !== item.sent) this.#movedAt = Date.now();
    item.sent = sent;
    if (sent === item.size && item.size > 0) item.state = "storing";
  }

  #pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.#looks = 0;
    this.#lookLater();
  }

  #resume(): void {
    clearTimeout(this.#looking);
    if (!this.paused) return;
    this.paused = false;
    this.#movedAt = Date.now();
    this.#forgetSpeed();
  }

  #lookLater(): void {
    clearTimeout(this.#looking);
    const wait = LOOKS[Math.min(this.#looks++, LOOKS.length - 1)];
    this.#looking = setTimeout(() => void this.#look(), wait);
  }

  async #look(): Promise<void> {
    clearTimeout(this.#looking);
    const reachable = await this.#port.reachable();
    if (!this.paused) return;
    if (!reachable) return this.#lookLater();
    this.#resume();
    this.#advance();
  }

  /** Gives up attempts that hang in a network that is gone. */
  async #suspect(): Promise<void> {
    // Once in a while, and not again while the answer is awaited.
    this.#movedAt = Date.now();
    const hanging = [...this.#sending];
    if (await this.#port.reachable()) return;
    for (const [item, aborting] of hanging) {
      if (this.#sending.get(item) !== aborting) continue;
      aborting.abort();
      this.#sending.delete(item);
      this.#wait(item);
    }
    this.#pause();
    this.#advance();
  }

  #tick(): void {
    if (this.active === (this.#ticking !== undefined)) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    if (!this.active) return;
    this.#forgetSpeed();
    this.#movedAt = Date.now();
    this.#ticking = setInterval(() => {
      const weight = Math.max(NEWEST, 1 / ++this.#measures);
      this.#speed += weight * ((this.#moved * 1000) / TICK - this.#speed);
      this.#moved = 0;
      if (this.#sending.size > 0 && Date.now() - this.#movedAt >= STALLED) void this.#suspect();
      this.#measure();
    }, TICK);
  }

  #forgetSpeed(): void {
    this.#moved = 0;
    this.#speed = 0;
    this.#measures = 0;
  }

  #measure(): void {
    for (const item of this.items) item.show();
    const batch = this.items.filter((item) => !this.#earlier.has(item));
    // Where nothing else is left, the failures are what there is to tell of.
    const counted = batch.length > 0 ? batch : this.items;
    const totals = { ...nothing, files: counted.length, earlier: this.items.length - counted.length };
    for (const item of counted) {
      if (item.active) totals.active++;
      if (item.state === "failed") totals.failed++;
      if (item.state === "cancelled") totals.cancelled++;
      // What will not be sent is not part of the way; what needs no sending has arrived.
      if (item.state === "failed" || item.state === "cancelled") continue;
      totals.bytes += item.size;
      totals.sent += item.sent;
    }
    if (totals.active > 0 && !this.paused && this.#measures >= KNOWN && this.#speed > 1) {
      totals.speed = this.#speed;
      const left = (totals.bytes - totals.sent) / this.#speed;
      if (left < FORESEEN) totals.secondsLeft = left;
    }
    this.totals = totals;
  }
}

/** 128 random bits. `crypto.randomUUID` is missing on a plain-HTTP page. */
function randomKey(): string {
  return hex(crypto.getRandomValues(new Uint8Array(16)));
}
