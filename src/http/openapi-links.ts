// OpenAPI's own links: from what a list answers to the operation that gets one thing.
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';

type Link = { operationId: string; parameters: Record<string, string> };

/** Links of an operation's answer, undefined when there is nothing to follow. */
export function linksFor(operation: string, endpoint: EndpointDefinition): Record<string, Link> | undefined {
  const found = detailOf(endpoint);
  if (found === undefined || found.operation === operation) return undefined;
  const parameters: Record<string, string> = {};
  for (const name of namesIn(endpoint.path)) parameters[name] = `$request.path.${name}`;
  parameters[found.id] = '$response.body#/items/0/id';
  return { [found.operation]: { operationId: found.operation, parameters } };
}

/** The operation that gets one of the things below this path. */
function detailOf({ path, method, success }: EndpointDefinition): { operation: string; id: string } | undefined {
  if (method !== 'GET' || !isPage(success)) return undefined;
  for (const [operation, one] of Object.entries<EndpointDefinition>(endpoints)) {
    const rest = one.path.startsWith(`${path}/`) ? one.path.slice(path.length + 1) : '';
    const id = /^\{(\w+)\}$/.exec(rest)?.[1];
    if (one.method === 'GET' && id !== undefined) return { operation, id };
  }
  return undefined;
}

function isPage(success: EndpointDefinition['success']): boolean {
  if (success.status !== 200) return false;
  const { properties } = success.body as { properties?: Record<string, unknown> };
  return properties !== undefined && 'items' in properties;
}

function namesIn(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}
