/**
 * What the reader chose, kept by the browser under a name of its own. Storage may be forbidden: then nothing is known, and
 * a choice lasts as long as the page.
 */
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`satchel.${name}`);
  } catch {
    return null;
  }
}

/** Keeps a choice, or forgets it where there is none. */
export function remember(name: string, choice: string | undefined): void {
  try {
    if (choice === undefined) localStorage.removeItem(`satchel.${name}`);
    else localStorage.setItem(`satchel.${name}`, choice);
  } catch {
    // See above.
  }
}
