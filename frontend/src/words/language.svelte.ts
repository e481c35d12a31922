import { remember, remembered } from "../ui/remembered";

export const languages = ["en", "fr"] as const;
export type Language = (typeof languages)[number];

/** Where the reader's own list of languages names no country, dates and numbers are written as here. */
const USUAL: Record<Language, string> = { en: "en-GB", fr: "fr-FR" };

/**
 * The first of the browser's languages that there are words for, until the reader chooses another. Dates and numbers are
 * written in the way of the reader's own country, as far as it speaks the language.
 */
export class LanguageChoice {
  #asked: readonly string[];
  #chosen = $state<Language>();
  readonly current: Language = $derived(this.#chosen ?? this.#own);
  /** Derived, because it is asked for with every word that is drawn. */
  readonly locale: string = $derived.by(() => localeOf(this.current, this.#asked));

  constructor(asked: readonly string[] = typeof navigator === "undefined" ? [] : navigator.languages) {
    this.#asked = asked.filter(isTag);
    this.#chosen = languages.find((each) => each === remembered("language"));
    this.#tell();
  }

  choose(language: Language): void {
    this.#chosen = language === this.#own ? undefined : language;
    remember("language", this.#chosen);
    this.#tell();
  }

  get #own(): Language {
    for (const asked of this.#asked) {
      const own = languages.find((each) => speaks(asked, each));
      if (own) return own;
    }
    return "en";
  }

  /** Screen readers and hyphenation go by it. */
  #tell(): void {
    if (typeof document !== "undefined") document.documentElement.lang = this.current;
  }
}

export function localeOf(language: Language, asked: readonly string[]): string {
  return asked.find((each) => speaks(each, language) && each.includes("-")) ?? USUAL[language];
}

/** Chromium asks for "en-US@posix" where its system has no language, and Intl fails on what is no tag. */
function isTag(asked: string): boolean {
  try {
    return Intl.getCanonicalLocales(asked).length > 0;
  } catch {
    return false;
  }
}

function speaks(asked: string, language: Language): boolean {
  return asked.toLowerCase().split("-")[0] === language;
}

export const language = new LanguageChoice();
