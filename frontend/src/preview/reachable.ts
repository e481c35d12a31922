import { type Failure, failed, failureFrom } from "../api/answer";

/**
 * Why a picture, film or document does not show: elements only tell that they failed.
 *
 * @returns the server's failure, or undefined where it does send the bytes, so that they must be what is wrong.
 */
export async function failureAt(url: string, signal: AbortSignal): Promise<Failure | undefined> {
  try {
    const response = await fetch(url, { headers: { Range: "bytes=0-0" }, cache: "no-store", signal });
    // 416: there are no bytes at all, which no element can show.
    if (response.ok || response.status === 416) return undefined;
    return await failureFrom(response);
  } catch {
    return failed("NETWORK").failure;
  }
}
