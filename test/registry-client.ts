// Short functions with which tests send requests to a registry over HTTP.
import { expect } from 'vitest';
import { MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { basic, digestOf, type TestImage, type TestRegistry } from './registry.ts';

type CallOptions = { headers?: Record<string, string>; body?: string | Buffer; token?: string };

export type TestClient = {
  /** Sends a request as acme's editor, or with another token. `path` may be a whole URL. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
  /** Begins an upload and returns its location. */
  begin(name: string): Promise<string>;
  pushBlob(name: string, bytes: string | Buffer, options?: CallOptions): Promise<void>;
  putManifest(name: string, reference: string, manifest: string, type?: string): Promise<Response>;
  pushImage(name: string, tag: string, image: TestImage, options?: CallOptions): Promise<void>;
};

/** Returns a client of a test registry. */
export function clientOf(registry: TestRegistry): TestClient {
  const client: TestClient = {
    async call(method, path, options = {}) {
      const headers = { ...basic(options.token ?? registry.acme.tokens.EDITOR), ...options.headers };
      const body = typeof options.body === 'string' ? options.body : options.body && new Uint8Array(options.body);
      return await fetch(path.startsWith('http') ? path : registry.url + path, {
        method,
        headers,
        ...(body !== undefined && { body }),
      });
    },
    async begin(name) {
      const response = await client.call('POST', `/v2/${name}/blobs/uploads/`);
      expect(response.status).toBe(202);
      return locationOf(response);
    },
    async pushBlob(name, bytes, options) {
      const path = `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`;
      expect((await client.call('POST', path, { ...options, body: bytes })).status).toBe(201);
    },
    async putManifest(name, reference, manifest, type = MEDIA_TYPES.manifest) {
      const headers = { 'content-type': type };
      return await client.call('PUT', `/v2/${name}/manifests/${reference}`, { headers, body: manifest });
    },
    async pushImage(name, tag, image, options) {
      await client.pushBlob(name, image.config, options);
      await client.pushBlob(name, image.layer, options);
      const headers = { 'content-type': MEDIA_TYPES.manifest };
      const put = await client.call('PUT', `/v2/${name}/manifests/${tag}`, {
        ...options,
        headers,
        body: image.manifest,
      });
      expect(put.status).toBe(201);
    },
  };
  return client;
}

/** Returns the first error code in an answer. */
export async function codeOf(response: Response): Promise<string> {
  const answer = (await response.json()) as { errors: { code: string; message: string }[] };
  return answer.errors[0]?.code ?? '';
}

export function locationOf(response: Response): string {
  return response.headers.get('location') ?? '';
}

/** Returns the address of the next page, or undefined on the last page. */
export function nextPage(response: Response): string | undefined {
  return /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
}
