import { expect, it } from "vitest";
import { SwipeTrack } from "./swipe";

function swipe(...way: [x: number, y: number][]) {
  const track = new SwipeTrack({ x: 200, y: 200, time: 0 });
  const moments = way.map(([x, y], nth) => ({ x: 200 + x, y: 200 + y, time: (nth + 1) * 100 }));
  const offsets = moments.map((moment) => track.offset(moment));
  return { meant: track.end(moments.at(-1) ?? { x: 200, y: 200, time: 0 }), offset: offsets.at(-1) };
}

it.each([
  [
    "to the left is the next file",
    [
      [-40, 5],
      [-120, 20],
    ],
    "next",
  ],
  [
    "to the right is the one before",
    [
      [40, 5],
      [120, 20],
    ],
    "previous",
  ],
  [
    "down closes",
    [
      [3, 60],
      [10, 140],
    ],
    "close",
  ],
  [
    "up is nothing",
    [
      [3, -60],
      [10, -140],
    ],
    undefined,
  ],
  [
    "of some pixels is nothing",
    [
      [4, 0],
      [-6, 2],
    ],
    undefined,
  ],
  [
    "that was thought better of is nothing",
    [
      [-90, 0],
      [-20, 0],
    ],
    undefined,
  ],
  ["that is short and quick counts", [[-60, 0]], "next"],
] as [string, [number, number][], string | undefined][])("a swipe %s", (_, way, meant) => {
  expect(swipe(...way).meant).toBe(meant);
});

it("the sheet follows in the direction that was begun, and in no other", () => {
  expect(swipe([-20, 2], [-60, 90]).offset).toEqual({ x: -60, y: 0 });
  expect(swipe([2, 20], [90, 60]).offset).toEqual({ x: 0, y: 60 });
});
