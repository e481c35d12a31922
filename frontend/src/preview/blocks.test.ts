import { describe, expect, it } from "vitest";
import { type Block, cut, LONGEST_LINE, recut } from "./blocks";

const whole = (text: string, blocks: readonly Block[]) =>
  blocks.map(({ start, end }) => text.slice(start, end)).join("");

describe("a text in blocks", () => {
  it.each([
    "",
    "one line",
    "a\nb\n",
    "\n\n\n",
    "a line\n".repeat(3_000),
    "x".repeat(50_000),
    `${"y".repeat(5_000)}\nz`,
  ])("is all there (%#)", (text) => {
    expect(whole(text, cut(text))).toBe(text);
  });

  it("has blocks that begin with a line and know its number", () => {
    const text = "a line\n".repeat(3_000);
    for (const { start, line, fresh } of cut(text)) expect([start, fresh]).toEqual([(line - 1) * 7, true]);
  });

  it("has no block that is long", () => {
    const text = `${"a".repeat(900)}\n`.repeat(100) + "b".repeat(10_000);
    for (const { start, end } of cut(text)) expect(end - start).toBeLessThanOrEqual(3_000);
  });

  it("breaks a line that is too long into pieces, of which only the first begins a line", () => {
    const text = `short\n${"a".repeat(LONGEST_LINE * 2 + 10)}\nlast`;
    expect(cut(text).map(({ line, fresh, lines }) => [line, fresh, lines])).toEqual([
      [1, true, 1],
      [2, true, 1],
      [2, false, 1],
      [2, false, 2],
    ]);
  });

  it("is never broken inside a character", () => {
    const text = `a${"👩".repeat(5_000)}`;
    for (const { start, end } of cut(text)) {
      expect(() => encodeURIComponent(text.slice(start, end))).not.toThrow();
    }
  });

  it.each(["one\ntwo\nthr", "x".repeat(LONGEST_LINE + 50), "a line\n".repeat(500), ""])(
    "is the same whether it came at once or grew (%#)",
    (head) => {
      const text = `${head}ee\nfour\n${"z".repeat(5_000)}\nend`;
      expect(recut(text, cut(head))).toEqual(cut(text));
    },
  );
});
