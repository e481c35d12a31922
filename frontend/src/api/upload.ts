/**
 * Uploads by the GraphQL multipart request specification: `operations`, then `map`, then the file, in this order, so that
 * the server can stream the bytes. Sent by XMLHttpRequest, since fetch reports no upload progress.
 * https://github.com/jaydenseric/graphql-multipart-request-spec
 */
import { stringifyDocument } from "@urql/core";
import { type Answer, failed, failureIn } from "./answer";
import { type UploadedFile, UploadFile } from "./documents";
import { ENDPOINT } from "./endpoint";

export interface UploadOptions {
  /** SHA-256 in hex of the file, where it is known: the service takes no other bytes. */
  hash?: string | undefined;
  /** The same key on every attempt for the same file: an attempt whose answer was lost makes no duplicate. */
  idempotencyKey: string;
  signal: AbortSignal;
  /** Bytes of the file that have left so far; equal to its size once only the answer is missing. */
  progress(sent: number): void;
}

export function uploadBody(file: File, { hash, idempotencyKey }: UploadOptions): FormData {
  const body = new FormData();
  const variables = { file: null, hash, idempotencyKey };
  body.append("operations", JSON.stringify({ query: stringifyDocument(UploadFile), variables }));
  body.append("map", JSON.stringify({ 0: ["variables.file"] }));
  body.append("0", file, file.name);
  return body;
}

export function uploadFile(file: File, options: UploadOptions): Promise<Answer<UploadedFile>> {
  const { signal, progress } = options;
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(failed("ABORTED"));
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    signal.addEventListener("abort", abort, { once: true });
    xhr.upload.onprogress = ({ loaded, total }) => {
      // The request is a little longer than the file: names and boundaries.
      progress(Math.min(file.size, Math.max(0, loaded - (total - file.size))));
    };
    xhr.upload.onload = () => progress(file.size);
    xhr.onload = () => resolve(answerIn(xhr.status, xhr.responseText));
    xhr.onabort = () => resolve(failed("ABORTED"));
    xhr.onerror = () => void isReadable(file).then((readable) => resolve(failed(readable ? "NETWORK" : "UNREADABLE")));
    xhr.onloadend = () => signal.removeEventListener("abort", abort);
    xhr.open("POST", ENDPOINT);
    xhr.setRequestHeader("Accept", "application/graphql-response+json, application/json");
    xhr.send(uploadBody(file, options));
  });
}

/** Whether anything answers at the service's address, whatever it says. */
export async function isReachable(): Promise<boolean> {
  try {
    await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    return true;
  } catch {
    return false;
  }
}

/** A file that was moved, or a folder that came as a file, fails as if the network had: only reading it tells. */
export async function isReadable(file: Blob): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function answerIn(status: number, text: string): Answer<UploadedFile> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return failed(`HTTP_${status}`);
  }
  const failure = failureIn(body);
  if (failure) return { failure };
  const uploaded = (body as { data?: { uploadFile?: UploadedFile } } | null)?.data?.uploadFile;
  return uploaded ? { data: uploaded } : failed(`HTTP_${status}`);
}
