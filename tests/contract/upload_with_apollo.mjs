// Uploads by Apollo Client with apollo-upload-client's link; prints the results as JSON.
// Arguments: the server's address.
import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";

const client = new ApolloClient({
  link: new UploadHttpLink({ uri: `${process.argv[2]}/graphql` }),
  cache: new InMemoryCache(),
});

async function run(mutation, variables) {
  try {
    return { data: (await client.mutate({ mutation, variables, errorPolicy: "none" })).data };
  } catch (error) {
    return { codes: (error.errors ?? []).map((one) => one.extensions.code), message: error.message };
  }
}

const one = await run(gql`mutation ($file: Upload!) { uploadFile(file: $file) { file { filename hash } } }`, {
  file: new File(["by apollo"], "apollo père.txt", { type: "text/plain" }),
});
const file = new File(["shared"], "shared.txt");
const several = await run(gql`mutation ($files: [Upload!]!) { uploadFiles(files: $files) { file { filename hash } } }`, {
  files: [new File(["first"], "1.txt"), file, file],
});
const refused = await run(
  gql`mutation ($file: Upload!, $hash: String) { uploadFile(file: $file, hash: $hash) { file { id } } }`,
  { file: new File(["by apollo"], "a.txt"), hash: "0".repeat(64) },
);

console.log(JSON.stringify({ one, several, refused }));
process.exit(0);
