/** Letters that are written from right to left, and what belongs to them: Hebrew, Arabic, Syriac, Thaana, N’Ko and others. */
export const RIGHT_TO_LEFT =
  "[\\u0590-\\u08ff\\ufb1d-\\ufdff\\ufe70-\\ufefc\\u{10800}-\\u{10fff}\\u{1e800}-\\u{1efff}]";

const anywhere = new RegExp(RIGHT_TO_LEFT, "u");

/**
 * A name as it stands in a sentence of a language that is written from left to right: set apart, or what comes after it,
 * as a number or a sign, would join its direction and move to its other side.
 */
export const isolated = (name = ""): string => (anywhere.test(name) ? `\u2068${name}\u2069` : name);
