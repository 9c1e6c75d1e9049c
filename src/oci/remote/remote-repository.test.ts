// Runs the suite of all targets on Debian's docker-registry with htpasswd.
import { startDockerRegistry } from '../../../test/docker-registry.ts';
import { testTarget } from '../../../test/suites/target-conformance.ts';
import { createEgress } from '../../egress/egress.ts';
import { openRegistry } from './remote-repository.ts';

testTarget('docker-registry with htpasswd', async () => {
  const credentials = { username: 'larder', password: 'p:ss wörd' };
  const server = await startDockerRegistry({ htpasswd: credentials });
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const registry = openRegistry({ url: server.url, credentials, egress, retry: { tries: 4, firstWaitMs: 5 } });
  return {
    target: registry.repository('tests/target'),
    neighbour: { target: registry.repository('tests/neighbour'), name: 'tests/neighbour' },
    async close() {
      egress.close();
      await server.stop();
    },
  };
});
