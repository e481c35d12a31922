/** The rows of one height that a scrolled view shows, with some on either side; `last` is exclusive. */
export function visibleRows(view: { top: number; height: number }, row: number, count: number, spare: number) {
  const first = Math.max(0, Math.min(Math.floor(view.top / row), count) - spare);
  const last = Math.min(count, Math.ceil((view.top + view.height) / row) + spare);
  return { first, last };
}
