import { type Failure, failed, failureFrom } from "../api/answer";
import type { StoredFile } from "../api/documents";
import { type Block, recut } from "./blocks";
import type { Marks } from "./colours";
import { languageOf } from "./languages";

/** How many bytes are read at a time (1 MB); the reader asks for each next one. */
export const PAGE = 1024 * 1024;
/** Longer texts are coloured up to here only (characters): each page more colours all before it anew. */
const COLOURED = 4 * 1024 * 1024;

export type Highlight = (text: string, language: string, signal: AbortSignal) => Promise<Marks | undefined>;

/** A text file that is read page by page and coloured beside the page. Nothing is done after `close`. */
export class TextFile {
  text = $state.raw("");
  blocks = $state.raw<readonly Block[]>([]);
  marks = $state.raw<Marks>();
  status = $state<"loading" | "ready" | "failed">("loading");
  failure = $state.raw<Failure>();
  /** Bytes that are shown. */
  read = $state(0);

  readonly size: number;
  readonly language: string | undefined;

  #url: string;
  #highlight: Highlight;
  #decoder: TextDecoder | undefined;
  #closing = new AbortController();
  #colouring: AbortController | undefined;

  constructor(file: Pick<StoredFile, "size" | "contentType">, url: string, highlight: Highlight) {
    this.size = file.size;
    this.language = languageOf(file.contentType);
    this.#url = url;
    this.#highlight = highlight;
  }

  get hasMore(): boolean {
    return this.read < this.size;
  }

  /** Reads the next page; after a failure, the same one again. */
  async more(): Promise<void> {
    this.status = "loading";
    this.failure = undefined;
    // No range of an empty file can be satisfied.
    const { bytes, failure } = this.size === 0 ? { bytes: new Uint8Array() } : await this.#page();
    if (this.#closing.signal.aborted) return;
    if (!bytes) {
      this.failure = failure;
      this.status = "failed";
      return;
    }
    this.read += bytes.length;
    this.#decoder ??= decoderFor(bytes, this.hasMore);
    // In a stream, a character that the end of a page has cut in two waits for the next page.
    this.text += this.#decoder.decode(bytes, { stream: this.hasMore });
    this.blocks = recut(this.text, this.blocks);
    this.status = "ready";
    void this.#colour();
  }

  close(): void {
    this.#closing.abort();
    this.#colouring?.abort();
  }

  async #page(): Promise<{ bytes: Uint8Array; failure?: undefined } | { bytes?: undefined; failure: Failure }> {
    const range = `bytes=${this.read}-${Math.min(this.read + PAGE, this.size) - 1}`;
    try {
      const response = await fetch(this.#url, { headers: { Range: range }, signal: this.#closing.signal });
      if (response.ok) {
        const bytes = new Uint8Array(await response.arrayBuffer());
        // Something between here and the server may know no ranges, and send the whole.
        return { bytes: response.status === 206 ? bytes : bytes.subarray(this.read, this.read + PAGE) };
      }
      return { failure: await failureFrom(response) };
    } catch {
      return failed("NETWORK");
    }
  }

  async #colour(): Promise<void> {
    if (!this.language || (this.marks && this.text.length > COLOURED)) return;
    this.#colouring?.abort();
    this.#colouring = new AbortController();
    const { signal } = this.#colouring;
    const marks = await this.#highlight(this.text, this.language, signal);
    if (marks && !signal.aborted) this.marks = marks;
  }
}

/**
 * UTF-8, unless a byte order mark says otherwise, or the first page is none: then what Excel and old editors write in the
 * west. At the end of a page that is not the last a character may be cut in two.
 */
function decoderFor(bytes: Uint8Array, more: boolean): TextDecoder {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le");
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be");
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: more });
    return new TextDecoder();
  } catch {
    return new TextDecoder("windows-1252");
  }
}
