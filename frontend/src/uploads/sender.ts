import { type Answer, failed } from "../api/answer";
import type { UploadedFile } from "../api/documents";
import type { UploadOptions } from "../api/upload";
import type { Order, Report, Results, Task } from "./jobs";

interface Pending {
  progress: ((sent: number) => void) | undefined;
  /** With nothing where the worker is gone. */
  done(result?: Results[keyof Results]): void;
}

/** Hashes and sends files in a worker, so that hundreds of them do not hold up the page. */
export class Sender {
  #start: () => Worker;
  #worker: Worker | undefined;
  #jobs = 0;
  #pending = new Map<number, Pending>();

  constructor(start: () => Worker) {
    this.#start = start;
  }

  /** Has the worker at hand before it is needed: later the service may be away, or be another version of itself. */
  prepare(): Worker {
    this.#worker ??= this.#started();
    return this.#worker;
  }

  /** The SHA-256 of a file, where it can be known; see `sha256`. */
  hash(file: File): Promise<Results["hash"]> {
    return this.#order<"hash">({ do: "hash", file });
  }

  /** As `uploadFile` does; a worker that cannot be had, or broke, is a lost connection. */
  async send(file: File, { hash, idempotencyKey, signal, progress }: UploadOptions): Promise<Answer<UploadedFile>> {
    if (signal.aborted) return failed("ABORTED");
    const answer = await this.#order<"send">({ do: "send", file, hash, idempotencyKey }, signal, progress);
    return answer ?? failed("NETWORK");
  }

  #order<Do extends keyof Results>(
    task: Task,
    signal?: AbortSignal,
    progress?: Pending["progress"],
  ): Promise<Results[Do] | undefined> {
    const job = ++this.#jobs;
    const abort = () => this.#worker?.postMessage({ job, do: "abort" } satisfies Order);
    signal?.addEventListener("abort", abort, { once: true });
    return new Promise((resolve) => {
      const done = (result?: Results[keyof Results]) => {
        signal?.removeEventListener("abort", abort);
        resolve(result as Results[Do]);
      };
      this.#pending.set(job, { progress, done });
      this.prepare().postMessage({ job, ...task } satisfies Order);
    });
  }

  #started(): Worker {
    const worker = this.#start();
    worker.onmessage = ({ data }: MessageEvent<Report>) => {
      const pending = this.#pending.get(data.job);
      if ("sent" in data) return pending?.progress?.(data.sent);
      this.#pending.delete(data.job);
      pending?.done(data.result);
    };
    worker.onerror = () => {
      worker.terminate();
      this.#worker = undefined;
      const lost = [...this.#pending.values()];
      this.#pending.clear();
      for (const { done } of lost) done();
    };
    return worker;
  }
}
