type Point = Pick<PointerEvent, "pointerType" | "clientX" | "clientY">;

const LONG = 450;
/** How far a finger may slip (px) before it is no longer a press. */
const SLIP = 10;

/** Tells a long press of a finger from a tap and from the beginning of a scroll. */
export class LongPress {
  #from: Point | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #taken = false;

  /** Whether the finger, not a mouse, is what pressed last. */
  get touched(): boolean {
    return this.#from?.pointerType === "touch";
  }

  down(event: Point, run: () => void): void {
    this.end();
    this.#from = event;
    this.#taken = false;
    if (!this.touched) return;
    this.#timer = setTimeout(() => {
      this.#taken = true;
      run();
    }, LONG);
  }

  move({ clientX, clientY }: Point): void {
    if (this.#from && Math.hypot(clientX - this.#from.clientX, clientY - this.#from.clientY) > SLIP) this.end();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  /** Whether the click that follows only ends a press that has done its work. */
  swallows(): boolean {
    const taken = this.#taken;
    this.#taken = false;
    return taken;
  }
}
