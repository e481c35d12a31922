// Uploads by @urql/core, which writes multipart requests by itself; prints the results as JSON.
// Arguments: the server's address.
import { Client, fetchExchange } from "@urql/core";

const client = new Client({ url: `${process.argv[2]}/graphql`, exchanges: [fetchExchange], preferGetMethod: false });

async function run(query, variables) {
  const { data, error } = await client.mutation(query, variables).toPromise();
  return { data, codes: error?.graphQLErrors.map((one) => one.extensions.code) };
}

const one = await run("mutation ($file: Upload!) { uploadFile(file: $file) { file { filename hash } } }", {
  file: new File(["by urql"], "urql père.txt", { type: "text/plain" }),
});
const several = await run("mutation ($files: [Upload!]!) { uploadFiles(files: $files) { file { filename hash } } }", {
  files: [new File(["first"], "1.txt"), new File([], "empty.txt"), new File(["third"], "3.txt")],
});
const refused = await run("mutation ($file: Upload!, $hash: String) { uploadFile(file: $file, hash: $hash) { file { id } } }", {
  file: new File(["by urql"], "a.txt"),
  hash: "0".repeat(64),
});
const invalid = await run("mutation ($file: Upload!) { nothing(file: $file) }", { file: new File(["x"], "a.txt") });

console.log(JSON.stringify({ one, several, refused, invalid }));
