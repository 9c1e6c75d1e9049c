// The fields that each registry provider accepts. The error names each field that is not accepted.
import { describe, expect, test } from 'vitest';
import type { CreatePrivateRegistryRequest } from '../contract/registry.ts';
import type { RegistryProvider } from '../contract/vocabulary.ts';
import { CatalogError } from './errors.ts';
import { placeOf } from './registry-rules.ts';

const secret = { name: 'x', description: '', access_secret: 'secret' };
const named = { ...secret, access_key: 'robot' };
type Given = Partial<CreatePrivateRegistryRequest>;

function rejected(settings: Given): Record<string, string> {
  try {
    placeOf({ ...secret, url: '', provider: 'OCI', ...settings });
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error;
    return Object.fromEntries(error.violations.map(({ field, message }) => [field, message]));
  }
  return {};
}

const ACCEPTED: [RegistryProvider, Given, { url: string; access_key: string | null }][] = [
  ['OCI', { url: 'http://10.0.0.7:5000' }, { url: 'http://10.0.0.7:5000', access_key: null }],
  ['OCI', { ...named, url: 'https://r.example/a/b/' }, { url: 'https://r.example/a/b', access_key: 'robot' }],
  [
    'AMAZON_ELASTIC_CONTAINER_REGISTRY',
    { ...named, url: 'https://012345678910.dkr.ecr.eu-central-1.amazonaws.com/team' },
    { url: 'https://012345678910.dkr.ecr.eu-central-1.amazonaws.com/team', access_key: 'robot' },
  ],
  [
    'AMAZON_ELASTIC_CONTAINER_REGISTRY',
    { ...named, url: 'https://012345678910.dkr.ecr.cn-north-1.amazonaws.com.cn' },
    { url: 'https://012345678910.dkr.ecr.cn-north-1.amazonaws.com.cn', access_key: 'robot' },
  ],
  ['HARBOR', { ...named, url: 'https://h.example/lib' }, { url: 'https://h.example/lib', access_key: 'robot' }],
  [
    'NEXUS_CONTAINER_REGISTRY',
    { ...named, url: 'https://n.example:8082' },
    { url: 'https://n.example:8082', access_key: 'robot' },
  ],
  [
    'AZURE_CONTAINER_REGISTRY',
    { ...named, url: 'https://acme.azurecr.io' },
    { url: 'https://acme.azurecr.io', access_key: 'robot' },
  ],
  [
    'JFROG_CONTAINER_REGISTRY',
    { ...named, url: 'https://acme.jfrog.io/oci-local' },
    { url: 'https://acme.jfrog.io/oci-local', access_key: 'robot' },
  ],
  [
    'GITHUB_CONTAINER_REGISTRY',
    { ...named, url: 'https://ghcr.io/acme' },
    { url: 'https://ghcr.io/acme', access_key: 'robot' },
  ],
  [
    'GOOGLE_ARTIFACT_REGISTRY',
    { url: 'https://europe-docker.pkg.dev/acme-1/images' },
    { url: 'https://europe-docker.pkg.dev/acme-1/images', access_key: '_json_key' },
  ],
  ['DOCKERHUB', { ...named, url: 'https://docker.io' }, { url: 'https://docker.io/robot', access_key: 'robot' }],
  [
    'DOCKERHUB',
    { ...named, url: 'https://docker.io', containers_organization: 'acme' },
    { url: 'https://docker.io/acme', access_key: 'robot' },
  ],
  ['DOCKERHUB', { ...named, url: 'https://docker.io/acme' }, { url: 'https://docker.io/acme', access_key: 'robot' }],
  [
    'IONOS',
    { ...named, url: 'https://acme.cr.de-fra.ionos.com' },
    { url: 'https://acme.cr.de-fra.ionos.com', access_key: 'robot' },
  ],
];

test.each(ACCEPTED)('%s accepts %j', (provider, given, kept) => {
  expect(placeOf({ ...secret, url: '', ...given, provider })).toEqual(kept);
});

describe('a registry is rejected', () => {
  test.each<RegistryProvider>([
    'AMAZON_ELASTIC_CONTAINER_REGISTRY',
    'HARBOR',
    'NEXUS_CONTAINER_REGISTRY',
    'AZURE_CONTAINER_REGISTRY',
    'JFROG_CONTAINER_REGISTRY',
    'GITHUB_CONTAINER_REGISTRY',
    'DOCKERHUB',
    'IONOS',
  ])('of %s without a user name', (provider) => {
    expect(rejected({ provider, url: 'https://x.example/a/b' })['access_key']).toMatch(/requires it: /);
  });

  test('with a host that does not match the provider', () => {
    for (const url of [
      'https://ecr.example/team',
      'https://1.dkr.ecr.x.amazonaws.com',
      'https://evil.example/.dkr.ecr',
    ]) {
      const settings = { ...named, provider: 'AMAZON_ELASTIC_CONTAINER_REGISTRY', url } as const;
      expect(Object.keys(rejected(settings))).toEqual(['url']);
    }
    const evil = 'https://012345678910.dkr.ecr.eu-west-1.amazonaws.com.evil.example';
    expect(rejected({ ...named, provider: 'AMAZON_ELASTIC_CONTAINER_REGISTRY', url: evil })).toHaveProperty('url');
    expect(rejected({ ...named, provider: 'DOCKERHUB', url: 'https://hub.example' })).toHaveProperty('url');
    expect(rejected({ provider: 'GOOGLE_ARTIFACT_REGISTRY', url: 'https://gcr.example/a/b' })).toHaveProperty('url');
  });

  test('with a path that is too short, too long, or not valid in a name', () => {
    expect(rejected({ ...named, provider: 'HARBOR', url: 'https://h.example' })).toEqual({
      url: 'For Harbor, the path of the address should be the project.',
    });
    expect(rejected({ ...named, provider: 'GITHUB_CONTAINER_REGISTRY', url: 'https://ghcr.io' })).toHaveProperty('url');
    const short = 'https://europe-docker.pkg.dev/acme';
    expect(rejected({ provider: 'GOOGLE_ARTIFACT_REGISTRY', url: short })['url']).toMatch(/PROJECT\/REPOSITORY/);
    expect(rejected({ ...named, provider: 'DOCKERHUB', url: 'https://docker.io/a/b' })).toHaveProperty('url');
    expect(rejected({ url: 'https://r.example/Team' })['url']).toMatch(/Team, which is not valid/);
    expect(rejected({ url: 'https://r.example:99999' })['url']).toMatch(/not a valid address/);
  });

  test('of Docker Hub with two organizations', () => {
    const settings = { ...named, provider: 'DOCKERHUB', url: 'https://docker.io/acme' } as const;
    expect(Object.keys(rejected({ ...settings, containers_organization: 'other' }))).toEqual([
      'containers_organization',
    ]);
  });

  test('of Docker Hub with an organization that is not valid in the name of a repository', () => {
    const settings = { ...named, provider: 'DOCKERHUB', url: 'https://docker.io' } as const;
    expect(rejected({ ...settings, containers_organization: 'acme-', charts_organization: 'a___b' })).toEqual({
      containers_organization: 'acme- is not valid in the name of a repository.',
      charts_organization: 'a___b is not valid in the name of a repository.',
    });
    expect(rejected({ ...settings, charts_organization: 'acme-charts' })).toEqual({});
  });

  test('with all violations in one error', () => {
    expect(Object.keys(rejected({ provider: 'HARBOR', url: 'https://h.example' }))).toEqual(['url', 'access_key']);
  });
});
