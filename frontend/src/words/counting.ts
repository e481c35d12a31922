export interface Counting {
  integer: Intl.NumberFormat;
  /** "42%", "42 %": of a share, where 1 is the whole. */
  percent: Intl.NumberFormat;
  /** "1 file", "1,204 files": the number as the language writes it, and the form that goes with it. */
  count(n: number, one: string, other: string): string;
}

export function counting(locale: string): Counting {
  const integer = new Intl.NumberFormat(locale);
  const forms = new Intl.PluralRules(locale);
  return {
    integer,
    percent: new Intl.NumberFormat(locale, { style: "percent" }),
    count: (n, one, other) => `${integer.format(n)} ${forms.select(n) === "one" ? one : other}`,
  };
}
