// docs/registries.md is generated from the rules of the providers. `vitest -u` writes it.
import { expect, test } from 'vitest';
import { rulesOf } from './registry-providers.ts';
import { REGISTRY_PROVIDERS, type RegistryProvider } from './vocabulary.ts';

const HEAD = `# Registries

This page lists the values that Larder needs for a registry of each provider. Larder rejects other values and names the field. The table is generated from
\`src/contract/registry-providers.ts\`. "Documentation only" means that the support follows the provider's documentation and was not tested.

| task | how |
|---|---|
| register a registry without log-in | give neither \`access_key\` nor \`access_secret\`. This is possible for every provider except Amazon. Tested with Debian's docker-registry 2.8 without authentication |
| remove the log-in of a registry | \`access_secret: null\` in \`PATCH /v1/registries/{registry_id}\` (an addition of Larder), or \`larder registries update NAME --anonymous\`. This removes \`access_key\` and the sealed secret; Larder then checks the registry without credentials. A request that also has an \`access_key\` is rejected. So is every such request for Amazon's registry, which always needs credentials |
| release charts and images to two different organizations of Docker Hub | \`charts_organization\` when the registry is registered, or \`larder registries add --charts-organization NAME\`. Charts are then released to \`NAME/charts--debian-12--redis\`. Images are still released to the organization of the address or of \`containers_organization\`, and the values of the charts name them there |
| remove only the user name | \`access_key: null\`, if the provider does not need an \`access_key\` |

| provider | log-in: \`access_key\` and \`access_secret\` | \`access_key\` needed | address | repository below the path | tested with |
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

test('docs/registries.md equals the text made from the rules', async () => {
  await expect(HEAD + REGISTRY_PROVIDERS.map(row).join('')).toMatchFileSnapshot('../../docs/registries.md');
});
