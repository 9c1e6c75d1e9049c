// Notification providers: where an organization wants to be told of what happens, and how each message fared.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { EmailAddress, Id, Name, OptionalFlag, Text, Time, Word } from './field.ts';
import {
  NOTIFICATION_PROVIDERS_MAX,
  NOTIFICATION_RECIPIENTS_MAX,
  NOTIFICATION_SECRET_LENGTH_MAX,
  TEST_MESSAGES_PER_HOUR_MAX,
} from './limits.ts';
import { DELIVERY_STATUSES, DELIVERY_TYPES, NOTIFICATION_TYPES } from './notification-event.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';

const NotificationTypeInfo = Type.Object(
  {
    type: Word(NOTIFICATION_TYPES, 'The kind.'),
    label: Text('Its name for people.'),
    description: Text('When it is sent.'),
  },
  { title: 'NotificationTypeInfo' },
);

const Recipients = Type.Array(EmailAddress('A mail address.'), {
  minItems: 1,
  maxItems: NOTIFICATION_RECIPIENTS_MAX,
  uniqueItems: true,
  description:
    'Addresses the mail goes to; when there are none, the organization’s owners, at their e-mail addresses or at user names that are one. An addition of Larder.',
});

const shown = {
  id: Id('Identifier of the provider.'),
  name: Text('Its name.'),
  enabled: Type.Boolean({ description: 'Whether it is told anything.' }),
  notification_types: Type.Optional(
    Type.Array(Word(NOTIFICATION_TYPES, 'A kind.'), { description: 'What it is told of.' }),
  ),
  created_at: Time('When it was made.'),
  created_by: Text('Who made it.'),
  updated_at: Time('When it last changed.'),
  updated_by: Text('Who last changed it.'),
  removed_at: Type.Optional(Time('When it was removed.')),
  removed_by: Type.Optional(Text('Who removed it.')),
};

function masked(what: string) {
  return Text(`Stars and the last three characters of ${what}.`);
}

export const NotificationProvider = Type.Union(
  [
    Type.Object(
      { type: Type.Literal('EMAIL'), ...shown, recipients: Type.Optional(Recipients) },
      { title: 'EmailNotificationProvider' },
    ),
    Type.Object(
      {
        type: Type.Literal('SLACK'),
        ...shown,
        masked_channel_id: masked('the channel’s id'),
        masked_token: masked('the token'),
      },
      { title: 'SlackNotificationProvider' },
    ),
    Type.Object(
      {
        type: Type.Literal('GOOGLE_CHAT'),
        ...shown,
        masked_space_id: masked('the space’s id'),
        masked_key: masked('the key'),
        masked_token: masked('the token'),
      },
      { title: 'GoogleChatNotificationProvider' },
    ),
  ],
  { title: 'NotificationProvider', discriminator: { propertyName: 'type' } },
);
export type NotificationProvider = Static<typeof NotificationProvider>;

/** Visible ASCII without spaces: it goes into a header or an address. */
function Secret(description: string) {
  return Type.String({
    pattern: '^[!-~]+$',
    expects: 'visible characters without spaces',
    minLength: 1,
    maxLength: NOTIFICATION_SECRET_LENGTH_MAX,
    writeOnly: true,
    description: `${description} It is kept sealed and shown masked.`,
  });
}

const name = Name('Name of the provider.');
const slack = {
  token: Secret('Token of a Slack app that may write to the channel (scope chat:write).'),
  channel_id: Secret('The id of the channel.'),
};
const googleChat = {
  space_id: Secret('The id of the space, as the webhook’s address has it.'),
  key: Secret('`key` of the webhook’s address.'),
  token: Secret('`token` of the webhook’s address.'),
};

const CreateNotificationProviderRequestBody = Type.Union(
  [
    Type.Object({ type: Type.Literal('EMAIL'), name, recipients: Type.Optional(Recipients) }, { title: 'CreateEmail' }),
    Type.Object({ type: Type.Literal('SLACK'), name, ...slack }, { title: 'CreateSlack' }),
    Type.Object({ type: Type.Literal('GOOGLE_CHAT'), name, ...googleChat }, { title: 'CreateGoogleChat' }),
  ],
  { title: 'CreateNotificationProviderRequestBody', discriminator: { propertyName: 'type' }, tagRequired: true },
);

const changed = {
  name: Type.Optional(name),
  enabled: Type.Optional(Type.Boolean({ description: 'Whether it is told anything.' })),
};
const UpdateNotificationProviderRequest = Type.Union(
  [
    Type.Object(
      { type: Type.Literal('EMAIL'), ...changed, recipients: Type.Optional(Recipients) },
      { title: 'UpdateEmail' },
    ),
    Type.Object(
      {
        type: Type.Literal('SLACK'),
        ...changed,
        token: Type.Optional(slack.token),
        channel_id: Type.Optional(slack.channel_id),
      },
      { title: 'UpdateSlack' },
    ),
    Type.Object(
      {
        type: Type.Literal('GOOGLE_CHAT'),
        ...changed,
        space_id: Type.Optional(googleChat.space_id),
        key: Type.Optional(googleChat.key),
        token: Type.Optional(googleChat.token),
      },
      { title: 'UpdateGoogleChat' },
    ),
  ],
  { title: 'UpdateNotificationProviderRequest', discriminator: { propertyName: 'type' }, tagRequired: true },
);

const UpdateNotificationTypesRequest = Type.Object(
  {
    configurations: Type.Array(
      Type.Object({
        provider_id: Id('A provider.'),
        enabled_notifications: Type.Array(Word(NOTIFICATION_TYPES, 'A kind.'), {
          maxItems: NOTIFICATION_TYPES.length,
          uniqueItems: true,
          description: 'All that it is told of from here on.',
        }),
      }),
      { minItems: 1, maxItems: NOTIFICATION_PROVIDERS_MAX, description: 'What each of these providers is told of.' },
    ),
  },
  { title: 'UpdateNotificationTypesRequest' },
);

export const NotificationDelivery = Type.Object(
  {
    id: Id('Identifier of the delivery; messages carry it.'),
    type: Word(DELIVERY_TYPES, 'What it tells of; TEST when somebody asked for a message.'),
    status: Word(DELIVERY_STATUSES, 'PENDING until it arrived or was given up.'),
    attempts: Type.Integer({ description: 'How often it was tried.' }),
    last_error: Type.Optional(Text('Why the last try failed, and what to do about it.')),
    created_at: Time('When what it tells happened.'),
    updated_at: Time('When it last changed.'),
    delivered_at: Type.Optional(Time('When it was taken over.')),
  },
  { title: 'NotificationDelivery' },
);
export type NotificationDelivery = Static<typeof NotificationDelivery>;

const tag = 'Notifications';
const params = Type.Object({ provider_id: Id('Identifier of the provider.') });
const path = '/v1/notification-providers';
const writing = { tag, access: WRITERS, problems: [400, 404, 413, 415] } as const;

const listNotificationTypes = defineEndpoint({
  method: 'GET',
  path: '/v1/notification-types',
  summary: 'List the kinds of notification',
  description: 'What there is to be told of, with words for people.',
  tag,
  access: READERS,
  success: { status: 200, description: 'All kinds.', body: Type.Array(NotificationTypeInfo) },
  problems: [400],
});

const listNotificationProviders = defineEndpoint({
  method: 'GET',
  path,
  summary: 'List notification providers',
  description: 'Where notifications go. Secrets are masked.',
  tag,
  access: READERS,
  query: Type.Object({
    enabled: OptionalFlag('Only providers that are enabled, or only those that are not.'),
    removed: OptionalFlag('Only providers that were removed, or only those that were not.'),
    ...orderQuery(['CREATED_AT', 'UPDATED_AT', 'NAME'], 'DESC'),
    ...pageQuery,
  }),
  success: {
    status: 200,
    description: 'A page of providers.',
    body: PageOf(NotificationProvider, 'NotificationProviderPage'),
  },
  problems: [400],
});

const createNotificationProvider = defineEndpoint({
  method: 'POST',
  path,
  summary: 'Make a notification provider',
  description: `It is enabled and told of every kind until that is changed. An organization has at most ${NOTIFICATION_PROVIDERS_MAX}.`,
  ...writing,
  body: CreateNotificationProviderRequestBody,
  success: { status: 201, description: 'The provider was made.', location: `${path}/{id}` },
  problems: [400, 409, 413, 415],
});

const getNotificationProvider = defineEndpoint({
  method: 'GET',
  path: `${path}/{provider_id}`,
  summary: 'Get a notification provider',
  description: 'One provider, removed or not.',
  tag,
  access: READERS,
  params,
  success: { status: 200, description: 'The provider, its secrets masked.', body: NotificationProvider },
  problems: [400, 404],
});

const updateNotificationProvider = defineEndpoint({
  method: 'PATCH',
  path: `${path}/{provider_id}`,
  summary: 'Change a notification provider',
  description: 'Its type is named, and stays.',
  ...writing,
  params,
  body: UpdateNotificationProviderRequest,
  success: { status: 204, description: 'The provider was changed.' },
});

const deleteNotificationProvider = defineEndpoint({
  method: 'DELETE',
  path: `${path}/{provider_id}`,
  summary: 'Remove a notification provider',
  description: 'Its secrets are forgotten, and what waits for it is given up.',
  tag,
  access: WRITERS,
  params,
  success: { status: 204, description: 'The provider was removed.' },
  problems: [400, 404],
});

const updateNotificationTypes = defineEndpoint({
  method: 'PUT',
  path: `${path}/notification-types`,
  summary: 'Set what providers are told of',
  description: 'All of them or, when one is not found, none.',
  ...writing,
  body: UpdateNotificationTypesRequest,
  success: { status: 204, description: 'The providers were changed.' },
});

const listNotificationDeliveries = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/notification-providers/{provider_id}/deliveries',
  summary: 'List the messages to a notification provider',
  description: 'How each of the last 90 days’ messages fared. An addition of Larder.',
  tag,
  access: READERS,
  params,
  query: Type.Object({
    status: Type.Optional(Word(DELIVERY_STATUSES, 'Only deliveries with this status.')),
    ...pageQuery,
  }),
  success: {
    status: 200,
    description: 'A page of deliveries, the newest first.',
    body: PageOf(NotificationDelivery, 'NotificationDeliveriesPage'),
  },
  problems: [400, 404],
});

const testNotificationProvider = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/notification-providers/{provider_id}/test',
  summary: 'Send a test message',
  description: `Also to a provider that is not enabled; \`deliveries\` tells how it fared. At most ${TEST_MESSAGES_PER_HOUR_MAX} an hour. An addition of Larder.`,
  tag,
  access: WRITERS,
  params,
  success: { status: 202, description: 'It will be sent.' },
  problems: [400, 404, 409],
});

export const notificationEndpoints = {
  listNotificationTypes,
  listNotificationProviders,
  createNotificationProvider,
  getNotificationProvider,
  updateNotificationProvider,
  deleteNotificationProvider,
  updateNotificationTypes,
  listNotificationDeliveries,
  testNotificationProvider,
};
