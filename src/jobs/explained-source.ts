// A registry from which a base image is read. Its errors name the image, the registry and the object that was being read.
import { Readable } from 'node:stream';
import { type Descriptor, MEDIA_TYPES } from '../oci/descriptor.ts';
import { RegistryError, reworded } from '../oci/errors.ts';
import { isIndexType, isManifestType } from '../oci/manifest.ts';
import { explainFailure, isDenied } from '../oci/remote/failure-sentence.ts';
import type { Source } from '../oci/target.ts';

export type ReadImage = {
  /** The host of the registry, with its port. */
  host: string;
  /** `host/repository:tag` or `host/repository@digest`. */
  name: string;
  /** True if Larder reads from the registry without a log-in. */
  anonymous: boolean;
};

/**
 * Returns a source whose errors are written for the owner of the base image. After the tag is resolved, the errors contain
 * the digest.
 */
export function explainedSource(source: Source, image: ReadImage): Source {
  let { name } = image;
  const explained = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw error instanceof RegistryError ? explain(error, { ...image, name, what }) : error;
    }
  };
  return {
    async resolve(reference) {
      const root = await explained('the manifest', () => source.resolve(reference));
      if (root !== undefined && !name.includes('@')) name = `${image.name}@${root.digest}`;
      return root;
    },
    async fetch(descriptor, range) {
      const what = `the ${partOf(descriptor)} ${descriptor.digest}`;
      const body = await explained(what, () => source.fetch(descriptor, range));
      async function* pieces(): AsyncGenerator<Buffer, void> {
        const iterator = body[Symbol.asyncIterator]();
        try {
          for (;;) {
            const next = await explained(what, () => iterator.next());
            if (next.done) return;
            yield next.value as Buffer;
          }
        } finally {
          body.destroy();
        }
      }
      return Readable.from(pieces(), { objectMode: false });
    },
  };
}

const CONFIG_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.config, MEDIA_TYPES.dockerConfig]);

function partOf({ mediaType }: Descriptor): string {
  if (isManifestType(mediaType)) return isIndexType(mediaType) ? 'index' : 'manifest';
  return CONFIG_TYPES.has(mediaType) ? 'config' : 'layer';
}

type Asked = ReadImage & { what: string };

function explain(error: RegistryError, asked: Asked): RegistryError {
  return reworded(error, sentenceOf(error, asked));
}

function sentenceOf(error: RegistryError, { host, name, anonymous, what }: Asked): string {
  const status = error.status === undefined ? '' : ` (${error.status})`;
  if (isDenied(error)) {
    return anonymous
      ? `${host} lets nobody read ${what} of ${name} without a log-in${status}: send credentials that may read it.`
      : `${host} does not let these credentials read ${what} of ${name}${status}: give them this right, or send other credentials.`;
  }
  if (error.status === 404) return `${host} does not have ${what} of ${name}${status}: push the image again.`;
  if (error.code === 'CONTENT_MISMATCH' || error.code === 'MANIFEST_INVALID' || error.code === 'MANIFEST_TOO_LARGE')
    return `${host} answers with other content than ${what} of ${name}: ${reasonOf(error)}.`;
  const when = error.temporary ? ' at the moment and is tried again' : '';
  return `${capital(what)} of ${name} cannot be read${when}: ${explainFailure(error, host)}`;
}

/**
 * Returns the error's message without the operation and the address of the request. The caller puts the message into a sentence
 * that already names both.
 */
function reasonOf({ message, op }: RegistryError): string {
  return message.startsWith(`${op} at `) ? message.slice(message.indexOf(': ') + 2) : message;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
