// The files that describe a release, and the triggers of a pipeline, as stored in rows.
import { Type } from 'typebox';
import { Word } from '../contract/field.ts';
import { TRIGGER_TYPES } from '../contract/vocabulary.ts';
import { Digest } from './descriptor.ts';
import { storedValue } from './stored-value.ts';

/** The schema of the type MetadataFile in src/contract. */
const MetadataFile = Type.Object({
  digest: Digest,
  /** The size in bytes. */
  size: Type.Integer({ minimum: 0 }),
  mime_type: Type.String(),
  filename: Type.String(),
});
export const MetadataFiles = Type.Array(MetadataFile);

/** The schema of the type PipelineTrigger in src/contract. */
const PipelineTriggers = Type.Array(
  Type.Object({
    type: Word(TRIGGER_TYPES, 'Why.'),
    context: Type.Optional(Type.String()),
  }),
);

/** Reads the files in the row of a pipeline. */
export const readMetadataFiles = storedValue('metadata of pipeline', MetadataFiles);

/** Reads the triggers in the row of a pipeline. */
export const readTriggers = storedValue('triggers of pipeline', PipelineTriggers);
