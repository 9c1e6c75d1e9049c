// Operating systems of base images and offerings.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { CommaList, Id, Match, Text, Time, Word } from './field.ts';
import { PageOf, pageQuery } from './paging.ts';
import { OPERATING_SYSTEM_STATUSES } from './vocabulary.ts';

const members = {
  id: Id('Identifier of the operating system.'),
  name: Text('Name of the operating system.'),
  distro: Text('Distribution: debian.'),
  version: Text('Version of the distribution.'),
};

export const OperatingSystem = Type.Object(members, { title: 'OperatingSystem' });
export type OperatingSystem = Static<typeof OperatingSystem>;

export const OperatingSystemDetailed = Type.Object(
  {
    ...members,
    distroless: Type.Optional(Type.Boolean({ description: 'True when it has no shell and no package manager.' })),
    fips_compliant: Type.Optional(
      Type.Boolean({ description: 'True if it is certified by FIPS 140. Always false here.' }),
    ),
    stig_compliant: Type.Optional(
      Type.Boolean({ description: 'True if it is hardened by a STIG. Always false here.' }),
    ),
    status: Type.Optional(
      Word(
        OPERATING_SYSTEM_STATUSES,
        'Life-cycle status: DEPRECATED in the 90 days before its security fixes end, REPLACED afterwards if a later version exists.',
      ),
    ),
    replaced_by: Type.Optional(Id('Identifier of the operating system that replaced it.')),
    created_at: Type.Optional(Time('When it was added.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    deprecated_at: Type.Optional(Time('When it was deprecated.')),
    replaced_at: Type.Optional(Time('When it was replaced.')),
  },
  { title: 'OperatingSystemDetailed' },
);
export type OperatingSystemDetailed = Static<typeof OperatingSystemDetailed>;

export const OperatingSystemPage = PageOf(OperatingSystemDetailed, 'OperatingSystemPage');
export type OperatingSystemPage = Static<typeof OperatingSystemPage>;

const listOperatingSystems = defineEndpoint({
  method: 'GET',
  path: '/v1/operating-systems',
  summary: 'List operating systems',
  description: 'Lists the operating systems of base images, by name; the same for every organization.',
  tag: 'Operating systems',
  access: READERS,
  query: Type.Object({
    statuses: Type.Optional(CommaList(Word(OPERATING_SYSTEM_STATUSES, 'A status.'), 'Only those with these statuses.')),
    name: Type.Optional(Match('Only those whose name contains this.')),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of operating systems.', body: OperatingSystemPage },
  problems: [400],
});

const getOperatingSystem = defineEndpoint({
  method: 'GET',
  path: '/v1/operating-systems/{operating_system_id}',
  summary: 'Get an operating system',
  description: 'Returns one operating system, with the one that replaced it.',
  tag: 'Operating systems',
  access: READERS,
  params: Type.Object({ operating_system_id: Id('Identifier of the operating system.') }),
  success: { status: 200, description: 'The operating system.', body: OperatingSystemDetailed },
  problems: [400, 404],
});

export const operatingSystemEndpoints = { listOperatingSystems, getOperatingSystem };
