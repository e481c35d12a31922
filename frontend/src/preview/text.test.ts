import { afterEach, expect, it, vi } from "vitest";
import { TEXT_LIMIT, textHead } from "./text";

const signal = new AbortController().signal;

function answering(bytes: Uint8Array<ArrayBuffer>) {
  const fetched = vi.fn<typeof fetch>(async () => new Response(bytes, { status: 206 }));
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

afterEach(() => vi.unstubAllGlobals());

it("text is asked for up to the limit and no further", async () => {
  const fetched = answering(new TextEncoder().encode("héllo"));
  expect(await textHead("/files/1", 6, signal)).toEqual({ data: { text: "héllo", cut: false } });
  expect(fetched.mock.calls[0]?.[1]?.headers).toEqual({ Range: "bytes=0-1048575" });
});

it("text longer than the limit is cut, and not inside a character", async () => {
  const bytes = new Uint8Array(TEXT_LIMIT);
  bytes.fill(0x61);
  bytes.set([0xe2, 0x82], TEXT_LIMIT - 2);
  answering(bytes);
  const { data } = await textHead("/files/1", TEXT_LIMIT + 1, signal);
  expect(data?.cut).toBe(true);
  expect(data?.text).toBe("a".repeat(TEXT_LIMIT - 2));
});

it("text with the mark of UTF-16 is read as that", async () => {
  answering(new Uint8Array([0xff, 0xfe, 0x68, 0x00, 0x69, 0x00]));
  expect((await textHead("/files/1", 6, signal)).data?.text).toBe("hi");
});

it("an empty file needs no request", async () => {
  const fetched = answering(new Uint8Array());
  expect(await textHead("/files/1", 0, signal)).toEqual({ data: { text: "", cut: false } });
  expect(fetched).not.toHaveBeenCalled();
});
