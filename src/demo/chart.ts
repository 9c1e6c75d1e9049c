// Pulls a released chart from the hosted registry with helm, and renders it.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseReference } from '../oci/reference.ts';
import { type Pull, writeLogin } from './pull.ts';

const run = promisify(execFile);

/** The most bytes of a rendering. The rendering of a chart has some ten kilobytes. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/**
 * The Kubernetes version for helm. Without a cluster, helm assumes a version. This version is too old for charts if helm was
 * built from its sources.
 */
const KUBERNETES = ['--kube-version', '1.37.0'];

export type ChartPull = Omit<Pull, 'skopeo' | 'digest'> & { helm: string };

export type Rendering = {
  /** The kinds of the objects with their number, such as `2 StatefulSet`. */
  kinds: string[];
  /** The images, without duplicates. */
  images: string[];
};

/** Pulls and renders a chart with its default values. Throws the error of helm, which says what failed. */
export async function renderPulledChart(pull: ChartPull): Promise<Rendering> {
  const folder = await mkdtemp(join(tmpdir(), 'larder-demo-'));
  // A process that switched from root to Larder's account cannot read root's home folder, in which helm searches its
  // settings.
  const helm = async (...words: string[]) =>
    (await run('env', [`HOME=${folder}`, pull.helm, ...words], { maxBuffer: OUTPUT_BYTES_MAX })).stdout;
  try {
    const { name, version } = partsOf(pull.url);
    const login = await writeLogin(folder, pull);
    const plain = isPlain(pull) ? ['--plain-http'] : [];
    const options = ['--version', version, '--destination', folder, '--registry-config', login, ...plain];
    await helm('pull', chartAddress(pull), ...options);
    return summarize(await helm('template', name, join(folder, `${name}-${version}.tgz`), ...KUBERNETES));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns the address of a chart for helm, without its version. */
export function chartAddress({ registry, url }: Pick<Pull, 'registry' | 'url'>): string {
  return `oci://${new URL(registry).host}/${parseReference(url).repository}`;
}

export const isPlain = ({ registry }: Pick<Pull, 'registry'>) => registry.startsWith('http:');

/** Returns the name and the version of a chart. The version is its tag. */
export function partsOf(url: string): { name: string; version: string } {
  const { repository, tag = '' } = parseReference(url);
  return { name: repository.slice(repository.lastIndexOf('/') + 1), version: tag };
}

function summarize(rendered: string): Rendering {
  const count = new Map<string, number>();
  for (const [, kind = ''] of rendered.matchAll(/^kind: (\w+)$/gm)) count.set(kind, (count.get(kind) ?? 0) + 1);
  const images = [...rendered.matchAll(/^ *(?:- )?image: "?([^"\s]+)"?$/gm)].map(([, image = '']) => image);
  return {
    kinds: [...count].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, number]) => `${number} ${kind}`),
    images: [...new Set(images)],
  };
}
