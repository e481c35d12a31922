import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from "vitest";
import { type Answer, failed } from "../api/answer";
import type { UploadedFile } from "../api/documents";
import type { UploadOptions } from "../api/upload";
import { fileWith } from "../files/testing";
import type { Dropped } from "./dropped";
import { UploadQueue } from "./queue.svelte";

interface Attempt extends UploadOptions {
  name: string;
  answer(answer: Answer<UploadedFile>): Promise<void>;
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const done: Answer<UploadedFile> = { data: { deduplicated: false, file: fileWith() } };
const lost = failed("NETWORK") as Answer<UploadedFile>;
const busy = failed("STORE_UNAVAILABLE") as Answer<UploadedFile>;
const stored: Answer<UploadedFile> = { data: { deduplicated: true, file: fileWith() } };

describe("the upload queue", () => {
  let attempts: Attempt[];
  let queue: UploadQueue;
  let online: boolean;
  let hashed: Mock<(file: File) => Promise<string | undefined>>;
  const heard = vi.fn<(uploaded: UploadedFile) => void>();

  const add = (...names: string[]) => {
    queue.add(names.map((name) => ({ path: name, file: new File([new Uint8Array(1000)], name) })));
    return settle();
  };
  const states = () => queue.items.map(({ state }) => state);
  const attempt = (name: string) => attempts.findLast((each) => each.name === name) as Attempt;
  const item = (name: string) => queue.items.find(({ path }) => path === name) as (typeof queue.items)[number];

  beforeEach(() => {
    vi.useFakeTimers();
    attempts = [];
    heard.mockReset();
    online = true;
    hashed = vi.fn(async () => "abc");
    queue = new UploadQueue({
      hash: hashed,
      send: (file, options) =>
        new Promise((resolve) => {
          const answer = (answer: Answer<UploadedFile>) => {
            resolve(answer);
            return settle();
          };
          attempts.push({ ...options, name: file.name, answer: async (each) => void (await answer(each)) });
          options.signal.addEventListener("abort", () => resolve(failed("ABORTED")));
        }),
      reachable: async () => online,
      stored: heard,
    });
  });

  afterEach(() => {
    queue.cancelAll();
    vi.useRealTimers();
  });

  it("sends three at once, in the order in which they were added", async () => {
    await add("a", "b", "c", "d", "e");
    expect(attempts.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(states()).toEqual(["sending", "sending", "sending", "waiting", "waiting"]);
    await attempt("b").answer(done);
    expect(attempts.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
    expect(states()).toEqual(["sending", "done", "sending", "sending", "waiting"]);
  });

  it("shows states and progress at its ticks, and the end at once", async () => {
    const shown = () => queue.items.map((each) => each.shown.state).join(" ");
    await add("a", "b");
    attempt("a").progress(400);
    await attempt("b").answer(stored);
    expect(shown()).not.toContain("stored");
    await vi.advanceTimersByTimeAsync(250);
    expect(shown()).toBe("sending stored");
    expect(item("a").shown.sent).toBe(400);
    await attempt("a").answer(done);
    expect(shown()).toBe("done stored");
  });

  it("hashes a file before it is sent, and once for all attempts", async () => {
    let tell: (hash: string) => void = () => {};
    hashed.mockReturnValueOnce(new Promise((resolve) => (tell = resolve)));
    await add("a");
    expect(states()).toEqual(["hashing"]);
    expect(attempts).toHaveLength(0);
    tell("123");
    await settle();
    expect(states()).toEqual(["sending"]);
    expect(attempt("a").hash).toBe("123");
    await attempt("a").answer(busy);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(attempts.map(({ hash }) => hash)).toEqual(["123", "123"]);
    expect(hashed).toHaveBeenCalledOnce();
  });

  it("hashes a file anew and sends it again when other bytes arrived", async () => {
    hashed.mockResolvedValueOnce("old");
    await add("a");
    await attempt("a").answer(failed("HASH_MISMATCH"));
    expect(states()).toEqual(["retrying"]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(attempts.map(({ hash }) => hash)).toEqual(["old", "abc"]);
  });

  it("does not send what is cancelled while it is hashed", async () => {
    hashed.mockReturnValueOnce(new Promise((resolve) => setTimeout(resolve, 1_000)));
    await add("a");
    queue.cancel(item("a"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(attempts).toHaveLength(0);
    expect(states()).toEqual(["cancelled"]);
  });

  it("goes on after a failure, which it keeps", async () => {
    await add("a", "b", "c", "d");
    await attempt("a").answer({ failure: { code: "FILE_TOO_LARGE", message: "" } });
    expect(item("a").state).toBe("failed");
    expect(item("a").failure?.code).toBe("FILE_TOO_LARGE");
    expect(item("d").state).toBe("sending");
  });

  it("tells an upload that the service already had from a new one, and hands both on", async () => {
    await add("a", "b");
    await attempt("a").answer(stored);
    await attempt("b").answer(done);
    expect(states()).toEqual(["stored", "done"]);
    expect(heard).toHaveBeenCalledTimes(2);
  });

  it("waits for the answer when all bytes are sent", async () => {
    await add("a");
    attempt("a").progress(400);
    expect(item("a")).toMatchObject({ state: "sending", sent: 400 });
    attempt("a").progress(1000);
    expect(item("a").state).toBe("storing");
  });

  it("cancels one that waits without ever sending it", async () => {
    await add("a", "b", "c", "d");
    queue.cancel(item("d"));
    await attempt("a").answer(done);
    expect(attempts.map(({ name }) => name)).not.toContain("d");
    expect(item("d").state).toBe("cancelled");
  });

  it("cancels one that is sent, ends its request, and sends the next", async () => {
    await add("a", "b", "c", "d");
    queue.cancel(item("b"));
    await settle();
    expect(attempt("b").signal.aborted).toBe(true);
    expect(states()).toEqual(["sending", "cancelled", "sending", "sending"]);
  });

  it("cancels all without starting those that waited", async () => {
    await add("a", "b", "c", "d", "e");
    queue.cancelAll();
    await settle();
    expect(attempts).toHaveLength(3);
    expect(new Set(states())).toEqual(new Set(["cancelled"]));
    expect(queue.active).toBe(false);
  });

  it("retries under the same key, so that a lost answer makes no second file", async () => {
    await add("a", "b");
    expect(attempt("a").idempotencyKey).not.toBe(attempt("b").idempotencyKey);
    const { idempotencyKey } = attempt("a");
    await attempt("a").answer(failed("INSUFFICIENT_STORAGE") as Answer<UploadedFile>);
    queue.retry(item("a"));
    expect(attempts).toHaveLength(3);
    expect(attempt("a").idempotencyKey).toBe(idempotencyKey);
    await attempt("a").answer(done);
    expect(item("a")).toMatchObject({ state: "done", failure: undefined });
  });

  it("retries under a new key when the old one belongs to other content", async () => {
    await add("a");
    const { idempotencyKey } = attempt("a");
    await attempt("a").answer(failed("IDEMPOTENCY_CONFLICT") as Answer<UploadedFile>);
    queue.retry(item("a"));
    expect(attempt("a").idempotencyKey).not.toBe(idempotencyKey);
  });

  it("is not confused by an answer to an attempt that was cancelled and made again", async () => {
    await add("a");
    const first = attempt("a");
    queue.cancel(item("a"));
    queue.retry(item("a"));
    await first.answer(done);
    first.progress(900);
    expect(item("a")).toMatchObject({ state: "sending" });
    await attempt("a").answer(stored);
    expect(item("a").state).toBe("stored");
  });

  it("lists what could not be read, with nothing to retry", async () => {
    queue.addUnreadable(["Photos/locked.jpg"]);
    expect(item("Photos/locked.jpg")).toMatchObject({ state: "failed", failure: { code: "UNREADABLE" } });
    expect(queue.canRetry(item("Photos/locked.jpg"))).toBe(false);
  });

  describe("while a folder is walked", () => {
    let find: (portion: Partial<Dropped>) => Promise<void>;
    let end: () => Promise<void>;
    let taken: Promise<Omit<Dropped, "files">>;
    let walking: boolean;
    const named = (...names: string[]) => names.map((name) => ({ path: name, file: new File(["x"], name) }));

    beforeEach(() => {
      const { readable, writable } = new TransformStream<Dropped, Dropped>();
      const writer = writable.getWriter();
      walking = true;
      find = async (portion) => {
        void writer.write({ files: [], emptyFolders: [], unreadable: [], ...portion }).catch(() => (walking = false));
        await settle();
      };
      end = async () => {
        void writer.close();
        await settle();
      };
      taken = queue.take(readable);
    });

    it("is active, and sends what is found so far", async () => {
      expect([queue.active, queue.items.length]).toEqual([true, 0]);
      await find({ files: named("a") });
      await attempt("a").answer(done);
      expect(queue.active).toBe(true);
      await find({ files: named("b"), unreadable: ["locked"], emptyFolders: ["Empty"] });
      // One batch, however long it took to find.
      expect(states()).toEqual(["done", "sending", "failed"]);
      await end();
      await attempt("b").answer(done);
      expect(queue.active).toBe(false);
      expect(await taken).toEqual({ unreadable: ["locked"], emptyFolders: ["Empty"] });
    });

    it("forgets the last batch at its beginning", async () => {
      await find({ files: named("a") });
      await end();
      await attempt("a").answer(done);
      void queue.take([]);
      expect(queue.items).toEqual([]);
    });

    it("looks no further once all is cancelled", async () => {
      await find({ files: named("a") });
      queue.cancelAll();
      await find({ files: named("b") });
      await find({ files: named("c") });
      expect([states(), queue.active, walking]).toEqual([["cancelled"], false, false]);
    });
  });

  it("adds up what is left to send, without what failed or was cancelled", async () => {
    await add("a", "b", "c", "d");
    attempt("a").progress(500);
    await attempt("b").answer(failed("FILE_TOO_LARGE") as Answer<UploadedFile>);
    queue.cancel(item("c"));
    await vi.advanceTimersByTimeAsync(300);
    expect(queue.totals).toMatchObject({ files: 4, active: 2, failed: 1, cancelled: 1, sent: 500, bytes: 2000 });
  });

  it("tells the speed and the time that is left", async () => {
    await add("a");
    for (let sent = 50; sent <= 500; sent += 50) {
      attempt("a").progress(sent);
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(queue.totals.speed).toBeCloseTo(200);
    expect(queue.totals.secondsLeft).toBeCloseTo(2.5);
  });

  it("tells no time left where that would be days", async () => {
    const large = new File([], "film");
    Object.defineProperty(large, "size", { value: 2 ** 40 });
    queue.add([{ path: "film", file: large }]);
    await settle();
    for (let sent = 50; sent <= 500; sent += 50) {
      attempt("film").progress(sent);
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(queue.totals.speed).toBeCloseTo(200);
    expect(queue.totals.secondsLeft).toBeUndefined();
  });

  it("clears what is finished and keeps what is under way or failed, until it is closed", async () => {
    await add("a", "b", "c", "d");
    queue.addUnreadable(["locked"]);
    await attempt("a").answer(done);
    await attempt("b").answer(failed("FILE_TOO_LARGE") as Answer<UploadedFile>);
    queue.cancel(item("d"));
    expect(queue.finished).toBe(true);
    queue.clearFinished();
    expect(queue.items.map(({ path }) => path)).toEqual(["b", "c", "locked"]);
    expect(queue.finished).toBe(false);
    expect(queue.canRetry(item("b"))).toBe(true);
    await attempt("c").answer(done);
    queue.close();
    expect([queue.items, queue.totals.files]).toEqual([[], 0]);
  });

  it("starts its totals afresh for a new batch, but keeps the failures of the last", async () => {
    await add("a", "b");
    await attempt("a").answer(done);
    await attempt("b").answer(failed("FILE_TOO_LARGE") as Answer<UploadedFile>);
    await add("c");
    expect(queue.items.map(({ path }) => path)).toEqual(["b", "c"]);
    expect(states()).toEqual(["failed", "sending"]);
    expect(queue.totals).toMatchObject({ files: 1, active: 1, failed: 0, earlier: 1 });
    await attempt("c").answer(done);
    expect(queue.totals).toMatchObject({ files: 1, active: 0, failed: 0, earlier: 1 });
  });

  it("counts an earlier failure again once it is sent again, or is all that is left", async () => {
    queue.addUnreadable(["locked"]);
    await add("a");
    await attempt("a").answer(failed("FILE_TOO_LARGE") as Answer<UploadedFile>);
    await add("b");
    expect(queue.totals).toMatchObject({ files: 1, earlier: 2 });
    queue.retry(item("a"));
    expect(queue.totals).toMatchObject({ files: 2, active: 2, earlier: 1 });
    await attempt("a").answer(done);
    await attempt("b").answer(done);
    queue.clearFinished();
    expect(queue.totals).toMatchObject({ files: 1, failed: 1, earlier: 0 });
  });

  describe("when the service cannot be reached", () => {
    beforeEach(async () => {
      await add("a", "b", "c", "d");
      attempt("a").progress(700);
      online = false;
      await attempt("a").answer(lost);
    });

    it("waits, starts nothing, and counts it as no failure", async () => {
      expect(queue.paused).toBe(true);
      expect(item("a")).toMatchObject({ state: "waiting", sent: 0, failure: undefined });
      await vi.advanceTimersByTimeAsync(10 * 60_000);
      expect(attempts.filter(({ name }) => name === "a" || name === "d")).toHaveLength(1);
      expect(queue).toMatchObject({ paused: true, active: true });
    });

    it("goes on by itself, in order and under the same keys", async () => {
      await attempt("b").answer(lost);
      await attempt("c").answer(lost);
      const { idempotencyKey } = attempt("a");
      online = true;
      await vi.advanceTimersByTimeAsync(15_000);
      expect(queue.paused).toBe(false);
      expect(attempts.map(({ name }) => name)).toEqual(["a", "b", "c", "a", "b", "c"]);
      expect(attempt("a").idempotencyKey).toBe(idempotencyKey);
    });

    it("looks at once when it is told that the network is back", async () => {
      await vi.advanceTimersByTimeAsync(60_000);
      online = true;
      queue.wake();
      await settle();
      expect(queue.paused).toBe(false);
      expect(item("a").state).toBe("sending");
    });

    it("goes on when an answer still arrives", async () => {
      await attempt("b").answer(done);
      expect(queue.paused).toBe(false);
      expect(item("a").state).toBe("sending");
    });

    it("tells no speed, and ends its wait with the last upload", async () => {
      await vi.advanceTimersByTimeAsync(3_000);
      expect(queue.totals).toMatchObject({ speed: 0, secondsLeft: undefined });
      queue.cancelAll();
      expect(queue).toMatchObject({ paused: false, active: false });
    });
  });

  it("notices a network that is gone and does not say so", async () => {
    await add("a", "b");
    attempt("a").progress(400);
    online = false;
    await vi.advanceTimersByTimeAsync(21_000);
    expect(queue.paused).toBe(true);
    expect(states()).toEqual(["waiting", "waiting"]);
    expect(attempts.every(({ signal }) => signal.aborted)).toBe(true);
  });

  it("leaves alone what is only slow", async () => {
    await add("a");
    await vi.advanceTimersByTimeAsync(120_000);
    expect(item("a").state).toBe("sending");
    expect(attempts).toHaveLength(1);
  });

  it("tries a refusal that may pass three times more, later each time, and sends others meanwhile", async () => {
    await add("a", "b", "c", "d");
    const { idempotencyKey } = attempt("a");
    for (const longest of [1_250, 3_750, 11_250]) {
      await attempt("a").answer(busy);
      expect(item("a")).toMatchObject({ state: "retrying", failure: { code: "STORE_UNAVAILABLE" } });
      expect(item("d").state).toBe("sending");
      await attempt("b").answer(done);
      await vi.advanceTimersByTimeAsync(longest);
      expect(item("a")).toMatchObject({ state: "sending", failure: undefined });
    }
    expect(attempt("a").idempotencyKey).toBe(idempotencyKey);
    await attempt("a").answer(busy);
    expect(item("a").state).toBe("failed");
    queue.retry(item("a"));
    await attempt("a").answer(busy);
    expect(item("a").state).toBe("retrying");
  });

  it.each(["LEASE_LOST", "REQUEST_TIMEOUT", "TOO_MANY_CONNECTIONS", "SHUTTING_DOWN", "HTTP_429", "HTTP_502"])(
    "tries again what was refused with %s",
    async (code) => {
      await add("a");
      await attempt("a").answer(failed(code) as Answer<UploadedFile>);
      expect(item("a").state).toBe("retrying");
    },
  );

  it("counts a connection that breaks for one file only as a refusal", async () => {
    await add("a");
    await attempt("a").answer(lost);
    expect(queue.paused).toBe(false);
    expect(item("a").state).toBe("retrying");
    queue.cancel(item("a"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toHaveLength(1);
    expect(item("a").state).toBe("cancelled");
  });
});
