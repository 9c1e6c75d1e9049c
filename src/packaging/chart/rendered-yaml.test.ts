// Reads YAML as Kubernetes' clients do, and limits hostile text.
import { expect, test } from 'vitest';
import { parseRenderedYaml } from './rendered-yaml.ts';

test('reads documents with the words of YAML 1.1 that Kubernetes knows', () => {
  const text = '# comment\n---\na: yes\nb: off\nc: 0o17\nd: 017\ne: 2024-01-01\nf: 12:30\ng: "yes"\n---\n---\n- 1.5\n';
  expect(parseRenderedYaml(text)).toEqual([
    { a: true, b: false, c: expect.anything(), d: 15, e: '2024-01-01', f: '12:30', g: 'yes' },
    null,
    [1.5],
  ]);
});

test('follows merge keys and aliases', () => {
  const text = 'base: &base {cpu: 1}\nuse: {<<: *base, memory: 2}\n';
  expect(parseRenderedYaml(text)).toEqual([{ base: { cpu: 1 }, use: { cpu: 1, memory: 2 } }]);
});

const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
  .concat([...'bcdefghi'].map((name, at) => `${name}: &${name} [${`*${'abcdefghi'[at]}, `.repeat(9)}]`))
  .join('\n');

test.each([
  ['a bomb of aliases', bomb, 'aliases'],
  ['nesting', `${'['.repeat(20_000)}`, 'nested too deeply'],
  ['nesting of maps', Array.from({ length: 80 }, (_, at) => `${' '.repeat(at)}a:\n`).join(''), 'nested too deeply'],
  ['many values', `[${','.repeat(1_000_000)}`, 'too many values'],
  ['many documents', '---\na: 1\n'.repeat(3000), 'more than 2000 documents'],
  ['a key twice', 'a: 1\na: 2\n', 'the key "a" twice'],
  ['a key that is a map', '? {a: 1}\n: 2\n', 'not text'],
  ['broken YAML', 'a: [', 'is not valid YAML'],
  ['an unknown tag', 'a: !!binary aGk=\nb: !foreign x\n', 'is not valid YAML'],
])('rejects %s', (_name, text, message) => {
  expect(() => parseRenderedYaml(text)).toThrow(message);
});

test('a key with the name of a property of objects is a key', () => {
  const [value] = parseRenderedYaml('__proto__: {polluted: 1}\nconstructor: 2\n');
  expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});
