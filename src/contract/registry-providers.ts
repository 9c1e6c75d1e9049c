// The rules of each registry provider as data: its log-in, its paths, and what they were tested with.
import type { RegistryProvider } from './vocabulary.ts';

export type ProviderRules = {
  title: string;
  /** The meaning of `access_key` and `access_secret`, for people. */
  authentication: string;
  /** Whether `access_key` is required; otherwise its default (undefined: empty). */
  access_key: 'required' | { default?: string };
  /** The pattern of the address's host, and the same in words; undefined if any host is accepted. */
  host?: { pattern: RegExp; expects: string };
  /** The address's path: its minimum and maximum number of parts, and their meaning. */
  path: { least: number; most?: number; expects: string };
  /** The name of the repository `containers/debian-12/redis` below the path: unchanged, or one part joined with `--`. */
  repositories: 'nested' | 'flat';
  /** The credentials are exchanged for others, which the registry accepts. */
  exchange?: 'AWS';
  /** True if an upload started in a new repository leaves nothing behind: then a check tries to push and a probe sends a few bytes. */
  may_try_pushes: boolean;
  /** What the rules were tested with; undefined if they only follow the provider's documentation. */
  proven?: string;
};

const ANYTHING = 'nothing, or the path under which repositories are created';

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
    // A test push would leave a repository behind if a template creates repositories at the first push; otherwise
    // they are created beforehand.
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
    // A test push would create a repository in the account.
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

/** Returns the rules of a provider with their general type. */
export function rulesOf(provider: RegistryProvider): ProviderRules {
  return REGISTRY_PROVIDER_RULES[provider];
}
