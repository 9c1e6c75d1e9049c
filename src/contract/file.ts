// Files of a catalog: references to them in other resources, and the operation that returns a signed URL.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { FileId, Id, Match, Text } from './field.ts';
import { FILENAME_LENGTH_MAX, METADATA_FILENAME_LENGTH_MAX } from './limits.ts';

export const FileArtifact = Type.Object(
  {
    id: FileId('SHA-256 of the file.'),
    url: Text('Path that returns a signed URL of the file.'),
    filename: Text('Name of the file.'),
  },
  { title: 'FileArtifact' },
);
export type FileArtifact = Static<typeof FileArtifact>;

export const PipelineMetadata = Type.Object(
  {
    id: FileId('SHA-256 of the file.'),
    mime_type: Type.Optional(Text('Kind of file.', { maxLength: 64 })),
    url: Text('Path that returns a signed URL of the file.', { maxLength: 256 }),
    filename: Text('Name of the file.', { maxLength: METADATA_FILENAME_LENGTH_MAX }),
  },
  { title: 'PipelineMetadata' },
);
export type PipelineMetadata = Static<typeof PipelineMetadata>;

export const SignedUrl = Type.Object(
  { url: Text('URL of the file: needs no token, supports ranges, expires.') },
  { title: 'SignedUrl' },
);
export type SignedUrl = Static<typeof SignedUrl>;

const getFile = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/files/{digest}',
  summary: 'Get the URL of a file',
  description: 'Returns a signed URL from which a file of the catalog can be read without a token until it expires.',
  tag: 'Catalogs',
  access: READERS,
  params: Type.Object({
    catalog_id: Id('Identifier of the catalog.'),
    digest: FileId('SHA-256 of the file.'),
  }),
  query: Type.Object({ filename: Match('Name of the file.', { maxLength: FILENAME_LENGTH_MAX }) }),
  success: { status: 200, description: 'The signed URL.', body: SignedUrl, fleeting: true },
  problems: [400, 404],
});

export const fileEndpoints = { getFile };
