// Values of the HAProxy chart that exclude each other or affect several objects, and values that the image's entry point
// rejects.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AssembledChart, assembleChart, chartFolder } from './assembled-chart.ts';
import { HELMS, renderValues } from './helm.ts';
import { findObject, type KubernetesObject } from './object-rules.ts';
import { environmentOf, getContainer } from './rendered-pod.ts';

const execute = promisify(execFile);
const helm = HELMS[0]?.path ?? '';
const ENTRYPOINT = join(chartFolder('haproxy'), '../files/haproxy-entrypoint');
const EXIT_USAGE = 64;

describe.skipIf(helm === '')('the chart haproxy (needs helm)', () => {
  let chart: AssembledChart;
  beforeAll(async () => {
    chart = await assembleChart('haproxy');
  });
  afterAll(() => chart?.[Symbol.asyncDispose]());

  const render = (values: object) => renderValues(helm, chart.path, values);
  const find = (objects: KubernetesObject[], kind: string, name = 'shop-haproxy') => findObject(objects, kind, name);
  const variables = (objects: KubernetesObject[]) =>
    environmentOf(objects, getContainer(objects, 'Deployment/shop-haproxy').container);

  test.each([
    [{ containerPorts: [] }, 'containerPorts is empty'],
    [{ service: { ports: [] } }, 'service.ports is empty'],
    [{ ingress: { enabled: true, hostname: '' } }, 'ingress.enabled requires ingress.hostname'],
    [
      { containerPorts: [{ name: 'stats', containerPort: 8404 }], metrics: { enabled: true } },
      'containerPorts contains the port 8404, which is that of metrics.containerPorts.metrics',
    ],
  ])('rejects %j', async (values, message) => {
    await expect(render(values)).rejects.toThrow(message);
  });

  test('accepts lists of ports with templates, for the service, the container, the policy and the ingress', async () => {
    const objects = await render({
      containerPorts: '[{ name: "{{ .Release.Name }}", containerPort: {{ add 9000 1 }} }]',
      service: { ports: '[{ name: "{{ .Release.Name }}", port: 90, targetPort: "{{ .Release.Name }}" }]' },
      ingress: { enabled: true },
    });
    expect(find(objects, 'Service')?.spec?.['ports']).toEqual([{ name: 'shop', port: 90, targetPort: 'shop' }]);
    expect(find(objects, 'NetworkPolicy')?.spec?.['ingress']).toEqual([{ ports: [{ port: 9001, protocol: 'TCP' }] }]);
    expect(JSON.stringify(find(objects, 'Ingress'))).toContain('"port":{"name":"shop"}');
    expect(variables(objects)).toEqual({ HAPROXY_PORT: '9001', HAPROXY_HEALTH_PORT: '' });
  });

  test('restarts pods if the configuration of the values changes, and prefers a ConfigMap that exists', async () => {
    const checksumOf = async (configuration: string) => {
      const template = find(await render({ configuration }), 'Deployment')?.spec?.['template'] as KubernetesObject;
      return template.metadata.annotations?.['checksum/config'];
    };
    expect(await checksumOf('a')).not.toBe(await checksumOf('b'));
    const objects = await render({ configuration: 'a', existingConfigmap: 'mine' });
    expect(find(objects, 'ConfigMap')).toBeUndefined();
    expect(getContainer(objects, 'Deployment/shop-haproxy').pod.volumes).toContainEqual({
      name: 'configuration',
      configMap: { name: 'mine' },
    });
  });
});

test.each(['HAPROXY_PORT', 'HAPROXY_HEALTH_PORT'])(
  'the entry point rejects a %s that is not a number',
  async (name) => {
    const run = execute('/bin/sh', [ENTRYPOINT], { env: { PATH: process.env['PATH'], [name]: '80a' } });
    const stderr = expect.stringContaining(`${name} is not a number`);
    await expect(run).rejects.toMatchObject({ code: EXIT_USAGE, stderr });
  },
);
