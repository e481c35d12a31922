import { describe, expect, it } from "vitest";
import { Recycler } from "./recycling";

/** The names of the elements for rows with these letters; a capital one has just arrived. */
function names(window: Recycler<string>, letters: string) {
  const rows = [...letters].map((letter) => ({ letter }));
  const named = window.name(
    rows,
    ({ letter }) => letter,
    (id) => id < "a",
  );
  expect(named.map(({ letter }) => letter).join("")).toBe(letters);
  return named.map(({ name }) => name).join("");
}

describe("the elements of a window", () => {
  it("stay with what stays, and go from what leaves to what comes, in their order", () => {
    const window = new Recycler<string>();
    expect(names(window, "abcd")).toBe("0123");
    expect(names(window, "cdef")).toBe("2301");
    expect(names(window, "wxyz")).toBe("2301");
  });

  it("follow their row to another place", () => {
    const window = new Recycler<string>();
    names(window, "abc");
    expect(names(window, "ca")).toBe("20");
  });

  it("are as many as the window is high", () => {
    const window = new Recycler<string>();
    expect(names(window, "ab")).toBe("01");
    expect(names(window, "cde")).toBe("012");
    expect(names(window, "f")).toBe("0");
    expect(names(window, "fg")).toBe("03");
  });

  it("are made for what is to be seen arriving", () => {
    const window = new Recycler<string>();
    names(window, "ab");
    expect(names(window, "Na")).toBe("20");
    expect(names(window, "Nc")).toBe("20");
  });
});
