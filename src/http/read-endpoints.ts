// Which endpoints answer a single thing, and which of them shows the thing that another endpoint changes: its read endpoint.
import type { EndpointDefinition } from '../contract/endpoint.ts';

const CHANGES: ReadonlySet<string> = new Set(['PATCH', 'PUT', 'DELETE']);

/** Whether an endpoint answers one thing, which then has an entity tag; pages, lists and what is fleeting have none. */
export function answersThing({ method, success }: EndpointDefinition): boolean {
  if (method !== 'GET' || success.status !== 200 || success.fleeting) return false;
  const { type, anyOf, properties = {} } = success.body as { type?: string; anyOf?: unknown[]; properties?: object };
  return anyOf !== undefined || (type === 'object' && !('items' in properties));
}

/** Whether `one` shows what `changing` changes. */
export function isReadEndpoint(one: EndpointDefinition, changing: EndpointDefinition): boolean {
  return CHANGES.has(changing.method) && answersThing(one) && one.path === changing.path;
}

/** The endpoint that shows what another changes, undefined when that is no change or nothing shows it. */
export function readEndpointOf(
  changing: EndpointDefinition,
  endpoints: Iterable<EndpointDefinition>,
): EndpointDefinition | undefined {
  for (const one of endpoints) if (isReadEndpoint(one, changing)) return one;
  return undefined;
}
