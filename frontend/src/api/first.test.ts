import { beforeEach, expect, it, vi } from "vitest";
import type { FIRST, link, preloaded } from "./first";

const HREF = "http://satchel.test/graphql?query=x";
const DATA = { files: { nodes: [] } };

let first: { FIRST: typeof FIRST; link: typeof link; preloaded: typeof preloaded };
const asked = vi.fn();
const { signal } = new AbortController();

beforeEach(async () => {
  vi.resetModules();
  first = await import("./first");
  asked.mockReset();
  answer({ data: DATA });
  vi.stubGlobal("fetch", asked);
  vi.stubGlobal("document", { querySelector: () => ({ href: HREF }) });
});

const answer = (body: unknown) => asked.mockImplementation(async () => ({ json: async () => body }));

it("what the link asks for is told to whoever wants it, once, and by the same request", async () => {
  expect(await first.preloaded({ ...first.FIRST, filter: {} }, signal)).toEqual({ data: DATA });
  expect(asked.mock.calls).toEqual([[HREF, { signal }]]);
  expect(await first.preloaded(first.FIRST, signal)).toBeUndefined();
  expect(asked).toHaveBeenCalledOnce();
});

it.each([
  { filter: { search: "a" } },
  { orderBy: "SIZE_ASC" },
  { after: "a" },
  { first: 200 },
  { head: false },
] as const)("another question is not answered by it: %j", async (other) => {
  expect(await first.preloaded({ ...first.FIRST, ...other }, signal)).toBeUndefined();
  expect(asked).not.toHaveBeenCalled();
});

it("a failure is left to the usual way, which finds words for it", async () => {
  answer({ data: null, errors: [{ message: "no" }] });
  expect(await first.preloaded(first.FIRST, signal)).toBeUndefined();
});

it("so is what is no answer at all", async () => {
  asked.mockRejectedValue(new TypeError("Failed to fetch"));
  expect(await first.preloaded(first.FIRST, signal)).toBeUndefined();
});

it("a page without the link asks as usual", async () => {
  vi.stubGlobal("document", { querySelector: () => null });
  expect(await first.preloaded(first.FIRST, signal)).toBeUndefined();
  expect(asked).not.toHaveBeenCalled();
});

it("the link holds the query and its variables", () => {
  const { rel, as, crossorigin, href } = first.link();
  expect({ rel, as, crossorigin }).toEqual({ rel: "preload", as: "fetch", crossorigin: "anonymous" });
  const { pathname, searchParams } = new URL(href, "http://satchel.test");
  expect(pathname).toBe("/graphql");
  expect(searchParams.get("query")).toContain("query FilePage(");
  expect(JSON.parse(searchParams.get("variables") ?? "")).toEqual(first.FIRST);
});
