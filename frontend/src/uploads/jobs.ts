/** The part of an upload that the worker does: reading, hashing and sending. */
import type { Answer } from "../api/answer";
import type { UploadedFile } from "../api/documents";
import { type UploadOptions, uploadFile } from "../api/upload";
import { sha256 } from "./sha256";

export type Task =
  | { do: "hash"; file: File }
  | ({ do: "send"; file: File } & Pick<UploadOptions, "hash" | "idempotencyKey">);

/** A task, or the end of one; the number names the job in its reports too. */
export type Order = { job: number } & (Task | { do: "abort" });

export interface Results {
  hash: string | undefined;
  send: Answer<UploadedFile>;
}

/** How many bytes have left so far, any number of times, and then the result. */
export type Report = { job: number } & ({ sent: number } | { result: Results[keyof Results] });

export class Jobs {
  #report: (report: Report) => void;
  #sending = new Map<number, AbortController>();

  constructor(report: (report: Report) => void) {
    this.#report = report;
  }

  async take(order: Order): Promise<void> {
    const { job } = order;
    if (order.do === "abort") this.#sending.get(job)?.abort();
    else this.#report({ job, result: await this.#done(job, order) });
  }

  async #done(job: number, task: Task): Promise<Results[keyof Results]> {
    if (task.do === "hash") return sha256(task.file);
    const aborting = new AbortController();
    this.#sending.set(job, aborting);
    const answer = await uploadFile(task.file, {
      hash: task.hash,
      idempotencyKey: task.idempotencyKey,
      signal: aborting.signal,
      progress: (sent) => this.#report({ job, sent }),
    });
    this.#sending.delete(job);
    return answer;
  }
}
