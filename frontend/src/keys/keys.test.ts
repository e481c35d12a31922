import { describe, expect, it } from "vitest";
import { english } from "../words/en";
import { commandOf, isApple, keyLabel } from "./keys";

const press = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {}) => ({
  ...{ ctrlKey: false, metaKey: false, altKey: false, shiftKey: false },
  key,
  ...held,
});

describe("a key", () => {
  it.each([
    ["/", {}, "search"],
    ["/", { shiftKey: true }, "search"],
    ["?", { shiftKey: true }, "keys"],
    ["d", {}, "download"],
    ["D", {}, "download"],
    ["D", { shiftKey: true }, undefined],
    ["d", { ctrlKey: true }, undefined],
    ["l", { altKey: true }, undefined],
    ["a", { ctrlKey: true }, "selectAll"],
    ["A", { ctrlKey: true }, "selectAll"],
    ["a", { metaKey: true }, undefined],
    ["a", { ctrlKey: true, shiftKey: true }, undefined],
    ["z", { ctrlKey: true }, "undo"],
    ["z", { ctrlKey: true, shiftKey: true }, undefined],
    ["z", {}, undefined],
    ["Backspace", {}, undefined],
    ["ArrowUp", {}, "list"],
    ["ArrowLeft", {}, "previous"],
    ["ArrowRight", {}, "next"],
    ["ArrowLeft", { altKey: true }, undefined],
    ["Escape", {}, "escape"],
    ["x", {}, undefined],
  ])("%s with %j asks for %s", (key, held, command) => {
    expect(commandOf(press(key, held), false)).toBe(command);
  });

  it("is held with Cmd on a Mac", () => {
    expect(commandOf(press("a", { metaKey: true }), true)).toBe("selectAll");
    expect(commandOf(press("a", { ctrlKey: true }), true)).toBeUndefined();
    expect(commandOf(press("Backspace", { metaKey: true }), true)).toBe("delete");
  });

  it("is called as on the reader's keyboard", () => {
    const names = english("en-GB").keyNames;
    expect(["ctrl", "shift", "up", "F2"].map((key) => keyLabel(key, names, false))).toEqual([
      "Ctrl",
      "Shift",
      "↑",
      "F2",
    ]);
    expect(["ctrl", "shift", "up", "F2"].map((key) => keyLabel(key, names, true))).toEqual(["⌘", "⇧", "↑", "F2"]);
    expect([isApple("MacIntel"), isApple("Win32"), isApple("Linux x86_64")]).toEqual([true, false, false]);
  });
});
