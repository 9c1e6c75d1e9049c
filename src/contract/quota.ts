// Quotas: the limits of an organization, and their current use.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';

const Quota = Type.Object(
  {
    limit: Type.Integer({ minimum: 0, description: 'Maximum number.' }),
    usage: Type.Integer({ minimum: 0, description: 'Current number.' }),
  },
  { title: 'Quota', description: 'Absent if there is no limit.' },
);

export const Quotas = Type.Object({ applications: Type.Optional(Quota) }, { title: 'Quotas' });
export type Quotas = Static<typeof Quotas>;

const getQuotas = defineEndpoint({
  method: 'GET',
  path: '/v1/quotas',
  summary: 'Get the organization’s quotas',
  description: 'Returns the maximum and the current number of applications, if the operator set a maximum.',
  tag: 'Quotas and subscriptions',
  access: READERS,
  success: { status: 200, description: 'The quotas that are set.', body: Quotas },
  problems: [400],
});

export const quotaEndpoints = { getQuotas };
