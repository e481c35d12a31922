import { type Answer, failed } from "../api/answer";

/** More text than this is a download, not a preview. */
export const TEXT_LIMIT = 1024 * 1024;

export interface TextHead {
  text: string;
  /** The file goes on. */
  cut: boolean;
}

/** Reads the head of a text file. Decoded as UTF-8 unless a byte order mark says otherwise. */
export async function textHead(url: string, size: number, signal: AbortSignal): Promise<Answer<TextHead>> {
  // No range of an empty file can be satisfied.
  if (size === 0) return { data: { text: "", cut: false } };
  try {
    const response = await fetch(url, { headers: { Range: `bytes=0-${TEXT_LIMIT - 1}` }, signal });
    if (!response.ok) return failed(response.status === 404 ? "NOT_FOUND" : `HTTP_${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer()).subarray(0, TEXT_LIMIT);
    // In a stream, a character that the limit has cut in two is held back instead of being drawn as a broken one.
    return { data: { text: decoderFor(bytes).decode(bytes, { stream: true }), cut: size > TEXT_LIMIT } };
  } catch {
    return failed(signal.aborted ? "ABORTED" : "NETWORK");
  }
}

function decoderFor([first, second]: Uint8Array): TextDecoder {
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le");
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be");
  return new TextDecoder();
}
