import { afterEach, describe, expect, it, vi } from "vitest";
import { sha256 } from "./sha256";

describe("the hash of a file", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("is that of its bytes", async () => {
    expect(await sha256(new Blob(["abc"]))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(await sha256(new Blob([]))).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  it("is left out for a large file, which is not read", async () => {
    const large = { size: 32 * 2 ** 20 + 1, arrayBuffer: vi.fn() } as unknown as Blob;
    expect(await sha256(large)).toBeUndefined();
    expect(large.arrayBuffer).not.toHaveBeenCalled();
  });

  it("is left out where the file cannot be read", async () => {
    const gone = { size: 1, arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")) };
    expect(await sha256(gone as unknown as Blob)).toBeUndefined();
  });

  it("is left out on a plain-HTTP page", async () => {
    vi.stubGlobal("crypto", {});
    expect(await sha256(new Blob(["abc"]))).toBeUndefined();
  });
});
