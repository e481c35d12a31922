import { describe, expect, it, vi } from "vitest";
import type { StoredFile } from "../api/documents";
import { at, deleted, ids, list, loaded, renamed, service, settle, uploaded, withListing } from "./listing.testing";
import { comparator } from "./order";
import { fileWith } from "./testing";

withListing();

describe("a listing", () => {
  it("is read from the head and tells where its events begin", async () => {
    const [old, young] = [at(1), at(2)];
    await loaded([old, young]);
    expect(list.status).toBe("ready");
    expect(ids(list.rows)).toEqual([young.id, old.id]);
    expect(service.cursors).toEqual(["cursor"]);
  });

  it("reads further pages only as far as somebody looks", async () => {
    await loaded(Array.from({ length: 1000 }, (_, minute) => at(minute)));
    const first = list.rows.length;
    expect(first).toBeLessThan(200);
    expect(list.total).toBe(1000);
    list.want(400);
    await settle();
    expect(list.rows.length).toBeGreaterThan(400);
    expect(list.rows.length).toBeLessThan(1000);
    list.want(1000);
    await settle();
    expect(ids(list.rows)).toEqual(ids(service.files.toSorted(comparator("UPLOAD_DATE_DESC"))));
  });

  it("asks once for what was typed in one go", async () => {
    await loaded([at(1, { filename: "harbour.jpg" }), at(2)]);
    for (const typed of ["h", "ha", "har"]) list.setSearch(typed);
    await vi.advanceTimersByTimeAsync(1000);
    expect(service.asked).toHaveLength(2);
    expect(service.asked[1]?.filter).toEqual({ search: "har" });
    expect(list.rows.map(({ filename }) => filename)).toEqual(["harbour.jpg"]);
  });

  it("tells whether its length is known: at first it is not, nor for another search until that is counted", async () => {
    expect(list.counted).toBe(false);
    await loaded(Array.from({ length: 150 }, (_, minute) => at(minute, { filename: `harbour ${minute}.txt` })));
    expect([list.counted, list.total]).toEqual([true, 150]);
    service.counting = 1000;
    list.setKind("TEXT");
    await settle();
    expect([list.counted, list.total]).toEqual([true, 150]);
    list.setSearch("harbour");
    await vi.advanceTimersByTimeAsync(500);
    expect([list.status, list.counted]).toEqual(["ready", false]);
    await vi.advanceTimersByTimeAsync(1000);
    expect([list.counted, list.total]).toEqual([true, 150]);
  });

  it("stays that of the question it answers until another is answered", async () => {
    await loaded([at(1, { filename: "b.txt" }), at(2, { filename: "a.txt" })]);
    list.setKind("IMAGE");
    await settle();
    expect([list.total, list.filtered, list.answered]).toEqual([0, true, { kind: "IMAGE" }]);

    service.failing = { failure: { code: "NETWORK", message: "" } };
    list.setKind(undefined);
    list.setOrder("FILENAME_ASC");
    expect([list.status, list.filtered]).toEqual(["busy", true]);
    list.apply([uploaded(at(3, { filename: "c.txt" }))]);
    await settle();
    expect([list.status, list.failure?.code, list.rows.length]).toEqual(["ready", "NETWORK", 0]);
    expect(list.answered).toEqual({ kind: "IMAGE" });

    service.failing = undefined;
    list.retry();
    await settle();
    expect([list.filtered, list.rows.map(({ filename }) => filename)]).toEqual([false, ["a.txt", "b.txt"]]);
  });

  it("ignores the answer to a question that is no longer asked", async () => {
    await loaded([at(1, { kind: "IMAGE" }), at(2, { kind: "TEXT" })]);
    const release = service.hold();
    list.setKind("TEXT");
    list.setKind("IMAGE");
    service.held?.reverse();
    await release();
    expect(list.rows.map(({ kind }) => kind)).toEqual(["IMAGE"]);
  });

  it("that cannot be read says why, and is tried again by itself", async () => {
    service.failing = { failure: { code: "NETWORK", message: "" } };
    await loaded([at(1)]);
    expect(list.status).toBe("failed");
    expect(list.failure?.code).toBe("NETWORK");
    service.failing = undefined;
    await vi.advanceTimersByTimeAsync(6000);
    expect(list.status).toBe("ready");
    expect(list.failure).toBeUndefined();
  });

  it("keeps its rows when a later page fails, until that is asked for again", async () => {
    await loaded(Array.from({ length: 500 }, (_, minute) => at(minute)));
    const before = list.rows.length;
    service.failing = { failure: { code: "DATABASE_UNAVAILABLE", message: "" } };
    list.want(300);
    await settle();
    expect(list.rows).toHaveLength(before);
    expect(list.pageFailure?.code).toBe("DATABASE_UNAVAILABLE");
    service.failing = undefined;
    list.retryPage();
    await settle();
    expect(list.rows.length).toBeGreaterThan(300);
  });

  it("reads a page that failed again by itself, whatever is looked at by then", async () => {
    await loaded(Array.from({ length: 500 }, (_, minute) => at(minute)));
    const before = list.rows.length;
    service.failing = { failure: { code: "NETWORK", message: "" } };
    list.want(300);
    await vi.advanceTimersByTimeAsync(6000);
    expect([list.pageFailure?.code, list.rows.length]).toEqual(["NETWORK", before]);
    list.want(0);
    service.failing = undefined;
    await vi.advanceTimersByTimeAsync(6000);
    expect(list.pageFailure).toBeUndefined();
    expect(list.rows.length).toBeGreaterThan(before);
  });

  it("does not ask again for a page that is refused for good", async () => {
    await loaded(Array.from({ length: 500 }, (_, minute) => at(minute)));
    service.failing = { failure: { code: "BAD_REQUEST", message: "" } };
    list.want(300);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(service.asked).toHaveLength(2);
  });

  it("whose totals could not be counted has them counted again by itself", async () => {
    service.drawing = 100;
    await loaded([at(1)]);
    service.failing = { failure: { code: "HTTP_503", message: "" } };
    await vi.advanceTimersByTimeAsync(100);
    service.failing = undefined;
    expect([service.counts, list.storage]).toEqual([1, undefined]);
    await vi.advanceTimersByTimeAsync(6000);
    expect([service.counts, list.storage?.files]).toEqual([2, 1]);
  });
});

describe("an event", () => {
  it("brings a file to its place in the order", async () => {
    const [a, c] = [at(1), at(3)];
    await loaded([a, c]);
    const b = at(2);
    list.apply([uploaded(b)]);
    expect(ids(list.rows)).toEqual([c.id, b.id, a.id]);
    expect(list.arrivals.has(b.id)).toBe(true);
  });

  it("that comes twice, or tells what the page already holds, changes nothing", async () => {
    const [a, b] = [at(1), at(2)];
    await loaded([a]);
    list.apply([uploaded(a), uploaded(b)]);
    list.apply([uploaded(b)]);
    expect(ids(list.rows)).toEqual([b.id, a.id]);
    expect(list.arrivals.has(a.id)).toBe(false);
    list.apply([deleted(b.id)]);
    list.apply([deleted(b.id)]);
    expect(ids(list.rows)).toEqual([a.id]);
  });

  it("brings nothing that the filter keeps out", async () => {
    await loaded([]);
    list.setKind("IMAGE");
    await settle();
    const [text, image] = [at(1), at(2, { kind: "IMAGE" })];
    list.apply([uploaded(text), uploaded(image)]);
    expect(ids(list.rows)).toEqual([image.id]);
  });

  it("brings nothing that lies beyond the loaded rows; it comes with its page, once", async () => {
    const files = Array.from({ length: 300 }, (_, minute) => at(minute + 10));
    await loaded(files);
    const oldest = at(1);
    service.files.push(oldest);
    list.apply([uploaded(oldest)]);
    expect(ids(list.rows)).not.toContain(oldest.id);
    list.want(400);
    await settle();
    expect(ids(list.rows).filter((id) => id === oldest.id)).toHaveLength(1);
  });

  it("that arrives between two pages makes no duplicate and leaves no gap", async () => {
    await loaded(Array.from({ length: 400 }, (_, minute) => at(minute)));
    const release = service.hold();
    list.want(200);
    await settle();
    const [young, middle] = [at(1000), at(300, { id: "middle" })];
    service.files.push(young, middle);
    list.apply([uploaded(young), uploaded(middle)]);
    await release();
    list.want(500);
    await settle();
    expect(ids(list.rows)).toEqual(ids(service.files.toSorted(comparator("UPLOAD_DATE_DESC"))));
  });

  it("about a file of the page that is on its way wins over what the page says", async () => {
    const files = Array.from({ length: 150 }, (_, minute) => at(minute));
    await loaded(files);
    const release = service.hold();
    list.want(150);
    await settle();
    const [removed, changed] = files as [StoredFile, StoredFile];
    const after = { ...changed, filename: "renamed.txt" };
    list.apply([deleted(removed.id), renamed(after)]);
    await release();
    expect(ids(list.rows)).not.toContain(removed.id);
    expect(list.find(changed.id)?.filename).toBe("renamed.txt");
    expect(list.rows).toHaveLength(149);
  });

  it("of a deletion keeps the file out of the page that is on its way, however many more are deleted", async () => {
    await loaded(Array.from({ length: 150 }, (_, minute) => at(minute)));
    const release = service.hold();
    list.want(150);
    await settle();
    const [removed] = service.files as [StoredFile];
    list.apply([deleted(removed.id), ...Array.from({ length: 20_000 }, (_, nth) => deleted(`elsewhere ${nth}`))]);
    await release();
    expect(list.rows).toHaveLength(149);
    expect(ids(list.rows)).not.toContain(removed.id);
  });

  it("that moves a file up, out of the page that is on its way, leaves it in one place", async () => {
    const names = Array.from({ length: 150 }, (_, nth) => fileWith({ filename: `file ${nth}` }));
    await loaded(names);
    list.setOrder("FILENAME_ASC");
    await settle();
    const release = service.hold();
    list.want(150);
    await settle();
    const moved = { ...(names[120] as StoredFile), filename: "a first file" };
    list.apply([renamed(moved)]);
    await release();
    expect(list.rows).toHaveLength(150);
    expect(list.rows[0]?.id).toBe(moved.id);
    expect(new Set(ids(list.rows)).size).toBe(150);
  });

  it("that repeats the last file of a page does not lose it", async () => {
    const files = Array.from({ length: 300 }, (_, minute) => at(minute));
    await loaded(files);
    const last = list.rows.at(-1) as StoredFile;
    list.apply([uploaded(last)]);
    expect(list.rows.at(-1)?.id).toBe(last.id);
  });

  it("moves a renamed file in an order by name, and out of a search that it leaves", async () => {
    const [a, b, c] = ["alpha", "beta", "gamma"].map((filename) => fileWith({ filename })) as [
      StoredFile,
      StoredFile,
      StoredFile,
    ];
    await loaded([a, b, c]);
    list.setOrder("FILENAME_ASC");
    await settle();
    list.apply([renamed({ ...a, filename: "omega" })]);
    expect(list.rows.map(({ filename }) => filename)).toEqual(["beta", "gamma", "omega"]);
    service.files = [b, c, { ...a, filename: "omega" }];
    list.setSearch("m");
    await vi.advanceTimersByTimeAsync(1000);
    list.apply([renamed({ ...c, filename: "delta" })]);
    expect(list.rows.map(({ filename }) => filename)).toEqual(["omega"]);
  });

  it("changes the count of copies on every row with the same bytes", async () => {
    const a = at(1, { hash: "same" });
    await loaded([a]);
    const b = at(2, { hash: "same", copies: 2 });
    list.apply([uploaded(b)]);
    expect(list.rows.map(({ copies }) => copies)).toEqual([2, 2]);
    list.apply([{ ...deleted(b.id), file: { ...b, copies: 1 } }]);
    expect(list.rows.map(({ copies }) => copies)).toEqual([1]);
  });

  it("changes the count of copies also where its own file is hidden, or no row", async () => {
    const [a, b, c] = ["a", "b", "c"].map((id) => at(1, { id, hash: "same", copies: 3 })) as [
      StoredFile,
      StoredFile,
      StoredFile,
    ];
    await loaded([a, b, c]);
    list.hide([b, c]);
    list.apply([{ ...deleted(c.id), file: { ...c, copies: 2 } }]);
    list.restore([b.id]);
    expect(list.rows.map(({ id, copies }) => [id, copies])).toEqual([
      [b.id, 2],
      [a.id, 2],
    ]);
    list.setSearch("a.txt");
    await vi.advanceTimersByTimeAsync(1000);
    list.apply([uploaded(at(2, { filename: "zzz.md", hash: "same", copies: 3 }))]);
    expect(list.rows.map(({ copies }) => copies)).toEqual([3]);
  });

  it("changes the count of copies on the page that is on its way", async () => {
    await loaded(Array.from({ length: 150 }, (_, minute) => at(minute, { hash: `${minute % 75}`, copies: 2 })));
    const release = service.hold();
    list.want(150);
    await settle();
    const removed = list.rows[0] as StoredFile;
    list.apply([{ ...deleted(removed.id), file: { ...removed, copies: 1 } }]);
    await release();
    expect(list.rows.find(({ hash }) => hash === removed.hash)?.copies).toBe(1);
  });

  it("among very many gives the same as one by one", async () => {
    const files = Array.from({ length: 50 }, (_, minute) => at(minute));
    await loaded(files);
    const news = Array.from({ length: 100 }, (_, minute) => at(minute + 25));
    list.apply([...news.map(uploaded), ...files.slice(0, 10).map(({ id }) => deleted(id)), ...news.map(uploaded)]);
    const expected = [...files.slice(10), ...news].sort(comparator("UPLOAD_DATE_DESC"));
    expect(ids(list.rows)).toEqual(ids(expected));
  });

  it("makes the service count again, once for many events", async () => {
    const files = Array.from({ length: 300 }, (_, minute) => at(minute));
    await loaded(files);
    const more = [at(1000), at(1001)];
    service.files.push(...more);
    for (const file of more) list.apply([uploaded(file)]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(list.total).toBe(302);
    expect(list.storage?.files).toBe(302);
  });

  it("does not keep the service counting, however many come", async () => {
    service.counting = 200;
    await loaded([at(0)]);
    await vi.advanceTimersByTimeAsync(1000);
    service.counts = 0;
    for (let minute = 1; minute <= 100; minute++) {
      list.apply([uploaded(at(minute))]);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(service.counts).toBeGreaterThan(2);
    expect(service.counts).toBeLessThan(6);
  });

  it("counts soon again where only the drawing took its time", async () => {
    service.drawing = 500;
    await loaded([]);
    await vi.advanceTimersByTimeAsync(1000);
    service.files.push(at(1));
    list.apply([uploaded(at(1))]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(list.storage?.files).toBe(1);
  });

  it("counts nothing for a listing that another took the place of before it was drawn", async () => {
    service.drawing = 500;
    await loaded([at(1)]);
    list.setKind("IMAGE");
    await vi.advanceTimersByTimeAsync(1000);
    expect(service.counts).toBe(1);
  });
});
