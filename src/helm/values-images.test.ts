// Finds images in values.yaml by their keys, and writes new values for them. All other text stays unchanged.
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ChartError } from './chart-error.ts';
import { editValues, findImages } from './values-images.ts';

const IMAGE = 'registry: ""\nrepository: "containers/debian-12/redis"\ntag: ""\ndigest: ""\n';
const indented = (text: string) => text.replaceAll(/^(?=.)/gm, '  ');

describe('images', () => {
  test('are mappings with registry, repository, tag and digest, in the order of the file', () => {
    const text = `image:\n${indented(IMAGE)}metrics:\n  image:\n${indented(indented(IMAGE))}other:\n  registry: ""\n  tag: ""\n`;
    expect(findImages(text)).toEqual([
      { place: ['image'], repository: 'containers/debian-12/redis' },
      { place: ['metrics', 'image'], repository: 'containers/debian-12/redis' },
    ]);
  });

  test('an image without a repository has an empty one', () => {
    expect(findImages('image:\n  registry:\n  repository:\n  tag:\n  digest:\n')).toEqual([
      { place: ['image'], repository: '' },
    ]);
  });

  test.each([
    ['a: [', 'not valid YAML'],
    ['a: 1\na: 2\n', 'not valid YAML'],
    [`${'{a: '.repeat(40)}1${'}'.repeat(40)}`, 'nested more than 32 levels'],
  ])('%s is rejected', (text, reason) => {
    expect(() => findImages(text)).toThrow(ChartError);
    expect(() => findImages(text)).toThrow(reason);
  });
});

describe('editing', () => {
  test('changes the values and no other byte', () => {
    const text = `# Head.\n\nimage:\n  # The tag.\n  tag: ""   # for people\n  digest: 'sha256:1'\n  args: [a,   b]\n`;
    const edited = editValues(text, [
      { place: ['image', 'digest'], value: 'sha256:2' },
      { place: ['image', 'tag'], value: '7.0' },
    ]);
    expect(edited).toBe(text.replace('tag: ""', 'tag: "7.0"').replace("'sha256:1'", '"sha256:2"'));
  });

  test.each(['tag:\nother: 1\n', 'tag: \nother: 1\n', 'other: 1\ntag:', '{tag: , other: 1}'])(
    'fills a value that is left out: %j',
    (text) => {
      expect(parse(editValues(text, [{ place: ['tag'], value: 'a "b"' }]))).toEqual({ tag: 'a "b"', other: 1 });
    },
  );

  test.each(['other: 1\n', 'tag: [a]\n', 'tag: |\n  text\n', 'a: &x 1\ntag: *x\n', 'tag: {a: 1}\n'])(
    'rejects a place that is not a text in one line: %j',
    (text) => {
      expect(() => editValues(text, [{ place: ['tag'], value: 'x' }])).toThrow('values.yaml has no text at tag');
    },
  );
});
