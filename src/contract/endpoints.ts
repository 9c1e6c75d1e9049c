// All endpoints by the name of their operation. To add an endpoint, add an entry to the file of its resource.
import { apiTokenEndpoints } from './api-token.ts';
import { applicationEndpoints } from './application.ts';
import { applicationRequestEndpoints } from './application-request.ts';
import { auditEventEndpoints } from './audit-event.ts';
import { baseImageEndpoints } from './base-image.ts';
import { catalogEndpoints } from './catalog.ts';
import { catalogSettingsEndpoints } from './catalog-settings.ts';
import { customizationEndpoints } from './customization.ts';
import type { CallOf, EndpointDefinition, InputOf, OutputOf } from './endpoint.ts';
import { fileEndpoints } from './file.ts';
import { notificationEndpoints } from './notification-provider.ts';
import { offeringEndpoints } from './offering.ts';
import { operatingSystemEndpoints } from './operating-system.ts';
import { organizationEndpoints } from './organization.ts';
import { pipelineEndpoints } from './pipeline.ts';
import { productEndpoints } from './product.ts';
import { quotaEndpoints } from './quota.ts';
import { registryEndpoints } from './registry.ts';
import { registryCredentialEndpoints } from './registry-credential.ts';
import { releaseEndpoints } from './release.ts';
import { sessionEndpoints } from './session.ts';
import { signingKeyEndpoints } from './signing-key.ts';
import { subscriptionEndpoints } from './subscription.ts';
import { tokenEndpoints } from './token.ts';
import { userEndpoints } from './user.ts';
import { waveEndpoints } from './wave.ts';

export const endpoints = {
  ...tokenEndpoints,
  ...sessionEndpoints,
  ...catalogEndpoints,
  ...catalogSettingsEndpoints,
  ...fileEndpoints,
  ...offeringEndpoints,
  ...applicationEndpoints,
  ...applicationRequestEndpoints,
  ...baseImageEndpoints,
  ...operatingSystemEndpoints,
  ...registryEndpoints,
  ...registryCredentialEndpoints,
  ...customizationEndpoints,
  ...pipelineEndpoints,
  ...waveEndpoints,
  ...releaseEndpoints,
  ...productEndpoints,
  ...notificationEndpoints,
  ...quotaEndpoints,
  ...subscriptionEndpoints,
  ...apiTokenEndpoints,
  ...userEndpoints,
  ...organizationEndpoints,
  ...signingKeyEndpoints,
  ...auditEventEndpoints,
} satisfies Record<string, EndpointDefinition>;

export type Operation = keyof typeof endpoints;

// These are mapped types, so the compiler computes the types of one operation only when they are used. With a conditional
// type over the name, it would compute the types of all operations whenever it compares two generic functions.
type Inputs = { [O in Operation]: InputOf<(typeof endpoints)[O]> };
type Outputs = { [O in Operation]: OutputOf<(typeof endpoints)[O]> };
type Calls = { [O in Operation]: CallOf<(typeof endpoints)[O]> };

/** The input of an operation's handler. */
export type Input<O extends Operation> = Inputs[O];

/** The result of an operation's handler. */
export type Output<O extends Operation> = Outputs[O];

/** The arguments of a client's call of an operation. */
export type Call<O extends Operation> = Calls[O];

export const operations = Object.keys(endpoints) as Operation[];
