import { startWorker } from "../workers";
import type { Marks } from "./colours";
import type { Job } from "./highlight.worker";

/** A grammar can be led astray by a text that was made for it; the text then stays in one colour. */
const LONGEST = 15_000;

let idle: Worker | undefined;

/**
 * Colours a text beside the page, so that no text can block it. Aborting ends the work at once.
 *
 * @returns undefined where it was aborted, failed or took too long.
 */
export function highlight(text: string, language: string, signal: AbortSignal): Promise<Marks | undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    const worker = idle ?? startWorker("highlight");
    idle = undefined;
    const done = (marks: Marks | undefined, usable: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      worker.onmessage = null;
      worker.onerror = null;
      // One is kept, with the grammars that it has loaded.
      if (usable && !idle) idle = worker;
      else worker.terminate();
      resolve(marks);
    };
    const stop = () => done(undefined, false);
    const timer = setTimeout(stop, LONGEST);
    signal.addEventListener("abort", stop);
    worker.onmessage = ({ data }: MessageEvent<Marks | undefined>) => done(data, true);
    worker.onerror = stop;
    worker.postMessage({ text, language } satisfies Job);
  });
}
