import { describe, expect, it, vi } from "vitest";
import type { StoredFile } from "../api/documents";
import { at, deleted, ids, list, loaded, renamed, service, settle, uploaded, withListing } from "./listing.testing";
import { comparator } from "./order";
import { fileWith } from "./testing";

withListing();

describe("the edge of what is loaded", () => {
  const hundreds = () => Array.from({ length: 500 }, (_, minute) => at(minute));
  const everything = () => ids(service.files.toSorted(comparator(list.order)));

  async function showAll(): Promise<void> {
    list.want(1000);
    await settle();
  }

  it("does not move when rows are hidden: they return though no further page could be read", async () => {
    await loaded(hundreds());
    const before = ids(list.rows);
    service.failing = { failure: { code: "NETWORK", message: "" } };
    list.hide(list.rows);
    await settle();
    expect(list.pageFailure?.code).toBe("NETWORK");
    list.restore(before);
    expect(ids(list.rows)).toEqual(before);
    service.failing = undefined;
    list.retryPage();
    await showAll();
    expect(ids(list.rows)).toEqual(everything());
  });

  it("takes back what was hidden while the next page is on its way", async () => {
    await loaded(hundreds());
    const before = ids(list.rows);
    const release = service.hold();
    list.hide(list.rows);
    list.restore(before);
    await release();
    await showAll();
    expect(ids(list.rows)).toEqual(everything());
  });

  it("is read on from when rows go, without being asked", async () => {
    await loaded(hundreds());
    list.hide(list.rows);
    await settle();
    expect(list.rows.length).toBeGreaterThan(0);
    list.apply(list.rows.map(({ id }) => deleted(id)));
    expect(list.rows).toEqual([]);
    await settle();
    expect(list.rows.length).toBeGreaterThan(0);
  });

  it("takes in an arrival between the last row and one that stood behind it", async () => {
    const names = Array.from({ length: 100 }, (_, nth) => fileWith({ filename: `file ${nth}` }));
    service.files = names;
    list.setOrder("FILENAME_ASC");
    await settle();
    const last = list.rows.at(-1) as StoredFile;
    const arrival = fileWith({ filename: last.filename.replace(/\d+/, (n) => `${Number(n) - 1}b`) });
    service.files = [...names.filter(({ id }) => id !== last.id), arrival];
    list.apply([deleted(last.id), uploaded(arrival)]);
    expect(ids(list.rows)).toEqual(everything().slice(0, list.rows.length));
    expect(list.rows.at(-1)?.id).toBe(arrival.id);
    await showAll();
    expect(ids(list.rows)).toEqual(everything());
  });

  it.each(["FILENAME_ASC", "UPLOAD_DATE_DESC", "SIZE_ASC"] as const)(
    "in the order %s loses nothing and repeats nothing, whatever happens beside it",
    async (order) => {
      let seed = 7;
      const random = (below: number) => {
        seed = (seed * 48271) % 2147483647;
        return seed % below;
      };
      const some = () =>
        fileWith({ filename: `file ${random(1000)}`, size: random(1000), uploadDate: at(random(1000)).uploadDate });
      await loaded(Array.from({ length: 400 }, some));
      list.setOrder(order);
      await settle();
      let hidden: string[] = [];
      let release: (() => Promise<void>) | undefined;
      const one = () => {
        // Mostly near the edge.
        const all = everything();
        return all[Math.min(all.length - 1, Math.max(0, list.rows.length - 10 + random(20)))] as string;
      };
      const deeds = [
        () => {
          const file = some();
          service.files = [...service.files, file];
          list.apply([uploaded(file)]);
        },
        () => {
          const id = one();
          service.files = service.files.filter((file) => file.id !== id);
          list.apply([deleted(id)]);
        },
        () => {
          const id = one();
          const file = service.files.find((each) => each.id === id) as StoredFile;
          const after = { ...file, filename: `file ${random(1000)}` };
          service.files = service.files.map((each) => (each === file ? after : each));
          list.apply([renamed(after)]);
        },
        () => {
          const rows = list.rows.slice(-random(10));
          hidden = [...hidden, ...ids(rows)];
          list.hide(rows);
        },
        () => {
          list.restore(hidden);
          hidden = [];
        },
        () => list.want(list.rows.length - random(60)),
        () => {
          list.want(0);
          void list.reload();
        },
        () => {
          release ??= service.hold();
        },
        async () => {
          await release?.();
          release = undefined;
        },
      ];
      for (let step = 0; step < 200; step++) {
        await deeds[random(deeds.length)]?.();
        await settle();
        const shown = everything().filter((id) => !hidden.includes(id));
        expect(ids(list.rows)).toEqual(shown.slice(0, list.rows.length));
      }
      await release?.();
      list.restore(hidden);
      await showAll();
      expect(ids(list.rows)).toEqual(everything());
    },
  );
});

describe("a hidden file", () => {
  it("is out of rows and total at once, and returns to its place", async () => {
    const files = [at(1), at(2), at(3)] as [StoredFile, StoredFile, StoredFile];
    await loaded([...files]);
    list.hide([files[1]]);
    expect(ids(list.rows)).toEqual([files[2].id, files[0].id]);
    expect(list.total).toBe(2);
    list.restore([files[1].id]);
    expect(list.isDeleted(files[1].id)).toBe(false);
    expect(ids(list.rows)).toEqual([files[2].id, files[1].id, files[0].id]);
  });

  it("stays hidden when a listing or an event names it, and returns as it is by then", async () => {
    const file = at(1);
    await loaded([file]);
    list.hide([file]);
    list.apply([renamed({ ...file, filename: "new name" })]);
    await loaded(service.files);
    expect(list.rows).toEqual([]);
    list.apply([renamed({ ...file, filename: "newer name" })]);
    list.restore([file.id]);
    expect(list.rows.map(({ filename }) => filename)).toEqual(["newer name"]);
  });

  it("counts nowhere from then on, also when it is deleted for good and the totals are still to be counted", async () => {
    const files = Array.from({ length: 300 }, (_, minute) => at(minute));
    const twins = [at(500, { hash: "same", copies: 2 }), at(501, { hash: "same", copies: 2 })] as const;
    await loaded([...files, ...twins, at(502, { kind: "IMAGE" })]);
    const shown = () => [list.total, list.countOf("TEXT"), list.countOf("IMAGE"), list.storage];
    const totals = (files: number, bytes: number, stored: number) => ({
      files,
      logicalBytes: bytes,
      storedBytes: stored,
    });
    expect(shown()).toEqual([303, 302, 1, totals(303, 30_300, 30_200)]);
    list.hide([twins[0]]);
    expect(shown()).toEqual([302, 301, 1, totals(302, 30_200, 30_200)]);
    list.hide([twins[1]]);
    list.deleted(ids(twins));
    expect(shown()).toEqual([301, 300, 1, totals(301, 30_100, 30_100)]);
    service.files = service.files.filter(({ hash }) => hash !== "same");
    await vi.advanceTimersByTimeAsync(1000);
    expect(shown()).toEqual([301, 300, 1, totals(301, 30_100, 30_100)]);
  });

  it("that the search does not find is counted among all files only", async () => {
    const [found, other] = [at(1, { filename: "harbour" }), at(2)] as const;
    await loaded([found, other]);
    list.hide([other]);
    list.setSearch("harbour");
    await vi.advanceTimersByTimeAsync(1000);
    expect([list.countOf("TEXT"), list.storage?.files]).toEqual([1, 1]);
  });

  it("among a hundred thousand costs no more than its share", async () => {
    const files = Array.from({ length: 100_000 }, (_, nth) => at(100_000 - nth));
    const pageInfo = { hasNextPage: false, endCursor: null };
    vi.spyOn(service, "page").mockResolvedValue({ data: { files: { nodes: files, pageInfo, eventCursor: "cursor" } } });
    await loaded(files);
    for (const some of [files.filter((_, nth) => nth % 2 === 0), files]) {
      list.hide(some);
      expect([list.total, list.countOf("TEXT")]).toEqual([100_000 - some.length, 100_000 - some.length]);
      list.restore(ids(some));
      expect(list.rows.every((row, nth) => row === files[nth])).toBe(true);
    }
    list.hide(files);
    list.deleted(ids(files));
    list.restore(ids(files));
    expect([list.total, list.rows.length]).toEqual([0, 0]);
  }, 20_000);

  it("that is deleted for good does not return", async () => {
    const file = at(1);
    await loaded([file]);
    list.hide([file]);
    expect(list.isDeleted(file.id)).toBe(true);
    list.deleted([file.id]);
    list.apply([uploaded(file)]);
    list.restore([file.id]);
    expect([list.rows, list.isDeleted(file.id)]).toEqual([[], true]);
  });
});
