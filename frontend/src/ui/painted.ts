/** A page that nobody looks at is not painted (ms). */
const PATIENCE = 250;

/** The browser tells of the first picture once it is presented, which takes as long again as what the page does for it. */
const presented = new Promise<void>((resolve) => {
  new PerformanceObserver((list) => {
    if (list.getEntriesByName("first-contentful-paint").length > 0) resolve();
  }).observe({ type: "paint", buffered: true });
});

/** Resolves once what was changed a moment ago stands on the screen: what can wait for that must not hold it up. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, PATIENCE);
    requestAnimationFrame(() => setTimeout(() => void presented.then(resolve)));
  });
}
