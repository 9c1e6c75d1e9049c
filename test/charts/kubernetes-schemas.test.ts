// The committed schemas equal the schemas that Kubernetes publishes. `npm run kubernetes-schemas` writes them.
import { expect, test } from 'vitest';
import { KUBERNETES_VERSIONS } from '../../src/packaging/chart/kubernetes-kinds.ts';
import { SCHEMAS } from '../clients.ts';
import { reducedSchemas } from './kubernetes-schemas.ts';

test.skipIf(SCHEMAS === undefined).each(KUBERNETES_VERSIONS)(
  'schemas of Kubernetes %s (needs schemas)',
  async (version) => {
    const file = new URL(`../../charts/schemas/kubernetes-${version}.json`, import.meta.url).pathname;
    await expect(await reducedSchemas(version)).toMatchFileSnapshot(file);
  },
);
