// Checks the fields of a registry by the rules of its provider.
import type { CreatePrivateRegistryRequest } from '../contract/registry.ts';
import { type ProviderRules, rulesOf } from '../contract/registry-providers.ts';
import type { RegistryProvider } from '../contract/vocabulary.ts';
import { rejectViolations, type Violation } from './errors.ts';

/** The address and the user name that are stored for a registry. Without a log-in, there is no user name. */
export type RegistryPlace = { url: string; access_key: string | null };

/** Checks all fields and returns the values to store. Throws INVALID with each invalid field. */
export function placeOf(settings: CreatePrivateRegistryRequest): RegistryPlace {
  const rules = rulesOf(settings.provider);
  const url = URL.parse(settings.url);
  if (url === null) {
    rejectViolations([{ field: 'url', message: 'It is not a valid address: the host or the port cannot be parsed.' }]);
    throw new TypeError('rejectViolations throws');
  }
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const violations = [...urlViolations(url, parts, rules), ...fieldViolations(settings, parts, rules)];
  rejectViolations(violations);
  const access_key = settings.access_secret === undefined ? null : (settings.access_key ?? defaultKeyOf(rules));
  // On Docker Hub, repositories are always in a namespace.
  const namespace =
    settings.provider === 'DOCKERHUB' && parts.length === 0
      ? [settings.containers_organization ?? (settings.access_key ?? '').toLowerCase()]
      : [];
  return { url: [url.origin, ...parts, ...namespace].join('/'), access_key };
}

/** Returns the user name to store if the request has none. */
function defaultKeyOf({ access_key }: ProviderRules): string | null {
  const { default: key = null } = access_key === 'required' ? {} : access_key;
  return key;
}

/** The log-in of a registry, without the secret itself. */
export type LogIn = { provider: RegistryProvider; access_key: string | null; has_secret: boolean };

/** A change of a log-in. An absent field stays unchanged, and `null` removes a field. */
export type LogInChange = { access_key?: string | null; access_secret?: string | null };

/**
 * Checks a change of the stored log-in and returns the user name to store. Returns null if the registry has no secret,
 * because it then has no log-in. Throws INVALID.
 */
export function logInOf(kept: LogIn, change: LogInChange): string | null {
  const rules = rulesOf(kept.provider);
  if (change.access_secret === null) {
    rejectViolations(removalViolations(change, rules));
    return null;
  }
  const access_key = (change.access_key === undefined ? kept.access_key : change.access_key) ?? undefined;
  const access_secret = change.access_secret ?? (kept.has_secret ? 'kept' : undefined);
  rejectViolations(logInViolations({ access_key, access_secret }, rules));
  return access_secret === undefined ? null : (access_key ?? defaultKeyOf(rules));
}

function removalViolations({ access_key }: LogInChange, rules: ProviderRules): Violation[] {
  const beside = 'It cannot be given while access_secret is null: a registry without log-in has neither.';
  return [
    ...(access_key == null ? [] : [{ field: 'access_key', message: beside }]),
    ...(rules.exchange === undefined ? [] : [{ field: 'access_secret', message: needsOf(rules) }]),
  ];
}

type GivenLogIn = { access_key?: string | undefined; access_secret?: string | undefined };

/** Checks that a registry has both a user name and a secret, or neither. */
function logInViolations({ access_key, access_secret }: GivenLogIn, rules: ProviderRules): Violation[] {
  if (access_secret !== undefined) {
    const lacksKey = rules.access_key === 'required' && access_key === undefined;
    return lacksKey ? [{ field: 'access_key', message: needsOf(rules) }] : [];
  }
  if (rules.exchange !== undefined) return [{ field: 'access_secret', message: needsOf(rules) }];
  if (access_key === undefined) return [];
  const message = 'It is required with access_key. A registry without log-in has neither.';
  return [{ field: 'access_secret', message }];
}

function needsOf({ title, authentication }: ProviderRules): string {
  return `${title} requires it: ${plain(authentication)}.`;
}

/** One component of a repository name (distribution-spec, "Pulling manifests"). */
const NAME_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

function urlViolations(url: URL, parts: string[], { title, host, path }: ProviderRules): Violation[] {
  const violation = (message: string) => [{ field: 'url', message }];
  if (host !== undefined && !host.pattern.test(url.hostname)) {
    return violation(`The host of ${title} should be ${host.expects}.`);
  }
  if (parts.length < path.least)
    return violation(`For ${title}, the path of the address should be ${plain(path.expects)}.`);
  if (path.most !== undefined && parts.length > path.most) {
    return violation(`For ${title}, the path of the address should be ${plain(path.expects)}.`);
  }
  const odd = parts.find((part) => !NAME_PART.test(part));
  return odd === undefined
    ? []
    : violation(`The path contains ${odd}, which is not valid in the name of a repository.`);
}

function fieldViolations(settings: CreatePrivateRegistryRequest, parts: string[], rules: ProviderRules): Violation[] {
  const violations = logInViolations(settings, rules);
  const organization = settings.containers_organization;
  if (settings.provider === 'DOCKERHUB' && parts.length === 0 && (organization ?? settings.access_key) === undefined) {
    const message = 'Without a log-in, this field or the organization in the path of the address is required.';
    violations.push({ field: 'containers_organization', message });
  }
  if (
    settings.provider === 'DOCKERHUB' &&
    organization !== undefined &&
    parts.length > 0 &&
    parts[0] !== organization
  ) {
    const message = `The path of the address names another organization, ${parts[0]}.`;
    violations.push({ field: 'containers_organization', message });
  }
  for (const field of ['containers_organization', 'charts_organization'] as const) {
    const name = settings[field];
    if (name !== undefined && !NAME_PART.test(name))
      violations.push({ field, message: `${name} is not valid in the name of a repository.` });
  }
  return violations;
}

function plain(text: string): string {
  return text.replaceAll('`', '');
}
