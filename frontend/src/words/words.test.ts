import { readFileSync } from "node:fs";
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

describe("a name in a sentence", () => {
  it("is set apart where its letters run the other way, and nowhere else", () => {
    for (const words of [english("en-GB"), french("fr-FR")]) {
      expect(words.deleted(["שלום 2"])).toContain("\u2068שלום 2\u2069");
      expect(words.noResult("مرحبا", undefined)).toContain("\u2068مرحبا\u2069");
      expect(words.deleted(["note 2.txt"])).not.toMatch(/[\u2066-\u2069]/);
      expect(words.selectFile("שלום 2")).not.toMatch(/[\u2066-\u2069]/);
    }
  });
});

describe("a failure", () => {
  const dictionaries = [english("en-GB"), french("fr-FR")];
  /** What the page never meets, or asks for nothing of; and refusals of which only the server's sentence tells the limit. */
  const unworded = [
    ["METHOD_NOT_ALLOWED", "NOT_ACCEPTABLE", "UNSUPPORTED_MEDIA_TYPE", "URI_TOO_LONG", "TOO_MANY_SUBSCRIPTIONS"],
    ["FORBIDDEN_DESTINATION", "PRECONDITION_FAILED", "RANGE_NOT_SATISFIABLE", "CURSOR_EXPIRED"],
    ["BAD_REQUEST", "BAD_MULTIPART", "QUERY_TOO_COMPLEX"],
  ].flat();

  it("of the server's table has words in each language, or is known to need none", () => {
    const table = readFileSync(new URL("../../../backend/satchel/errors.py", import.meta.url), "utf8");
    const codes = [...table.matchAll(/^ {4}([A-Z_]+) = Failure\(/gm)].map(([, code]) => code as string);
    expect(codes.length).toBeGreaterThan(20);
    const said = (code: string) => dictionaries.filter((each) => each.failure({ code, message: "?!" }).includes("?!"));
    expect(codes.filter((code) => said(code).length > 0).sort()).toEqual(unworded.sort());
  });

  it("of a proxy says what to do", () => {
    for (const words of dictionaries) {
      expect(words.failure({ code: "HTTP_413", message: "" })).toMatch(/client_max_body_size\)\. \(HTTP_413\)$/);
    }
  });

  it("that only the server can word is said to be in English where the reader's language is another", () => {
    const failure = { code: "BAD_REQUEST", message: "A search may have 200 characters at most." };
    expect(dictionaries.map((words) => words.failure(failure))).toEqual([
      "A search may have 200 characters at most. (BAD_REQUEST)",
      "Le serveur n’a pas pu faire cela. Il dit, en anglais\u00a0: «\u202fA search may have 200 characters at most.\u202f» (BAD_REQUEST)",
    ]);
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
