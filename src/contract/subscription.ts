// Subscriptions: the terms and the dates of an organization's use of the installation.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { Id, Text, Time, Word } from './field.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { SUBSCRIPTION_PRODUCTS, SUBSCRIPTION_STATUSES } from './vocabulary.ts';

const SubscriptionQuotas = Type.Object(
  {
    applications: Type.Object(
      { limit: Type.Integer({ minimum: 0, description: 'Maximum number.' }) },
      { title: 'SubscriptionQuota' },
    ),
  },
  { title: 'SubscriptionQuotas', description: 'Absent if there is no limit.' },
);

export const Subscription = Type.Object(
  {
    id: Id('Identifier of the subscription.'),
    product_id: Word(SUBSCRIPTION_PRODUCTS, 'The product of the subscription.'),
    status: Word(SUBSCRIPTION_STATUSES, 'Status according to its dates.'),
    quotas: Type.Optional(SubscriptionQuotas),
    created_at: Time('When it was made.'),
    created_by: Type.Optional(Text('Who made it.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    updated_by: Type.Optional(Text('Who last changed it.')),
    starts_at: Type.Optional(Time('When it begins.')),
    ends_at: Type.Optional(Time('When it ends.')),
  },
  { title: 'Subscription' },
);
export type Subscription = Static<typeof Subscription>;

export const SubscriptionsPage = PageOf(Subscription, 'SubscriptionsPage');

const ORDERS = [
  'CREATED_AT',
  'ID',
  'ORGANIZATION_NAME',
  'ORGANIZATION_ID',
  'PRODUCT_ID',
  'SUBSCRIPTION_STATUS',
  'ACTIVE_AT',
  'STARTS_AT',
  'ENDS_AT',
] as const;

const listSubscriptions = defineEndpoint({
  method: 'GET',
  path: '/v1/subscriptions',
  summary: 'List subscriptions',
  description: 'Lists the subscriptions of the organization, which has one from its beginning.',
  tag: 'Quotas and subscriptions',
  access: READERS,
  query: Type.Object({
    status: Type.Optional(Word(SUBSCRIPTION_STATUSES, 'Only subscriptions with this status.')),
    ...orderQuery(ORDERS, 'DESC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of the organization’s subscriptions.', body: SubscriptionsPage },
  problems: [400],
});

const getSubscription = defineEndpoint({
  method: 'GET',
  path: '/v1/subscriptions/{subscription_id}',
  summary: 'Get a subscription',
  description: 'Returns one of the organization’s subscriptions.',
  tag: 'Quotas and subscriptions',
  access: READERS,
  params: Type.Object({ subscription_id: Id('Identifier of the subscription.') }),
  success: { status: 200, description: 'The subscription.', body: Subscription },
  problems: [400, 404],
});

export const subscriptionEndpoints = { listSubscriptions, getSubscription };
