import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { type Rolldown, runnerImport } from "vite";
import { defineConfig, type Plugin } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Puts src/ui/theme-early.js into the head as a classic script of its own: the theme must be set before the first paint,
 * and the content security policy allows no inline script.
 */
function earlyTheme(): Plugin {
  const name = "theme.js";
  const source = "/src/ui/theme-early.js";
  let building = false;
  return {
    name: "satchel:early-theme",
    configResolved: ({ command }) => {
      building = command === "build";
    },
    buildStart() {
      if (building) this.emitFile({ type: "asset", name, source: readFileSync(here(`.${source}`), "utf8") });
    },
    transformIndexHtml(_html, { bundle }) {
      const built = Object.values(bundle ?? {}).find((each) => each.type === "asset" && each.names.includes(name));
      return [{ tag: "script", attrs: { src: built ? `/${built.fileName}` : source }, injectTo: "head-prepend" }];
    },
  };
}

/** Asks for the first page of the list in the head of the page, behind the theme. */
function firstPage(): Plugin {
  return {
    name: "satchel:first-page",
    async transformIndexHtml() {
      const { module } = await runnerImport<typeof import("./src/api/first")>(here("./src/api/first.ts"));
      return [{ tag: "link", attrs: module.link(), injectTo: "head" }];
    },
  };
}

/** Prints what a first visit downloads, gzipped, and fails the build above the budget. */
function firstLoad(limit: number): Plugin {
  return {
    name: "satchel:first-load",
    apply: "build",
    generateBundle(_options, bundle) {
      const wanted = new Set<string>();
      const visit = (name: string) => {
        const chunk = bundle[name];
        if (wanted.has(name) || chunk?.type !== "chunk") return;
        wanted.add(name);
        chunk.imports.forEach(visit);
        const css = (chunk as Rolldown.OutputChunk & { viteMetadata?: { importedCss: Set<string> } }).viteMetadata;
        for (const sheet of css?.importedCss ?? []) wanted.add(sheet);
      };
      for (const [name, output] of Object.entries(bundle)) {
        if (output.type === "chunk" && output.isEntry) visit(name);
        if (output.type === "asset" && output.names.includes("theme.js")) wanted.add(name);
      }
      let total = 0;
      for (const name of wanted) {
        const output = bundle[name];
        if (!output) continue;
        total += gzipSync(output.type === "chunk" ? output.code : output.source, { level: 9 }).length;
      }
      const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} KB`;
      const summary = `first load ${kilobytes(total)} gzipped in ${wanted.size} files, limit ${kilobytes(limit)}`;
      if (total > limit) this.error(summary);
      console.log(`\n${summary}`);
    },
  };
}

// The Host stays that of the page, or the server would take the page for another site's.
const backend = { target: "http://127.0.0.1:8000", changeOrigin: false };

export default defineConfig(({ mode }) => ({
  root: here("."),
  base: "/",
  publicDir: false,
  plugins: [
    svelte({ configFile: false, compilerOptions: { runes: true } }),
    earlyTheme(),
    firstPage(),
    firstLoad(100 * 1024),
  ],
  build: {
    outDir: here("../backend/satchel/static/app"),
    emptyOutDir: true,
    // A data: address in a stylesheet or an icon would be refused by a stricter policy and is never cached.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // A worker of one file could not load its grammars one by one.
  worker: { format: "es" },
  server: {
    proxy: {
      "/graphql": { ...backend, ws: true },
      "/files": backend,
      "/vendor": backend,
      "/docs": backend,
      "/redoc": backend,
      "/openapi.json": backend,
      "/healthz": backend,
    },
  },
  // Without it the tests would get Svelte's server build, in which state is not reactive.
  ...(mode === "test" ? { resolve: { conditions: ["browser"] } } : {}),
  test: {
    environment: "node",
    include: ["src/**/*.test.ts"],
  },
}));
