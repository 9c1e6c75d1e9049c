// The files that describe a release, and the triggers of a pipeline, as rows keep them.
import { Type } from 'typebox';
import { Word } from '../contract/field.ts';
import { TRIGGER_TYPES } from '../contract/vocabulary.ts';
import { Digest } from './descriptor.ts';
import { storedValue } from './stored-value.ts';

/** MetadataFile of the vocabulary. */
const MetadataFile = Type.Object({
  digest: Digest,
  /** Bytes. */
  size: Type.Integer({ minimum: 0 }),
  mime_type: Type.String(),
  filename: Type.String(),
});
export const MetadataFiles = Type.Array(MetadataFile);

/** PipelineTrigger of the vocabulary. */
const PipelineTriggers = Type.Array(
  Type.Object({
    type: Word(TRIGGER_TYPES, 'Why.'),
    context: Type.Optional(Type.String()),
  }),
);

/** Reads the files of a pipeline's row. */
export const readMetadataFiles = storedValue('metadata of pipeline', MetadataFiles);

/** Reads the triggers of a pipeline's row. */
export const readTriggers = storedValue('triggers of pipeline', PipelineTriggers);
