/** A larger file is not held in memory to be hashed, as the browser would have it. */
const LARGEST = 32 * 2 ** 20;

/**
 * The SHA-256 of a file, in hex. Undefined for a large one, for one that cannot be read, and on a plain-HTTP page, which
 * has no `crypto.subtle`.
 */
export async function sha256(file: Blob): Promise<string | undefined> {
  if (file.size > LARGEST || !crypto.subtle) return undefined;
  try {
    return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
  } catch {
    return undefined;
  }
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
