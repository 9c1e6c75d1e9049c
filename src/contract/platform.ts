// The operating system family and the processor architecture of an artifact.
import { type Static, Type } from 'typebox';
import { Text } from './field.ts';

export const PlatformFamily = Type.Object(
  {
    os_family: Type.Optional(Text('Family of operating systems: linux.', { maxLength: 64 })),
    architecture: Type.Optional(Text('Processor architecture: amd64.', { maxLength: 64 })),
  },
  { title: 'PlatformFamily' },
);
export type PlatformFamily = Static<typeof PlatformFamily>;
