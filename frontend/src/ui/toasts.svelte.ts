/** What is said, asked for anew when the reader takes another language. */
type Said = () => string;

export interface ToastOptions {
  text: Said;
  tone?: "plain" | "bad";
  action?: { label: Said; run(): void };
  /** As long as this lasts the toast stays, with its action; then it has none, and its time begins. */
  during?: Promise<unknown>;
  /** Called when the toast goes by itself or is dismissed, not when its action was taken. */
  expired?(): void;
}

export interface Toast extends ToastOptions {
  id: number;
}

const STAYS = 6_000;
/** More would cover the list; the oldest goes, and one that offers something only where all do. */
const AT_MOST = 4;

/** Short messages at the foot of the page. They wait while the pointer or the focus is on them. */
export class Toasts {
  shown = $state.raw<readonly Toast[]>([]);

  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #pointed = false;
  #focused = false;

  show(options: ToastOptions): number {
    const toast: Toast = { ...options, id: this.#next++ };
    const before = this.shown;
    this.shown = [...before, toast];
    this.#start(toast);
    void toast.during?.then(() => this.#over(toast.id));
    const [oldest] = before.toSorted((one, other) => Number(!!one.action) - Number(!!other.action));
    if (oldest && this.shown.length > AT_MOST) this.dismiss(oldest.id);
    return toast.id;
  }

  /** Ends a toast as its time would. */
  dismiss(id: number): void {
    this.withdraw(id)?.expired?.();
  }

  act(id: number): void {
    this.withdraw(id)?.action?.run();
  }

  /** Runs what the newest of those that offer something offers; false where none does. */
  actNewest(): boolean {
    const newest = this.shown.findLast(({ action }) => action);
    if (newest) this.act(newest.id);
    return newest !== undefined;
  }

  /** Takes a toast away without a consequence. */
  withdraw(id: number): Toast | undefined {
    this.#stop(id);
    const toast = this.shown.find((each) => each.id === id);
    this.shown = this.shown.filter((each) => each !== toast);
    // What is gone says nothing of the pointer or the focus that was on it.
    if (this.shown.length === 0) this.#pointed = this.#focused = false;
    return toast;
  }

  /** Whether the pointer is on one of them. */
  point(on: boolean): void {
    this.#pointed = on;
    this.#turn();
  }

  /** Whether the focus is on one of them. */
  focus(on: boolean): void {
    this.#focused = on;
    this.#turn();
  }

  #turn(): void {
    for (const toast of this.shown) {
      if (this.#held) this.#stop(toast.id);
      else this.#start(toast);
    }
  }

  get #held(): boolean {
    return this.#pointed || this.#focused;
  }

  #over(id: number): void {
    this.shown = this.shown.map((each) => {
      if (each.id !== id) return each;
      const { action: _, during: __, ...over } = each;
      return over;
    });
    this.#turn();
  }

  #start({ id, during }: Toast): void {
    if (this.#held || during || this.#timers.has(id)) return;
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), STAYS),
    );
  }

  #stop(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }
}
