import type { ClientOptions } from "graphql-ws";
import { expect, it, vi } from "vitest";
import { openEvents } from "./client";

const terminate = vi.fn();
let options: ClientOptions;

vi.mock("graphql-ws", () => ({
  createClient(given: ClientOptions) {
    options = given;
    return { terminate, subscribe: () => () => {}, dispose: () => {} };
  },
}));

it("a socket that answers no ping is given up, and one that came after it is not", () => {
  vi.useFakeTimers();
  const lost = vi.fn();
  const close = openEvents(() => "", { lost, event: () => {}, ended: () => {} });
  const { ping, closed } = options.on ?? {};
  ping?.(false, undefined);
  closed?.({});
  vi.advanceTimersByTime(60_000);
  expect([lost.mock.calls.length, terminate.mock.calls.length]).toEqual([1, 0]);
  ping?.(false, undefined);
  vi.advanceTimersByTime(5_000);
  expect(terminate).toHaveBeenCalledOnce();
  close();
  vi.useRealTimers();
});
