// Notification providers: the destinations of an organization's notifications, and the deliveries to them.
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
    label: Text('Label of the kind.'),
    description: Text('When notifications of this kind are sent.'),
  },
  { title: 'NotificationTypeInfo' },
);

const Recipients = Type.Array(EmailAddress('A mail address.'), {
  minItems: 1,
  maxItems: NOTIFICATION_RECIPIENTS_MAX,
  uniqueItems: true,
  description:
    'E-mail addresses of the recipients; defaults to the organization’s owners, at their e-mail addresses or user names that are e-mail addresses. An addition of Larder.',
});

const shown = {
  id: Id('Identifier of the provider.'),
  name: Text('Name of the provider.'),
  enabled: Type.Boolean({ description: 'Whether notifications are sent to it.' }),
  notification_types: Type.Optional(
    Type.Array(Word(NOTIFICATION_TYPES, 'A kind.'), { description: 'Kinds of notification that are sent to it.' }),
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

/** A secret in visible ASCII without spaces, because it is sent in a header or a URL. */
function Secret(description: string) {
  return Type.String({
    pattern: '^[!-~]+$',
    expects: 'visible characters without spaces',
    minLength: 1,
    maxLength: NOTIFICATION_SECRET_LENGTH_MAX,
    writeOnly: true,
    description: `${description} It is stored encrypted and shown masked.`,
  });
}

const name = Name('Name of the provider.');
const slack = {
  token: Secret('Token of a Slack app that may write to the channel (scope chat:write).'),
  channel_id: Secret('The id of the channel.'),
};
const googleChat = {
  space_id: Secret('The id of the space, from the URL of the webhook.'),
  key: Secret('`key` from the URL of the webhook.'),
  token: Secret('`token` from the URL of the webhook.'),
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
  enabled: Type.Optional(Type.Boolean({ description: 'Whether notifications are sent to it.' })),
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
          description: 'The kinds of notification to send to it from now on.',
        }),
      }),
      {
        minItems: 1,
        maxItems: NOTIFICATION_PROVIDERS_MAX,
        description: 'The kinds of notification for each of these providers.',
      },
    ),
  },
  { title: 'UpdateNotificationTypesRequest' },
);

export const NotificationDelivery = Type.Object(
  {
    id: Id('Identifier of the delivery; messages carry it.'),
    type: Word(DELIVERY_TYPES, 'Kind of notification; TEST for a test message.'),
    status: Word(DELIVERY_STATUSES, 'PENDING until the message is delivered or given up.'),
    attempts: Type.Integer({ description: 'Number of attempts.' }),
    last_error: Type.Optional(Text('Why the last attempt failed, and what to do about it.')),
    created_at: Time('When the event happened.'),
    updated_at: Time('When it last changed.'),
    delivered_at: Type.Optional(Time('When the message was accepted.')),
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
  description: 'Lists the kinds of notification, with labels and descriptions.',
  tag,
  access: READERS,
  success: { status: 200, description: 'All kinds.', body: Type.Array(NotificationTypeInfo) },
  problems: [400],
});

const listNotificationProviders = defineEndpoint({
  method: 'GET',
  path,
  summary: 'List notification providers',
  description: 'Lists the notification providers. Secrets are masked.',
  tag,
  access: READERS,
  query: Type.Object({
    enabled: OptionalFlag('true: only enabled providers; false: only disabled ones.'),
    removed: OptionalFlag('true: only removed providers; false: only the others.'),
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
  summary: 'Create a notification provider',
  description: `Creates a provider, which is enabled and gets every kind of notification. An organization has at most ${NOTIFICATION_PROVIDERS_MAX}.`,
  ...writing,
  body: CreateNotificationProviderRequestBody,
  success: { status: 201, description: 'The provider was created.', location: `${path}/{id}` },
  problems: [400, 409, 413, 415],
});

const getNotificationProvider = defineEndpoint({
  method: 'GET',
  path: `${path}/{provider_id}`,
  summary: 'Get a notification provider',
  description: 'Returns one provider, removed or not.',
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
  description: 'Changes a provider. The type must be given and cannot be changed.',
  ...writing,
  params,
  body: UpdateNotificationProviderRequest,
  success: { status: 204, description: 'The provider was changed.' },
});

const deleteNotificationProvider = defineEndpoint({
  method: 'DELETE',
  path: `${path}/{provider_id}`,
  summary: 'Remove a notification provider',
  description: 'Removes a provider, deletes its secrets and gives up pending messages to it.',
  tag,
  access: WRITERS,
  params,
  success: { status: 204, description: 'The provider was removed.' },
  problems: [400, 404],
});

const updateNotificationTypes = defineEndpoint({
  method: 'PUT',
  path: `${path}/notification-types`,
  summary: 'Set the notifications of providers',
  description:
    'Sets the kinds of notification for several providers: for all of them or, if one is not found, for none.',
  ...writing,
  body: UpdateNotificationTypesRequest,
  success: { status: 204, description: 'The providers were changed.' },
});

const listNotificationDeliveries = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/notification-providers/{provider_id}/deliveries',
  summary: 'List the messages to a notification provider',
  description: 'Lists the messages of the last 90 days with their status. An addition of Larder.',
  tag,
  access: READERS,
  params,
  query: Type.Object({
    status: Type.Optional(Word(DELIVERY_STATUSES, 'Only deliveries with this status.')),
    ...pageQuery,
  }),
  success: {
    status: 200,
    description: 'A page of deliveries, newest first.',
    body: PageOf(NotificationDelivery, 'NotificationDeliveriesPage'),
  },
  problems: [400, 404],
});

const testNotificationProvider = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/notification-providers/{provider_id}/test',
  summary: 'Send a test message',
  description: `Sends a test message, also to a disabled provider; \`deliveries\` lists its status. At most ${TEST_MESSAGES_PER_HOUR_MAX} an hour. An addition of Larder.`,
  tag,
  access: WRITERS,
  params,
  success: { status: 202, description: 'The message was enqueued.' },
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
