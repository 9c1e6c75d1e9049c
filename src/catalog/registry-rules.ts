// Does what somebody registers fit the kind of registry it is said to be.
import type { CreatePrivateRegistryRequest } from '../contract/registry.ts';
import { type ProviderRules, rulesOf } from '../contract/registry-providers.ts';
import { refuse, type Violation } from './errors.ts';

/** A registry's address and user name as they are kept. */
export type RegistryPlace = { url: string; access_key: string | null };

/** Judges the fields together and answers what is kept. Throws INVALID with every field that does not fit. */
export function placeOf(wish: CreatePrivateRegistryRequest): RegistryPlace {
  const rules = rulesOf(wish.provider);
  const url = URL.parse(wish.url);
  if (url === null) {
    refuse([{ field: 'url', message: 'It is no address: the host or the port cannot be read.' }]);
    throw new TypeError('refuse throws');
  }
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const violations = [...urlViolations(url, parts, rules), ...fieldViolations(wish, parts, rules)];
  refuse(violations);
  const { default: spare = null } = rules.access_key === 'required' ? {} : rules.access_key;
  const access_key = wish.access_key ?? spare;
  // Docker Hub's repositories always lie in somebody's namespace.
  const namespace =
    wish.provider === 'DOCKERHUB' && parts.length === 0
      ? [wish.containers_organization ?? (wish.access_key ?? '').toLowerCase()]
      : [];
  return { url: [url.origin, ...parts, ...namespace].join('/'), access_key };
}

/** distribution-spec, "Pulling manifests". */
const NAME_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

function urlViolations(url: URL, parts: string[], { title, host, path }: ProviderRules): Violation[] {
  const told = (message: string) => [{ field: 'url', message }];
  if (host !== undefined && !host.pattern.test(url.hostname)) {
    return told(`The host of ${title} should be ${host.expects}.`);
  }
  if (parts.length < path.least) return told(`For ${title} the address goes on with ${path.expects}.`);
  if (path.most !== undefined && parts.length > path.most) {
    return told(`For ${title} the path of the address is ${path.expects.replaceAll('`', '')}.`);
  }
  const odd = parts.find((part) => !NAME_PART.test(part));
  return odd === undefined ? [] : told(`The path has ${odd}, which cannot be in the name of a repository.`);
}

function fieldViolations(wish: CreatePrivateRegistryRequest, parts: string[], rules: ProviderRules): Violation[] {
  const violations: Violation[] = [];
  if (rules.access_key === 'required' && wish.access_key === undefined) {
    violations.push({ field: 'access_key', message: `${rules.title} needs it: ${plain(rules.authentication)}.` });
  }
  const organization = wish.containers_organization;
  if (wish.provider === 'DOCKERHUB' && organization !== undefined && parts.length > 0 && parts[0] !== organization) {
    const message = `The path of the address names another organization, ${parts[0]}.`;
    violations.push({ field: 'containers_organization', message });
  }
  return violations;
}

function plain(text: string): string {
  return text.replaceAll('`', '');
}
