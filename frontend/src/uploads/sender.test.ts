import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer } from "../api/answer";
import type { UploadedFile } from "../api/documents";
import type { UploadOptions } from "../api/upload";
import { uploadFile } from "../api/upload";
import { Jobs, type Order, type Report } from "./jobs";
import { Sender } from "./sender";

vi.mock("../api/upload", () => ({ uploadFile: vi.fn() }));

const file = new File(["abc"], "abc.txt");
const uploaded = { deduplicated: false, file: { id: "1" } } as UploadedFile;

/** The page's end of a worker that runs here; what passes is cloned, as between threads. */
class WorkerHere {
  static started: WorkerHere[] = [];
  onmessage?: (event: { data: Report }) => void;
  onerror?: () => void;
  terminate = vi.fn();
  #jobs = new Jobs((report) => this.onmessage?.({ data: structuredClone(report) }));

  constructor() {
    WorkerHere.started.push(this);
  }

  postMessage(order: Order): void {
    void this.#jobs.take(structuredClone(order));
  }
}

/** The upload that is under way in the worker: what it was told, and how to answer it. */
function underWay(): { file: File; options: UploadOptions; answer(answer: Answer<UploadedFile>): void }[] {
  const sent: ReturnType<typeof underWay> = [];
  vi.mocked(uploadFile).mockImplementation(
    (given, options) => new Promise((answer) => sent.push({ file: given, options, answer })),
  );
  return sent;
}

describe("a sender", () => {
  let sender: Sender;
  const signal = new AbortController().signal;
  const options = { idempotencyKey: "key", hash: "ba78", signal, progress: () => {} };

  beforeEach(() => {
    WorkerHere.started = [];
    sender = new Sender(() => new WorkerHere() as unknown as Worker);
  });
  afterEach(() => vi.mocked(uploadFile).mockReset());

  it("hashes in its worker", async () => {
    expect(await sender.hash(file)).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  it("sends what it is given, and answers what the service did", async () => {
    const sent = underWay();
    const answer = sender.send(file, options);
    expect(sent[0]?.options).toMatchObject({ hash: "ba78", idempotencyKey: "key" });
    expect(await sent[0]?.file.text()).toBe("abc");
    sent[0]?.answer({ data: uploaded });
    expect(await answer).toEqual({ data: uploaded });
  });

  it("tells each upload of its own progress and answer", async () => {
    const sent = underWay();
    const progress = [vi.fn(), vi.fn()];
    const answers = progress.map((each) => sender.send(file, { ...options, progress: each }));
    sent[1]?.options.progress(2);
    sent[0]?.options.progress(1);
    sent[1]?.answer({ failure: { code: "FILE_TOO_LARGE", message: "" } });
    sent[0]?.answer({ data: uploaded });
    expect((await answers[1])?.failure?.code).toBe("FILE_TOO_LARGE");
    expect(await answers[0]).toEqual({ data: uploaded });
    expect(progress.map(({ mock }) => mock.calls)).toEqual([[[1]], [[2]]]);
  });

  it("ends an upload that is aborted, and no other", async () => {
    const sent = underWay();
    const aborting = new AbortController();
    const ended = sender.send(file, { ...options, signal: aborting.signal });
    void sender.send(file, options);
    aborting.abort();
    expect(sent.map(({ options }) => options.signal.aborted)).toEqual([true, false]);
    sent[0]?.answer({ failure: { code: "ABORTED", message: "" } });
    expect((await ended).failure?.code).toBe("ABORTED");
  });

  it("sends nothing that was aborted before", async () => {
    underWay();
    expect((await sender.send(file, { ...options, signal: AbortSignal.abort() })).failure?.code).toBe("ABORTED");
    expect(uploadFile).not.toHaveBeenCalled();
  });

  it("takes the loss of its worker for a lost connection, and starts another", async () => {
    const sent = underWay();
    const lost = [sender.send(file, options), sender.hash(new File([], ""))];
    WorkerHere.started[0]?.onerror?.();
    expect(await Promise.all(lost)).toEqual([{ failure: { code: "NETWORK", message: "" } }, undefined]);
    expect(WorkerHere.started[0]?.terminate).toHaveBeenCalled();
    const answer = sender.send(file, options);
    sent[1]?.answer({ data: uploaded });
    expect(await answer).toEqual({ data: uploaded });
    expect(WorkerHere.started).toHaveLength(2);
  });

  it("has one worker, whoever asks for it first", () => {
    sender.prepare();
    void sender.hash(file);
    expect(WorkerHere.started).toHaveLength(1);
  });
});
