import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type UploadOptions, uploadBody, uploadFile } from "./upload";

const options = { idempotencyKey: "key", signal: new AbortController().signal, progress: () => {} };
const file = new File(["hello, world"], "Grüße.txt", { type: "text/plain" });

describe("the body of an upload", () => {
  it("holds operations, map and file, in this order", () => {
    expect([...uploadBody(file, options).keys()]).toEqual(["operations", "map", "0"]);
  });

  it("names the mutation and leaves the place of the file empty", () => {
    const operations = JSON.parse(String(uploadBody(file, options).get("operations")));
    expect(operations.query).toContain("uploadFile(file: $file, hash: $hash, idempotencyKey: $idempotencyKey)");
    expect(operations.variables).toEqual({ file: null, idempotencyKey: "key" });
  });

  it("tells the hash where it is known", () => {
    const operations = JSON.parse(String(uploadBody(file, { ...options, hash: "abc" }).get("operations")));
    expect(operations.variables).toEqual({ file: null, hash: "abc", idempotencyKey: "key" });
  });

  it("maps its only file to its variable and keeps the name", () => {
    const body = uploadBody(file, options);
    expect(JSON.parse(String(body.get("map")))).toEqual({ 0: ["variables.file"] });
    expect((body.get("0") as File).name).toBe("Grüße.txt");
  });
});

describe("an upload", () => {
  let xhr: FakeRequest;

  class FakeRequest {
    upload: { onprogress?: (event: object) => void; onload?: () => void } = {};
    status = 0;
    responseText = "";
    onload?: () => void;
    onerror?: () => void;
    onabort?: () => void;
    onloadend?: () => void;
    open = vi.fn();
    setRequestHeader = vi.fn();
    send = vi.fn();

    constructor() {
      xhr = this;
    }

    abort() {
      this.onabort?.();
    }

    respond(status: number, body: string) {
      this.status = status;
      this.responseText = body;
      this.onload?.();
    }
  }

  const send = (given: Partial<UploadOptions> = {}) => uploadFile(file, { ...options, ...given });

  beforeEach(() => vi.stubGlobal("XMLHttpRequest", FakeRequest));
  afterEach(() => vi.unstubAllGlobals());

  it("answers with what was stored", async () => {
    const answer = send();
    xhr.respond(200, JSON.stringify({ data: { uploadFile: { deduplicated: true, file: { id: "1" } } } }));
    expect(await answer).toEqual({ data: { deduplicated: true, file: { id: "1" } } });
  });

  it.each([
    [
      "a GraphQL error",
      200,
      '{"data":null,"errors":[{"message":"Too large.","extensions":{"code":"FILE_TOO_LARGE"}}]}',
      "FILE_TOO_LARGE",
    ],
    [
      "a problem document",
      413,
      '{"title":"Too large","code":"PAYLOAD_TOO_LARGE","detail":"Too large."}',
      "PAYLOAD_TOO_LARGE",
    ],
    ["a proxy's page", 502, "<h1>Bad gateway</h1>", "HTTP_502"],
  ])("that meets %s fails with its code", async (_, status, body, code) => {
    const answer = send();
    xhr.respond(status, body);
    expect((await answer).failure?.code).toBe(code);
  });

  it("reports the bytes of the file, not of the request around it", () => {
    const progress = vi.fn<(sent: number) => void>();
    void send({ progress });
    const total = file.size + 500;
    for (const loaded of [100, 506, total]) xhr.upload.onprogress?.({ loaded, total });
    expect(progress.mock.calls.flat()).toEqual([0, 6, file.size]);
  });

  it("ends when it is aborted", async () => {
    const aborting = new AbortController();
    const answer = send({ signal: aborting.signal });
    aborting.abort();
    expect((await answer).failure?.code).toBe("ABORTED");
  });

  it("tells a broken connection from a file that can no longer be read", async () => {
    const lost = send();
    xhr.onerror?.();
    expect((await lost).failure?.code).toBe("NETWORK");
    vi.spyOn(file, "slice").mockReturnValueOnce({ arrayBuffer: () => Promise.reject(new Error("gone")) } as Blob &
      never);
    const unreadable = send();
    xhr.onerror?.();
    expect((await unreadable).failure?.code).toBe("UNREADABLE");
  });
});
