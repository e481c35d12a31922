/** The keys of the page: what each does, and how the table of them writes it. The keys of the rows are in FileGrid. */

export type Command =
  | "search"
  | "list"
  | "previous"
  | "next"
  | "selectAll"
  | "rename"
  | "delete"
  | "download"
  | "copyLink"
  | "undo"
  | "upload"
  | "escape"
  | "keys";

type Press = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

const PLAIN: Record<string, Command> = {
  "/": "search",
  "?": "keys",
  F2: "rename",
  Delete: "delete",
  d: "download",
  l: "copyLink",
  u: "upload",
  Escape: "escape",
  ArrowDown: "list",
  ArrowUp: "list",
  Home: "list",
  End: "list",
  PageDown: "list",
  PageUp: "list",
  ArrowLeft: "previous",
  ArrowRight: "next",
};

const HELD: Record<string, Command> = { a: "selectAll", z: "undo" };

/** What a key asks for. On a Mac, Cmd stands for Ctrl, and Cmd with Backspace for the Delete that small keyboards lack. */
export function commandOf({ key, ctrlKey, metaKey, altKey, shiftKey }: Press, apple: boolean): Command | undefined {
  const [main, other] = apple ? [metaKey, ctrlKey] : [ctrlKey, metaKey];
  if (altKey || other) return undefined;
  if (main && shiftKey) return undefined;
  if (main) return apple && key === "Backspace" ? "delete" : HELD[key.toLowerCase()];
  // A capital is the letter with Caps Lock on; where a sign stands on the keyboard is the layout's affair.
  return PLAIN[key] ?? (shiftKey ? undefined : PLAIN[key.toLowerCase()]);
}

/** Whether letters go into a field. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox])"))
  );
}

export const isApple = (platform = navigator.platform): boolean => /^(Mac|iPhone|iPad|iPod)/.test(platform);

export type KeyName =
  | "ctrl"
  | "shift"
  | "up"
  | "down"
  | "left"
  | "right"
  | "home"
  | "end"
  | "pageUp"
  | "pageDown"
  | "enter"
  | "space"
  | "delete"
  | "escape";

/** What does each thing: alternatives, each of keys pressed together; a key without a name is written as it is. */
export const table = [
  { does: "move", keys: [["up"], ["down"], ["home"], ["end"], ["pageUp"], ["pageDown"]] },
  { does: "preview", keys: [["enter"]] },
  { does: "step", keys: [["left"], ["right"]] },
  { does: "select", keys: [["space"]] },
  {
    does: "range",
    keys: [
      ["shift", "up"],
      ["shift", "down"],
    ],
  },
  { does: "selectAll", keys: [["ctrl", "A"]] },
  { does: "rename", keys: [["F2"]] },
  { does: "delete", keys: [["delete"]] },
  { does: "download", keys: [["D"]] },
  { does: "copyLink", keys: [["L"]] },
  { does: "undo", keys: [["ctrl", "Z"]] },
  { does: "search", keys: [["/"]] },
  { does: "upload", keys: [["U"]] },
  { does: "escape", keys: [["escape"]] },
  { does: "keys", keys: [["?"]] },
] as const satisfies readonly { does: string; keys: readonly (readonly (KeyName | (string & {}))[])[] }[];

export type Deed = (typeof table)[number]["does"];

/** Signs that are on the keys themselves, in every language. */
const SIGNS: Partial<Record<KeyName, string>> = { up: "↑", down: "↓", left: "←", right: "→" };
const APPLE_SIGNS: typeof SIGNS = { ...SIGNS, ctrl: "⌘", shift: "⇧", enter: "↩", delete: "⌘⌫", escape: "esc" };

export function keyLabel(key: string, names: Record<string, string>, apple: boolean): string {
  return (apple ? APPLE_SIGNS : SIGNS)[key as KeyName] ?? names[key] ?? key;
}
