import { describe, expect, it } from "vitest";
import { belongs, comparator, placeOf } from "./order";
import { fileWith } from "./testing";

const namesInOrder = (...names: string[]) =>
  names
    .map((filename) => fileWith({ filename }))
    .sort(comparator("FILENAME_ASC"))
    .map(({ filename }) => filename);

describe("the order of names", () => {
  it("counts numbers as numbers, of any length", () => {
    expect(namesInOrder("img10.png", "img2.png", "img0010.png", "img99999999999.png", "img1234567890123.png")).toEqual([
      "img2.png",
      "img0010.png",
      "img10.png",
      "img99999999999.png",
      "img1234567890123.png",
    ]);
  });

  it("ignores case, and accents where the rest differs", () => {
    expect(namesInOrder("École 2", "ecole 3", "Ecole", "école")).toEqual(["Ecole", "école", "École 2", "ecole 3"]);
  });

  it("puts a name before those that continue it", () => {
    expect(namesInOrder("notes 2", "notes")).toEqual(["notes", "notes 2"]);
  });
});

describe("the order of dates", () => {
  it("tells apart what lies within a millisecond, with or without trailing zeros", () => {
    const dates = ["2026-11-22T10:00:00.123456Z", "2026-11-22T10:00:00.1234Z", "2026-11-22T10:00:00Z"];
    const files = dates.map((uploadDate) => fileWith({ uploadDate }));
    expect(files.sort(comparator("UPLOAD_DATE_ASC")).map(({ uploadDate }) => uploadDate)).toEqual(dates.reverse());
  });

  it("falls back on the id, in the direction of the order", () => {
    const [a, b] = [fileWith({ id: "a" }), fileWith({ id: "b" })];
    expect([b, a].sort(comparator("UPLOAD_DATE_ASC"))).toEqual([a, b]);
    expect([a, b].sort(comparator("UPLOAD_DATE_DESC"))).toEqual([b, a]);
  });
});

it("a file's place is found by its order", () => {
  const rows = [30, 20, 10].map((size) => fileWith({ size }));
  const compare = comparator("SIZE_DESC");
  expect([40, 25, 5].map((size) => placeOf(fileWith({ size }), rows, compare))).toEqual([0, 1, 3]);
});

describe("a filter", () => {
  it.each([
    ["STRASSE", "Straße.txt"],
    ["résumé", "Re\u0301sume\u0301.pdf"],
    ["スクリーン", "スクリーンショット.png"],
    ["istanbul", "İSTANBUL.jpg"],
    ["ΟΔΟΣ", "οδος.md"],
  ])("for %s finds %s", (search, filename) => {
    expect(belongs(fileWith({ filename }), { search })).toBe(true);
  });

  it("of a kind holds no other", () => {
    expect(belongs(fileWith({ kind: "IMAGE" }), { kind: "IMAGE" })).toBe(true);
    expect(belongs(fileWith({ kind: "TEXT" }), { kind: "IMAGE" })).toBe(false);
  });
});
