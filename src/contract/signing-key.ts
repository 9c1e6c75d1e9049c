// The keys that sign an organization's releases. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { defineEndpoint, OWNERS, READERS } from './endpoint.ts';
import { FileId, Observed, Text, Time, Word } from './field.ts';
import {
  PRIVATE_KEY_LENGTH_MAX,
  SIGNING_KEY_OVERLAP_DAYS_DEFAULT,
  SIGNING_KEY_OVERLAP_DAYS_MAX,
  SIGNING_KEYS_MAX,
  SIGNING_KEYS_OVERLAPPING_MAX,
} from './limits.ts';
import { PageOf, pageQuery } from './paging.ts';
import { SIGNING_KEY_ORIGINS, SIGNING_KEY_STATUSES } from './vocabulary.ts';

/** Public keys are published below this path. No token is needed. */
export const PUBLISHED_KEYS_PATH = '/signing-keys';

/** Returns the path at which a public key is published in PEM. */
export function publicKeyPath(namespace: string, id: string): string {
  return `${PUBLISHED_KEYS_PATH}/${namespace}/${id}.pem`;
}

/** The path of the trusted root. No namespace contains a dot, so no namespace has this path. */
export const TRUSTED_ROOT_PATH = `${PUBLISHED_KEYS_PATH}/trusted-root.json`;

/**
 * The trusted root that cosign requires to verify offline. It names no certificate authority, no transparency log and no time
 * stamp authority, because Larder's signatures depend only on the key.
 */
export const TRUSTED_ROOT = { mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' };

const members = {
  id: FileId('SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hex.'),
  status: Observed(
    Word(
      SIGNING_KEY_STATUSES,
      'CURRENT: signs releases; OVERLAPPING: replaced, and signs releases too until signs_until; RETIRED: signs no more.',
    ),
  ),
  public_key: Text('The public key in PEM.'),
  public_key_url: Text('Path of the public key in PEM, without a token. It never changes.'),
  created_at: Time('When it was made or imported. Releases before that are not signed with it.'),
  signs_until: Type.Optional(Time('When it stops or stopped signing; absent for the current key.')),
};

/** A key in the form in which it is published without a token. */
export const PublishedKey = Type.Object(members, { title: 'PublishedKey' });
export type PublishedKey = Static<typeof PublishedKey>;

export const SigningKey = Type.Object(
  {
    ...members,
    origin: Word(SIGNING_KEY_ORIGINS, 'Whether Larder generated it or it was imported.'),
    created_by: Text('Who made or imported it.'),
  },
  { title: 'SigningKey' },
);
export type SigningKey = Static<typeof SigningKey>;

/** A key in a release that it signed. */
export const ReleaseSigningKey = Type.Object(
  { id: members.id, public_key_url: members.public_key_url },
  { title: 'ReleaseSigningKey' },
);

export const SigningKeysPage = PageOf(SigningKey, 'SigningKeysPage');

const CreateSigningKeyRequest = Type.Object(
  {
    private_key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: PRIVATE_KEY_LENGTH_MAX,
        description:
          'A private key to import: ECDSA P-256, in PEM, not encrypted. It is sealed and never shown. Without it, a key is generated.',
      }),
    ),
    overlap_days: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: SIGNING_KEY_OVERLAP_DAYS_MAX,
        description: `Days for which the keys that sign now sign releases beside the new one; ${SIGNING_KEY_OVERLAP_DAYS_DEFAULT} by default. 0 ends their use at once.`,
      }),
    ),
  },
  { title: 'CreateSigningKeyRequest' },
);

const path = '/larder/v1/signing-keys';
const params = Type.Object({ signing_key_id: FileId('Identifier of the signing key.') });

const listSigningKeys = defineEndpoint({
  method: 'GET',
  path,
  summary: 'List signing keys',
  description:
    'Lists the keys that sign or signed releases of the organization, the current one first. An addition of Larder.',
  tag: 'Signing keys',
  access: READERS,
  query: Type.Object(pageQuery),
  success: { status: 200, description: 'A page of signing keys.', body: SigningKeysPage },
  problems: [400],
});

const createSigningKey = defineEndpoint({
  method: 'POST',
  path,
  summary: 'Replace the current signing key',
  description: `Makes or imports a key, which signs releases from now on. Earlier keys stay published, and sign beside it for the overlap; at most ${SIGNING_KEYS_OVERLAPPING_MAX} do. An organization has at most ${SIGNING_KEYS_MAX} keys. An addition of Larder.`,
  tag: 'Signing keys',
  access: OWNERS,
  body: CreateSigningKeyRequest,
  success: { status: 201, description: 'The key signs from now on.', location: `${path}/{id}` },
  problems: [400, 409, 413, 415],
});

const getSigningKey = defineEndpoint({
  method: 'GET',
  path: `${path}/{signing_key_id}`,
  summary: 'Get a signing key',
  description: 'Returns the public half of a key and its dates. An addition of Larder.',
  tag: 'Signing keys',
  access: READERS,
  params,
  success: { status: 200, description: 'The signing key, without its private half.', body: SigningKey },
  problems: [400, 404],
});

export const signingKeyEndpoints = { listSigningKeys, createSigningKey, getSigningKey };
