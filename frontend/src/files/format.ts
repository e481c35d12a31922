/** How sizes, dates and names are written. Dates take `now` so that they can be redrawn, and tested. */
import { language, words } from "../words";
import { RIGHT_TO_LEFT } from "../words/direction";

/** A format in the reader's language, made when it is first needed: that is slow. */
function inLanguage<Format>(make: (locale: string) => Format): () => Format {
  const made = new Map<string, Format>();
  return () => {
    const { locale } = language;
    const format = made.get(locale) ?? make(locale);
    made.set(locale, format);
    return format;
  };
}

const numbers = (options: Intl.NumberFormatOptions) => inLanguage((locale) => new Intl.NumberFormat(locale, options));
const dates = (options: Intl.DateTimeFormatOptions) => inLanguage((locale) => new Intl.DateTimeFormat(locale, options));

const whole = numbers({ maximumFractionDigits: 0 });
const tenth = numbers({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
const timeOfDay = dates({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayAndMonth = dates({ day: "numeric", month: "short" });
const fullDay = dates({ day: "numeric", month: "short", year: "numeric" });
const exact = dates({ dateStyle: "full", timeStyle: "long" });

/** Makes what most rows need, while there is time for it. */
export function prepare(): void {
  whole();
  tenth();
}

/** 812 KB, 4.1 MB, 220 MB: in steps of 1024, three figures at most. */
export function size(bytes: number): string {
  if (bytes < 1024) return words.bytes(bytes);
  let value = bytes;
  let unit = -1;
  // 1023.6 MB would be written as 1,024 MB, which is 1.0 GB.
  while (Math.round(value) >= 1024 && unit < words.units.length - 1) {
    value /= 1024;
    unit++;
  }
  const figures = unit === 0 || value >= 99.95 ? whole : tenth;
  return `${figures().format(value)} ${words.units[unit]}`;
}

/** "7.4 of 11.9 GB": the unit is written once where both have the same. */
export function sizeOf(sent: number, all: number): string {
  const [part, unit] = size(sent).split(" ");
  const total = size(all);
  return words.sentOf(total.endsWith(` ${unit}`) ? (part ?? "") : size(sent), total);
}

export function duration(seconds: number): string {
  if (seconds < 60) return words.seconds(Math.max(1, Math.round(seconds)));
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? words.minutes(minutes) : words.hours(Math.floor(minutes / 60), minutes % 60);
}

/** 2 min ago, 3 h ago, Yesterday, 19 Nov, 19 Nov 2025. A clock that is behind the server's reads "Just now". */
export function relativeDate(iso: string, now: number): string {
  const date = new Date(iso);
  const minutes = Math.floor((now - date.getTime()) / 60_000);
  if (minutes < 1) return words.justNow;
  if (minutes < 60) return words.minutesAgo(minutes);
  const days = daysBetween(date, new Date(now));
  if (days === 0) return words.hoursAgo(Math.floor(minutes / 60));
  if (days === 1) return words.yesterday;
  return (date.getFullYear() === new Date(now).getFullYear() ? dayAndMonth() : fullDay()).format(date);
}

/** Today, 14:02 or 19 Nov 2026, 14:02. */
export function dayAndTime(iso: string, now: number): string {
  const date = new Date(iso);
  const days = daysBetween(date, new Date(now));
  const day = days === 0 ? words.today : days === 1 ? words.yesterday : fullDay().format(date);
  return words.onDay(day, timeOfDay().format(date));
}

export const exactDate = (iso: string): string => exact().format(new Date(iso));

function daysBetween(earlier: Date, later: Date): number {
  const midnight = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (midnight(later) - midnight(earlier)) / 86_400_000;
}

/** Made for the first name that needs it. */
let graphemes: Intl.Segmenter | undefined;

/**
 * Cuts a name into a head, which may be shortened on the screen, and a tail that stays: the extension and a few letters
 * before it. Never inside a character, however many code points it has, nor where letters run from right to left.
 */
export function splitName(name: string): [head: string, tail: string] {
  const characters = charactersOf(name);
  const dot = characters.lastIndexOf(".");
  const extension = dot > 0 ? characters.length - dot : 0;
  // What follows a late dot is an extension; what follows an early one ("v1. The whole story") is prose.
  const ending = extension <= 10 ? extension : 0;
  const kept = ending + 4;
  if (characters.length <= kept + 4) return [name, ""];
  const cut = (tail: number) =>
    [characters.slice(0, -tail).join(""), characters.slice(-tail).join("")] as [string, string];
  const [head, tail] = cut(kept);
  // Side by side, two halves of one run would stand in the order of the page, which is not that of the run.
  if (!LAST_IS_RIGHT_TO_LEFT.test(head) && !FIRST_IS_RIGHT_TO_LEFT.test(tail)) return [head, tail];
  return ending > 0 ? cut(ending) : [name, ""];
}

const LAST_IS_RIGHT_TO_LEFT = new RegExp(`${RIGHT_TO_LEFT}\\P{L}*$`, "u");
const FIRST_IS_RIGHT_TO_LEFT = new RegExp(`^\\P{L}*${RIGHT_TO_LEFT}`, "u");

/** How much of a name is not its extension: what is worth replacing when a file gets another name. */
export function stemLength(name: string): number {
  // Behind a longer one there is prose, as in "v1. The whole story".
  const extension = /(?:\.tar)?\.[^.\s]{1,10}$/i.exec(name)?.index ?? 0;
  return extension > 0 ? extension : name.length;
}

/** Finding the limits of characters is slow, and most names have nothing to find. */
function charactersOf(text: string): string[] {
  if (/^[ -~]*$/.test(text)) return text.split("");
  graphemes ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** The letters on a file's tile: its extension where that is short, else its kind. */
export function tileLabel(filename: string, kind: string): string {
  const extension = /\.([a-z0-9]{1,4})$/i.exec(filename)?.[1];
  return (
    extension ??
    { IMAGE: "IMG", VIDEO: "VID", AUDIO: "AUD", TEXT: "TXT", ARCHIVE: "ARC", OTHER: "FILE" }[kind] ??
    kind
  ).toUpperCase();
}
