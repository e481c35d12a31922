import { expect, it, vi } from "vitest";
import { chosenFiles, type Dropped, droppedFiles, pastesFiles } from "./dropped";

type Tree = { [name: string]: Tree | File | "locked" };

/** What a browser gives for a drop: folders answer a few entries at a time, then none. */
function entry(path: string, node: Tree | File | "locked"): FileSystemEntry {
  if (node instanceof File || node === "locked") {
    const file = (resolve: (file: File) => void, reject: (error: Error) => void) =>
      node === "locked" ? reject(new Error("NotReadableError")) : resolve(node);
    return { fullPath: path, isDirectory: false, file } as unknown as FileSystemEntry;
  }
  const createReader = () => {
    const left = Object.entries(node).map(([name, child]) => entry(`${path}/${name}`, child));
    return { readEntries: (resolve: (entries: FileSystemEntry[]) => void) => resolve(left.splice(0, 2)) };
  };
  return { fullPath: path, isDirectory: true, createReader } as unknown as FileSystemEntry;
}

function drop(tree: Tree): DataTransfer {
  const items = Object.entries(tree).map(([name, node]) => ({
    kind: "file",
    webkitGetAsEntry: () => entry(`/${name}`, node),
    getAsFile: () => null,
  }));
  return { items } as unknown as DataTransfer;
}

const file = (name: string) => new File(["x"], name);

async function portions(transfer: DataTransfer): Promise<Dropped[]> {
  const all: Dropped[] = [];
  for await (const found of droppedFiles(transfer)) all.push(found);
  return all;
}

async function allOf(transfer: DataTransfer): Promise<Dropped> {
  const all = await portions(transfer);
  return {
    files: all.flatMap(({ files }) => files),
    emptyFolders: all.flatMap(({ emptyFolders }) => emptyFolders),
    unreadable: all.flatMap(({ unreadable }) => unreadable),
  };
}

it("a dropped folder gives its files in order, however deep and many", async () => {
  const found = await allOf(
    drop({
      "first.txt": file("first.txt"),
      Photos: {
        "1.jpg": file("1.jpg"),
        "2.jpg": file("2.jpg"),
        Old: { "3.jpg": file("3.jpg") },
        "4.jpg": file("4.jpg"),
      },
      "last.txt": file("last.txt"),
    }),
  );
  expect(found.files.map(({ path }) => path)).toEqual([
    "first.txt",
    "Photos/1.jpg",
    "Photos/2.jpg",
    "Photos/Old/3.jpg",
    "Photos/4.jpg",
    "last.txt",
  ]);
});

it("a folder that takes long to walk is handed on while it is walked", async () => {
  vi.useFakeTimers();
  const slow = {
    isDirectory: false,
    fullPath: "/Box/slow.txt",
    file(resolve: (file: File) => void) {
      vi.advanceTimersByTime(1_000);
      resolve(file("slow.txt"));
    },
  } as unknown as FileSystemEntry;
  const transfer = drop({ Box: { "a.txt": file("a.txt") } });
  const more = [slow, entry("/Box/b.txt", file("b.txt")), slow, entry("/Box/c.txt", file("c.txt"))];
  const items = more.map((each) => ({ kind: "file", webkitGetAsEntry: () => each, getAsFile: () => null }));
  const found = await portions({ items: [...transfer.items, ...items] } as unknown as DataTransfer);
  expect(found.map(({ files }) => files.map(({ file: { name } }) => name))).toEqual([
    ["a.txt", "slow.txt"],
    ["b.txt", "slow.txt"],
    ["c.txt"],
  ]);
  vi.useRealTimers();
});

it("what cannot be read and what is empty is told, and the rest still comes", async () => {
  const found = await allOf(drop({ Box: { "secret.txt": "locked", Nothing: {}, "open.txt": file("open.txt") } }));
  expect(found.unreadable).toEqual(["Box/secret.txt"]);
  expect(found.emptyFolders).toEqual(["Box/Nothing"]);
  expect(found.files.map(({ path }) => path)).toEqual(["Box/open.txt"]);
});

it("an item that the file system does not know, as a pasted image, is taken as a file", async () => {
  const image = file("image.png");
  const transfer = {
    items: [
      { kind: "string", webkitGetAsEntry: () => null, getAsFile: () => null },
      { kind: "file", webkitGetAsEntry: () => null, getAsFile: () => image },
    ],
  } as unknown as DataTransfer;
  expect((await allOf(transfer)).files).toEqual([{ path: "image.png", file: image }]);
});

it("names what was chosen with its folder, in the order of the choice", () => {
  const inside = Object.assign(file("camp.txt"), { webkitRelativePath: "Trip/Day 1/camp.txt" });
  expect(chosenFiles([inside, file("plan.txt")]).files.map(({ path }) => path)).toEqual([
    "Trip/Day 1/camp.txt",
    "plan.txt",
  ]);
});

it("takes a pasted picture, but in a field the text that came with it", () => {
  class Field {
    closest = () => this;
  }
  vi.stubGlobal("Element", Field);
  expect(pastesFiles(["Files"], null)).toBe(true);
  expect(pastesFiles(["text/plain"], null)).toBe(false);
  expect(pastesFiles(["text/plain", "text/html", "Files"], null)).toBe(true);
  expect(pastesFiles(["text/plain", "text/html", "Files"], new Field() as unknown as EventTarget)).toBe(false);
  expect(pastesFiles(["Files"], new Field() as unknown as EventTarget)).toBe(true);
  vi.unstubAllGlobals();
});
