// Notification providers: destinations of an organization's notifications. Secrets are stored sealed and shown masked.
import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { NOTIFICATION_PROVIDERS_MAX } from '../contract/limits.ts';
import {
  NOTIFICATION_LABELS,
  NOTIFICATION_TYPES,
  type NotificationProviderType,
} from '../contract/notification-event.ts';
import type { NotificationProvider } from '../contract/notification-provider.ts';
import type { Database, Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import { lockName } from '../db/transaction-locks.ts';
import { CatalogError, notFound, rejectViolations } from './errors.ts';
import { isUuid, requireUuids } from './ids.ts';
import { giveUpDeliveriesOf } from './notification-deliveries.ts';
import type { Principal } from './principal.ts';
import type { Seal } from './registries.ts';
import { allOf, direction, pageWindow, present, toPage, wireTime } from './wire.ts';

/** Opens a value that was sealed for the row with this id. */
export type Unseal = (sealed: Buffer, row: { organization_id: string; row_id: string }) => string;

/** The fields that are sealed, by the type of the provider. */
const SECRETS = {
  EMAIL: [],
  SLACK: ['channel_id', 'token'],
  GOOGLE_CHAT: ['space_id', 'key', 'token'],
} as const satisfies Record<NotificationProviderType, readonly string[]>;

const ORDERS: Record<Input<'listNotificationProviders'>['order_field'], RawBuilder<unknown>> = {
  CREATED_AT: sql`p.created_at`,
  UPDATED_AT: sql`p.updated_at`,
  NAME: sql`p.name`,
};

/** Lists all kinds of notification. */
export async function listNotificationTypes(): Promise<Output<'listNotificationTypes'>> {
  return NOTIFICATION_TYPES.map((type) => ({ type, ...NOTIFICATION_LABELS[type] }));
}

/** Lists the organization's providers. Removed providers are omitted unless requested. Two statements. */
export async function listNotificationProviders(
  db: Database,
  principal: Principal,
  input: Input<'listNotificationProviders'>,
): Promise<Output<'listNotificationProviders'>> {
  const where = allOf([
    sql`p.organization_id = ${principal.organization_id}`,
    input.removed === true ? sql`p.removed_at is not null` : sql`p.removed_at is null`,
    input.enabled === undefined ? undefined : sql`p.enabled = ${input.enabled}`,
  ]);
  const total = await sql<{ total: number }>`
    select count(*) as total from notification_providers p where ${where}`.execute(db);
  const rows = await sql<ProviderRow>`
    select ${columns()} from notification_providers p where ${where}
    order by ${ORDERS[input.order_field]} ${direction(input.order_direction)}, p.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toProvider));
}

/** Returns one provider, even if it was removed. Throws NOT_FOUND. */
export async function getNotificationProvider(
  db: Database,
  principal: Principal,
  input: Input<'getNotificationProvider'>,
): Promise<Output<'getNotificationProvider'>> {
  requireUuids('notification provider', input.provider_id);
  const found = await sql<ProviderRow>`
    select ${columns()} from notification_providers p
    where p.organization_id = ${principal.organization_id} and p.id = ${input.provider_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('notification provider');
  return toProvider(row);
}

/** Creates a provider that gets all kinds of notifications. Throws LIMIT_REACHED. */
export async function createNotificationProvider(
  tx: Transaction,
  principal: Principal,
  input: Input<'createNotificationProvider'>,
  { seal }: { seal: Seal },
): Promise<Output<'createNotificationProvider'>> {
  const { organization_id } = principal;
  // Takes a lock, so that two concurrent requests cannot exceed the limit.
  await lockName(tx, ['notification-providers', organization_id]);
  await requireBelowLimit(tx, organization_id);
  const id = randomUUID();
  const secrets = secretsIn(input);
  await tx
    .insertInto('notification_providers')
    .values({
      id,
      organization_id,
      name: input.name,
      type: input.type,
      notification_types: [...NOTIFICATION_TYPES],
      recipients: input.type === 'EMAIL' ? (input.recipients ?? null) : null,
      sealed_settings: seal(JSON.stringify(secrets), { organization_id, row_id: id }),
      masked: json(masksOf(secrets)),
      created_by: principal.name,
      updated_by: principal.name,
    })
    .execute();
  return { id };
}

/**
 * Changes the given fields of a provider. Throws NOT_FOUND, and INVALID if the given type is not the type of the provider.
 */
export async function updateNotificationProvider(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateNotificationProvider'>,
  { seal, unseal }: { seal: Seal; unseal: Unseal },
): Promise<void> {
  const { organization_id } = principal;
  const [provider] = await lockProviders(tx, principal, [input.provider_id]);
  if (!provider) throw notFound('notification provider');
  if (provider.type !== input.type)
    rejectViolations([{ field: 'type', message: `It should be ${provider.type}, the type of this provider.` }]);
  const owner = { organization_id, row_id: provider.id };
  const given = secretsIn(input);
  const isSealedAnew = Object.keys(given).length > 0 && provider.sealed_settings !== null;
  const secrets = isSealedAnew
    ? { ...JSON.parse(unseal(provider.sealed_settings ?? Buffer.of(), owner)), ...given }
    : {};
  await tx
    .updateTable('notification_providers')
    .set({
      ...(input.name !== undefined && { name: input.name }),
      ...(input.enabled !== undefined && { enabled: input.enabled }),
      ...(input.type === 'EMAIL' && input.recipients !== undefined && { recipients: input.recipients }),
      ...(isSealedAnew && {
        sealed_settings: seal(JSON.stringify(secrets), owner),
        masked: json(masksOf(secrets)),
      }),
      updated_at: sql<Date>`now()`,
      updated_by: principal.name,
    })
    .where('id', '=', provider.id)
    .execute();
}

/** Removes a provider, deletes its secrets, and gives up its pending messages. Throws NOT_FOUND. */
export async function deleteNotificationProvider(
  tx: Transaction,
  principal: Principal,
  input: Input<'deleteNotificationProvider'>,
): Promise<void> {
  const [provider] = await lockProviders(tx, principal, [input.provider_id]);
  if (!provider) throw notFound('notification provider');
  await tx
    .updateTable('notification_providers')
    .set({ removed_at: sql`now()`, removed_by: principal.name, sealed_settings: null })
    .where('id', '=', provider.id)
    .execute();
  await giveUpDeliveriesOf(tx, provider.id);
}

/**
 * Sets which kinds of notifications each of these providers gets. Throws NOT_FOUND if a provider does not exist, and INVALID
 * if a provider is named twice.
 */
export async function updateNotificationTypes(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateNotificationTypes'>,
): Promise<void> {
  const ids = input.configurations.map(({ provider_id }) => provider_id.toLowerCase());
  rejectViolations(
    ids.flatMap((id, index) =>
      ids.indexOf(id) === index
        ? []
        : [{ field: `configurations[${index}].provider_id`, message: 'This provider is named twice' }],
    ),
  );
  const malformed = ids.find((id) => !isUuid(id));
  if (malformed !== undefined) throw notFound(`notification provider ${malformed}`);
  const locked = new Set((await lockProviders(tx, principal, ids)).map(({ id }) => id));
  const absent = ids.find((id) => !locked.has(id));
  if (absent !== undefined) throw notFound(`notification provider ${absent}`);
  for (const { provider_id, enabled_notifications } of input.configurations) {
    await tx
      .updateTable('notification_providers')
      .set({ notification_types: enabled_notifications, updated_at: sql`now()`, updated_by: principal.name })
      .where('id', '=', provider_id)
      .execute();
  }
}

type LockedProvider = { id: string; type: NotificationProviderType; sealed_settings: Buffer | null };

async function lockProviders(tx: Transaction, principal: Principal, ids: string[]): Promise<LockedProvider[]> {
  requireUuids('notification provider', ...ids);
  const found = await sql<LockedProvider>`
    select id, type, sealed_settings from notification_providers
    where id = any(${ids}::uuid[]) and organization_id = ${principal.organization_id} and removed_at is null
    order by id for update`.execute(tx);
  return found.rows;
}

async function requireBelowLimit(tx: Transaction, organizationId: string): Promise<void> {
  const found = await sql<{ total: number }>`
    select count(*) as total from notification_providers
    where organization_id = ${organizationId} and removed_at is null`.execute(tx);
  if ((found.rows[0]?.total ?? 0) < NOTIFICATION_PROVIDERS_MAX) return;
  throw new CatalogError(
    'LIMIT_REACHED',
    `The organization has ${NOTIFICATION_PROVIDERS_MAX} notification providers, which is the limit: remove one first`,
  );
}

/** Returns the secrets in a request, by field name. */
function secretsIn(input: { type: NotificationProviderType } & Record<string, unknown>): Record<string, string> {
  const given: Record<string, string> = {};
  for (const name of SECRETS[input.type]) {
    const value = input[name];
    if (typeof value === 'string') given[name] = value;
  }
  return given;
}

/** Masks each secret as eight stars, which hide its length, followed by its last three characters if it has more than six. */
function masksOf(secrets: Record<string, string>): Record<string, string> {
  const mask = (text: string) => `********${text.length > 6 ? text.slice(-3) : ''}`;
  return Object.fromEntries(Object.entries(secrets).map(([name, text]) => [`masked_${name}`, mask(text)]));
}

type ProviderRow = Omit<NotificationProvider, 'removed_at' | 'removed_by' | 'type'> & {
  type: NotificationProviderType;
  recipients: string[] | null;
  masked: Record<string, string>;
  removed_at: string | null;
  removed_by: string | null;
};

function columns(): RawBuilder<unknown> {
  return sql`p.id, p.type, p.name, p.enabled, p.notification_types, p.recipients, p.masked,
    ${wireTime('p.created_at')} as created_at, p.created_by, ${wireTime('p.updated_at')} as updated_at, p.updated_by,
    ${wireTime('p.removed_at')} as removed_at, p.removed_by`;
}

function toProvider({ masked, ...row }: ProviderRow): NotificationProvider {
  // `masked` was made from the secrets in the row, so it has the fields that the provider's type requires.
  return present<NotificationProvider>({ ...row, ...masked } as NotificationProvider);
}
