// The operations of version 1 by method and path. Each one exists. Additions of Larder have other paths.
import { expect, test } from 'vitest';
import type { EndpointDefinition } from './endpoint.ts';
import { endpoints } from './endpoints.ts';

const CATALOG = '/catalogs/{catalog_id}';
const CREDENTIALS = '/registries/{registry_id}/credentials';
const PRODUCT = 'product/{product_id_or_key}';
const BRANCH = `${PRODUCT}/branch/{branch_id_or_key}`;

/** The operations of the published reference, and the operations that its links and schemas imply. */
const VERSION_1: Record<string, string[]> = {
  [`${CATALOG}/applications`]: ['GET'],
  [`${CATALOG}/applications/{application_id}`]: ['GET'],
  [`${CATALOG}/application-requests`]: ['GET', 'POST'],
  [`${CATALOG}/application-requests/{application_request_id}`]: ['GET'],
  [`${CATALOG}/applications/{application_id}/requests`]: ['GET'],
  '/applications-offering': ['GET'],
  '/applications-offering/{offering_id}': ['GET'],
  '/base-images': ['GET', 'POST'],
  '/base-images/{base_image_id}': ['GET', 'PATCH', 'DELETE'],
  '/catalogs': ['GET'],
  [CATALOG]: ['GET'],
  [`${CATALOG}/files/{digest}`]: ['GET'],
  [`${CATALOG}/customizations`]: ['GET', 'POST'],
  [`${CATALOG}/customizations/{customization_id}`]: ['GET', 'PATCH', 'DELETE'],
  [`${CATALOG}/releases`]: ['GET'],
  [`${CATALOG}/releases/{release_id}`]: ['GET'],
  [`${CATALOG}/release-failures`]: ['GET'],
  [`${CATALOG}/pipelines`]: ['GET'],
  [`${CATALOG}/pipelines/{pipeline_id}`]: ['GET'],
  '/registries': ['GET', 'POST'],
  '/registries/{registry_id}': ['GET', 'PATCH', 'DELETE'],
  [CREDENTIALS]: ['GET', 'POST'],
  [`${CREDENTIALS}/{credential_id}`]: ['GET', 'DELETE'],
  '/operating-systems': ['GET'],
  '/operating-systems/{operating_system_id}': ['GET'],
  '/notification-types': ['GET'],
  '/notification-providers': ['GET', 'POST'],
  '/notification-providers/{provider_id}': ['GET', 'PATCH', 'DELETE'],
  '/notification-providers/notification-types': ['PUT'],
  '/quotas': ['GET'],
  '/subscriptions': ['GET'],
  '/subscriptions/{subscription_id}': ['GET'],
  '/applications': ['GET'],
  '/applications/page': ['GET'],
  [`/applications/${PRODUCT}`]: ['GET'],
  [`/applications/${BRANCH}`]: ['GET'],
  '/applications/extended': ['GET'],
  '/applications/extended/page': ['GET'],
  [`/applications/extended/${PRODUCT}`]: ['GET'],
  [`/applications/extended/${BRANCH}`]: ['GET'],
};

const wanted = Object.entries(VERSION_1).flatMap(([path, methods]) => methods.map((method) => `${method} /v1${path}`));

test('version 1 has 51 published operations and 4 implied ones', () => {
  expect(wanted).toHaveLength(55);
});

test('every operation of version 1 exists, and all others are under /larder/v1 or /csp/gateway', () => {
  const existing = Object.values<EndpointDefinition>(endpoints).map(({ method, path }) => `${method} ${path}`);
  expect(wanted.filter((operation) => !existing.includes(operation))).toEqual([]);
  const others = existing.filter((operation) => !wanted.includes(operation));
  expect(others.filter((operation) => !/ \/(larder\/v1|csp\/gateway)\//.test(operation))).toEqual([]);
});
