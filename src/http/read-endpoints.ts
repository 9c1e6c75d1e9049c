// Finds the endpoints that answer a single resource. For an endpoint that changes a resource, finds the endpoint that reads
// this resource.
import type { EndpointDefinition } from '../contract/endpoint.ts';

const CHANGES: ReadonlySet<string> = new Set(['PATCH', 'PUT', 'DELETE']);

/**
 * Whether an endpoint answers one stored resource. Such an answer has an entity tag. Pages, lists and answers that are not
 * stored have none.
 */
export function answersThing({ method, success }: EndpointDefinition): boolean {
  if (method !== 'GET' || success.status !== 200 || success.fleeting) return false;
  const { type, anyOf, properties = {} } = success.body as { type?: string; anyOf?: unknown[]; properties?: object };
  return anyOf !== undefined || (type === 'object' && !('items' in properties));
}

/** Whether `one` reads the resource that `changing` changes. */
export function isReadEndpoint(one: EndpointDefinition, changing: EndpointDefinition): boolean {
  return CHANGES.has(changing.method) && answersThing(one) && one.path === changing.path;
}

/** Returns the endpoint that reads the resource that `changing` changes, or undefined if there is none. */
export function readEndpointOf(
  changing: EndpointDefinition,
  endpoints: Iterable<EndpointDefinition>,
): EndpointDefinition | undefined {
  for (const one of endpoints) if (isReadEndpoint(one, changing)) return one;
  return undefined;
}
