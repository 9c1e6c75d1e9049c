// Runs the Apache container of the rendered chart in the network of this machine: the page of the image with TLS, and then
// virtual hosts, pages and settings from values.
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SLOW_MS } from '../redis-builds.ts';
import { missingForCharts, openProductContainers, type ProductContainers, readMetric } from './product-containers.ts';

const reason = missingForCharts();
const [HTTP, HTTPS, FREE, STATUS, METRICS] = [17280, 17283, 17282, 18081, 17284];
/** A container starts in a second, and takes several times as long on a busy machine. */
const eventually = { timeout: 30_000, interval: 100 };
const HEALTH = '/usr/local/bin/apache-health';
const OTHER_UID = 54321;
const OK = { code: 0, output: '' };

/** Returns the status and the text of the answer, or `no answer`. */
async function get(port: number, path = '/'): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' }).catch(() => undefined);
  return answer === undefined ? 'no answer' : `${answer.status} ${await answer.text()}`;
}

/** Returns the text at https://localhost if this authority signed the certificate of the server. */
async function getSecure(port: number, ca: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, servername: 'localhost', ca }, (answer) => resolve(text(answer)));
    sent.once('error', reject).end();
  });
}

describe.skipIf(reason !== '')(`the apache container of the chart ${reason}`, () => {
  let containers: ProductContainers;
  beforeAll(async () => {
    containers = await openProductContainers('apache', ['apache-exporter']);
  }, SLOW_MS);
  afterEach(() => containers?.stop());
  afterAll(() => containers?.[Symbol.asyncDispose]());
  const start = async (name: string, values: object, more: object[] = [], container = 'apache') => {
    const objects = await containers.render({
      containerPorts: { http: HTTP, https: HTTPS },
      ...values,
      extraDeploy: more,
    });
    return await containers.start(name, { objects, workload: 'Deployment/shop-apache', container });
  };
  const configMap = (name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data,
  });

  test('serves the page of the image with HTTP and TLS, and its status on loopback', async () => {
    const run = await start('own', { containerSecurityContext: { runAsUser: OTHER_UID } });
    expect(await get(HTTP)).toContain('Apache is running');
    expect(await get(HTTP, '/.htaccess')).toMatch(/^403/);
    expect(await get(HTTP, '/server-status')).toMatch(/^404/);
    expect(await get(STATUS, '/server-status?auto')).toContain('ServerVersion');
    const authority = await run.exec(['cat', '/certs/ca.crt']);
    await expect(getSecure(HTTPS, authority.output)).resolves.toContain('Apache is running');
    const elsewhere = (port: number) => ({ APACHE_HEALTH_HOST: '127.0.0.1', APACHE_HEALTH_PORT: String(port) });
    expect(await run.exec([HEALTH], elsewhere(HTTP))).toEqual(OK);
    expect(await run.exec([HEALTH], elsewhere(HTTPS))).toEqual(OK);
    expect(await run.exec([HEALTH], elsewhere(FREE))).toMatchObject({ output: expect.stringContaining('no answer') });
  });

  test('has an exporter, which reads its status', async () => {
    const values = { metrics: { enabled: true, containerPort: METRICS } };
    await start('exporter', values, [], 'metrics');
    await expect.poll(() => readMetric(METRICS, 'apache_up'), eventually).toBe('0');
    await start('own', values);
    await expect.poll(() => readMetric(METRICS, 'apache_up'), eventually).toBe('1');
    expect(Number(await readMetric(METRICS, 'apache_accesses_total'))).toBeGreaterThan(0);
  });

  test('serves pages of a volume with their .htaccess, and virtual hosts of values', async () => {
    const pages = join(containers.directory, 'vhosts/site');
    await mkdir(pages, { recursive: true });
    await writeFile(join(pages, 'index.html'), 'a page of the shop');
    await writeFile(join(pages, '.htaccess'), 'RewriteEngine On\nRewriteRule ^old$ /index.html [R=301,L]\n');
    const run = await start('vhosts', {
      htdocsPVC: 'pages',
      vhosts: `<VirtualHost *:${HTTP}>\n  ServerName {{ .Release.Name }}.example.com\n  DocumentRoot /app\n  Header set X-Shop yes\n  ProxyPass /api http://127.0.0.1:${FREE}/\n</VirtualHost>\n`,
    });
    expect(await get(HTTP)).toBe('200 a page of the shop');
    expect(await get(HTTP, '/old')).toMatch(/^301/);
    expect(await get(HTTP, '/api')).toMatch(/^503/);
    expect(run.output()).toMatch(/"GET \/old HTTP\/1\.1" 301/);
  });

  test('is alive and not ready if its site fails', async () => {
    const run = await start('failing', {
      vhosts: `<VirtualHost *:${HTTP}>\n  Redirect 500 /\n</VirtualHost>\n`,
      customReadinessProbe: { exec: { command: [HEALTH, 'alive'] } },
    });
    expect(await get(HTTP)).toMatch(/^500/);
    expect(await run.exec([HEALTH])).toMatchObject({ output: expect.stringContaining('500') });
    expect(await run.exec([HEALTH, 'alive'])).toEqual(OK);
    await run.stop('SIGWINCH');
    expect((await run.exec([HEALTH, 'alive'])).code).not.toBe(0);
  });

  test('serves a httpd.conf of the user', async () => {
    const configuration = [
      'Include mods-enabled/*.load',
      'Include mods-enabled/*.conf',
      `Listen 127.0.0.1:${HTTP}`,
      'ServerName shop',
      'PidFile /tmp/httpd.pid',
      'ErrorLog /dev/stderr',
      'Redirect 410 /gone',
      '',
    ].join('\n');
    const run = await start('configured', { httpdConfConfigMap: 'mine', tls: { enabled: false } }, [
      configMap('mine', { 'httpd.conf': configuration }),
    ]);
    expect(await get(HTTP, '/gone')).toMatch(/^410/);
    expect(await run.exec([HEALTH, 'alive'])).toEqual(OK);
  });
});
