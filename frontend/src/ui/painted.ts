/** A page that nobody looks at is not painted (ms). */
const PATIENCE = 250;

/** Resolves once what was changed a moment ago stands on the screen: what can wait for that must not hold it up. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, PATIENCE);
    requestAnimationFrame(() => setTimeout(resolve));
  });
}
