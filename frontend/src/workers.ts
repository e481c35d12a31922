/** What runs beside the page. */
import highlight from "./preview/highlight.worker?worker&url";
import upload from "./uploads/upload.worker?worker&url";

const addresses = { highlight, upload };

type Name = keyof typeof addresses;

// A worker is code, and of the page's Trusted Types only this one gives its address: it knows no others.
const code = globalThis.trustedTypes?.createPolicy("satchel-worker", {
  createScriptURL: (name) => addresses[name as Name],
});

export function startWorker(name: Name): Worker {
  return new Worker((code?.createScriptURL(name) ?? addresses[name]) as string, { type: "module" });
}
