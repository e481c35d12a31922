/** Why a request did not succeed: a code of the service's table, or one of the client's own listed in `ClientCode`. */
export interface Failure {
  code: string;
  /** The server's sentence, or "" where there is none. */
  message: string;
}

/** What no server sent: the connection broke, the caller gave up, or the file on this machine cannot be read. */
export type ClientCode = "NETWORK" | "ABORTED" | "UNREADABLE";

/** Requests never throw: an answer holds either the data or the failure. */
export type Answer<T> = { data: T; failure?: undefined } | { data?: undefined; failure: Failure };

export const failed = (code: ClientCode | (string & {}), message = ""): { failure: Failure } => ({
  failure: { code, message },
});

const PASSING =
  /^(NETWORK|HTTP_(408|429|5\d\d)|INTERNAL|(STORE|DATABASE)_UNAVAILABLE|TOO_MANY_CONNECTIONS|SHUTTING_DOWN|REQUEST_TIMEOUT|LEASE_LOST|HASH_MISMATCH)$/;

/** True where the same request may succeed later, unchanged: the fault lies with the way there, not with the request. */
export function isPassing({ code }: Failure): boolean {
  return PASSING.test(code);
}

/** How long after a passing failure what the page needs is asked for again by itself (ms). */
export const RETRY = 5_000;

/** Reads a failure from a JSON body: a GraphQL `errors` list or an RFC 9457 problem document. */
export function failureIn(body: unknown): Failure | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  if ("errors" in body && Array.isArray(body.errors) && body.errors.length > 0) {
    const [first] = body.errors as { message?: string; extensions?: { code?: unknown } }[];
    return { code: String(first?.extensions?.code ?? "BAD_REQUEST"), message: first?.message ?? "" };
  }
  if ("code" in body && typeof body.code === "string") {
    return { code: body.code, message: "detail" in body ? String(body.detail) : "" };
  }
  return undefined;
}

/** Why a file's bytes do not come: by the body of the refusal, or else by its status. */
export async function failureFrom(response: Response): Promise<Failure> {
  const told = failureIn(await response.json().catch(() => undefined));
  return told ?? failed(response.status === 404 ? "NOT_FOUND" : `HTTP_${response.status}`).failure;
}
