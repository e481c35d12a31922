export interface ToastOptions {
  text: string;
  tone?: "plain" | "bad";
  action?: { label: string; run(): void };
  /** Called when the toast goes by itself or is dismissed, not when its action was taken. */
  expired?(): void;
}

export interface Toast extends ToastOptions {
  id: number;
}

const STAYS = 6_000;
/** More would cover the list; the oldest goes. */
const AT_MOST = 4;

/** Short messages at the foot of the page. They wait while the pointer or the focus is on them. */
export class Toasts {
  shown = $state.raw<readonly Toast[]>([]);

  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  show(options: ToastOptions): number {
    const toast = { ...options, id: this.#next++ };
    this.shown = [...this.shown, toast];
    this.#start(toast.id);
    const [oldest] = this.shown;
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

  /** Takes a toast away without a consequence. */
  withdraw(id: number): Toast | undefined {
    this.#hold(id);
    const toast = this.shown.find((each) => each.id === id);
    this.shown = this.shown.filter((each) => each !== toast);
    return toast;
  }

  hold(): void {
    for (const { id } of this.shown) this.#hold(id);
  }

  release(): void {
    for (const { id } of this.shown) if (!this.#timers.has(id)) this.#start(id);
  }

  #start(id: number): void {
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), STAYS),
    );
  }

  #hold(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }
}
