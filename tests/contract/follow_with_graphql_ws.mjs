// Follows the events by graphql-ws over a connection that may be lost at any time, resuming by cursor; prints each
// event as a line of JSON. Arguments: the address of the WebSocket, how many events to wait for.
import { createClient } from "graphql-ws";

const [url, wanted] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: 1000,
  shouldRetry: () => true,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
});

// graphql-ws sends the payload again after each reconnection, with the variables as they are then.
const variables = { after: null };
const query = "subscription ($after: String) { fileEvents(after: $after) { cursor kind fileId file { filename } } }";
let seen = 0;
for await (const { data, errors } of client.iterate({ query, variables })) {
  if (errors) throw new Error(JSON.stringify(errors));
  const event = data.fileEvents;
  variables.after = event.cursor;
  console.log(JSON.stringify(event));
  if (event.kind !== "READY" && ++seen === Number(wanted)) break;
}
await client.dispose();
process.exit(0);
