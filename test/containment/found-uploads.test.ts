// Small uploads that could cost a server much. Each must need little processor time and memory, because one process serves
// all organizations.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { ENTRIES_MAX } from '../../src/customization/limits.ts';
import type { TarInput } from '../../src/tar/entry.ts';
import { EXAMPLE_ROOT, rejectionsOf, yaml } from '../fixtures/customization.ts';
import { archiveOf, entry } from '../fixtures/tar.ts';

/**
 * The most processor time of an upload. Without the limits, these uploads took up to 22 s (aliases), 10 s (folders) and 1.5 s
 * (certificates).
 */
const PROCESSOR_MS_MAX = 4_000;
/**
 * The most heap of an upload. Without the limits, one of these uploads needed 220 MiB until its end, and an organization may
 * send 16 at once.
 */
const HEAP_BYTES_MAX = 100 * 1024 ** 2;

let collectGarbage: () => void;
beforeAll(() => {
  setFlagsFromString('--expose-gc');
  collectGarbage = runInNewContext('gc');
});

/** Returns the violations of an upload, and the processor time and heap that were needed to read it. */
async function costOf(entries: TarInput[]) {
  const archive = gzipSync(await archiveOf(entries));
  collectGarbage();
  const heapBefore = process.memoryUsage().heapUsed;
  const begin = process.cpuUsage();
  const rejections = await rejectionsOf(archive);
  const { user, system } = process.cpuUsage(begin);
  return {
    rejections,
    processorMs: (user + system) / 1000,
    heapBytes: process.memoryUsage().heapUsed - heapBefore,
    sizeBytes: archive.length,
  };
}

function expectCheap({ processorMs, heapBytes, sizeBytes }: Awaited<ReturnType<typeof costOf>>): void {
  expect(sizeBytes).toBeLessThan(8 * 1024 ** 2);
  expect(processorMs).toBeLessThan(PROCESSOR_MS_MAX);
  expect(heapBytes).toBeLessThan(HEAP_BYTES_MAX);
}

const manyEntries = (pathOf: (index: number) => string, header: Partial<Parameters<typeof entry>[1]> = {}) =>
  Array.from({ length: ENTRIES_MAX - 1 }, (_, index) => entry(`rootfs/${pathOf(index)}`, { content: '', ...header }));
const folders = (depth: number, nameOf: (level: number) => string) =>
  Array.from({ length: depth }, (_, level) => nameOf(level)).join('/');

describe('an attacker uploads', { timeout: 60_000 }, () => {
  test('the maximum number of entries, each below 60 folders of its own', async () => {
    const cost = await costOf(manyEntries((index) => folders(60, (level) => `${index}x${level}`)));
    expectCheap(cost);
    expect(cost.rejections).toEqual(['file: the archive holds entries in more than 20000 folders']);
  });

  test('the maximum number of entries, with names of the maximum length', async () => {
    const shared = folders(60, () => 'x'.repeat(66));
    const cost = await costOf(manyEntries((index) => `${shared}/${index}`));
    expectCheap(cost);
    expect(cost.rejections).toEqual(['file: the archive holds names of more than 8388608 bytes in total']);
  });

  test('rejected entries, which the limit of accepted entries does not count', async () => {
    const deep = folders(60, () => 'x'.repeat(60));
    const cost = await costOf([entry('rootfs/a', { content: 'x' }), ...manyEntries((index) => `a/${index}/${deep}`)]);
    expectCheap(cost);
    expect(cost.rejections[0]).toBe('file: the archive holds names of more than 8388608 bytes in total');
    expect(cost.rejections[1]).toMatch(/it is beneath rootfs\/a, which is not a folder$/);
    // The answer lists 100 violations and counts the others. The reading ended long before the last entry, so the count is
    // small.
    const more = Number(/^and (\d+) more$/.exec(cost.rejections.at(-1) ?? '')?.[1]);
    expect(more).toBeGreaterThan(1_000);
    expect(more).toBeLessThan(3_000);
  });

  test('links with targets of the maximum length', async () => {
    const target = folders(60, () => 'x'.repeat(66));
    const links = Array.from({ length: ENTRIES_MAX - 1 }, (_, index) =>
      entry(`rootfs/${index}`, { type: 'symlink', target }),
    );
    const cost = await costOf(links);
    expectCheap(cost);
    expect(cost.rejections).toEqual(['file: the archive holds names of more than 8388608 bytes in total']);
  });

  test('files with 18,600 certificates in total', async () => {
    const content = EXAMPLE_ROOT.repeat(93);
    const path = (index: number) => `rootfs/usr/local/share/ca-certificates/c${index}.crt`;
    const cost = await costOf(Array.from({ length: 200 }, (_, index) => entry(path(index), { content })));
    expectCheap(cost);
    expect(cost.rejections[0]).toBe('file: more than 500 certificates');
    expect(cost.rejections[1]).toMatch(
      /c64\.crt: with it, the archive has more than 500 certificate files or 4194304 bytes of them$/,
    );
    expect(cost.rejections.length).toBeLessThan(150);
  });

  // `resolve` of the YAML library visits the whole document. Without the limits, following aliases in 30,000 values took 22
  // s.
  test('aliases of aliases before many values', async () => {
    const times = (count: number, text: string) => `[${Array(count).fill(text).join(',')}]`;
    const cost = await costOf([
      yaml(
        'a: &a x',
        `b: &b ${times(30, '*a')}`,
        `c: &c ${times(30, '*b')}`,
        `d: ${times(30, '*c')}`,
        `e: ${times(30_000, 'x')}`,
      ),
    ]);
    expectCheap(cost);
    expect(cost.rejections).toEqual([
      'file:customization.yaml: line 1: has more than 20000 values, with aliases expanded',
    ]);
  });

  test.each<[string, string, RegExp]>([
    ['a list that begins half a million lists', '- '.repeat(500_000), /has more than 100000 words and marks/],
    ['half a million empty lines of one text', `a: |\n${' \n'.repeat(500_000)}`, /a is not known/],
    ['a text folded over 250,000 lines', `a: x\n${'  x\n'.repeat(250_000)}`, /a is not known/],
    ['a text of a million spaces', `a: "x${' '.repeat(1_000_000)}y"`, /a is not known/],
    ['a quoted text that never ends', `a: 'x\n${' \t x\n'.repeat(150_000)}`, /Missing closing/],
    [
      'ten thousand anchors',
      `a: [${Array.from({ length: 10_000 }, (_, index) => `&a${index} x`).join(',')}]`,
      /a is not known/,
    ],
  ])('a declaration that is %s', async (_what, text, reason) => {
    const cost = await costOf([yaml(text)]);
    expectCheap(cost);
    expect(cost.rejections).toEqual([expect.stringMatching(reason)]);
  });
});
