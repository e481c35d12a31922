import { describe, expect, it } from "vitest";
import { english } from "./en";
import { french } from "./fr";
import { LanguageChoice, localeOf } from "./language.svelte";

/** Every name in a dictionary, with what it stands for: a text, a function, or "list". */
function shape(words: object, path = ""): string[] {
  return Object.entries(words).flatMap(([name, value]) => {
    if (Array.isArray(value)) return [`${path}${name}: list of ${value.length}`];
    return typeof value === "object" ? shape(value, `${path}${name}.`) : [`${path}${name}: ${typeof value}`];
  });
}

describe("words", () => {
  const en = english("en-GB");
  const fr = french("fr-FR");

  it("are all there in both languages", () => {
    expect(shape(fr)).toEqual(shape(en));
  });

  it("are nowhere left in English", () => {
    const same = Object.entries(fr).filter(
      ([name, value]) => typeof value === "string" && value === en[name as "upload"],
    );
    expect(same.map(([name]) => name)).toEqual(["product"]);
  });

  it("count as each language does", () => {
    expect([0, 1, 2, 1204].map(en.bytes)).toEqual(["0 bytes", "1 byte", "2 bytes", "1,204 bytes"]);
    expect([0, 1, 2, 1204].map(fr.bytes)).toEqual(["0 octet", "1 octet", "2 octets", "1\u202f204 octets"]);
  });
});

describe("the language", () => {
  it.each([
    [["fr-CA", "en-US"], "fr", "fr-CA"],
    [["de", "fr"], "fr", "fr-FR"],
    [["de", "en-US", "fr"], "en", "en-US"],
    [["ja"], "en", "en-GB"],
    [[], "en", "en-GB"],
    [["en-US@posix"], "en", "en-GB"],
    [["en-US@posix", "fr-CA"], "fr", "fr-CA"],
  ])("of a browser that asks for %j is %s", (asked, current, locale) => {
    const choice = new LanguageChoice(asked);
    expect([choice.current, choice.locale]).toEqual([current, locale]);
  });

  it("may be chosen", () => {
    const choice = new LanguageChoice(["en-US"]);
    choice.choose("fr");
    expect([choice.current, choice.locale]).toEqual(["fr", "fr-FR"]);
    choice.choose("en");
    expect([choice.current, choice.locale]).toEqual(["en", "en-US"]);
  });

  it("keeps the reader's country for numbers and dates", () => {
    expect(localeOf("en", ["en", "en-AU"])).toBe("en-AU");
  });
});
