/**
 * A text in blocks of some lines each: only those in view are laid out and coloured, however long the text. A line that
 * is longer than a block is broken into pieces, because a browser needs seconds to lay out a line of a megabyte.
 */
export interface Block {
  start: number;
  /** Exclusive; behind the line break where there is one. */
  end: number;
  /** The number of the first line, from 1. */
  line: number;
  lines: number;
  /** False where the block goes on with a line that the one before has begun. */
  fresh: boolean;
  /** The length of the longest line in it. */
  columns: number;
}

const LINES = 100;
const CHARACTERS = 3_000;
/** Longer than this, a line is shown in pieces. */
export const LONGEST_LINE = 2_000;

/** Cuts the text from a place on that begins a line with the number `line`. */
export function cut(text: string, from = 0, line = 1): Block[] {
  const blocks: Block[] = [];
  let block = empty(from, line, true);
  let at = from;
  while (at < text.length) {
    const feed = text.indexOf("\n", at);
    const end = feed < 0 ? text.length : feed + 1;
    const full = block.lines >= LINES || end - block.start > CHARACTERS;
    if (full && block.end > block.start) {
      blocks.push(block);
      block = empty(at, line, true);
    }
    if (end - at > LONGEST_LINE) {
      at = pieceEnd(text, at);
      extend(block, at);
      blocks.push(block);
      block = empty(at, line, false);
      continue;
    }
    extend(block, end);
    at = end;
    if (feed >= 0) line++;
  }
  if (block.end > block.start) blocks.push(block);
  return blocks;
}

/** The text has grown: the blocks of it, of which only the ones from its last whole line on are new. */
export function recut(text: string, blocks: readonly Block[]): Block[] {
  const last = blocks.findLastIndex(({ fresh }) => fresh);
  const { start, line } = blocks[last] ?? { start: 0, line: 1 };
  return [...blocks.slice(0, Math.max(0, last)), ...cut(text, start, line)];
}

function empty(start: number, line: number, fresh: boolean): Block {
  return { start, end: start, line, lines: 0, fresh, columns: 0 };
}

function extend(block: Block, end: number): void {
  block.columns = Math.max(block.columns, end - block.end);
  block.end = end;
  block.lines++;
}

/** Never between the halves of a character. */
function pieceEnd(text: string, from: number): number {
  const end = from + LONGEST_LINE;
  const code = text.charCodeAt(end - 1);
  return code >= 0xd800 && code < 0xdc00 ? end - 1 : end;
}
