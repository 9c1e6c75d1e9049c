// OpenAPI's own links: from a list to one of its things, from a thing to its parts, and from what was made to what shows it.
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { answersThing } from '../read-endpoints.ts';

/**
 * The name of the parameter whose value is the last step of the path in `Location`. A runtime expression (OpenAPI 3.1.0, Link
 * Object) takes a header whole or not at all, so what it cannot say stands in an extension.
 */
export const LOCATION_PARAMETER = 'x-location-parameter';

type Link = {
  operationId: string;
  description?: string;
  parameters: Record<string, string>;
  [LOCATION_PARAMETER]?: string;
};
type Links = Record<string, Link>;

/** Links of an operation's answer, undefined when there is nothing to follow. */
export function linksFor(endpoint: EndpointDefinition): Links | undefined {
  const links = { ...toMade(endpoint), ...toItem(endpoint), ...toParts(endpoint) };
  return Object.keys(links).length > 0 ? links : undefined;
}

/** From the answer 201 to the operation that gets what was made. */
function toMade({ success }: EndpointDefinition): Links {
  if (success.status !== 201) return {};
  const place = success.location.slice(0, success.location.lastIndexOf('/'));
  const found = detailUnder(place);
  if (found === undefined) return {};
  return {
    [found.operation]: {
      operationId: found.operation,
      description: `Gets what was made: ${found.id} is the last step of Location.`,
      // What the path of the request has beside these names another thing: a retry names the pipeline that failed.
      parameters: asAsked(place),
      [LOCATION_PARAMETER]: found.id,
    },
  };
}

/** From a page to the operation that gets the first of its things. */
function toItem({ path, method, success }: EndpointDefinition): Links {
  if (method !== 'GET' || !isPage(success)) return {};
  const found = detailUnder(path);
  if (found === undefined) return {};
  const parameters = { ...asAsked(path), [found.id]: '$response.body#/items/0/id' };
  return { [found.operation]: { operationId: found.operation, parameters } };
}

/** From a thing to the lists of what is in it. */
function toParts(endpoint: EndpointDefinition): Links {
  const { path } = endpoint;
  if (!answersThing(endpoint) || namesIn(path).length === 0) return {};
  const parts = Object.entries<EndpointDefinition>(endpoints).filter(
    ([, one]) => one.method === 'GET' && restOf(one.path, path).match(/^[\w-]+$/) !== null,
  );
  return Object.fromEntries(
    parts.map(([operation]) => [operation, { operationId: operation, parameters: asAsked(path) }]),
  );
}

/** The operation that gets one of the things below this path. */
function detailUnder(path: string): { operation: string; id: string } | undefined {
  for (const [operation, one] of Object.entries<EndpointDefinition>(endpoints)) {
    const id = /^\{(\w+)\}$/.exec(restOf(one.path, path))?.[1];
    if (one.method === 'GET' && id !== undefined) return { operation, id };
  }
  return undefined;
}

function restOf(path: string, above: string): string {
  return path.startsWith(`${above}/`) ? path.slice(above.length + 1) : '';
}

function isPage(success: EndpointDefinition['success']): boolean {
  if (success.status !== 200) return false;
  const { properties } = success.body as { properties?: Record<string, unknown> };
  return properties !== undefined && 'items' in properties;
}

function asAsked(path: string): Record<string, string> {
  return Object.fromEntries(namesIn(path).map((name) => [name, `$request.path.${name}`]));
}

function namesIn(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}
