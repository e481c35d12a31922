/**
 * What the page begins with: the head of the list, which a link in the page preloads.
 *
 * So the answer is on its way before there is any script. The build writes the link (vite.config.ts).
 */
import { stringifyDocument } from "@urql/core";
import type { ResultOf, VariablesOf } from "gql.tada";
import type { Answer } from "./answer";
import { FilePage } from "./documents";
import { ENDPOINT } from "./endpoint";

type Wanted = VariablesOf<typeof FilePage>;
type Head = ResultOf<typeof FilePage>;

/** Few enough to be there quickly, and enough to fill a screen. */
export const FIRST = {
  first: 60,
  after: null,
  filter: {},
  orderBy: "UPLOAD_DATE_DESC",
  head: true,
} as const satisfies Wanted;

/** What the link is. */
export function link(): Record<"rel" | "as" | "crossorigin" | "href", string> {
  const asked = new URLSearchParams({ query: stringifyDocument(FilePage), variables: JSON.stringify(FIRST) });
  return { rel: "preload", as: "fetch", crossorigin: "anonymous", href: `${ENDPOINT}?${asked}` };
}

let taken = false;

/** The answer to the link, for whoever wants that, once; undefined where there is none, and the usual way is left. */
export async function preloaded(wanted: Wanted, signal: AbortSignal): Promise<Answer<Head> | undefined> {
  if (taken || JSON.stringify({ ...FIRST, ...wanted }) !== JSON.stringify(FIRST)) return undefined;
  taken = true;
  const preload = document.querySelector<HTMLLinkElement>("link[rel=preload][as=fetch]");
  if (!preload) return undefined;
  try {
    // The same request to the letter, or the browser would send it again.
    const { data, errors } = await (await fetch(preload.href, { signal })).json();
    return data && !errors ? { data } : undefined;
  } catch {
    return undefined;
  }
}
