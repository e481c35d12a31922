import { type FragmentOf, initGraphQLTada, type ResultOf, type VariablesOf } from "gql.tada";
import type { introspection } from "../graphql-env";

const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: {
    /** A JSON number; exact up to 2^53 bytes, 8 PiB. */
    BigInt: number;
    /** RFC 3339, UTC. */
    DateTime: string;
    /** Null in `variables`: the bytes travel as a part of their own. */
    Upload: null;
  };
}>();

const FileFields = graphql(`
  fragment FileFields on File @_unmask {
    id
    filename
    size
    contentType
    kind
    hash
    uploadDate
    copies
    previewUrl
    downloadUrl
  }
`);

/** One page of the listing. How long the listing is takes longer to find out than what it begins with: see `Totals`. */
export const FilePage = graphql(
  `
    query FilePage($first: Int!, $after: String, $filter: FileFilter, $orderBy: FileOrder!, $head: Boolean!) {
      files(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { ...FileFields }
        pageInfo { hasNextPage endCursor }
        eventCursor @include(if: $head)
      }
      readOnly @include(if: $head)
    }
  `,
  [FileFields],
);

export const Access = graphql(`
  query Access {
    readOnly
  }
`);

export const Totals = graphql(`
  query Totals($filter: FileFilter) {
    files(first: 1, filter: $filter) { kinds { kind count } }
    storage { files logicalBytes storedBytes }
  }
`);

export const OneFile = graphql(
  `
    query OneFile($id: ID!) {
      file(id: $id) { ...FileFields }
    }
  `,
  [FileFields],
);

export const UploadFile = graphql(
  `
    mutation UploadFile($file: Upload!, $hash: String, $idempotencyKey: String) {
      uploadFile(file: $file, hash: $hash, idempotencyKey: $idempotencyKey) {
        deduplicated
        file { ...FileFields }
      }
    }
  `,
  [FileFields],
);

export const RenameFile = graphql(
  `
    mutation RenameFile($id: ID!, $filename: String!) {
      renameFile(id: $id, filename: $filename) { ...FileFields }
    }
  `,
  [FileFields],
);

export const DeleteFiles = graphql(`
  mutation DeleteFiles($ids: [ID!]!) {
    deleteFiles(ids: $ids) { ids missing }
  }
`);

export const FileEvents = graphql(
  `
    subscription FileEvents($after: String) {
      fileEvents(after: $after) {
        cursor
        kind
        fileId
        file { ...FileFields }
      }
    }
  `,
  [FileFields],
);

export type StoredFile = FragmentOf<typeof FileFields>;
export type FileKind = StoredFile["kind"];
export type FileOrder = VariablesOf<typeof FilePage>["orderBy"];
export type FileFilter = NonNullable<VariablesOf<typeof FilePage>["filter"]>;
export type StorageUsage = ResultOf<typeof Totals>["storage"];
export type UploadedFile = ResultOf<typeof UploadFile>["uploadFile"];
export type FileEvent = ResultOf<typeof FileEvents>["fileEvents"];
