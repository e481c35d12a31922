import { colour } from "./colouring";

export interface Job {
  text: string;
  language: string;
}

addEventListener("message", async ({ data: { text, language } }: MessageEvent<Job>) => {
  const marks = await colour(text, language).catch(() => undefined);
  postMessage(marks, { transfer: marks ? [marks.buffer] : [] });
});
