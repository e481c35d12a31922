// Packs what the server sends of the build, beside each file: it costs nothing when a browser asks, and is a third of
// the way. Runs last in `npm run build`: the marker it leaves says that all under static/ is newer than its sources.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";

const built = join(import.meta.dirname, "../backend/satchel/static");
const textual = /\.(js|css|svg|html|json)$/;
/** A response of less fits into one packet anyway (bytes). */
const least = 1_400;

const entries = await readdir(built, { recursive: true, withFileTypes: true });
await Promise.all(
  entries
    .filter((entry) => entry.isFile() && textual.test(entry.name))
    .map(async ({ parentPath, name }) => {
      const content = await readFile(join(parentPath, name));
      if (content.length < least) return;
      const packed = await promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION });
      await writeFile(join(parentPath, `${name}.gz`), packed);
    }),
);

await writeFile(join(built, ".built"), "");
