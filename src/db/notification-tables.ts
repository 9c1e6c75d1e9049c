// The tables of notifications: providers, events and deliveries.
import type { Generated } from 'kysely';
import type {
  DeliveryStatus,
  DeliveryType,
  NotificationEvent,
  NotificationProviderType,
} from '../contract/notification-event.ts';
import type { DefaultJson, DefaultTime, Json, OptionalTime } from './columns.ts';

export type NotificationProvidersTable = {
  id: Generated<string>;
  organization_id: string;
  name: string;
  type: NotificationProviderType;
  enabled: Generated<boolean>;
  /** The NotificationType values (src/contract/notification-event.ts) that the provider gets. */
  notification_types: string[];
  recipients: string[] | null;
  sealed_settings: Buffer | null;
  masked: DefaultJson<Record<string, string>>;
  created_at: DefaultTime;
  created_by: string;
  updated_at: DefaultTime;
  updated_by: string;
  removed_at: OptionalTime;
  removed_by: string | null;
};

export type NotificationEventsTable = {
  id: Generated<string>;
  organization_id: string;
  key: string;
  event: Json<NotificationEvent>;
  created_at: DefaultTime;
};

export type NotificationDeliveriesTable = {
  id: Generated<string>;
  organization_id: string;
  provider_id: string;
  event_id: string;
  type: DeliveryType;
  status: Generated<DeliveryStatus>;
  attempts: Generated<number>;
  last_error: string | null;
  created_at: DefaultTime;
  updated_at: DefaultTime;
  delivered_at: OptionalTime;
  attempt_until: OptionalTime;
};
