/** What a finger that was moved across the sheet meant. */
export type Swipe = "next" | "previous" | "close";

/** Before this a finger has only trembled (CSS pixels). */
const SLACK = 10;
const FAR = 80;
/** A flick may be short (CSS pixels per millisecond). */
const FAST = 0.5;

interface Moment {
  x: number;
  y: number;
  /** Milliseconds. */
  time: number;
}

/** Follows one finger. The first pixels decide whether it goes along or across. */
export class SwipeTrack {
  #start: Moment;
  #axis: "x" | "y" | undefined;

  constructor(start: Moment) {
    this.#start = start;
  }

  /** How far the sheet follows. Upwards there is nothing to be had. */
  offset({ x, y }: Moment): { x: number; y: number } {
    const [dx, dy] = [x - this.#start.x, y - this.#start.y];
    if (!this.#axis && Math.hypot(dx, dy) > SLACK) this.#axis = Math.abs(dx) > Math.abs(dy) ? "x" : "y";
    return { x: this.#axis === "x" ? dx : 0, y: this.#axis === "y" ? Math.max(0, dy) : 0 };
  }

  end(moment: Moment): Swipe | undefined {
    const { x, y } = this.offset(moment);
    const took = Math.max(1, moment.time - this.#start.time);
    const meant = (way: number) => Math.abs(way) > FAR || (Math.abs(way) > 3 * SLACK && Math.abs(way) / took > FAST);
    if (meant(x)) return x < 0 ? "next" : "previous";
    return meant(y) ? "close" : undefined;
  }
}
