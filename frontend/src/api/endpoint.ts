export const ENDPOINT = "/graphql";
