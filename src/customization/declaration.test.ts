// customization.yaml: the accepted declarations, and each rejection with its line.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DUMMY_KEY,
  EXAMPLE_ROOT,
  EXPIRED,
  inspect,
  LEAF,
  literal,
  NOW,
  rejections,
  rootfs,
  UNICODE_ROOT,
  yaml,
} from '../../test/fixtures/customization.ts';
import { parseYaml, YamlError } from '../yaml/yaml-document.ts';
import { readDeclaration } from './declaration.ts';

function read(...lines: string[]) {
  const told: string[] = [];
  const bytes = Buffer.from(lines.join('\n'));
  const result = readDeclaration(bytes, { now: NOW, tell: (line, message) => told.push(`${line ?? '-'}: ${message}`) });
  return { ...result, told };
}

describe('accepted', () => {
  it('names as their own standards allow them', () => {
    const { declaration, told } = read(
      'packages: ["curl:amd64", "libc6:amd64=2.36-9", "g++:amd64", "libssl3:kfreebsd-amd64", "libc6:i386"]',
      'environment: {discovery.type: single-node, "xpack.security.enabled": "false", a-b: c, "A B": d, 0: e}',
      'files: [{path: /etc/a, content: x, owner: "jane.doe:Domain-Users"}]',
      'users: [{name: jane.doe, uid: 1001, groups: [Domain-Users]}, {name: HOST$, uid: 1002}]',
    );
    expect(told).toEqual([]);
    expect(declaration.packages).toHaveLength(5);
    expect(Object.keys(declaration.environment)).toEqual([
      '0',
      'discovery.type',
      'xpack.security.enabled',
      'a-b',
      'A B',
    ]);
    expect(declaration.files[0]).toMatchObject({ user: 'jane.doe', group: 'Domain-Users' });
    expect(declaration.users.map(({ name }) => name)).toEqual(['jane.doe', 'HOST$']);
  });

  it('all keys of the format', () => {
    const { declaration, certificates, told } = read(
      'certificates:',
      '  - name: company',
      `    pem: ${literal(EXAMPLE_ROOT + UNICODE_ROOT)}`,
      'packages: [curl, libssl3=3.0.15-1~deb12u1, redis-tools=5:7.0.15-1~deb12u1]',
      'files:',
      '  - path: /etc/app/secret.conf',
      '    owner: redis:adm',
      '    mode: 0640',
      '  - {path: /opt//x/./y, owner: 1001, content: "a: b\\n"}',
      'environment:',
      '  YES: yes',
      '  NUMBER: 0x10',
      '  EMPTY: ""',
      '  LINES: |',
      '    one',
      '    two',
      'labels:',
      '  org.example/team: data',
      'users:',
      '  - {name: app, uid: 1001}',
      '  - {name: other, uid: 1002, gid: 0, home: /home/other, shell: /bin/bash, groups: [adm, app]}',
    );
    expect(told).toEqual([]);
    expect(certificates.map(({ name }) => name)).toEqual(['company']);
    expect(certificates[0]?.certificates.map(({ subject_hash: hash }) => hash)).toEqual(['3179e0d9', '7b8de319']);
    expect(declaration).toEqual({
      packages: ['curl', 'libssl3=3.0.15-1~deb12u1', 'redis-tools=5:7.0.15-1~deb12u1'],
      files: [
        { path: 'etc/app/secret.conf', user: 'redis', group: 'adm', mode: 0o640 },
        { path: 'opt/x/y', user: 1001, content: 'a: b\n' },
      ],
      environment: { YES: 'yes', NUMBER: '0x10', EMPTY: '', LINES: 'one\ntwo\n' },
      labels: { 'org.example/team': 'data' },
      users: [
        { name: 'app', uid: 1001, groups: [] },
        { name: 'other', uid: 1002, gid: 0, home: '/home/other', shell: '/bin/bash', groups: ['adm', 'app'] },
      ],
    });
  });

  it('modes in each octal spelling, a byte order mark, Windows line ends, an alias', () => {
    for (const mode of ['0640', '640', '"0640"', '0o640']) {
      expect(read(`files: [{path: /a, mode: ${mode}}]`).declaration.files[0]?.mode).toBe(0o640);
    }
    expect(read('\ufeffpackages:\r', '  - curl\r', '').declaration.packages).toEqual(['curl']);
    expect(read('environment: {A: &a text, B: *a}').declaration.environment).toEqual({ A: 'text', B: 'text' });
  });
});

describe('rejected, with the line', () => {
  it.each([
    [['colour: red'], '1: colour is not known; expected certificates, packages, files, environment, labels, users'],
    [
      ['files:', '  - path: /a', '    modus: 0640'],
      '3: files[0].modus is not known; expected path, owner, mode, content',
    ],
    [['- a'], '1: the document must be a mapping'],
    [['text'], '1: the document must be a mapping'],
    [['packages: curl'], '1: packages must be a list'],
    [
      ['packages:', '  - Curl'],
      '2: packages[0] must be a package (name, name:architecture or name=version), not "Curl"',
    ],
    [
      ['packages: ["curl;reboot"]'],
      '1: packages[0] must be a package (name, name:architecture or name=version), not "curl;reboot"',
    ],
    [
      ['packages: [--option]'],
      '1: packages[0] must be a package (name, name:architecture or name=version), not "--option"',
    ],
    [
      ['packages: ["curl=1=2"]'],
      '1: packages[0] must be a package (name, name:architecture or name=version), not "curl=1=2"',
    ],
    [
      ['packages: ["curl="]'],
      '1: packages[0] must be a package (name, name:architecture or name=version), not "curl="',
    ],
    [['packages: [curl-]'], '1: packages[0] must be a package (name, name:architecture or name=version), not "curl-"'],
    [
      ['packages: ["curl:amd64-"]'],
      '1: packages[0] must be a package (name, name:architecture or name=version), not "curl:amd64-"',
    ],
    [
      ['packages: ["curl:"]'],
      '1: packages[0] must be a package (name, name:architecture or name=version), not "curl:"',
    ],
    [['packages: ["curl:amd64", "curl:amd64=1"]'], '1: the package curl:amd64 is listed twice'],
    [['packages: [curl, curl=1]'], '1: the package curl is listed twice'],
    [['packages: [{name: curl}]'], '1: packages[0] must be a text'],
    [['files: [{owner: root}]'], '1: files[0].path is missing'],
    [['files: [{path: etc/a, mode: 0640}]'], '1: "etc/a": the path must begin with /'],
    [['files: [{path: /etc/../a, mode: 0640}]'], '1: "/etc/../a": a path may not contain ..'],
    [['files: [{path: /, mode: 0640}]'], '1: "/": the root itself'],
    [['files: [{path: /run/a, content: x}]'], '1: "/run/a": proc, sys, dev, run and tmp are filled'],
    [['files: [{path: "/a\\u202eb", content: x}]'], 'changes the direction'],
    [['files: [{path: /etc/.wh.a, content: x}]'], 'names that begin with .wh.'],
    [['files: [{path: /a, mode: 0888}]'], '1: files[0].mode must be a mode in octal, such as 0640, not "0888"'],
    [['files: [{path: /a}]'], '1: /a has no owner, mode or content; set at least one of them'],
    [['files: [{path: /a, mode: rwx}]'], '1: files[0].mode must be a mode in octal, such as 0640, not "rwx"'],
    [['files: [{path: /a, owner: "a:b:c"}]'], '1: /a: "a:b:c" is not an owner'],
    [['files: [{path: /a, owner: "99999"}]'], '1: /a: "99999" is not an owner'],
    [['files: [{path: /a, mode: 0640}, {path: //a, mode: 0600}]'], '1: /a is listed twice'],
    [['environment: [A=b]'], '1: environment must be a mapping'],
    [
      ['environment: {"a=b": c}'],
      'must be the name of a variable (printable ASCII without =, and no dash or space in front), not "a=b"',
    ],
    [
      ['environment: {"-S": c}'],
      'must be the name of a variable (printable ASCII without =, and no dash or space in front), not "-S"',
    ],
    [
      ['environment: {"": c}'],
      'must be the name of a variable (printable ASCII without =, and no dash or space in front), not ""',
    ],
    [
      ['environment: {" a": c}'],
      'must be the name of a variable (printable ASCII without =, and no dash or space in front), not " a"',
    ],
    [
      ['environment: {"a ": c}'],
      'must be the name of a variable (printable ASCII without =, and no dash or space in front), not "a "',
    ],
    [['environment: {"a\\tb": c}'], '1: a key of environment must be the name of a variable'],
    [['environment: {ä: c}'], '1: a key of environment must be the name of a variable'],
    [['environment: {__proto__: c}'], '1: a key of environment must be the name of a variable'],
    [[`environment: {${'x'.repeat(256)}: c}`], '1: a key of environment must be the name of a variable'],
    [['environment:', '  A:'], '2: environment.A must be a text; write "" for an empty one'],
    [['environment: {A: null}'], '1: environment.A must be a text'],
    [['environment: {A: [b]}'], '1: environment.A must be a text'],
    [['environment: {A: "\\0"}'], '1: environment.A must be text without NUL'],
    [[`environment: {A: ${'x'.repeat(33_000)}}`], '1: environment.A must have at most 32768 characters'],
    [['labels: {" a": b}'], '1: a key of labels must be the name of a label (letters, digits, . _ / -), not " a"'],
    [[`labels: {a: ${'ä'.repeat(2049)}}`], '1: a is longer than 4096 bytes'],
    [['labels: {org.opencontainers.image.version: "1"}'], 'written by the build'],
    [['enviroment: {A: b}'], '1: enviroment is not known; did you mean environment?'],
    [['users: [{name: app}]'], '1: users[0].uid is missing'],
    [['users: [{name: 5app, uid: 5}]'], '1: users[0].name must be the name of a user, not "5app"'],
    [['users: [{name: .app, uid: 5}]'], '1: users[0].name must be the name of a user, not ".app"'],
    [['users: [{name: "a:b", uid: 5}]'], '1: users[0].name must be the name of a user, not "a:b"'],
    [['users: [{name: "a b", uid: 5}]'], '1: users[0].name must be the name of a user, not "a b"'],
    [[`users: [{name: ${'x'.repeat(33)}, uid: 5}]`], '1: users[0].name must be the name of a user'],
    [['users: [{name: app, uid: 0}]'], '1: "0" is not a uid'],
    [['users: [{name: app, uid: 5}, {name: app2, uid: 5}]'], '1: the user app2 has the uid of app in line 1'],
    [
      ['users:', '  - {name: app, uid: 5}', '  - {name: app, uid: 6}'],
      '3: the user app is listed twice, first in line 2',
    ],
    [
      ['users: [{name: app, uid: 5, home: "/a:b"}]'],
      '1: users[0].home must be an absolute path in ASCII without a colon, not "/a:b"',
    ],
    [['users: [{name: app, uid: 5, groups: ["a,b"]}]'], '1: users[0].groups[0] must be the name of a group, not "a,b"'],
    [
      ['certificates:', '  - {name: a/b, pem: x}'],
      '2: certificates[0].name must be the name of a certificate (letters, digits, . _ -), not "a/b"',
    ],
    [['certificates:', `  - {name: a, pem: "hello"}`], '2: the certificate a holds no certificate in PEM'],
    [
      ['certificates:', '  - name: a', `    pem: ${literal(EXPIRED)}`],
      '2: the certificate a holds no valid certificate: that of CN=Old Root expired on 2026-11-20',
    ],
    [['certificates:', '  - name: a', `    pem: ${literal(EXAMPLE_ROOT + DUMMY_KEY)}`], 'holds a private key'],
    [
      ['certificates:', '  - name: a', `    pem: ${literal(LEAF.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST'))}`],
      'only CERTIFICATE',
    ],
    [['a: 1', 'a: 2'], '2: the key "a" occurs twice'],
    [['? [a]', ': b'], '1: a key must be text'],
    [['environment: !!map {}'], '1: tags (!!str) are not supported'],
    [['environment: {A: !!str x}'], '1: tags (!!str) are not supported'],
    [['environment: !custom {}'], '1: is not valid YAML'],
    [['%YAML 1.1', '---', 'labels: {}'], '1: directives (%YAML, %TAG) are not supported'],
    [['labels: {}', '---', 'labels: {}'], '2: this is a second document'],
    [['labels: {', 'x'], 'is not valid YAML'],
    [['environment: &a {A: b}', 'labels: {<<: *a}'], '2: merge keys (<<) are not supported'],
  ])('%j', (lines, message) => {
    expect(read(...lines).told.join('\n')).toContain(message);
  });

  it('violations across entries together with those of single entries, without consequential ones', async () => {
    const { told } = read(
      'packages: [curl, Curl, curl=1]',
      'files:',
      '  - {owner: root}',
      '  - {path: /c}',
      '  - {path: /b, content: x}',
      '  - {path: /b, content: x}',
      'users:',
      '  - {name: "a b", uid: 5}',
      '  - {name: app, uid: 5}',
      '  - {name: app, uid: 6}',
      'labels: {" a": b, org.opencontainers.image.version: "1"}',
    );
    expect(told).toEqual([
      '1: packages[1] must be a package (name, name:architecture or name=version), not "Curl"',
      '3: files[0].path is missing',
      '8: users[0].name must be the name of a user, not "a b"',
      '11: a key of labels must be the name of a label (letters, digits, . _ / -), not " a"',
      '1: the package curl is listed twice',
      '11: org.opencontainers.image.version is written by the build and cannot be set',
      '4: /c has no owner, mode or content; set at least one of them',
      '6: /b is listed twice',
      '10: the user app is listed twice, first in line 9',
    ]);
    expect(await rejections(yaml('files: [{path: /a, mode: 0640, content: [x]}]'))).toEqual([
      'file:customization.yaml: line 1: files[0].content must be a text',
    ]);
  });

  it('bytes that are not UTF-8', async () => {
    const bytes = Buffer.from('labels: {a: "\xff"}', 'latin1');
    expect(() => parseYaml(bytes)).toThrow('is not UTF-8');
    const told = await rejections({
      header: { path: 'customization.yaml', type: 'file', mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 0 },
      body: [bytes],
    });
    expect(told).toEqual(['file:customization.yaml: is not UTF-8']);
  });

  it('files that are neither in rootfs nor have content, or both, or are links', async () => {
    const mode = (path: string) => yaml(`files: [{path: ${path}, mode: 0640}]`);
    expect((await rejections(mode('/etc/a')))[0]).toContain(
      '/etc/a: it is not in rootfs and has no content here; add one of them',
    );
    expect(await rejections(mode('/etc/a'), rootfs('etc/a', { content: '' }))).toEqual([]);
    expect((await rejections(mode('/etc/a'), rootfs('etc/a', { type: 'symlink', target: 'b' })))[0]).toContain(
      'it is a link',
    );
    const content = yaml('files: [{path: /etc/a, content: x}]');
    expect((await rejections(content, rootfs('etc/a', { content: '' })))[0]).toContain(
      'it has content here and is in rootfs too; keep one of them',
    );
    expect((await rejections(content, rootfs('etc', { type: 'symlink', target: 'b' })))[0]).toContain(
      'beneath rootfs/etc',
    );
    expect((await inspect([content])).declaration.files).toHaveLength(1);
  });
});

describe('a hostile document is rejected within seconds', () => {
  const levels = 'abcdefghij';
  const bomb = [...levels]
    .map(
      (name, n) =>
        `${name}: &${name} [${
          n === 0
            ? 'x,x'
            : Array(9)
                .fill(`*${levels[n - 1]}`)
                .join()
        }]`,
    )
    .join('\n');
  it.each([
    ['a bomb of aliases', bomb],
    ['an alias within itself', 'a: &a [*a]'],
    ['many aliases', `a: &a x\nb: [${'*a,'.repeat(5000)}]`],
    ['brackets', '['.repeat(1 << 20)],
    ['dashes', '- '.repeat(1 << 19)],
    ['nested lists', '- '.repeat(40_000)],
    ['nested mappings', Array.from({ length: 1000 }, (_, n) => `${' '.repeat(n)}a:`).join('\n')],
    ['many keys', Array.from({ length: 150_000 }, (_, n) => `k${n}:`).join('\n')],
    ['commas', `[${','.repeat(1 << 20)}]`],
    ['tags', '! '.repeat(1 << 19)],
  ])('%s', (_, text) => {
    const started = performance.now();
    expect(() => parseYaml(Buffer.from(text))).toThrow(YamlError);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

it('accepts the example of the documentation', () => {
  const page = readFileSync(new URL('../../docs/customization.md', import.meta.url), 'utf8');
  const example = /```yaml\n(certificates:[\s\S]*?)```/.exec(page)?.[1] ?? '';
  const { told, declaration } = read(
    example.replace(/\|\n +-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/, `${literal(EXAMPLE_ROOT)}\n`),
  );
  expect(told).toEqual([]);
  expect(declaration.users).toHaveLength(1);
  expect(declaration.files[0]).toEqual({ path: 'etc/redis/company.conf', user: 'redis', group: 'redis', mode: 0o640 });
});
