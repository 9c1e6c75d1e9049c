// The demonstration on a running Larder: the main job, a check that a pulled image contains the customization, and the next
// commands.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openClient } from '../client/client.ts';
import { type ChartPull, renderPulledChart } from './chart.ts';
import { closingLines, PULLERS, quoted } from './closing.ts';
import { DemoFailed } from './demo-failed.ts';
import { keptTokenFile, readKeptToken } from './kept-token.ts';
import { type Released, runMainJob } from './main-job.ts';
import { pullFile } from './pull.ts';

const COMPANY = fileURLToPath(new URL('../../examples/company', import.meta.url));
/** The path, in the example's folder of files, of the file that is checked in the pulled image. */
const CUSTOMIZED_FILE = 'etc/company/motd';

export type Demo = {
  config: { data: string; port: number; publicUrl?: string; helm?: string };
  /** The address of Larder. */
  url: string;
  /** Returns the path of a program with this name or path, or undefined if it is not found. */
  find: (program: string) => string | undefined;
  say: (line: string) => void;
  /** Whether Larder stops before the person reads the last lines. */
  stopped: boolean;
};

/**
 * Runs the demonstration, and returns the last lines. Throws the errors of the main job, and an error if the pulled image
 * does not contain the customization.
 */
export async function showMainJob({ config, url, find, say, stopped }: Demo): Promise<string[]> {
  const apiToken = readKeptToken(config.data);
  const client = openClient({ url, apiToken });
  const helm = find(config.helm ?? 'helm');
  const { catalog_id, released } = await runMainJob({ client, say, company: COMPANY, withChart: helm !== undefined });
  say('');
  say('Released:');
  for (const image of released) say(`  ${image.url}${image.customized ? '   (customized)' : ''}`);
  const registry = config.publicUrl ?? url;
  await showCustomizedFile(released, { registry, apiToken, skopeo: find('skopeo'), say });
  if (helm === undefined) say('The chart of redis is left out, because helm is not installed.');
  else await showChart(released, { registry, apiToken, helm, say });
  const tokenFile = keptTokenFile(config.data);
  const puller = PULLERS.find((program) => find(program) !== undefined) ?? PULLERS[0];
  return closingLines({
    url,
    registry,
    catalog_id,
    released,
    tokenFile,
    puller,
    settings: settingsOf(config),
    stopped,
  });
}

type Proof = { registry: string; apiToken: string; skopeo: string | undefined; say: (line: string) => void };

async function showCustomizedFile(released: Released[], { say, ...pull }: Proof): Promise<void> {
  const image = released.find(({ customized, packaging_type }) => customized && packaging_type === 'CONTAINER_IMAGE');
  if (image === undefined) throw new DemoFailed('No image with the customization was released.');
  say('');
  say(`Pulling ${image.url} with ${pull.skopeo ? 'skopeo' : 'Larder’s own client'}:`);
  const text = await pullFile({ ...pull, ...image }, CUSTOMIZED_FILE);
  const expected = await readFile(resolve(COMPANY, 'rootfs', CUSTOMIZED_FILE), 'utf8');
  if (text !== expected)
    throw new DemoFailed(`/${CUSTOMIZED_FILE} in the pulled image differs from the file of the customization: ${text}`);
  say(`  /${CUSTOMIZED_FILE}: ${text.trim()}`);
}

type ChartProof = Omit<ChartPull, 'url'> & { say: (line: string) => void };

/** Shows the objects of the pulled chart. Throws if one of them has an image that was not released. */
async function showChart(released: Released[], { say, ...pull }: ChartProof): Promise<void> {
  const chart = released.find(({ packaging_type }) => packaging_type === 'HELM_CHART');
  if (chart === undefined) throw new DemoFailed('No chart was released.');
  say('');
  say(`Pulling ${chart.url} with helm; helm template of it:`);
  const { kinds, images } = await renderPulledChart({ ...pull, ...chart });
  say(`  ${kinds.join(', ')}`);
  for (const image of images) say(`  image: ${image}`);
  const known = released.map(({ url, digest }) => `${url}@${digest}`);
  const unknown = images.filter((image) => !known.includes(image));
  if (images.length === 0 || unknown.length > 0)
    throw new DemoFailed(`The pulled chart does not contain the image that was released: ${unknown.join(', ')}`);
}

/** Returns the settings that differ from the defaults of a start. */
function settingsOf({ data, port }: Demo['config']): string {
  const given = [
    data === resolve('.larder') ? '' : `LARDER_DATA=${quoted(data)} `,
    port === 8080 ? '' : `LARDER_PORT=${port} `,
  ];
  return given.join('');
}
