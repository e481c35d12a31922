/** Whether the table of the keys is shown. */
export class KeyTable {
  shown = $state(false);

  show(): void {
    this.shown = true;
  }

  close(): void {
    this.shown = false;
  }
}
