// Converts the input of a call, which is one flat object, to the path, query and body of a request.
import type { EndpointDefinition, UploadSource } from '../contract/endpoint.ts';

export type RequestBody = string | URLSearchParams | FormData;

export type RequestParts = { path: string; body?: RequestBody; contentType?: string };

/** Returns the path with its parameters and query, and the body, for an endpoint. Undefined fields are omitted. */
export function requestParts(endpoint: EndpointDefinition, input: Record<string, unknown>): RequestParts {
  const rest = new Map(Object.entries(input).filter(([, value]) => value !== undefined));
  const path = endpoint.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(take(rest, name)).toWellFormed()),
  );
  const query = new URLSearchParams();
  for (const name of Object.keys(endpoint.query?.properties ?? {})) {
    if (rest.has(name)) query.set(name, asText(take(rest, name)));
  }
  const whole = query.size > 0 ? `${path}?${query}` : path;
  return { path: whole, ...bodyOf(endpoint, rest) };
}

function take(rest: Map<string, unknown>, name: string): unknown {
  const value = rest.get(name);
  rest.delete(name);
  return value;
}

/** Returns the text of a value. A list becomes its items with commas between them. */
function asText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

function bodyOf(endpoint: EndpointDefinition, rest: Map<string, unknown>): Omit<RequestParts, 'path'> {
  if (endpoint.multipart !== undefined) return rest.size > 0 ? { body: formOf(rest) } : {};
  if (endpoint.form !== undefined) {
    const fields = [...rest].map(([name, value]): [string, string] => [name, asText(value)]);
    return rest.size > 0 ? { body: new URLSearchParams(fields) } : {};
  }
  if (endpoint.body === undefined) return {};
  return { body: JSON.stringify(Object.fromEntries(rest)), contentType: 'application/json' };
}

function formOf(fields: Map<string, unknown>): FormData {
  const form = new FormData();
  for (const [name, value] of fields) {
    if (name === 'file') {
      const { bytes, filename } = value as UploadSource;
      form.set(name, bytes, filename);
    } else if (typeof value === 'string') form.set(name, value);
    else form.set(name, new Blob([JSON.stringify(value)], { type: 'application/json' }));
  }
  return form;
}
