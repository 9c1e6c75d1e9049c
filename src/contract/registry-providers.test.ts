// docs/registries.md says what the providers' rules say; `vitest -u` writes it.
import { expect, test } from 'vitest';
import { rulesOf } from './registry-providers.ts';
import { REGISTRY_PROVIDERS, type RegistryProvider } from './vocabulary.ts';

const HEAD = `# Registries

What is particular to each provider, as Larder knows it (\`src/contract/registry-providers.ts\`, from which this page is
written). «Documentation only» means that it follows the provider's documentation and was tried against nothing. What does
not fit is rejected with the field named.

A registry without log-in is registered without both halves of it, whatever its provider but Amazon's. What was tried of
that is Debian's docker-registry 2.8 without authentication.

The log-in of a registry is taken off again by \`access_secret: null\` in \`PATCH /v1/registries/{registry_id}\` (an addition of
Larder) or \`larder registries update NAME --anonymous\`: \`access_key\` and the sealed secret are gone, and the registry is
looked at without credentials. A key beside it is rejected, and so is the whole with Amazon's, whose credentials are exchanged
for others. \`access_key: null\` alone removes the user name where the provider needs none.

| provider | log-in: \`access_key\` and \`access_secret\` | \`access_key\` needed | address | repository below the path | proven with |
|---|---|---|---|---|---|
`;

function row(provider: RegistryProvider): string {
  const { title, authentication, access_key, host, path, repositories, proven } = rulesOf(provider);
  const key = access_key === 'required' ? 'yes' : 'no';
  const address = `${host === undefined ? 'any host' : host.expects}; path: ${path.expects}`;
  const named = repositories === 'flat' ? '`containers--debian-12--redis`' : '`containers/debian-12/redis`';
  const cells = [`${title} \`${provider}\``, authentication, key, address, named, proven ?? 'documentation only'];
  return `| ${cells.join(' | ')} |\n`;
}

test('the page is the rules', async () => {
  await expect(HEAD + REGISTRY_PROVIDERS.map(row).join('')).toMatchFileSnapshot('../../docs/registries.md');
});
