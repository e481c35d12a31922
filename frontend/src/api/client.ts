/**
 * GraphQL over HTTP (queries, mutations) by @urql/core, and graphql-transport-ws (subscriptions) by graphql-ws.
 *
 * Out of scope: a cache. The stores hold the state, and live events keep it current, so every request goes to the network.
 * Uploads are in upload.ts, because only XMLHttpRequest reports progress.
 */
import {
  type AnyVariables,
  Client,
  type CombinedError,
  fetchExchange,
  type OperationResult,
  type OperationResultSource,
  stringifyDocument,
  type TypedDocumentNode,
} from "@urql/core";
import { createClient } from "graphql-ws";
import { type Answer, type Failure, failed, failureIn } from "./answer";
import { DeleteFiles, type FileEvent, FileEvents } from "./documents";
import { ENDPOINT } from "./endpoint";

const client = new Client({
  url: ENDPOINT,
  exchanges: [fetchExchange],
  preferGetMethod: false,
  requestPolicy: "network-only",
});

/** Runs a query. Aborting ends the HTTP request and answers ABORTED. */
export function query<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Answer<Data>> {
  return first(client.query(document, variables), signal);
}

/** Runs a mutation; once sent it cannot be taken back. */
export function mutate<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Answer<Data>> {
  return first(client.mutation(document, variables));
}

/** Sends deletions that must outlive the page; nobody is left to hear the answer. */
export function deleteWhileLeaving(ids: string[]): void {
  void fetch(ENDPOINT, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: stringifyDocument(DeleteFiles), variables: { ids } }),
  });
}

function first<Data, Variables extends AnyVariables>(
  source: OperationResultSource<OperationResult<Data, Variables>>,
  signal?: AbortSignal,
): Promise<Answer<Data>> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(failed("ABORTED"));
    const { unsubscribe } = source.subscribe(({ data, error }) => {
      resolve(data && !error ? { data } : { failure: failureOf(error) });
      signal?.removeEventListener("abort", abort);
      // As long as somebody listens, the client answers the same request with the old result first.
      queueMicrotask(() => unsubscribe());
    });
    const abort = () => {
      unsubscribe();
      resolve(failed("ABORTED"));
    };
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function failureOf(error: CombinedError | undefined): Failure {
  const told = failureIn({ errors: error?.graphQLErrors });
  if (told) return told;
  const status = (error?.response as Response | undefined)?.status;
  return { code: status ? `HTTP_${status}` : "NETWORK", message: "" };
}

export interface EventListener {
  /** A message arrived, READY included. */
  event(event: FileEvent): void;
  /** The connection is gone; it is tried again without end. */
  lost(): void;
  /** The subscription is over: the server refused it, or closed in a way that forbids a retry. */
  ended(failure: Failure): void;
}

/** Longest silence on the socket before it is asked for a sign of life, and how long that may take (ms). */
const KEEP_ALIVE = 15_000;
const PONG_WITHIN = 5_000;

/**
 * Subscribes to `fileEvents` and stays subscribed over lost connections. `after` is asked at every (re)connection, so that
 * each begins where the last one ended.
 *
 * @returns a function that ends the subscription and its socket.
 */
export function openEvents(after: () => string, listener: EventListener): () => void {
  let pongDue: ReturnType<typeof setTimeout> | undefined;
  const socket = createClient({
    url: () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${ENDPOINT}`,
    retryAttempts: Number.POSITIVE_INFINITY,
    // The library stops at an error event, which is all a browser tells when nobody listens at the other end.
    shouldRetry: () => true,
    retryWait: backOff,
    keepAlive: KEEP_ALIVE,
    connectionAckWaitTimeout: 10_000,
    on: {
      closed: () => {
        // The next socket is not to answer for this one.
        clearTimeout(pongDue);
        listener.lost();
      },
      ping: (received) => {
        // A laptop that slept holds a socket that looks open and is not.
        if (!received) pongDue = setTimeout(() => socket.terminate(), PONG_WITHIN);
      },
      pong: (received) => {
        if (received) clearTimeout(pongDue);
      },
    },
  });
  const unsubscribe = socket.subscribe<{ fileEvents: FileEvent }>(
    {
      query: stringifyDocument(FileEvents),
      // Read when the message is put together, and it is put together anew for every connection.
      variables: {
        get after() {
          return after();
        },
      },
    },
    {
      next: ({ data, errors }) => {
        const failure = failureIn({ errors });
        if (failure) listener.ended(failure);
        else if (data) listener.event(data.fileEvents);
      },
      error: (error) => listener.ended(failureIn({ errors: error }) ?? { code: "NETWORK", message: "" }),
      complete: () => listener.ended({ code: "NETWORK", message: "" }),
    },
  );
  return () => {
    unsubscribe();
    void socket.dispose();
    clearTimeout(pongDue);
  };
}

/** Waits 0.5 s, 1 s, 2 s … up to 15 s, give or take a half so that clients do not return in step; less if the network returns. */
function backOff(retries: number): Promise<void> {
  const wait = Math.min(15_000, 500 * 2 ** retries) * (0.75 + Math.random() / 2);
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, wait);
    addEventListener("online", done);
  });
}
