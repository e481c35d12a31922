import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Toasts } from "./toasts.svelte";

describe("a toast", () => {
  let toasts: Toasts;
  const texts = () => toasts.shown.map(({ text }) => text());
  const offering = (run: () => void) => ({ label: () => "Undo", run });

  beforeEach(() => {
    vi.useFakeTimers();
    toasts = new Toasts();
  });

  afterEach(() => vi.useRealTimers());

  it("goes by itself, and says so", () => {
    const expired = vi.fn();
    toasts.show({ text: () => "a", expired });
    vi.advanceTimersByTime(5_999);
    expect([texts(), expired.mock.calls.length]).toEqual([["a"], 0]);
    vi.advanceTimersByTime(1);
    expect([texts(), expired.mock.calls.length]).toEqual([[], 1]);
  });

  it("stays while the pointer or the focus is on one of them, also if it came meanwhile", () => {
    toasts.show({ text: () => "a" });
    toasts.focus(true);
    toasts.point(true);
    toasts.show({ text: () => "b" });
    toasts.point(false);
    vi.advanceTimersByTime(60_000);
    expect(texts()).toEqual(["a", "b"]);
    toasts.focus(false);
    vi.advanceTimersByTime(6_000);
    expect(texts()).toEqual([]);
  });

  it("has a clock of its own although the last ones went from under the pointer", () => {
    toasts.point(true);
    toasts.act(toasts.show({ text: () => "a", action: offering(() => {}) }));
    toasts.show({ text: () => "b" });
    vi.advanceTimersByTime(6_000);
    expect(texts()).toEqual([]);
  });

  it("that offers something outlives those that do not", () => {
    const expired = vi.fn();
    toasts.show({ text: () => "way back", action: offering(() => {}), expired });
    for (const text of ["a", "b", "c", "d"]) toasts.show({ text: () => text });
    expect([texts(), expired.mock.calls.length]).toEqual([["way back", "b", "c", "d"], 0]);
    for (const text of ["e", "f", "g"]) toasts.show({ text: () => text, action: offering(() => {}) });
    toasts.show({ text: () => "h" });
    expect([texts(), expired.mock.calls.length]).toEqual([["e", "f", "g", "h"], 1]);
  });

  it("of them all, the newest that offers something is acted on by a key", () => {
    const [first, second] = [vi.fn(), vi.fn()];
    toasts.show({ text: () => "a", action: offering(first) });
    toasts.show({ text: () => "b", action: offering(second) });
    toasts.show({ text: () => "c" });
    expect([toasts.actNewest(), toasts.actNewest(), toasts.actNewest()]).toEqual([true, true, false]);
    expect(second).toHaveBeenCalledBefore(first);
    expect(texts()).toEqual(["c"]);
  });

  it("about a job stays, and offers to end it, as long as the job lasts", async () => {
    let end = () => {};
    const during = new Promise<void>((resolve) => (end = resolve));
    toasts.show({ text: () => "a", action: offering(() => {}), during });
    await vi.advanceTimersByTimeAsync(60_000);
    toasts.point(true);
    toasts.point(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(toasts.shown[0]?.action).toBeDefined();
    end();
    await vi.advanceTimersByTimeAsync(0);
    expect(texts()).toEqual(["a"]);
    expect(toasts.shown[0]?.action).toBeUndefined();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(texts()).toEqual([]);
  });
});
