import { english, type Words } from "./en";
import { french } from "./fr";
import { type Language, language } from "./language.svelte";

export type { Words } from "./en";
export { type Language, language, languages } from "./language.svelte";

const write: Record<Language, (locale: string) => Words> = { en: english, fr: french };
const written = new Map<string, Words>();

/** The words of the reader's language. What reads them while it renders is rendered anew when the language changes. */
export const words: Words = new Proxy({} as Words, {
  get(_, name: keyof Words) {
    const { current, locale } = language;
    let all = written.get(locale);
    if (!all) {
      all = write[current](locale);
      written.set(locale, all);
    }
    return all[name];
  },
});
