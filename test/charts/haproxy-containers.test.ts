// Runs the HAProxy container of the rendered chart in the network of this machine: the example page with metrics, and then a
// configuration from values.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SLOW_MS } from '../redis-builds.ts';
import { missingForCharts, openProductContainers, type ProductContainers } from './product-containers.ts';

const reason = missingForCharts();
const [HTTP, METRICS, FREE] = [17180, 17181, 17182];
const HEALTH = ['/usr/local/bin/haproxy-health'];
const OTHER_UID = 54321;
const eventually = { timeout: 30_000, interval: 100 };

/** Returns the status and the text of the answer, or `no answer`. */
async function get(port: number, path = '/'): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
  return answer === undefined ? 'no answer' : `${answer.status} ${await answer.text()}`;
}

/** A server to which HAProxy passes requests. */
async function startBackend(): Promise<{ server: Server; port: number }> {
  const server = createServer(({ headers }, answer) => answer.end(`backend got ${headers['x-shop']}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

const configuration = (backend: number) => `
global
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:${HTTP}
    http-request set-header x-shop "{{ .Release.Name }} \${GREETING}"
    default_backend web
backend web
    server first 127.0.0.1:${backend}
`;

describe.skipIf(reason !== '')(`the haproxy container of the chart ${reason}`, () => {
  let containers: ProductContainers;
  beforeAll(async () => {
    containers = await openProductContainers('haproxy');
  }, SLOW_MS);
  afterEach(() => containers?.stop());
  afterAll(() => containers?.[Symbol.asyncDispose]());
  const start = async (name: string, values: object) => {
    const containerPorts = [{ name: 'http', containerPort: HTTP }];
    const objects = await containers.render({ containerPorts, ...values });
    return await containers.start(name, { objects, workload: 'Deployment/shop-haproxy' });
  };

  test('serves the example page of the image, health and metrics', async () => {
    const run = await start('own', { metrics: { enabled: true, containerPorts: { metrics: METRICS } } });
    expect(await get(HTTP)).toBe('200 HAProxy is running.\n');
    expect(await get(METRICS, '/healthz')).toMatch(/^200 /);
    expect(await get(METRICS, '/metrics')).toContain('haproxy_process_uptime_seconds');
    const elsewhere = (port: number) => ({ HAPROXY_HEALTH_HOST: '127.0.0.1', HAPROXY_HEALTH_PORT: String(port) });
    expect(await run.exec(HEALTH, elsewhere(HTTP))).toEqual({ code: 0, output: '' });
    expect(await run.exec(HEALTH, elsewhere(FREE))).toMatchObject({ output: expect.stringContaining('no answer') });
  });

  test('serves a configuration of values as any user, and stays healthy without its backend', async () => {
    const { server, port } = await startBackend();
    const run = await start('configured', {
      configuration: configuration(port),
      args: ['haproxy', '-f', '/usr/local/etc/haproxy/haproxy.cfg'],
      extraEnvVars: [{ name: 'GREETING', value: 'hello' }],
      containerSecurityContext: { runAsUser: OTHER_UID },
    });
    expect(await get(HTTP)).toBe('200 backend got shop hello');
    server.close();
    server.closeAllConnections();
    await expect.poll(() => get(HTTP), eventually).toMatch(/^503 /);
    expect(await run.exec(HEALTH)).toEqual({ code: 0, output: '' });
    await run.stop('SIGUSR1');
    expect((await run.exec(HEALTH)).code).not.toBe(0);
    // The output mentions neither the example page nor a port for health checks.
    expect(run.output()).not.toMatch(/example|ALERT/);
  });
});
