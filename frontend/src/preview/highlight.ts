import type { Marks } from "./colours";
import type { Job } from "./highlight.worker";
import address from "./highlight.worker?worker&url";

/** A grammar can be led astray by a text that was made for it; the text then stays in one colour. */
const LONGEST = 15_000;

// A worker is code, and of the page's Trusted Types only this one gives its address: it knows no other.
const code = globalThis.trustedTypes?.createPolicy("satchel-worker", { createScriptURL: () => address });

let idle: Worker | undefined;

/**
 * Colours a text beside the page, so that no text can block it. Aborting ends the work at once.
 *
 * @returns undefined where it was aborted, failed or took too long.
 */
export function highlight(text: string, language: string, signal: AbortSignal): Promise<Marks | undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    const worker = idle ?? started();
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

function started(): Worker {
  return new Worker((code?.createScriptURL("") ?? address) as string, { type: "module" });
}
