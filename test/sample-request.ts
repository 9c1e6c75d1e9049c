// Requests that are made from the contract: valid requests with given ids, and the places of ids in them.
import type { TObject, TSchema } from 'typebox';
import type { EndpointDefinition } from '../src/contract/endpoint.ts';
import { requestExample } from '../src/http/openapi/openapi-examples.ts';
import type { Ask } from './api.ts';
import { packed, rootfs } from './fixtures/customization.ts';
import { formOf } from './multipart.ts';

/** Returns the id to send for a kind. Throws if the kind is unknown. */
export type IdOf = (kind: string) => string;

/** The place of an id: the steps to the id in a body, or the name of a parameter. */
export type Place = { steps: (string | number)[]; kind: string };

type Shape = {
  type?: string;
  properties?: Record<string, TSchema>;
  required?: string[];
  items?: TSchema;
  anyOf?: TSchema[];
  format?: string;
  expects?: string;
};

/** Fields with ids whose name differs from the path parameter of their kind. */
const OTHER_NAMES: Record<string, string> = { application_offering_id: 'offering_id', actor_id: 'user_id' };

/** Returns the kind of id in a field with this name and schema. Returns undefined if the field has no id. */
export function kindOf(name: string, schema: TSchema): string | undefined {
  const { type, items, format, expects = '' } = schema as Shape;
  if (type === 'array' && items !== undefined) return kindOf(name.replace(/s$/, ''), items);
  const isId = format === 'uuid' || /hex digits/.test(expects) || name.endsWith('_id_or_key');
  return isId ? (OTHER_NAMES[name] ?? name) : undefined;
}

/** Returns the places of ids in an object. */
export function idPlaces(schema: TSchema | undefined, above: (string | number)[] = []): Place[] {
  return Object.entries((schema as Shape | undefined)?.properties ?? {}).flatMap(([name, field]): Place[] => {
    const steps = [...above, name];
    const kind = kindOf(name, field);
    const { type, items } = field as Shape;
    if (kind !== undefined) return [{ steps: type === 'array' ? [...steps, 0] : steps, kind }];
    if (type === 'object') return idPlaces(field, steps);
    return type === 'array' && (items as Shape).type === 'object' ? idPlaces(items, [...steps, 0]) : [];
  });
}

/** Returns the variants of a body. Only a union has more than one. */
export function variantsOf(body: TSchema): TSchema[] {
  return (body as Shape).anyOf ?? [body];
}

/** Returns the path of an endpoint with ids. */
export function samplePath({ path, params }: EndpointDefinition, idOf: IdOf): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const schema = params?.properties[name];
    return encodeURIComponent(idOf((schema && kindOf(name, schema)) ?? name));
  });
}

/**
 * Returns the query of an endpoint: the given values, and its other required parameters. Ids come from `idOf` if it is given.
 */
export function sampleQuery({ query }: EndpointDefinition, given: Record<string, string> = {}, idOf?: IdOf): string {
  const required = (query as Shape | undefined)?.required ?? [];
  const example = query === undefined ? {} : (requestExample(query) as Record<string, unknown>);
  const sampleOf = (name: string) => {
    const schema = query?.properties[name];
    const kind = schema && kindOf(name, schema);
    return kind === undefined || idOf === undefined ? String(example[name]) : idOf(kind);
  };
  const values = Object.fromEntries(
    required.filter((name) => !isDefaulted(query, name)).map((name) => [name, sampleOf(name)]),
  );
  const text = new URLSearchParams({ ...values, ...given }).toString();
  return text === '' ? '' : `?${text}`;
}

function isDefaulted(query: TObject | undefined, name: string): boolean {
  return 'default' in (query?.properties[name] ?? {});
}

/**
 * Returns a JSON body with the required fields and every id. It is the example of the OpenAPI document, with ids from `idOf`.
 */
export function sampleBody(schema: TSchema, idOf: IdOf): Record<string, unknown> {
  const { required = [] } = schema as Shape;
  const places = idPlaces(schema);
  const named = new Set([...required, ...places.map(({ steps }) => String(steps[0]))]);
  const example = Object.entries(requestExample(schema) as object).filter(([name]) => named.has(name));
  const body = structuredClone(Object.fromEntries(example)) as Record<string, unknown>;
  for (const { steps, kind } of places) put(body, steps, idOf(kind));
  return body;
}

/** Writes a value to its place in a body. */
export function put(body: Record<string, unknown>, steps: readonly (string | number)[], value: unknown): void {
  let at: Record<string | number, unknown> = body;
  for (const step of steps.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  at[steps.at(-1) ?? ''] = value;
}

/** Returns an upload with these fields and an archive. */
export async function sampleForm(fields: Record<string, unknown> = {}): Promise<Ask> {
  const content = await packed([rootfs('etc/motd', { content: 'hello' })]);
  const texts = Object.entries(fields).map(([name, value]) => ({
    name,
    content: typeof value === 'string' ? value : JSON.stringify(value),
  }));
  return formOf(...texts, { name: 'file', filename: 'x.tar.gz', content });
}

/** Returns a valid request to an endpoint, with ids from `idOf`. */
export async function sampleSent(endpoint: EndpointDefinition, idOf: IdOf): Promise<Ask> {
  const { body, form, multipart } = endpoint;
  if (multipart !== undefined) return await sampleForm();
  if (form !== undefined) return {};
  const [variant] = body === undefined ? [] : variantsOf(body);
  return variant === undefined ? {} : { body: sampleBody(variant, idOf) };
}
