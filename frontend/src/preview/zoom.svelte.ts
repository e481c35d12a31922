interface Size {
  width: number;
  height: number;
}

/** From the middle of the view, in CSS pixels. */
interface Point {
  x: number;
  y: number;
}

/** Around a picture that fits. */
const MARGIN = 20;
const LARGEST = 8;
const STEP = Math.SQRT2;

/**
 * How a picture lies in its view: fitted and in the middle, until it is enlarged about a point and moved. A picture that
 * is smaller than the view is not blown up to fit.
 */
export class Zoom {
  view = $state.raw<Size>({ width: 0, height: 0 });
  picture = $state.raw<Size>();

  /** Undefined while it fits, whatever becomes of the view. */
  #scale = $state<number>();
  #moved = $state.raw<Point>({ x: 0, y: 0 });

  /** A new picture, as soon as its size is known; none while it is not. */
  show(picture: Size | undefined): void {
    this.picture = picture;
    this.fit();
  }

  get fitted(): boolean {
    return this.#scale === undefined;
  }

  get scale(): number {
    return this.#scale ?? this.#fitting;
  }

  get smallest(): boolean {
    return this.scale <= this.#fitting;
  }

  get largest(): boolean {
    return this.scale >= this.#most;
  }

  /** The size on the screen; a strip of 20,000 by 20 keeps a hair's breadth. */
  get drawn(): Size {
    const { width, height } = this.picture ?? { width: 0, height: 0 };
    return { width: Math.max(1, width * this.scale), height: Math.max(1, height * this.scale) };
  }

  /** Where the picture's middle is. A side that is larger than the view is never pulled away from its edge. */
  get at(): Point {
    const { x, y } = this.#room;
    return { x: within(this.#moved.x, x), y: within(this.#moved.y, y) };
  }

  /** Whether there is more of it than the view shows. */
  get overflows(): boolean {
    return this.#room.x > 0 || this.#room.y > 0;
  }

  fit(): void {
    this.#scale = undefined;
    this.#moved = { x: 0, y: 0 };
  }

  /** Enlarges or shrinks by a factor; the point of the picture under `about` stays where it is. */
  by(factor: number, about: Point = { x: 0, y: 0 }): void {
    this.#to(this.scale * factor, about);
  }

  /** One step in or out; it stops at 100 % on its way. */
  step(direction: 1 | -1): void {
    const wanted = this.scale * STEP ** direction;
    const crosses = (this.scale - 1) * (wanted - 1) < -0.001;
    this.#to(crosses || Math.abs(wanted - 1) < 0.05 ? 1 : wanted, { x: 0, y: 0 });
  }

  /** Full size where it fits, and back; a picture that is small enough already is doubled. */
  toggle(about: Point = { x: 0, y: 0 }): void {
    if (this.fitted) this.#to(this.#fitting < 1 ? 1 : 2, about);
    else this.fit();
  }

  /** Moves what is seen; false where there is nothing more to see on that side. */
  pan(x: number, y: number): boolean {
    const before = this.at;
    this.#moved = { x: before.x + x, y: before.y + y };
    const after = this.at;
    this.#moved = after;
    return after.x !== before.x || after.y !== before.y;
  }

  #to(wanted: number, about: Point): void {
    if (!this.picture) return;
    const scale = Math.min(wanted, this.#most);
    if (scale <= this.#fitting * 1.0001) {
      this.fit();
      return;
    }
    const ratio = scale / this.scale;
    const { x, y } = this.at;
    this.#scale = scale;
    this.#moved = { x: about.x - (about.x - x) * ratio, y: about.y - (about.y - y) * ratio };
    this.#moved = this.at;
  }

  get #fitting(): number {
    const { width, height } = this.picture ?? { width: 1, height: 1 };
    const room = (length: number) => Math.max(1, length - 2 * MARGIN);
    return Math.min(1, room(this.view.width) / width, room(this.view.height) / height);
  }

  /** Of a very small picture one pixel may become a large square. */
  get #most(): number {
    const { width, height } = this.picture ?? { width: 1, height: 1 };
    return Math.max(LARGEST, Math.min(this.view.width / width, this.view.height / height));
  }

  get #room(): Point {
    const { width, height } = this.drawn;
    return { x: Math.max(0, (width - this.view.width) / 2), y: Math.max(0, (height - this.view.height) / 2) };
  }
}

const within = (value: number, limit: number) => (limit > 0 ? Math.max(-limit, Math.min(value, limit)) : 0);
