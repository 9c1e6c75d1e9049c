// The rules of each registry provider as data: its log-in, its paths, and how the rules were tested.
import type { RegistryProvider } from './vocabulary.ts';

export type ProviderRules = {
  title: string;
  /** The meaning of `access_key` and `access_secret`, for people. */
  authentication: string;
  /** Whether `access_key` is required, or its default. Without a default, it is empty. */
  access_key: 'required' | { default?: string };
  /** The pattern of the address's host, and a description of it. Absent if any host is accepted. */
  host?: { pattern: RegExp; expects: string };
  /** The path of the address: the minimum and maximum number of its parts, and their meaning. */
  path: { least: number; most?: number; expects: string };
  /**
   * How the repository `containers/debian-12/redis` is named below the path: unchanged (`nested`), or as one part joined with
   * `--` (`flat`).
   */
  repositories: 'nested' | 'flat';
  /** Present if the credentials must be exchanged for others, which the registry accepts. */
  exchange?: 'AWS';
  /**
   * True if an upload that begins in a new repository leaves nothing behind. Then a check tries to push, and a probe sends a
   * few bytes.
   */
  may_try_pushes: boolean;
  /** The registry with which the rules were tested. Absent if the rules only follow the documentation of the provider. */
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
    // A template may create a repository at the first push. Then a test push would leave a repository behind. Without a
    // template, repositories are created beforehand.
    may_try_pushes: false,
    proven:
      'a test server, which checks the signed request for the token; the signature also with AWS’s published example',
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
      expects:
        'the name of the Nexus repository, or nothing if the Nexus repository has its own connector port or subdomain',
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
      'JSON key of a service account as `access_secret`, without `access_key` (Larder then uses `_json_key`). For a JSON key in base64, give `access_key` `_json_key_base64`',
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
    path: {
      least: 0,
      most: 1,
      expects:
        'the organization for images, or nothing: then it is `containers_organization`, or without that the user name',
    },
    // On hub.docker.com, a repository is NAMESPACE/NAME.
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
