// What is particular to each kind of registry, as data: how it is logged in to, how its paths are made, and whether that was tried.
import type { RegistryProvider } from './vocabulary.ts';

export type ProviderRules = {
  title: string;
  /** For a person: what `access_key` and `access_secret` are there. */
  authentication: string;
  /** `access_key` has to be given, or may be left out and is then this (undefined: empty). */
  access_key: 'required' | { default?: string };
  /** What the address's host has to look like where more than the address follows from it; and that in words. */
  host?: { pattern: RegExp; expects: string };
  /** The address's path: how many parts it has at least and at most, and what they are. */
  path: { least: number; most?: number; expects: string };
  /** How the repository of `containers/debian-12/redis` is named below the path: as it is, or in one part joined with `--`. */
  repositories: 'nested' | 'flat';
  /** The credentials are exchanged for others that the registry takes. */
  exchange?: 'AWS';
  /** Beginning an upload in a repository that nobody made is harmless there: so a look tries to push, and a probe sends a few bytes. */
  may_try_pushes: boolean;
  /** What of this was tried, and against what; undefined: it follows the provider's documentation and was tried against nothing. */
  proven?: string;
};

const ANYTHING = 'nothing, or what repositories are made under';

export const REGISTRY_PROVIDER_RULES = {
  AMAZON_ELASTIC_CONTAINER_REGISTRY: {
    title: 'Amazon Elastic Container Registry',
    authentication:
      'access key id and secret access key of an IAM user; Larder signs `GetAuthorizationToken` (Signature Version 4) and logs in as `AWS` with the 12-hour token',
    access_key: 'required',
    host: {
      pattern: /^\d{12}\.dkr\.ecr(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.(amazonaws\.com(?:\.cn)?)$/,
      expects: 'ACCOUNT.dkr.ecr.REGION.amazonaws.com, from which the region is read',
    },
    path: { least: 0, expects: ANYTHING },
    repositories: 'nested',
    exchange: 'AWS',
    // Repositories are made first, or by a template when something is pushed, which would then remain.
    may_try_pushes: false,
    proven:
      'the exchange and its signature against a test server that checks them, and AWS’s published signing example',
  },
  HARBOR: {
    title: 'Harbor',
    authentication: 'user or robot account (`robot$name`) and its secret',
    access_key: 'required',
    path: { least: 1, expects: 'the project' },
    repositories: 'nested',
    may_try_pushes: true,
  },
  NEXUS_CONTAINER_REGISTRY: {
    title: 'Sonatype Nexus Repository',
    authentication: 'user name and password, or the two halves of a user token',
    access_key: 'required',
    path: {
      least: 0,
      expects: 'nothing if it has its own connector port or subdomain, otherwise the name of the repository',
    },
    repositories: 'nested',
    may_try_pushes: true,
  },
  AZURE_CONTAINER_REGISTRY: {
    title: 'Azure Container Registry',
    authentication: 'service principal, repository-scoped token or admin user, and its password',
    access_key: 'required',
    path: { least: 0, expects: ANYTHING },
    repositories: 'nested',
    may_try_pushes: true,
  },
  JFROG_CONTAINER_REGISTRY: {
    title: 'JFrog Artifactory and Container Registry',
    authentication: 'user name and password, API key or access token',
    access_key: 'required',
    path: { least: 0, expects: 'the repository key, unless the host name contains it' },
    repositories: 'nested',
    may_try_pushes: true,
  },
  GITHUB_CONTAINER_REGISTRY: {
    title: 'GitHub Container Registry',
    authentication: 'user name and a personal access token (classic) with `write:packages`',
    access_key: 'required',
    path: { least: 1, expects: 'the user or organization' },
    repositories: 'nested',
    may_try_pushes: true,
  },
  GOOGLE_ARTIFACT_REGISTRY: {
    title: 'Google Artifact Registry',
    authentication:
      'JSON key of a service account as `access_secret`, without `access_key` (it is `_json_key` then; give `_json_key_base64` for an encoded one)',
    access_key: { default: '_json_key' },
    host: { pattern: /^[a-z0-9-]+-docker\.pkg\.dev$/, expects: 'LOCATION-docker.pkg.dev' },
    path: { least: 2, expects: 'PROJECT/REPOSITORY' },
    repositories: 'nested',
    may_try_pushes: true,
  },
  DOCKERHUB: {
    title: 'Docker Hub',
    authentication: 'user name and a personal access token, or organization and its access token',
    access_key: 'required',
    host: { pattern: /^(?:(?:index|registry-1|www)\.)?docker\.io$/, expects: 'docker.io' },
    path: { least: 0, most: 1, expects: 'nothing, or the organization instead of `containers_organization`' },
    // hub.docker.com: a repository is NAMESPACE/NAME.
    repositories: 'flat',
    // A repository would be made in the account by it.
    may_try_pushes: false,
  },
  IONOS: {
    title: 'IONOS Container Registry',
    authentication: 'name and password of a registry token',
    access_key: 'required',
    path: { least: 0, expects: ANYTHING },
    repositories: 'nested',
    may_try_pushes: true,
  },
  OCI: {
    title: 'Any other OCI registry',
    authentication: 'user name and password, by basic authentication or a token server, as the registry requires',
    access_key: {},
    path: { least: 0, expects: ANYTHING },
    repositories: 'nested',
    may_try_pushes: true,
    proven: 'Debian’s docker-registry 2.8 with htpasswd and with a token server, and Larder’s hosted registry',
  },
} as const satisfies Record<RegistryProvider, ProviderRules>;

/** The rules of a provider, in their general shape. */
export function rulesOf(provider: RegistryProvider): ProviderRules {
  return REGISTRY_PROVIDER_RULES[provider];
}
