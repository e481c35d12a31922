/* eslint-disable */
/* prettier-ignore */

export type introspection_types = {
    'BigInt': unknown;
    'Boolean': unknown;
    'DateTime': unknown;
    'DeleteFilePayload': { kind: 'OBJECT'; name: 'DeleteFilePayload'; fields: { 'id': { name: 'id'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'ID'; ofType: null; }; } }; }; };
    'DeleteFilesPayload': { kind: 'OBJECT'; name: 'DeleteFilesPayload'; fields: { 'ids': { name: 'ids'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'LIST'; name: never; ofType: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'ID'; ofType: null; }; }; }; } }; 'missing': { name: 'missing'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'LIST'; name: never; ofType: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'ID'; ofType: null; }; }; }; } }; }; };
    'File': { kind: 'OBJECT'; name: 'File'; fields: { 'contentType': { name: 'contentType'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'copies': { name: 'copies'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Int'; ofType: null; }; } }; 'downloadUrl': { name: 'downloadUrl'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'filename': { name: 'filename'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'hash': { name: 'hash'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'id': { name: 'id'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'ID'; ofType: null; }; } }; 'kind': { name: 'kind'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'ENUM'; name: 'FileKind'; ofType: null; }; } }; 'objectName': { name: 'objectName'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'previewUrl': { name: 'previewUrl'; type: { kind: 'SCALAR'; name: 'String'; ofType: null; } }; 'size': { name: 'size'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'BigInt'; ofType: null; }; } }; 'uploadDate': { name: 'uploadDate'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'DateTime'; ofType: null; }; } }; }; };
    'FileConnection': { kind: 'OBJECT'; name: 'FileConnection'; fields: { 'edges': { name: 'edges'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'LIST'; name: never; ofType: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'FileEdge'; ofType: null; }; }; }; } }; 'eventCursor': { name: 'eventCursor'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'kinds': { name: 'kinds'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'LIST'; name: never; ofType: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'KindCount'; ofType: null; }; }; }; } }; 'nodes': { name: 'nodes'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'LIST'; name: never; ofType: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'File'; ofType: null; }; }; }; } }; 'pageInfo': { name: 'pageInfo'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'PageInfo'; ofType: null; }; } }; 'totalCount': { name: 'totalCount'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Int'; ofType: null; }; } }; }; };
    'FileEdge': { kind: 'OBJECT'; name: 'FileEdge'; fields: { 'cursor': { name: 'cursor'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'node': { name: 'node'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'File'; ofType: null; }; } }; }; };
    'FileEvent': { kind: 'OBJECT'; name: 'FileEvent'; fields: { 'cursor': { name: 'cursor'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'String'; ofType: null; }; } }; 'file': { name: 'file'; type: { kind: 'OBJECT'; name: 'File'; ofType: null; } }; 'fileId': { name: 'fileId'; type: { kind: 'SCALAR'; name: 'ID'; ofType: null; } }; 'kind': { name: 'kind'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'ENUM'; name: 'FileEventKind'; ofType: null; }; } }; }; };
    'FileEventKind': { name: 'FileEventKind'; enumValues: 'READY' | 'UPLOADED' | 'RENAMED' | 'DELETED'; };
    'FileFilter': { kind: 'INPUT_OBJECT'; name: 'FileFilter'; isOneOf: false; inputFields: [{ name: 'search'; type: { kind: 'SCALAR'; name: 'String'; ofType: null; }; defaultValue: "null" }, { name: 'kind'; type: { kind: 'ENUM'; name: 'FileKind'; ofType: null; }; defaultValue: "null" }, { name: 'contentType'; type: { kind: 'SCALAR'; name: 'String'; ofType: null; }; defaultValue: "null" }, { name: 'hash'; type: { kind: 'SCALAR'; name: 'String'; ofType: null; }; defaultValue: "null" }, { name: 'minSize'; type: { kind: 'SCALAR'; name: 'BigInt'; ofType: null; }; defaultValue: "null" }, { name: 'maxSize'; type: { kind: 'SCALAR'; name: 'BigInt'; ofType: null; }; defaultValue: "null" }, { name: 'uploadedAfter'; type: { kind: 'SCALAR'; name: 'DateTime'; ofType: null; }; defaultValue: "null" }, { name: 'uploadedBefore'; type: { kind: 'SCALAR'; name: 'DateTime'; ofType: null; }; defaultValue: "null" }]; };
    'FileKind': { name: 'FileKind'; enumValues: 'IMAGE' | 'VIDEO' | 'AUDIO' | 'PDF' | 'TEXT' | 'ARCHIVE' | 'OTHER'; };
    'FileOrder': { name: 'FileOrder'; enumValues: 'UPLOAD_DATE_DESC' | 'UPLOAD_DATE_ASC' | 'FILENAME_ASC' | 'FILENAME_DESC' | 'SIZE_DESC' | 'SIZE_ASC'; };
    'ID': unknown;
    'Int': unknown;
    'KindCount': { kind: 'OBJECT'; name: 'KindCount'; fields: { 'count': { name: 'count'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Int'; ofType: null; }; } }; 'kind': { name: 'kind'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'ENUM'; name: 'FileKind'; ofType: null; }; } }; }; };
    'Mutation': { kind: 'OBJECT'; name: 'Mutation'; fields: { 'deleteFile': { name: 'deleteFile'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'DeleteFilePayload'; ofType: null; }; } }; 'deleteFiles': { name: 'deleteFiles'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'DeleteFilesPayload'; ofType: null; }; } }; 'renameFile': { name: 'renameFile'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'File'; ofType: null; }; } }; 'uploadFile': { name: 'uploadFile'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'UploadFilePayload'; ofType: null; }; } }; 'uploadFiles': { name: 'uploadFiles'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'LIST'; name: never; ofType: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'UploadFilePayload'; ofType: null; }; }; }; } }; }; };
    'PageInfo': { kind: 'OBJECT'; name: 'PageInfo'; fields: { 'endCursor': { name: 'endCursor'; type: { kind: 'SCALAR'; name: 'String'; ofType: null; } }; 'hasNextPage': { name: 'hasNextPage'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Boolean'; ofType: null; }; } }; 'hasPreviousPage': { name: 'hasPreviousPage'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Boolean'; ofType: null; }; } }; 'startCursor': { name: 'startCursor'; type: { kind: 'SCALAR'; name: 'String'; ofType: null; } }; }; };
    'Query': { kind: 'OBJECT'; name: 'Query'; fields: { 'file': { name: 'file'; type: { kind: 'OBJECT'; name: 'File'; ofType: null; } }; 'files': { name: 'files'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'FileConnection'; ofType: null; }; } }; 'readOnly': { name: 'readOnly'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Boolean'; ofType: null; }; } }; 'storage': { name: 'storage'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'StorageUsage'; ofType: null; }; } }; }; };
    'StorageUsage': { kind: 'OBJECT'; name: 'StorageUsage'; fields: { 'blobs': { name: 'blobs'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Int'; ofType: null; }; } }; 'files': { name: 'files'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Int'; ofType: null; }; } }; 'logicalBytes': { name: 'logicalBytes'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'BigInt'; ofType: null; }; } }; 'storedBytes': { name: 'storedBytes'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'BigInt'; ofType: null; }; } }; }; };
    'String': unknown;
    'Subscription': { kind: 'OBJECT'; name: 'Subscription'; fields: { 'fileEvents': { name: 'fileEvents'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'FileEvent'; ofType: null; }; } }; 'fileUploaded': { name: 'fileUploaded'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'File'; ofType: null; }; } }; }; };
    'Upload': unknown;
    'UploadFilePayload': { kind: 'OBJECT'; name: 'UploadFilePayload'; fields: { 'deduplicated': { name: 'deduplicated'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'SCALAR'; name: 'Boolean'; ofType: null; }; } }; 'file': { name: 'file'; type: { kind: 'NON_NULL'; name: never; ofType: { kind: 'OBJECT'; name: 'File'; ofType: null; }; } }; }; };
};

/** An IntrospectionQuery representation of your schema.
 *
 * @remarks
 * This is an introspection of your schema saved as a file by GraphQLSP.
 * It will automatically be used by `gql.tada` to infer the types of your GraphQL documents.
 * If you need to reuse this data or update your `scalars`, update `tadaOutputLocation` to
 * instead save to a .ts instead of a .d.ts file.
 */
export type introspection = {
  name: never;
  query: 'Query';
  mutation: 'Mutation';
  subscription: 'Subscription';
  types: introspection_types;
};

import * as gqlTada from 'gql.tada';

declare module 'gql.tada' {
  interface setupSchema {
    introspection: introspection
  }
}