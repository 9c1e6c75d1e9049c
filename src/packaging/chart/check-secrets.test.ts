// Finds secrets outside of objects of the kind Secret, without repeating their values. Accepts configurations and scripts that contain
// none.
import { expect, test } from 'vitest';
import { checkSecrets } from './check-secrets.ts';
import { parseRendering, violationLine } from './rendered-objects.ts';

const faults = (...objects: object[]) =>
  checkSecrets(parseRendering(objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('')).objects).map(
    violationLine,
  );
const config = (data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data });
const secret = (fields: object) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, ...fields });

test.each([
  ['password', 'hunter22', 'a value that its name calls a secret'],
  ['DB_PASSWORD', 'hunter22', 'a value that its name calls a secret'],
  ['api-key', 'abcdef123456', 'a value that its name calls a secret'],
  ['redis.conf', 'appendonly yes\nrequirepass hunter22\n', 'a secret setting in line 2'],
  ['redis.conf', 'masterauth "hunter22"', 'a secret setting in line 1'],
  ['sentinel.conf', 'sentinel auth-pass mymaster hunter22', 'a secret setting in line 1'],
  ['app.ini', '[db]\npassword = hunter22', 'a secret setting in line 2'],
  ['app.yaml', 'db:\n  clientSecret: "hunter22"', 'a secret setting in line 2'],
  ['app.json', '{\n"db_password": "hunter22"', 'a secret setting in line 2'],
  ['run.sh', 'export API_TOKEN=hunter22', 'a secret setting in line 1'],
  ['tls', '-----BEGIN RSA PRIVATE KEY-----\nMII', 'a private key in line 1'],
  ['url', 'postgresql://app:hunter22@db/app', 'an address with a password in line 1'],
  ['aws', 'key AKIAIOSFODNN7EXAMPLE', 'an access key of AWS in line 1'],
])('a ConfigMap with %s: %s', (key, value, found) => {
  const lines = faults(config({ [key]: value }));
  expect(lines).toEqual([`ConfigMap c: data["${key}"] contains ${found}; move it to a Secret`]);
});

test.each([
  ['password-file', '/run/secrets/password'],
  ['redis.conf', '# requirepass foobared\nrequirepass ""\n'],
  ['run.sh', `password=$(cat "$FILE")\nexport TOKEN="\${TOKEN-}"\nPASSWORD_FILE=/run/password\n`],
  ['app.yaml', 'passwordFile: /run/secrets\npassword: {{ env "PASSWORD" }}\ntokens: 500000\nsecretName: shop-tls'],
  ['url', `postgresql://app:\${PASSWORD}@db/app and http://example.com:80/a@b`],
  ['certificate', '-----BEGIN CERTIFICATE-----'],
])('a ConfigMap without a secret: %s', (key, value) => {
  expect(faults(config({ [key]: value }))).toEqual([]);
});

test('a value of a Secret anywhere else is named by its place', () => {
  const data = {
    password: Buffer.from('correct horse').toString('base64'),
    host: Buffer.from('shop-redis-master').toString('base64'),
  };
  const pod = {
    containers: [{ env: [{ name: 'X', value: 'redis://:correct horse@shop-redis-master' }], args: ['--wait'] }],
  };
  const lines = faults(secret({ data, stringData: { 'users.acl': 'user app on' } }), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', annotations: { note: 'user app on' } },
    spec: pod,
  });
  expect(lines).toEqual([
    'Pod p: metadata.annotations.note contains a value of a Secret',
    'Pod p: spec.containers[0].env[0].value contains a value of a Secret',
  ]);
});

test('a value that is encoded as in the Secret is found too', () => {
  const encoded = Buffer.from('correct horse').toString('base64');
  expect(faults(secret({ data: { a: encoded } }), config({ x: `a ${encoded}` }))).toEqual([
    'ConfigMap c: data.x contains a value of a Secret',
  ]);
});

test('the longest line takes no more time than others', () => {
  const begin = performance.now();
  faults(config({ a: 'a.'.repeat(500_000), b: 'eyJ-'.repeat(250_000), c: 'password'.repeat(100_000) }));
  expect(performance.now() - begin).toBeLessThan(2000);
});

test('more secrets than can be compared are a violation', () => {
  const stringData = Object.fromEntries(Array.from({ length: 501 }, (_, at) => [`k${at}`, `value number ${at}`]));
  expect(faults(secret({ stringData }))).toEqual(['The rendering: has more than 500 values in secrets']);
});
