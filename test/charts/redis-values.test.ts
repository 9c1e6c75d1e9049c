// Values of the Redis chart that YAML reads as another type, exclude each other, or affect several objects.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AssembledChart, assembleChart } from './assembled-chart.ts';
import { HELMS, renderText, renderValues } from './helm.ts';
import { findObject, findPod, type KubernetesObject } from './object-rules.ts';

const helm = HELMS[0]?.path ?? '';

describe.skipIf(helm === '')('the chart redis (needs helm)', () => {
  let chart: AssembledChart;
  beforeAll(async () => {
    chart = await assembleChart('redis');
  });
  afterAll(() => chart?.[Symbol.asyncDispose]());

  const render = (values: object) => renderValues(helm, chart.path, values);
  const decode = (text = '') => Buffer.from(text, 'base64').toString();
  const templateOf = (object?: KubernetesObject) =>
    object?.spec?.['template'] as { metadata: { annotations: Record<string, string> } };

  test('writes a password of digits with all its digits', async () => {
    const objects = await render({ auth: { password: 12345678 } });
    expect(decode(findObject(objects, 'Secret', 'shop-redis')?.data?.['redis-password'])).toBe('12345678');
    // Both JavaScript and helm read 2^53 + 2 exactly. They cannot read an odd number above 2^53 exactly.
    await expect(render({ auth: { password: 2 ** 53 + 2 } })).rejects.toThrow('write it in quotes');
  });

  test('disables a user with enabled: off, which YAML reads as false', async () => {
    const users = [
      { username: 'a', enabled: false },
      { username: 'b', enabled: 'off' },
      { username: 'c', enabled: true },
      { username: 'd', password: 12345678 },
    ];
    const objects = await render({ auth: { acl: { enabled: true, users } } });
    const text = findObject(objects, 'Secret', 'shop-redis-users')?.stringData?.['users.conf'] ?? '';
    expect(text.split('\n').map((line) => line.split(' ').slice(1, 3).join(' '))).toEqual(
      expect.arrayContaining(['a off', 'b off', 'c on', 'd on']),
    );
    // The SHA-256 of 12345678.
    expect(text).toContain('#ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f');
  });

  test('writes names that look like numbers as text', async () => {
    const numeric = { nameOverride: '77', namespaceOverride: '2024', fullnameOverride: '1e3' };
    const references = { auth: { existingSecret: '1', existingSecretPasswordKey: '2' }, existingConfigmap: '3' };
    const claims = { persistence: { existingClaim: '4', subPath: '5', storageClass: '6' } };
    const monitoring = { enabled: true, serviceMonitor: { enabled: true } };
    const objects = await render({
      ...numeric,
      ...references,
      global: { imagePullSecrets: ['7'] },
      tls: { enabled: true, existingSecret: '8' },
      master: {
        ...claims,
        extraEnvVarsCM: '9',
        extraEnvVarsSecret: '10',
        priorityClassName: '11',
        schedulerName: '12',
      },
      replica: { persistence: { storageClass: '6' }, serviceAccount: { name: '13' } },
      sentinel: { masterSet: '14' },
      rbac: { create: true, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
      metrics: monitoring,
    });
    const texts = /"(name|namespace|key|value|subPath|\w+Name|matchNames)":\[?\d[^,}]*/g;
    expect(JSON.stringify(objects).match(texts) ?? []).toEqual([]);
    for (const { metadata } of objects) {
      expect(metadata).toMatchObject({ name: expect.any(String), namespace: '2024' });
      expect(metadata.labels?.['app.kubernetes.io/name']).toBe('77');
    }
  });

  test('writes each annotation of pods once; that of the pods replaces that of the exporter', async () => {
    const annotations = { 'prometheus.io/scrape': 'false' };
    const metrics = { enabled: true };
    const values = { master: { podAnnotations: annotations }, commonAnnotations: annotations, metrics };
    const objects = await render({ ...values, configmapChecksumAnnotations: false, secretChecksumAnnotations: false });
    expect(templateOf(findObject(objects, 'StatefulSet', 'shop-redis-master')).metadata.annotations).toEqual({
      'prometheus.io/port': '9121',
      'prometheus.io/scrape': 'false',
    });
  });

  test('writes host and port of a primary outside of the release into each object', async () => {
    const objects = await render({
      replica: { externalMaster: { enabled: true, host: 'db.example.com', port: 7777 } },
      serviceBindings: { enabled: true },
    });
    const binding = findObject(objects, 'Secret', 'shop-redis-svcbind')?.data;
    expect([decode(binding?.['host']), decode(binding?.['port'])]).toEqual(['db.example.com', '7777']);
    for (const object of [
      findObject(objects, 'StatefulSet', 'shop-redis-replicas'),
      findObject(objects, 'Pod', 'shop-redis-test'),
    ]) {
      expect(JSON.stringify(object && findPod(object))).toContain('"db.example.com"');
      expect(JSON.stringify(object && findPod(object))).toContain('"7777"');
    }
  });

  test('binds services to the port of the nodes with sentinels', async () => {
    const objects = await render({
      sentinel: { enabled: true, service: { ports: { redis: 7001 } } },
      serviceBindings: { enabled: true },
    });
    expect(decode(findObject(objects, 'Secret', 'shop-redis-svcbind')?.data?.['port'])).toBe('7001');
  });

  test('lets pods with the given labels connect from every namespace if no namespace is given', async () => {
    const objects = await render({ networkPolicy: { allowExternal: false, ingressNSPodMatchLabels: { app: 'web' } } });
    const rules = findObject(objects, 'NetworkPolicy', 'shop-redis')?.spec?.['ingress'] as
      | { from: object[] }[]
      | undefined;
    expect(rules?.[0]?.from).toContainEqual({
      namespaceSelector: { matchLabels: {} },
      podSelector: { matchLabels: { app: 'web' } },
    });
  });

  test('names a sentinel by the host name of its pod, even if nodes name each other by address', async () => {
    const set = 'sentinel.enabled=true,useHostnames=false';
    const text = await renderText(helm, chart.path, '--set', set);
    expect(text).toContain('"$(POD_NAME).shop-redis-headless.store.svc.cluster.local:26379"');
    expect(text).toContain('shop-redis-node-0.shop-redis-headless.store.svc.cluster.local:26379 ');
  });
});
