/**
 * Names the elements that a window of a long list is drawn with.
 *
 * Making rows is most of what scrolling costs, so a row that comes into view is given the element of one that left it.
 * Whatever stays in view keeps its element, and with it the focus, what is typed and the place in the document.
 */
export class Recycler<Id> {
  #names = new Map<Id, number>();
  #made = 0;

  /** Each row with the name of its element; those that are new get one that nothing was drawn with before. */
  name<Row>(rows: readonly Row[], idOf: (row: Row) => Id, isNew: (id: Id) => boolean = () => false) {
    const before = this.#names;
    const ids = rows.map(idOf);
    const staying = new Set(ids);
    const free = [...before].filter(([id]) => !staying.has(id)).map(([, name]) => name);
    const nameOf = (id: Id) => before.get(id) ?? (isNew(id) ? undefined : free.shift()) ?? this.#made++;
    this.#names = new Map(ids.map((id) => [id, nameOf(id)]));
    return rows.map((row, nth) => ({ ...row, name: this.#names.get(ids[nth] as Id) as number }));
  }
}
