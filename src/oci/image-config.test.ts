// Image configs. Configs of real tools are read. Each kind of hostile config is rejected with the field and the reason.
import { expect, it } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { CONFIG_BYTES_MAX, parseImageConfig, readImageConfig } from './image-config.ts';
import { putDocument } from './manifest.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const WHOLE = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [DIGEST] } };

function parse(document: unknown) {
  return parseImageConfig(Buffer.from(JSON.stringify(document)));
}

const withConfig = (config: unknown) => ({ ...WHOLE, config });

it('reads a config of Docker, with nulls as absent and without unknown fields', () => {
  const config = {
    Hostname: '',
    AttachStdin: false,
    User: 'elasticsearch:0',
    ExposedPorts: { '9200/tcp': {}, '53/udp': {}, '8000-8010/tcp': {} },
    Env: ['PATH=/usr/bin', 'discovery.type=single-node', 'npm_config_x=1', 'TEXT=a\nb=\u001b[1m', 'EMPTY='],
    Cmd: null,
    Entrypoint: ['/bin/sh', '-c', 'true'],
    Volumes: { '/data': {} },
    WorkingDir: '/srv',
    OnBuild: null,
    Labels: { 'org.example/a b': 'x\ny' },
    StopSignal: 'SIGRTMIN+3',
    Healthcheck: { Test: ['NONE'], Interval: 30_000_000_000, StartPeriod: 1, StartInterval: 5, Retries: 3 },
  };
  const read = parse({
    ...withConfig(config),
    created: '2026-01-31T12:00:00.123456789Z',
    history: [{ created: '2026-01-31T12:00:00Z', created_by: 'RUN x', empty_layer: true }],
    container_config: config,
    docker_version: '28',
  });
  const { Hostname: _, AttachStdin: _stdin, Cmd: _command, OnBuild: _on, ...known } = config;
  expect(read).toEqual({
    ...WHOLE,
    created: '2026-01-31T12:00:00.123456789Z',
    config: known,
    history: [{ created: '2026-01-31T12:00:00Z', created_by: 'RUN x', empty_layer: true }],
  });
});

it.each([[{}], [null], [{ Env: null, Labels: null, Volumes: null, ExposedPorts: null, Healthcheck: null }]])(
  'reads empty settings: %j',
  (config) => {
    const { architecture, os, ...silent } = WHOLE;
    expect(parse({ ...silent, config })).toEqual({
      architecture: '',
      os: '',
      rootfs: WHOLE.rootfs,
      ...(config !== null && { config: {} }),
    });
  },
);

it.each([
  [{ Env: ['A=1', 'X=a\0--bind\0/\0/mnt\0'] }, 'Env[1]: holds a NUL character'],
  [{ Env: ['A\u001b[31m=1'] }, 'Env[0]: the name holds a control character'],
  [{ Env: ['A\u202e=1'] }, 'Env[0]: the name holds a control character'],
  [{ Env: ['=1'] }, 'Env[0]: the name is empty'],
  [{ Env: ['-S=1'] }, 'Env[0]: the name begins with a dash'],
  [{ Env: ['__proto__=1'] }, 'Env[0]: the name __proto__ is rejected'],
  [{ Env: ['A=\ud800'] }, 'Env[0]: holds a character that is not valid Unicode'],
  [{ Env: [`A=${'x'.repeat(128 * 1024)}`] }, 'Env[0]: is longer than 131071 bytes'],
  [{ Env: Array(900).fill(`A=${'x'.repeat(1000)}`) }, 'Env: has more than 262144 bytes in total'],
  [{ Env: Array(5000).fill('A=') }, 'Env: has more than 1000 items'],
  [{ Env: { A: '1' } }, 'Env: is not a list'],
  [{ Env: 'A=1' }, 'Env: is not a list'],
  [{ Env: ['A=1', 1] }, 'Env[1]: is not text'],
  [{ Cmd: 'sh' }, 'Cmd: is not a list'],
  [{ Cmd: ['a\0b'] }, 'Cmd[0]: holds a NUL character'],
  [{ Entrypoint: [['sh']] }, 'Entrypoint[0]: is not text'],
  [{ User: '-x' }, 'User: is not user[:group], each a name or a number'],
  [{ User: '0:0:0' }, 'User: is not user[:group], each a name or a number'],
  [{ User: 'a\0b' }, 'User: holds a NUL character'],
  [{ User: 0 }, 'User: is not text'],
  [{ WorkingDir: 'srv' }, 'WorkingDir: is not an absolute path'],
  [{ WorkingDir: '/a\0b' }, 'WorkingDir: holds a NUL character'],
  [{ Volumes: ['/data'] }, 'Volumes: is not an object'],
  [{ Volumes: { data: {} } }, 'Volumes: the name "data" is not an absolute path'],
  [{ ExposedPorts: { 'x\n': {} } }, 'ExposedPorts: the name "x\\n" is not a port such as 80/tcp'],
  [{ Labels: { a: 1 } }, 'Labels.a: is not text'],
  [{ Labels: { 'a\nb': '' } }, 'Labels: the name "a\\nb" holds a control character'],
  [{ Labels: { a: 'x'.repeat(600_000), b: 'x'.repeat(600_000) } }, 'Labels: has more than 1048576 bytes in total'],
  [{ StopSignal: 'SIG\0' }, 'StopSignal: holds a NUL character'],
  [{ Healthcheck: { Interval: -1 } }, 'Healthcheck.Interval: is a number out of range'],
  [{ Healthcheck: { Test: ['a\0'] } }, 'Healthcheck.Test[0]: holds a NUL character'],
  [[], 'config: is not an object'],
])('rejects %j', (config, reason) => {
  expect(() => parse(withConfig(config))).toThrow(`the image config: ${reason}`);
});

it.each([
  [{}, 'rootfs: is missing'],
  [{ ...WHOLE, rootfs: { type: 'layers', diff_ids: ['sha256:x'] } }, 'rootfs.diff_ids[0]: is not a sha256 digest'],
  [
    { ...WHOLE, rootfs: { type: 'layers', diff_ids: Array(128).fill(DIGEST) } },
    'rootfs.diff_ids: has more than 127 items',
  ],
  [{ ...WHOLE, created: 'yesterday' }, 'created: is not a time such as 2026-01-31T12:00:00Z'],
  [{ ...WHOLE, os: 'linux\u001b[2J' }, 'os: holds a control character'],
  [{ ...WHOLE, history: Array(1001).fill({}) }, 'history: has more than 1000 items'],
  [{ ...WHOLE, history: [{ created_by: 1 }] }, 'history[0].created_by: is not text'],
])('rejects the document %j', (document, reason) => {
  expect(() => parse(document)).toThrow(`the image config: ${reason}`);
});

it('rejects __proto__ as a name and changes no prototype', () => {
  expect(() =>
    parseImageConfig(Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"__proto__":"x"}}}')),
  ).toThrow('Labels: the name __proto__ is rejected');
  const outer = `{"__proto__":{"config":{"User":"root"}},"rootfs":{"type":"layers","diff_ids":[]}}`;
  expect(parseImageConfig(Buffer.from(outer)).config).toBeUndefined();
  expect(({} as { config?: unknown }).config).toBeUndefined();
});

it.each([
  ['text that is not JSON', '{"rootfs"'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
  ['a list', '[]'],
  ['millions of values', `{"config":{"Env":[${'"",'.repeat(1_000_000)}""]}}`],
  ['millions of nested lists', '['.repeat(3_000_000)],
  ['more bytes than a config may have', Buffer.alloc(CONFIG_BYTES_MAX + 1, ' ')],
])('rejects %s', (_what, bytes) => {
  expect(() => parseImageConfig(Buffer.from(bytes))).toThrow(
    expect.objectContaining({ name: 'ImageConfigError', code: 'IMAGE_CONFIG_INVALID' }),
  );
});

it('reads a stored config, and does not open one that is too large', async () => {
  const content = memoryContent();
  const { digest } = await putDocument(content, 'application/vnd.oci.image.config.v1+json', WHOLE);
  expect(await readImageConfig(content, digest)).toEqual(WHOLE);
  const closed = { ...content, stat: async () => ({ size: CONFIG_BYTES_MAX + 1, touchedAt: new Date() }) };
  await expect(readImageConfig(closed, digest)).rejects.toThrow('the image config is larger than 4194304 bytes');
});
