// One version of a customization, in the short form in which other resources contain it.
import { type Static, Type } from 'typebox';
import { Id, Text } from './field.ts';
import { FileArtifact } from './file.ts';

export const Customization = Type.Object(
  {
    id: Id('Identifier of the customization.'),
    version: Text('Version of its archive: v1, v2.'),
    artifact: FileArtifact,
  },
  { title: 'Customization' },
);
export type Customization = Static<typeof Customization>;
