// OpenAPI links: from a list to one of its items, from a resource to its parts, and from a creation to the created resource.
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { answersThing } from '../read-endpoints.ts';

/**
 * An extension that names the parameter whose value is the last segment of `Location`. It is needed because a runtime
 * expression (OpenAPI 3.1.0, Link Object) can only refer to a whole header.
 */
export const LOCATION_PARAMETER = 'x-location-parameter';

type Link = {
  operationId: string;
  description?: string;
  parameters: Record<string, string>;
  [LOCATION_PARAMETER]?: string;
};
type Links = Record<string, Link>;

/** Returns the links of an operation's answer, or undefined if there are none. */
export function linksFor(endpoint: EndpointDefinition): Links | undefined {
  const links = { ...toMade(endpoint), ...toItem(endpoint), ...toParts(endpoint) };
  return Object.keys(links).length > 0 ? links : undefined;
}

/** Returns the link from a 201 to the operation that reads the created resource. */
function toMade({ success }: EndpointDefinition): Links {
  if (success.status !== 201) return {};
  const place = success.location.slice(0, success.location.lastIndexOf('/'));
  const found = detailUnder(place);
  if (found === undefined) return {};
  return {
    [found.operation]: {
      operationId: found.operation,
      description: `Reads the created resource: ${found.id} is the last segment of Location.`,
      // Only the parameters in the path of Location are passed on. Another parameter may name another resource. For example,
      // the path of a retry names the failed pipeline.
      parameters: asAsked(place),
      [LOCATION_PARAMETER]: found.id,
    },
  };
}

/** Returns the link from a page to the operation that reads its first item. */
function toItem({ path, method, success }: EndpointDefinition): Links {
  if (method !== 'GET' || !isPage(success)) return {};
  const found = detailUnder(path);
  if (found === undefined) return {};
  const parameters = { ...asAsked(path), [found.id]: '$response.body#/items/0/id' };
  return { [found.operation]: { operationId: found.operation, parameters } };
}

/** Returns the links from a resource to the lists below it. */
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

/** Returns the operation that reads one of the resources in this list. */
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
