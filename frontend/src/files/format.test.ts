import { describe, expect, it } from "vitest";
import { duration, relativeDate, size, sizeOf, splitName, tileLabel } from "./format";

describe("a size", () => {
  it.each([
    [0, "0 bytes"],
    [1, "1 byte"],
    [1023, "1,023 bytes"],
    [1024, "1 KB"],
    [831_488, "812 KB"],
    [4_297_114, "4.1 MB"],
    [63_963_136, "61.0 MB"],
    [230_686_720, "220 MB"],
    [12_777_511_321, "11.9 GB"],
    [6_000_000_000_000, "5.5 TB"],
  ])("of %i bytes is written as %s", (bytes, written) => {
    expect(size(bytes)).toBe(written);
  });

  it("never rounds up to a thousand and more of its unit", () => {
    expect(size(1024 * 1024 - 1)).toBe("1.0 MB");
    expect(size(1024 ** 3 - 1)).toBe("1.0 GB");
  });

  it("is written with one unit where part and whole share it", () => {
    expect(sizeOf(7.4 * 1024 ** 3, 11.9 * 1024 ** 3)).toBe("7.4 of 11.9 GB");
    expect(sizeOf(512 * 1024, 11.9 * 1024 ** 3)).toBe("512 KB of 11.9 GB");
  });
});

describe("a date", () => {
  const now = new Date(2026, 10, 22, 14, 30).getTime();
  const ago = (milliseconds: number) => relativeDate(new Date(now - milliseconds).toISOString(), now);
  const minute = 60_000;
  const hour = 60 * minute;

  it("is relative while it is near", () => {
    expect(ago(20_000)).toBe("Just now");
    expect(ago(2 * minute)).toBe("2 min ago");
    expect(ago(3 * hour + minute)).toBe("3 h ago");
  });

  it("of the day before is Yesterday, however few hours ago that was", () => {
    const soonAfterMidnight = new Date(2026, 10, 22, 1, 0).getTime();
    expect(relativeDate(new Date(soonAfterMidnight - 2 * hour).toISOString(), soonAfterMidnight)).toBe("Yesterday");
    expect(ago(37 * hour)).toBe("Yesterday");
  });

  it("further away is a day, with the year where that differs", () => {
    expect(relativeDate(new Date(2026, 10, 19, 12).toISOString(), now)).toMatch(/^(19 Nov|Nov 19)$/);
    expect(relativeDate(new Date(2025, 10, 19, 12).toISOString(), now)).toMatch(/^(19 Nov 2025|Nov 19, 2025)$/);
  });

  it("that a slow clock puts into the future is now", () => {
    expect(ago(-5 * minute)).toBe("Just now");
  });
});

describe("a name that is cut in the middle", () => {
  it("keeps its extension and a few letters before it", () => {
    expect(splitName("Wedding film, final cut.mov")).toEqual(["Wedding film, final", " cut.mov"]);
    expect(splitName("site-backup-of-november.tar.gz")).toEqual(["site-backup-of-november", ".tar.gz"]);
  });

  it("is left whole when it is short", () => {
    expect(splitName("README.md")).toEqual(["README.md", ""]);
  });

  it("has no extension when its only dot comes first or is followed by prose", () => {
    expect(splitName(".gitattributes-of-everything")).toEqual([".gitattributes-of-everyt", "hing"]);
    expect(splitName("v1. The whole story of it")).toEqual(["v1. The whole story o", "f it"]);
  });

  it("is cut at its dot where its letters run from right to left, and not at all where it has none", () => {
    expect(splitName("דוח שנתי של הנמל לשנת.pdf")).toEqual(["דוח שנתי של הנמל לשנת", ".pdf"]);
    expect(splitName("Report for תקציר מנהלים 2026.pdf")).toEqual(["Report for תקציר מנהלים 2026", ".pdf"]);
    expect(splitName("תقرير سنوي طويل عن الميناء")).toEqual(["תقرير سنوي طويل عن الميناء", ""]);
    expect(splitName("תקציר מנהלים, English version.pdf")).toEqual(["תקציר מנהלים, English ver", "sion.pdf"]);
  });

  it("is never cut inside a character", () => {
    const family = "👨‍👩‍👧‍👦";
    const [head, tail] = splitName(`A long holiday ${family.repeat(4)}.jpg`);
    expect(tail).toBe(`${family.repeat(4)}.jpg`);
    expect(head + tail).toBe(`A long holiday ${family.repeat(4)}.jpg`);
  });
});

it("a tile shows a short extension, else the kind", () => {
  expect(tileLabel("photo.jpeg", "IMAGE")).toBe("JPEG");
  expect(tileLabel("photo", "IMAGE")).toBe("IMG");
  expect(tileLabel("notes.markdown", "TEXT")).toBe("TXT");
  expect(tileLabel("letter.pdf ", "PDF")).toBe("PDF");
});

it("a duration has the unit that fits it", () => {
  expect(duration(0.2)).toBe("1 s");
  expect(duration(40)).toBe("40 s");
  expect(duration(200)).toBe("3 min");
  expect(duration(3600)).toBe("1 h");
  expect(duration(5400)).toBe("1 h 30 min");
});
