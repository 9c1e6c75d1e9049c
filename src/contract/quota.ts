// What an organization may have and has of it.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';

const Quota = Type.Object(
  {
    limit: Type.Integer({ minimum: 0, description: 'Maximum number.' }),
    usage: Type.Integer({ minimum: 0, description: 'How many there are.' }),
  },
  { title: 'Quota', description: 'Absent if there is no limit.' },
);

export const Quotas = Type.Object({ applications: Type.Optional(Quota) }, { title: 'Quotas' });
export type Quotas = Static<typeof Quotas>;

const getQuotas = defineEndpoint({
  method: 'GET',
  path: '/v1/quotas',
  summary: 'Get the organization’s quotas',
  description: 'How many applications it may have, where the operator set a limit, and how many it has.',
  tag: 'Quotas and subscriptions',
  access: READERS,
  success: { status: 200, description: 'What it may have, and what it has of that.', body: Quotas },
  problems: [400],
});

export const quotaEndpoints = { getQuotas };
