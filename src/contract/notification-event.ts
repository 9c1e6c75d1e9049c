// The kinds of notification, and for each kind the data that the event stores and the message shows.

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

type OfApplication = {
  catalog_id: string;
  application_id: string;
  /** Product, branch and packaging type: `redis 7.0 (container image)`. */
  application: string;
};

/** An event with the data that the event's message needs. */
export type NotificationEvent =
  | ({
      type: 'CRITICAL_CVE_PATCH_AVAILABLE';
      release_id: string;
      version: string;
      /** Repository, name and tag. */
      artifact: string;
      vulnerabilities: string[];
    } & OfApplication)
  | {
      type: 'APPLICATION_REQUEST_CREATED';
      catalog_id: string;
      request_id: string;
      name: string;
      request_type: 'add' | 'remove';
      created_by: string;
      applications: string[];
    }
  | { type: 'REGISTRY_HEALTH_CHANGES'; registry_id: string; name: string; unhealthy_cause?: string }
  /** `at`: when upstream's support ends, RFC 3339. */
  | ({ type: 'APPLICATION_UNSUPPORTED' | 'APPLICATION_EOL'; at?: string } & OfApplication)
  /** `month`: `2026-03`. The offerings are the first of `total`. */
  | { type: 'MONTHLY_NEW_APPLICATIONS_OFFERING'; month: string; total: number; offerings: string[] }
  | { type: 'TEST'; asked_by: string };
