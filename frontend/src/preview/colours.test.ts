import { describe, expect, it } from "vitest";
import { colour } from "./colouring";
import { marksOf, runs } from "./colours";

async function coloured(text: string, language: string) {
  return runs(text, 0, text.length, await colour(text, language));
}

describe("colours", () => {
  it("are those of the language", async () => {
    expect(await coloured('const a = "b"; // c', "javascript")).toEqual([
      { text: "const", colour: "keyword" },
      { text: " a = ", colour: "" },
      { text: '"b"', colour: "string" },
      { text: "; ", colour: "" },
      { text: "// c", colour: "comment" },
    ]);
  });

  it.each([
    ["javascript", "`<img src=x onerror=alert(1)>` </span><script>alert('&amp;')</script> \"&#x27;\""],
    ["markdown", '# </span><b onclick="alert(1)">&lt;</b>\n```\n<svg onload=x>\n```'],
    ["xml", "<style>a{}</style><script>if (a < b && c) '</span>'</script><!-- \" ' & -->"],
    ["python", "f'''{\"</span>\"}''' # <i>\r\n\tπ = '👩‍🚀' & 1"],
    ["diff", "+<b>\n-</b>\n@@ -1 +1 @@ &"],
  ])("leave every character of hostile %s as it is", async (language, text) => {
    const found = await coloured(text, language);
    expect(found.map((run) => run.text).join("")).toBe(text);
    expect(found.some((run) => run.colour !== "")).toBe(true);
  });

  it("of a language nobody knows are none", async () => {
    expect(await colour("text", "klingon")).toBeUndefined();
    expect(await colour("text", "constructor")).toBeUndefined();
  });

  it("are those of the innermost tag that has one", () => {
    const marks = marksOf('<span class="hljs-string">a<span class="hljs-unheard-of">b</span>&lt;</span>c');
    expect([...marks]).toEqual([3, 2, 4, 0]);
  });

  it("are found for any part, also beyond what is coloured", () => {
    const marks = new Uint32Array([2, 0, 5, 1, 6, 0]);
    expect(runs("ab<if>cd", 3, 8, marks)).toEqual([
      { text: "if", colour: "keyword" },
      { text: ">", colour: "" },
      { text: "cd", colour: "" },
    ]);
    expect(runs("abc", 1, 3, undefined)).toEqual([{ text: "bc", colour: "" }]);
  });
});
