// Real Debian images with faults that only appear when the image runs. Each image is rejected with a cause that names the
// fault.
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { debianBase } from '../../../test/debian.ts';
import { sandboxMode, type TestWorkspace, testWorkspace } from '../../../test/fixtures/build.ts';
import { entry } from '../../../test/fixtures/tar.ts';
import { writeLayer } from '../../oci/layer.ts';
import type { BasePin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { TarInput } from '../../tar/entry.ts';
import { isTrialTimeout, tryBaseImage } from './base-image-trial.ts';
import { bytesOf } from './image.ts';

let workspace: TestWorkspace;
let base: BasePin;

const program = (path: string, script: string): TarInput =>
  entry(path, { content: `#!/bin/sh\n${script}\n`, mode: 0o755 });

async function imageOf(entries: TarInput[], config?: object): Promise<BasePin> {
  const { content } = workspace;
  const layer = await writeLayer(content, entries);
  const own = config && (await content.put(bytesOf(Buffer.from(JSON.stringify(config)))));
  return {
    ...base,
    name: 'host/golden/debian:12',
    layers: [...base.layers, layer],
    config: own === undefined ? base.config : { ...base.config, ...own },
  };
}

/** Returns the cause of the rejection, or undefined if the image can be used. */
async function causeOf(pin: BasePin): Promise<string | undefined> {
  try {
    await tryBaseImage(workspace, pin);
    return undefined;
  } catch (error) {
    if (error instanceof BuildError && error.cause_kind === 'BUILD_ERROR') return error.message;
    throw error;
  }
}

describe.skipIf(sandboxMode.mode === 'files-only')('tryBaseImage', () => {
  beforeAll(async () => {
    const debian = await debianBase();
    base = debian.base;
    workspace = await testWorkspace(debian.content);
  }, 300_000);
  afterAll(async () => await workspace[Symbol.asyncDispose]());

  test('accepts an image without faults', async () => {
    expect(await causeOf(base)).toBeUndefined();
  });

  const REJECTED: [name: string, entries: TarInput[], cause: RegExp][] = [
    [
      'an image without its C library',
      [
        entry('usr/lib/x86_64-linux-gnu/.wh.libc.so.6', { content: '' }),
        entry('usr/lib/aarch64-linux-gnu/.wh.libc.so.6', { content: '' }),
      ],
      /its \/bin\/sh does not start: this program, the C library or the loader is missing or broken \(exit code 127\)\.\n.*libc\.so\.6/,
    ],
    [
      'an image whose shell is not a program',
      [entry('usr/bin/dash', { content: 'text', mode: 0o755 })],
      /its \/bin\/sh does not start: this program, .* is missing or broken/,
    ],
    [
      'an image without accounts',
      [entry('etc/passwd', { content: '' })],
      /its \/etc\/passwd has no account for user id 0 \(root\), which packages need \(exit code 1\)/,
    ],
    [
      'an image with a statoverride for a missing user',
      [entry('var/lib/dpkg/statoverride', { content: 'nobodyhere root 4755 /usr/bin/passwd\n' })],
      /an empty package cannot be installed on this image \(exit code 2\)\.\n(?:.*\n)*.*nobodyhere.*statoverride/,
    ],
    [
      'an image whose perl does not start',
      [program('usr/bin/perl', 'echo no perl today >&2; exit 3')],
      /its perl, which the scripts of packages run, does not start \(exit code 3\)\.\nno perl today$/,
    ],
    [
      'an image whose dpkg fails',
      [program('usr/bin/dpkg', 'echo dpkg: error: out of order; exit 2')],
      /«dpkg --audit» fails in this image \(exit code 2\)\.\ndpkg: error: out of order$/,
    ],
    [
      'an image whose dpkg is configured with an unknown option',
      [entry('etc/dpkg/dpkg.cfg.d/broken', { content: 'no-such-option\n' })],
      /«dpkg --audit» fails in this image \(exit code 2\)\.\n(?:.*\n)*.*no-such-option/,
    ],
    [
      'an image whose dpkg prints without end',
      [program('usr/bin/dpkg', 'exec yes')],
      /«dpkg --audit» fails in this image \(it printed more than 1 MiB\)\.\n(?:y\n){3}y$/,
    ],
  ];
  test.each(REJECTED)('rejects %s', async (_name, entries, cause) => {
    const found = await causeOf(await imageOf(entries));
    expect(found).toMatch(/^host\/golden\/debian:12 cannot be used: /);
    expect(found).toMatch(cause);
    expect((found ?? '').length).toBeLessThan(2000);
  });

  test('rejects an image with an unconfigured package whose configuration fails', async () => {
    const { packages } = base;
    if (packages === undefined) throw new Error('the base has no package database');
    const status = await text(await workspace.content.open(packages));
    const half = status.replace(/(Package: base-files\n(?:.+\n)*?Status: install ok )installed/, '$1half-configured');
    expect(half).not.toBe(status);
    const pin = await imageOf([
      entry('var/lib/dpkg/status', { content: half }),
      program('var/lib/dpkg/info/base-files.postinst', 'echo out of order; exit 9'),
    ]);
    expect(await causeOf(pin)).toMatch(
      /an empty package cannot be installed on this image \(exit code 1\)\.\n(?:.*\n)*.*base-files/,
    );
  });

  test('rejects an image without sh in its own PATH', async () => {
    const settings = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } };
    const own = await imageOf([entry('srv/x')], { ...settings, config: { Env: ['PATH=/opt/nothing'] } });
    expect(await causeOf(own)).toMatch(/no folder of its own PATH has a program sh \(exit code 1\)/);
  });

  test('accepts any image on a machine without a sandbox', async () => {
    const pin = await imageOf([entry('usr/bin/.wh.dpkg', { content: '' })]);
    expect(await causeOf(pin)).toBeDefined();
    const filesOnly = { ...workspace, probe: { mode: 'files-only' as const, reasons: [] } };
    await expect(tryBaseImage(filesOnly, pin)).resolves.toBeUndefined();
  });

  test('throws a timeout and no rejection if a program takes too long', async () => {
    const pin = await imageOf([program('usr/bin/perl', 'sleep 1000')]);
    const error = await tryBaseImage(workspace, pin, { wallClockMs: 1_000 }).catch((thrown: unknown) => thrown);
    expect(isTrialTimeout(error)).toBe(true);
    expect(error).not.toBeInstanceOf(BuildError);
    expect((error as Error).message).toMatch(/cannot be used: its perl.* does not start \(it .*\)\.$/);
  });

  test('throws the reason of its aborted signal', async () => {
    const pin = await imageOf([program('usr/bin/dpkg', 'sleep 1000')]);
    const stopped = new AbortController();
    const trial = tryBaseImage(workspace, pin, { signal: stopped.signal });
    stopped.abort(new Error('the worker stops'));
    await expect(trial).rejects.toThrow('the worker stops');
  });
});
