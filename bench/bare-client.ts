// A client that only sends the requests of a push, with prepared bodies. It sends them as fast as a registry answers.
import { Agent, type IncomingMessage, request } from 'node:http';
import type { ContentStore } from '../src/content/content.ts';
import type { Descriptor, Index, Manifest } from '../src/oci/descriptor.ts';

/** The documents of one image. The repository already has its layers. */
export type BarePush = { repository: string; config: Document; manifest: Document; index: Document };

type Document = { descriptor: Descriptor; bytes: Buffer };

/** Reads an image's documents into memory. */
export async function barePush(content: ContentStore, repository: string, root: Descriptor): Promise<BarePush> {
  const load = async (descriptor: Descriptor): Promise<Document> => ({
    descriptor,
    bytes: Buffer.concat(await (await content.open(descriptor.digest)).toArray()),
  });
  const index = await load(root);
  const [first] = (JSON.parse(index.bytes.toString()) as Index).manifests;
  if (first === undefined) throw new Error(`${repository}: the index names no manifest`);
  const { mediaType, digest, size } = first;
  const manifest = await load({ mediaType, digest, size });
  const { config } = JSON.parse(manifest.bytes.toString()) as Manifest;
  return { repository, config: await load(config), manifest, index };
}

export type BareClient = {
  push(push: BarePush, tag: string): Promise<void>;
  close(): void;
};

/** Returns a client for a registry without a log-in. `lanes` is the number of its connections. */
export function openBareClient(url: string, lanes: number): BareClient {
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });

  async function send(method: string, target: string | URL, body?: { type: string; bytes: Buffer }): Promise<string> {
    const headers =
      body === undefined ? { 'content-length': 0 } : { 'content-type': body.type, 'content-length': body.bytes.length };
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      request(new URL(target, url), { method, agent, headers }, resolve).on('error', reject).end(body?.bytes),
    );
    await answer.resume().toArray();
    if ((answer.statusCode ?? 500) >= 300) throw new Error(`${method} ${target} answers ${answer.statusCode}`);
    return answer.headers.location ?? '';
  }

  const putManifest = (repository: string, reference: string, { descriptor, bytes }: Document) =>
    send('PUT', `/v2/${repository}/manifests/${reference}`, { type: descriptor.mediaType, bytes });

  return {
    async push({ repository, config, manifest, index }, tag) {
      const upload = new URL(await send('POST', `/v2/${repository}/blobs/uploads/`), url);
      upload.searchParams.set('digest', config.descriptor.digest);
      await send('PUT', upload, { type: 'application/octet-stream', bytes: config.bytes });
      await putManifest(repository, manifest.descriptor.digest, manifest);
      await putManifest(repository, tag, index);
    },
    close: () => agent.destroy(),
  };
}
