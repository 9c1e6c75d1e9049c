// The table of all handlers, by operation. If a handler is missing or does not match its endpoint, the table does not
// compile.
import { endpoints, type Operation, operations } from '../../contract/endpoints.ts';
import type { Handler } from '../handler.ts';
import { apiTokenHandlers } from './api-tokens.ts';
import { applicationRequestHandlers } from './application-requests.ts';
import { applicationHandlers } from './applications.ts';
import { auditEventHandlers } from './audit-events.ts';
import { baseImageHandlers } from './base-images.ts';
import { catalogHandlers } from './catalogs.ts';
import { customizationHandlers } from './customizations.ts';
import { fileHandlers } from './files.ts';
import { notificationHandlers } from './notification-providers.ts';
import { offeringHandlers } from './offerings.ts';
import { operatingSystemHandlers } from './operating-systems.ts';
import { organizationHandlers } from './organizations.ts';
import { pipelineHandlers } from './pipelines.ts';
import { productHandlers } from './products.ts';
import { registryHandlers } from './registries.ts';
import { registryCredentialHandlers } from './registry-credentials.ts';
import { releaseHandlers } from './releases.ts';
import { sessionHandlers } from './sessions.ts';
import { signingKeyHandlers } from './signing-keys.ts';
import { subscriptionHandlers } from './subscriptions.ts';
import { tokenHandlers } from './tokens.ts';
import { userHandlers } from './users.ts';
import { waveHandlers } from './waves.ts';

const handlers = {
  ...tokenHandlers,
  ...sessionHandlers,
  ...catalogHandlers,
  ...fileHandlers,
  ...offeringHandlers,
  ...applicationHandlers,
  ...applicationRequestHandlers,
  ...baseImageHandlers,
  ...operatingSystemHandlers,
  ...registryHandlers,
  ...registryCredentialHandlers,
  ...customizationHandlers,
  ...pipelineHandlers,
  ...waveHandlers,
  ...releaseHandlers,
  ...productHandlers,
  ...notificationHandlers,
  ...subscriptionHandlers,
  ...apiTokenHandlers,
  ...userHandlers,
  ...organizationHandlers,
  ...signingKeyHandlers,
  ...auditEventHandlers,
} satisfies { [O in Operation]: Handler<O> };

/** Every endpoint with its handler, by operation. */
export const handledEndpoints = Object.fromEntries(
  operations.map((operation) => [operation, { endpoint: endpoints[operation], handler: handlers[operation] }]),
);
