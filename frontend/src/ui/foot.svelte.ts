const GAP = 16;
/** Toasts at their widest, the tray, and the gaps around them. */
const SIDE_BY_SIDE = 870;

/**
 * What stands in front of the foot of the list, in pixels. The list leaves room for it, so that its last rows can be
 * reached, and what stands there makes room for one another.
 */
export class Foot {
  /** Height of the line that tells of a lost connection, at the very foot; 0 without it. */
  bar = $state(0);
  /** Height of the upload tray; 0 without it. */
  tray = $state(0);
  /** Width of the list. */
  width = $state(0);

  /** How much of the list is covered. */
  get room(): number {
    return this.bar + (this.tray > 0 ? this.tray + 2 * GAP : 0);
  }

  /** How far above their usual place the toasts must stand. */
  get lift(): number {
    return this.bar + (this.tray > 0 && this.width < SIDE_BY_SIDE ? this.tray + GAP : 0);
  }
}
