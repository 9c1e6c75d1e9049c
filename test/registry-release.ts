// A release in a test registry. It is pushed like by a job, and read like by a client.
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact } from '../src/oci/copy.ts';
import { MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { once } from '../src/oci/manifest.ts';
import { hostedTarget } from '../src/registry/target.ts';
import { descriptorOf, type TestImage, type TestRegistry } from './registry.ts';
import type { TestClient } from './registry-client.ts';

/** Returns an index of images in the form in which Larder pushes it. */
export function indexOf(...images: TestImage[]): string {
  const manifests = images.map(({ manifest }) => descriptorOf(manifest, MEDIA_TYPES.manifest));
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests });
}

type Released = {
  name: string;
  image: TestImage;
  tags: string[];
  /** The organization. The default is acme. */
  organization_id?: string | null;
};

/** Pushes an index with one image, like a job. */
export async function pushRelease(registry: TestRegistry, { name, image, tags, ...more }: Released): Promise<void> {
  const index = indexOf(image);
  const { content, database, acme } = registry;
  for (const bytes of [image.config, image.layer, image.manifest, index]) await content.put(once(Buffer.from(bytes)));
  const options = { pool: database.pool, content, organization_id: acme.id, repository: name, ...more };
  await copyArtifact(contentTarget(content), hostedTarget(options), descriptorOf(index, MEDIA_TYPES.index), { tags });
}

/** Returns the digest of a tag or digest in the registry, or null if it does not exist. */
export async function digestAt(client: TestClient, name: string, reference: string): Promise<string | null> {
  return (await client.call('HEAD', `/v2/${name}/manifests/${reference}`)).headers.get('docker-content-digest');
}

/** Returns the first error of an answer, with its status. */
export async function errorOf(response: Response): Promise<{ status: number; code: string; message: string }> {
  const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
  return { status: response.status, code: errors[0]?.code ?? '', message: errors[0]?.message ?? '' };
}

/** Returns the events of a repository in the audit trail, the oldest first. */
export async function eventsOn({ database }: TestRegistry, name: string): Promise<Record<string, string>[]> {
  const { rows } = await database.pool.query(
    `select * from audit_events where subject_id ~ ('^' || $1 || '[:@]') order by happened_at, id`,
    [name],
  );
  return rows;
}

/** Stores an image as if a client had pushed it before Larder's repository names were reserved. */
export async function pushBeforeReserved(
  registry: TestRegistry,
  client: TestClient,
  { name, tag, image }: { name: string; tag: string; image: TestImage },
): Promise<void> {
  const free = `acme/free/${image.digest.slice('sha256:'.length)}`;
  await client.pushImage(free, tag, image);
  await registry.database.pool.query('update repositories set name = $1 where name = $2', [name, free]);
}
