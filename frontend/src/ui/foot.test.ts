import { describe, expect, it } from "vitest";
import { Foot } from "./foot.svelte";

describe("the foot of the list", () => {
  it("takes no room while nothing stands there", () => {
    const foot = new Foot();
    foot.width = 1280;
    expect([foot.room, foot.lift]).toEqual([0, 0]);
  });

  it("gives the tray room below the last row, and toasts their place beside it", () => {
    const foot = new Foot();
    Object.assign(foot, { width: 1280, tray: 200 });
    expect([foot.room, foot.lift]).toEqual([232, 0]);
  });

  it("puts toasts above the tray where both do not fit side by side", () => {
    const foot = new Foot();
    Object.assign(foot, { width: 480, tray: 200, bar: 40 });
    expect([foot.room, foot.lift]).toEqual([272, 256]);
  });
});
