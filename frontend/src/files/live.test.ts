import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EventListener, openEvents } from "../api/client";
import type { FileEvent } from "../api/documents";
import { LiveEvents } from "./live.svelte";
import { fileWith } from "./testing";

let connections: { after: () => string; listener: EventListener; open: boolean }[];

const open: typeof openEvents = (after, listener) => {
  const connection = { after, listener, open: true };
  connections.push(connection);
  return () => {
    connection.open = false;
  };
};
const last = () => connections.at(-1) as (typeof connections)[number];
const ready = (cursor: string): FileEvent => ({ cursor, kind: "READY", fileId: null, file: null });
const uploaded = (cursor: string): FileEvent => ({
  cursor,
  kind: "UPLOADED",
  fileId: "1",
  file: fileWith({ id: "1" }),
});

describe("live events", () => {
  let live: LiveEvents;
  let changed: ReturnType<typeof vi.fn<(event: FileEvent) => void>>;
  let expired: ReturnType<typeof vi.fn<() => void>>;

  beforeEach(() => {
    vi.useFakeTimers();
    connections = [];
    live = new LiveEvents(open);
    changed = vi.fn<(event: FileEvent) => void>();
    expired = vi.fn<() => void>();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("open with the first listener, once a cursor is known, and close with the last", () => {
    const unlisten = live.listen({ changed, expired });
    expect(connections).toHaveLength(0);
    live.resumeFrom("a");
    expect(connections).toHaveLength(1);
    const other = live.listen({ changed, expired });
    expect(connections).toHaveLength(1);
    unlisten();
    expect(last().open).toBe(true);
    other();
    expect(last().open).toBe(false);
  });

  it("are handed on in their order, without the greeting", () => {
    live.listen({ changed, expired });
    live.resumeFrom("a");
    for (const event of [ready("a"), uploaded("b"), uploaded("c")]) last().listener.event(event);
    expect(changed.mock.calls).toEqual([[uploaded("b")], [uploaded("c")]]);
  });

  it("are live from the greeting on, and reconnecting while the connection is lost", () => {
    live.listen({ changed, expired });
    live.resumeFrom("a");
    expect(live.state).toBe("connecting");
    last().listener.event(ready("a"));
    expect(live.state).toBe("live");
    last().listener.lost();
    expect(live.state).toBe("reconnecting");
    last().listener.event(ready("a"));
    expect(live.state).toBe("live");
  });

  it("resume after the last event that was seen, whatever a later listing says", () => {
    live.listen({ changed, expired });
    live.resumeFrom("a");
    expect(last().after()).toBe("a");
    last().listener.event(uploaded("b"));
    live.resumeFrom("z");
    expect(last().after()).toBe("b");
  });

  it("are asked for again after a refusal that may pass, from the same place", () => {
    live.listen({ changed, expired });
    live.resumeFrom("a");
    last().listener.event(uploaded("b"));
    last().listener.ended({ code: "DATABASE_UNAVAILABLE", message: "" });
    expect(live.state).toBe("reconnecting");
    vi.advanceTimersByTime(5000);
    expect(connections).toHaveLength(2);
    expect(last().after()).toBe("b");
  });

  it("whose cursor has expired begin where the next listing was read", () => {
    live.listen({ changed, expired });
    live.resumeFrom("a");
    last().listener.ended({ code: "CURSOR_EXPIRED", message: "" });
    vi.advanceTimersByTime(5000);
    expect(expired).toHaveBeenCalledOnce();
    expect(connections).toHaveLength(1);
    live.resumeFrom("fresh");
    expect(last().after()).toBe("fresh");
    expect(connections).toHaveLength(2);
  });
});
