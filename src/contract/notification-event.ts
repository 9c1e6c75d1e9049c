// The kinds of notification, and for each kind the data that the event stores and the message shows.
import { type Static, Type } from 'typebox';

export const NOTIFICATION_TYPES = [
  'CRITICAL_CVE_PATCH_AVAILABLE',
  'APPLICATION_REQUEST_CREATED',
  'REGISTRY_HEALTH_CHANGES',
  'APPLICATION_UNSUPPORTED',
  'MONTHLY_NEW_APPLICATIONS_OFFERING',
  'APPLICATION_EOL',
] as const;
export type NotificationType = (typeof NOTIFICATION_TYPES)[number];

/** The six kinds, and the test message of a provider. */
export const DELIVERY_TYPES = [...NOTIFICATION_TYPES, 'TEST'] as const;
export type DeliveryType = (typeof DELIVERY_TYPES)[number];

export const NOTIFICATION_PROVIDER_TYPES = ['EMAIL', 'SLACK', 'GOOGLE_CHAT'] as const;
export type NotificationProviderType = (typeof NOTIFICATION_PROVIDER_TYPES)[number];

export const DELIVERY_STATUSES = ['PENDING', 'DELIVERED', 'FAILED'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** The label and the description of each kind. */
export const NOTIFICATION_LABELS: Record<NotificationType, { label: string; description: string }> = {
  CRITICAL_CVE_PATCH_AVAILABLE: {
    label: 'Vulnerability patched',
    description: 'An application was released with a fix of a vulnerability, of any severity.',
  },
  APPLICATION_REQUEST_CREATED: {
    label: 'Application request created',
    description: 'A user requested to add applications to a catalog or to remove some.',
  },
  REGISTRY_HEALTH_CHANGES: {
    label: 'Registry health changed',
    description: 'A registry became unusable, or usable again.',
  },
  APPLICATION_UNSUPPORTED: {
    label: 'Application unsupported',
    description: 'An application of a catalog no longer gets new releases.',
  },
  MONTHLY_NEW_APPLICATIONS_OFFERING: {
    label: 'New offerings of the month',
    description: 'Once a month: the offerings that were added in the previous month.',
  },
  APPLICATION_EOL: {
    label: 'Application end of life',
    description: 'The upstream end of life of an application of a catalog approaches.',
  },
};

const ofApplication = {
  catalog_id: Type.String(),
  application_id: Type.String(),
  /** Product, branch and packaging type, such as `redis 7.0 (container image)`. */
  application: Type.String(),
};

/** `at` is the end of upstream's support in RFC 3339. */
function endOfSupport<T extends 'APPLICATION_UNSUPPORTED' | 'APPLICATION_EOL'>(type: T) {
  return Type.Object({ type: Type.Literal(type), at: Type.Optional(Type.String()), ...ofApplication });
}

/** An event with the data that the event's message needs, as it is stored. */
export const NotificationEvent = Type.Union([
  Type.Object({
    type: Type.Literal('CRITICAL_CVE_PATCH_AVAILABLE'),
    release_id: Type.String(),
    version: Type.String(),
    /** Repository, name and tag of the artifact. */
    artifact: Type.String(),
    vulnerabilities: Type.Array(Type.String()),
    ...ofApplication,
  }),
  Type.Object({
    type: Type.Literal('APPLICATION_REQUEST_CREATED'),
    catalog_id: Type.String(),
    request_id: Type.String(),
    name: Type.String(),
    request_type: Type.Union([Type.Literal('add'), Type.Literal('remove')]),
    created_by: Type.String(),
    applications: Type.Array(Type.String()),
  }),
  Type.Object({
    type: Type.Literal('REGISTRY_HEALTH_CHANGES'),
    registry_id: Type.String(),
    name: Type.String(),
    unhealthy_cause: Type.Optional(Type.String()),
  }),
  endOfSupport('APPLICATION_UNSUPPORTED'),
  endOfSupport('APPLICATION_EOL'),
  Type.Object({
    type: Type.Literal('MONTHLY_NEW_APPLICATIONS_OFFERING'),
    /** The month, such as `2026-03`. */
    month: Type.String(),
    total: Type.Integer(),
    /** The first of the `total` new offerings. */
    offerings: Type.Array(Type.String()),
  }),
  Type.Object({ type: Type.Literal('TEST'), asked_by: Type.String() }),
]);
export type NotificationEvent = Static<typeof NotificationEvent>;
