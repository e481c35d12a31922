import { describe, expect, it } from "vitest";
import { Zoom } from "./zoom.svelte";

function zoomOn(width: number, height: number): Zoom {
  const zoom = new Zoom();
  zoom.view = { width: 440, height: 340 };
  zoom.show({ width, height });
  return zoom;
}

describe("a picture", () => {
  it("larger than its view is fitted into it, with a margin", () => {
    const zoom = zoomOn(4000, 1000);
    expect([zoom.fitted, zoom.drawn, zoom.at, zoom.overflows]).toEqual([
      true,
      { width: 400, height: 100 },
      { x: 0, y: 0 },
      false,
    ]);
  });

  it("smaller than its view keeps its size", () => {
    expect(zoomOn(100, 50).scale).toBe(1);
  });

  it.each([
    [1, 1],
    [20_000, 20],
    [20, 20_000],
    [30_000, 20_000],
  ])("of %i by %i is within the view when it is fitted, and never nothing", (width, height) => {
    const { drawn } = zoomOn(width, height);
    expect(drawn.width).toBeLessThanOrEqual(400);
    expect(drawn.height).toBeLessThanOrEqual(300);
    expect(Math.min(drawn.width, drawn.height)).toBeGreaterThanOrEqual(1);
  });

  it("stays fitted when the view changes, and keeps its scale when it was chosen", () => {
    const zoom = zoomOn(4000, 1000);
    zoom.view = { width: 840, height: 340 };
    expect(zoom.scale).toBe(0.2);
    zoom.toggle();
    zoom.view = { width: 440, height: 340 };
    expect(zoom.scale).toBe(1);
  });

  it("is enlarged about the point under the pointer", () => {
    const zoom = zoomOn(4000, 4000);
    zoom.toggle();
    const about = { x: 50, y: -30 };
    const under = () => ({ x: (about.x - zoom.at.x) / zoom.scale, y: (about.y - zoom.at.y) / zoom.scale });
    const before = under();
    zoom.by(1.7, about);
    expect(under().x).toBeCloseTo(before.x);
    expect(under().y).toBeCloseTo(before.y);
    expect(zoom.scale).toBeCloseTo(1.7);
  });

  it("is moved as far as its edge", () => {
    const zoom = zoomOn(1000, 200);
    zoom.toggle();
    expect(zoom.pan(-100, -100)).toBe(true);
    expect(zoom.at).toEqual({ x: -100, y: 0 });
    expect(zoom.pan(-1000, 0)).toBe(true);
    expect(zoom.at).toEqual({ x: -280, y: 0 });
    expect(zoom.pan(-1, 0)).toBe(false);
  });

  it("steps through 100 % on its way in and out", () => {
    const zoom = zoomOn(500, 100);
    expect(zoom.scale).toBe(0.8);
    zoom.step(1);
    expect(zoom.scale).toBe(1);
    zoom.step(1);
    expect(zoom.scale).toBeCloseTo(Math.SQRT2);
    zoom.step(-1);
    zoom.step(-1);
    expect([zoom.fitted, zoom.smallest]).toEqual([true, true]);
  });

  it("is shown at full size and fitted again; a small one is doubled", () => {
    const large = zoomOn(4000, 1000);
    large.toggle();
    expect(large.scale).toBe(1);
    large.toggle();
    expect(large.fitted).toBe(true);
    const small = zoomOn(100, 100);
    small.toggle();
    expect(small.scale).toBe(2);
  });

  it("has a largest size, at which a single pixel fills the view", () => {
    const photo = zoomOn(4000, 3000);
    photo.by(1000);
    expect([photo.scale, photo.largest]).toEqual([8, true]);
    const pixel = zoomOn(1, 1);
    pixel.by(1000);
    expect(pixel.scale).toBe(340);
  });

  it("that is not there yet cannot be zoomed", () => {
    const zoom = new Zoom();
    zoom.toggle();
    zoom.by(3);
    expect(zoom.fitted).toBe(true);
  });
});
