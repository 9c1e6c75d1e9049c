// Runs the nginx container of the rendered chart in the network of this machine. First it serves the image's own site, and
// then server blocks, streams and settings from values.
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SLOW_MS } from '../redis-builds.ts';
import { missingForCharts, openProductContainers, type ProductContainers, readMetric } from './product-containers.ts';

const reason = missingForCharts();
const [HTTP, HTTPS, SITE, STREAM, STATUS, METRICS] = [17080, 17443, 17081, 17082, 18080, 17083];
const HEALTH = ['/usr/local/bin/nginx-health'];
const eventually = { timeout: 30_000, interval: 100 };

/** Returns the status, the Location and the text of an answer, or `no answer`. */
async function get(port: number, path = '/'): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' }).catch(() => undefined);
  return answer === undefined
    ? 'no answer'
    : `${answer.status} ${answer.headers.get('location') ?? ''}${await answer.text()}`;
}

/** Returns the text at https://localhost, if this authority has signed the server's certificate. */
async function getSecure(port: number, ca: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, servername: 'localhost', ca }, (answer) => resolve(text(answer)));
    sent.once('error', reject).end();
  });
}

describe.skipIf(reason !== '')(`the nginx container of the chart ${reason}`, () => {
  let containers: ProductContainers;
  beforeAll(async () => {
    containers = await openProductContainers('nginx', ['nginx-exporter']);
  }, SLOW_MS);
  afterEach(() => containers?.stop());
  afterAll(() => containers?.[Symbol.asyncDispose]());
  const start = async (name: string, values: object, container?: string) =>
    await containers.start(name, {
      objects: await containers.render(values),
      workload: 'Deployment/shop-nginx',
      ...(container && { container }),
    });

  test('serves the own site of the image with HTTP, TLS and the status page, which the exporter reads', async () => {
    const values = {
      containerPorts: { http: HTTP, https: HTTPS },
      metrics: { enabled: true, containerPorts: { metrics: METRICS } },
    };
    // The containers of a pod start at the same time, so the exporter must wait for nginx.
    await start('exporter', values, 'metrics');
    const run = await start('own', values);
    await expect.poll(() => readMetric(METRICS, 'nginx_up'), eventually).toBe('1');
    expect(Number(await readMetric(METRICS, 'nginx_connections_accepted'))).toBeGreaterThan(0);
    expect(await get(HTTP)).toContain('nginx is running');
    expect(await get(STATUS, '/status')).toContain('Active connections');
    expect(await get(HTTP, '/status')).toMatch(/^404/);
    const authority = await run.exec(['cat', '/certs/ca.crt']);
    await expect(getSecure(HTTPS, authority.output)).resolves.toContain('nginx is running');
  });

  test('serves pages of a volume, also from a folder without its last slash', async () => {
    await mkdir(join(containers.directory, 'pages/site/sub'), { recursive: true });
    await writeFile(join(containers.directory, 'pages/site/index.html'), 'a page of the shop');
    await start('pages', {
      containerPorts: { http: HTTP, https: '' },
      tls: { enabled: false },
      staticSitePVC: 'pages',
    });
    expect(await get(HTTP)).toBe('200 a page of the shop');
    expect(await get(HTTP, '/sub')).toMatch(/^301 \/sub\//);
  });

  test('is alive and not ready if its site fails, and after a kill', async () => {
    const rendered = await containers.render({
      containerPorts: { http: SITE, https: '' },
      tls: { enabled: false },
      serverBlock: `server {\n  listen ${SITE};\n  return 500;\n}\n`,
      customReadinessProbe: { exec: { command: [...HEALTH, 'alive'] } },
    });
    const again = { objects: rendered, workload: 'Deployment/shop-nginx' };
    await (await containers.start('failing', again)).stop('SIGKILL');
    const run = await containers.start('failing', again);
    expect(await get(SITE)).toMatch(/^500/);
    expect(await run.exec(HEALTH)).toMatchObject({ output: expect.stringContaining('500') });
    expect(await run.exec([...HEALTH, 'alive'])).toEqual({ code: 0, output: '' });
  });

  test('serves server blocks, streams and settings of values in place of the own site', async () => {
    await start('blocks', {
      containerPorts: { http: SITE, https: '' },
      tls: { enabled: false },
      serverBlock: `server {\n  listen ${SITE};\n  root /app;\n  location /who { return 200 "{{ .Release.Name }} $greeting"; }\n}\n`,
      streamServerBlock: `server {\n  listen ${STREAM};\n  proxy_pass 127.0.0.1:${SITE};\n}\n`,
      contextIncludes: {
        main: 'worker_rlimit_nofile 512;',
        events: 'multi_accept on;',
        http: 'map $uri $greeting { default hello; }',
      },
    });
    expect(await get(SITE, '/who')).toBe('200 shop hello');
    expect(await get(SITE)).toContain('nginx is running');
    await expect.poll(() => get(STREAM, '/who'), eventually).toBe('200 shop hello');
  });
});
