// Copies what the documentation pages load from node_modules into the Python package, so that they work with the
// network cut. A folder carries its version, so that its files can be cached for good.
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const target = join(root, "backend/satchel/static");

const pages = [
  { package: "altair-static", folder: "altair", from: "build/dist", files: ["."] },
  {
    package: "swagger-ui-dist",
    folder: "swagger-ui",
    files: ["swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "NOTICE"],
  },
  { package: "redoc", folder: "redoc", from: "bundles", files: ["redoc.standalone.js"] },
];

// Altair's sandbox frame runs a visitor's own pre-request scripts; the playground's policy allows no frames.
const needed = (path) => !path.includes("iframe-sandbox") && !path.endsWith(".md");

await rm(join(target, "vendor"), { recursive: true, force: true });
for (const page of pages) {
  const source = join(root, "node_modules", page.package);
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8"));
  const folder = join(target, "vendor", `${page.folder}-${version}`);
  for (const file of page.files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(source, page.from ?? ".", file), join(folder, file), { recursive: true, filter: needed });
  }
  await cp(join(source, "LICENSE"), join(folder, "LICENSE"));
}

// ReDoc asks a CDN for its makers' logo, and there is no option against it. Their name stays.
const [redoc] = (await readdir(join(target, "vendor"))).filter((name) => name.startsWith("redoc-"));
const bundle = join(target, "vendor", redoc, "redoc.standalone.js");
let text = await readFile(bundle, "utf8");
for (const [asked, instead] of [
  ["https://cdn.redoc.ly/redoc/logo-mini-full.svg", "data:,"],
  ["https://cdn.redoc.ly/redoc/logo-mini.svg", "data:,"],
  ["children:`API docs by`", "children:`API docs by Redocly`"],
]) {
  if (!text.includes(asked)) throw new Error(`${redoc} no longer contains ${asked}: look at what it loads now`);
  text = text.replaceAll(asked, instead);
}
await writeFile(bundle, text);
