import { afterEach, expect, it, vi } from "vitest";
import { failureAt } from "./reachable";

const { signal } = new AbortController();

afterEach(() => vi.unstubAllGlobals());

it.each([
  ["sends the bytes", new Response("a", { status: 206 }), undefined],
  ["has none to send", new Response(null, { status: 416 }), undefined],
  ["tells a code", new Response('{"code": "STORE_UNAVAILABLE"}', { status: 503 }), "STORE_UNAVAILABLE"],
  ["knows no such file", new Response("", { status: 404 }), "NOT_FOUND"],
  ["is a proxy in distress", new Response("<h1>Bad gateway</h1>", { status: 502 }), "HTTP_502"],
])("a server that %s", async (_, response, code) => {
  vi.stubGlobal("fetch", async () => response);
  expect((await failureAt("/files/1", signal))?.code).toBe(code);
});

it("a server that is not there is not blamed on the file", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  expect((await failureAt("/files/1", signal))?.code).toBe("NETWORK");
});
