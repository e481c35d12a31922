/**
 * What the worker sends instead of markup: pairs of (end, colour) over the whole text, where `end` is exclusive and
 * `colour` an index in `colours`. The page makes elements of them only for what is in view.
 */
export type Marks = Uint32Array<ArrayBuffer>;

/** Each is a token `--code-…` of the theme; the first is that of the text. */
export const colours = [
  "",
  "keyword",
  "string",
  "number",
  "comment",
  "name",
  "type",
  "meta",
  "added",
  "removed",
] as const;

export type Colour = (typeof colours)[number];

/** https://highlightjs.readthedocs.io/en/latest/css-classes-reference.html */
const byScope: Record<string, Colour> = {
  addition: "added",
  attr: "name",
  attribute: "name",
  built_in: "type",
  bullet: "keyword",
  char: "string",
  class: "type",
  code: "string",
  comment: "comment",
  deletion: "removed",
  doctag: "meta",
  formula: "number",
  function: "name",
  keyword: "keyword",
  link: "string",
  literal: "number",
  meta: "meta",
  name: "keyword",
  number: "number",
  property: "name",
  quote: "comment",
  regexp: "string",
  section: "name",
  selector: "name",
  "selector-attr": "name",
  "selector-class": "name",
  "selector-id": "name",
  "selector-pseudo": "meta",
  "selector-tag": "keyword",
  string: "string",
  subst: "",
  symbol: "number",
  "template-tag": "meta",
  "template-variable": "meta",
  title: "name",
  type: "type",
  variable: "type",
};

/** A tag as highlight.js writes it, an escaped character, or a run of others. It escapes every `<` and `&` of the text. */
const PIECE = /<span class="(?:hljs-)?([^" .]+)[^"]*">|(<\/span>)|&(?:amp|lt|gt|quot|#x27);|[^<&]+/g;

/** Reads highlight.js's HTML as marks. Nothing of it is ever handed to the page as HTML. */
export function marksOf(html: string): Marks {
  const marks: number[] = [];
  const open = [0];
  let at = 0;
  for (const { 0: piece, 1: scope, 2: closes } of html.matchAll(PIECE)) {
    const colour = open.at(-1) ?? 0;
    if (closes) {
      open.pop();
    } else if (scope !== undefined) {
      const inner = byScope[scope];
      open.push(inner === undefined ? colour : colours.indexOf(inner));
    } else {
      at += piece.startsWith("&") ? 1 : piece.length;
      if (marks.at(-1) === colour) marks[marks.length - 2] = at;
      else marks.push(at, colour);
    }
  }
  return new Uint32Array(marks);
}

export interface Run {
  text: string;
  colour: Colour;
}

/** A part of the text in runs of one colour each. What the marks do not reach has the text's own. */
export function runs(text: string, from: number, to: number, marks: Marks | undefined): Run[] {
  const found: Run[] = [];
  let at = from;
  for (let nth = marks ? firstAfter(marks, from) : 0; marks && at < to && nth < marks.length; nth += 2) {
    const end = Math.min(to, marks[nth] as number);
    found.push({ text: text.slice(at, end), colour: colours[marks[nth + 1] as number] ?? "" });
    at = end;
  }
  if (at < to) found.push({ text: text.slice(at, to), colour: "" });
  return found;
}

/** Where the pair stands that the character at `from` belongs to. */
function firstAfter(marks: Marks, from: number): number {
  let low = 0;
  let high = marks.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((marks[middle * 2] as number) <= from) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}
