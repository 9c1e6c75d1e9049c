// Measures charts with only the API: the time from the request of a chart to its release, the requests with which charts get
// into a second registry, and base images that move under images and charts. `npm run bench:charts`, or `npm run bench:charts
// -- --quick` for two products on one base image.
import { chmodSync, copyFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Release } from '../src/contract/release.ts';
import { loadRecipes } from '../src/recipes/recipe.ts';
import { HELM_3, HELM_4 } from '../test/clients.ts';
import { startDockerRegistry } from '../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../test/faulty-proxy.ts';
import { removeData } from '../test/service.ts';
import { countRequests, describeCounts, type PushedChart } from './chart-requests.ts';
import { openBases, registerBase } from './fleet-bases.ts';
import { type Campaign, type Fleet, PAGE, POLLING, perSecond, runCampaign } from './fleet-campaign.ts';
import { baseNamed, findOfferings, openFleet, releasedOn, request } from './fleet-setup.ts';
import { prepareBench } from './host.ts';
import { ratio, until } from './larder.ts';

const QUICK = process.argv.includes('--quick');
const SYSTEM = 'Debian 12';
const LIBRARY = join(import.meta.dirname, '..', 'products');
/** Products of which image and chart are made: all that are offered as charts, or the first two. */
const PRODUCTS_MAX = QUICK ? 2 : Number.POSITIVE_INFINITY;
const BASES = QUICK ? 1 : 3;
/** How many charts are pushed to the second registry while its requests are counted. */
const PUSHED_CHARTS = QUICK ? 10 : 100;
const RELEASE_AIM_SECONDS = 2;
const REQUESTS_AIM = 5;

/** Offerings of a product: its image, its chart, and the other images of the chart. */
type Product = { key: string; image: string; chart: string; needs: string[] };
type Second = { id: string; url: string; proxy: FaultyProxy };
type Bench = { fleet: Fleet; second: Second; products: Product[] };

const registriesOf = ({ fleet, second }: Bench) => [fleet.hosted, second.id];

/** Returns the products that are offered both as an image and as a chart. */
async function findProducts(fleet: Fleet): Promise<Product[]> {
  const images = await findOfferings(fleet, SYSTEM, 'CONTAINER_IMAGE');
  const charts = await findOfferings(fleet, SYSTEM, 'HELM_CHART');
  const recipes = await loadRecipes(LIBRARY);
  const products = charts.flatMap(({ product: { key }, branch, id }) => {
    const image = images.find((one) => one.product.key === key && one.branch === branch);
    const named = recipes.find((recipe) => recipe.key === key)?.chart?.images.map(({ product }) => product) ?? [];
    const others = images.filter(({ product }) => product.key !== key && named.includes(product.key));
    return image === undefined ? [] : [{ key, image: image.id, chart: id, needs: others.map((one) => one.id) }];
  });
  return products.slice(0, PRODUCTS_MAX);
}

async function registerSecond({ client }: Fleet, url: string): Promise<string> {
  const { id } = await client.call('createRegistry', { name: 'second', description: '', provider: 'OCI', url });
  await until('the second registry is checked', POLLING, async () => {
    const registry = await client.call('getRegistry', { registry_id: id });
    if (registry.healthy === false) throw new Error(`the second registry: ${registry.unhealthy_cause}`);
    return registry.healthy;
  });
  return id;
}

function checkFailures({ name, failed }: Campaign): void {
  if (failed > 0) throw new Error(`${name}: ${failed} pipelines failed`);
}

/**
 * Measures the time from each chart's request to its release in the hosted registry. Requests the charts one after the other,
 * when their images are already released.
 */
async function measureRequests({ fleet, products }: Bench): Promise<number[]> {
  const base = await baseNamed(fleet, SYSTEM);
  const offerings = [...new Set(products.flatMap(({ image, needs }) => [image, ...needs]))];
  const images = await runCampaign(fleet, {
    name: `${offerings.length} images`,
    releases: offerings.length,
    begin: () => request(fleet, base.id, { offerings }),
  });
  checkFailures(images);
  const seconds: number[] = [];
  for (const { key, chart } of products) {
    const campaign = await runCampaign(fleet, {
      name: `the chart of ${key}, whose images are released`,
      releases: 1,
      begin: () => request(fleet, base.id, { offerings: [chart] }),
    });
    checkFailures(campaign);
    seconds.push(campaign.lastSeconds);
  }
  return seconds;
}

type Moving = { names: string[]; push: (name: string, generation: number) => Promise<void> };

/** Makes base images, and requests an image and a chart of every product on each base image. */
async function makeFleet(bench: Bench): Promise<Moving> {
  const { fleet, products } = bench;
  const own = await baseNamed(fleet, SYSTEM);
  const push = await openBases(fleet.larder, await releasedOn(fleet, own.id));
  const names = Array.from({ length: BASES }, (_, number) => `fleet-${number}`);
  for (const name of names) {
    await push(name, 1);
    const operating_system_id = own.operating_system?.id ?? '';
    await registerBase(fleet.client, name, { registry_id: fleet.hosted, operating_system_id });
  }
  const bases = await Promise.all(names.map((name) => baseNamed(fleet, name)));
  const offerings = products.flatMap(({ image, chart }) => [image, chart]);
  const campaign = await runCampaign(fleet, {
    name: `${products.length} products as image and chart on ${BASES} base images`,
    releases: BASES * offerings.length,
    async begin() {
      for (const { id } of bases) await request(fleet, id, { offerings, registry_ids: registriesOf(bench) });
    },
  });
  checkFailures(campaign);
  return { names, push };
}

/** Builds the charts again, although nothing changed, until PUSHED_CHARTS are in the second registry. */
async function measurePushes(bench: Bench): Promise<{ own: number; attached: number }> {
  const { fleet, second } = bench;
  const { client, catalog_id } = fleet;
  const all = await client.call('listApplications', { catalog_id, packaging_type: 'HELM_CHART', page_size: PAGE });
  const items = all.items.filter(({ base_image }) => base_image.name !== SYSTEM);
  const from = second.proxy.seen.length;
  const begun = Date.now();
  for (let left = PUSHED_CHARTS; left > 0; left -= items.length) {
    const application_ids = items.slice(0, left).map(({ id }) => id);
    const campaign = await runCampaign(fleet, {
      name: `${application_ids.length} charts built again`,
      releases: application_ids.length,
      begin: async () => void (await client.call('rebuildApplications', { catalog_id, application_ids, force: true })),
    });
    checkFailures(campaign);
  }
  const releases = (await releasesSince(fleet, begun)).filter(({ registry }) => registry?.id === second.id);
  const charts = releases.map(pushedChart);
  const counts = await countRequests(second.proxy, { from, url: second.url, charts });
  const own = describeCounts(counts.own, charts.length);
  const attached = describeCounts(counts.attached, charts.length);
  console.log(`${charts.length} charts in the second registry`);
  console.log(`  requests a chart: ${own.total.toFixed(2)} (${own.line})`);
  console.log(`  requests for its signatures and reports: ${attached.total.toFixed(2)} (${attached.line})`);
  return { own: own.total, attached: attached.total };
}

function pushedChart({ artifact }: Release): PushedChart {
  const repository = artifact.repository.slice(artifact.repository.indexOf('/') + 1);
  return { repository: `${repository}/${artifact.name}`, version: artifact.version, digest: artifact.repo_digest };
}

async function releasesSince({ client, catalog_id }: Fleet, begun: number): Promise<Release[]> {
  const found: Release[] = [];
  for (let page = 1; ; page += 1) {
    const { items } = await client.call('listReleases', { catalog_id, page, page_size: PAGE });
    const later = items.filter(({ released_at }) => Date.parse(released_at) >= begun);
    found.push(...later);
    if (later.length < PAGE) return found;
  }
}

/** Moves all base images of the fleet. Returns also how often each application was released in each of its registries. */
async function measureMove({ fleet }: Bench, { names, push }: Moving): Promise<Campaign & { perApplication: number }> {
  const bases = await Promise.all(names.map((name) => baseNamed(fleet, name)));
  const applications = await countApplications(fleet, bases);
  const begun = Date.now();
  const campaign = await runCampaign(fleet, {
    name: `${names.length} base images moved under ${applications} applications`,
    releases: applications,
    async begin() {
      await Promise.all(names.map((name) => push(name, 2)));
      await Promise.all(bases.map(({ id }) => fleet.client.call('checkBaseImage', { base_image_id: id })));
    },
  });
  checkFailures(campaign);
  const releases = await releasesSince(fleet, begun);
  const places = new Set(releases.map(({ application_id, registry }) => `${application_id} ${registry?.id}`));
  return { ...campaign, perApplication: releases.length / places.size };
}

/** Counts the applications on base images, also those that are hidden because only charts need them. */
async function countApplications({ database }: Fleet, bases: { id: string }[]): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    'select count(*)::int as count from applications where removed_at is null and base_image_id = any($1)',
    [bases.map(({ id }) => id)],
  );
  return rows[0]?.count ?? 0;
}

/** Copies helm to a folder that the worker can enter after it has switched from root to Larder's account. */
function helmFor(directory: string): Record<string, string> {
  const helm = HELM_3 ?? HELM_4;
  if (helm === undefined) return {};
  const path = join(directory, 'helm');
  copyFileSync(helm, path);
  return { LARDER_HELM: path };
}

async function main(directory: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const docker = await startDockerRegistry();
  stack.defer(() => docker.stop());
  const proxy = await startFaultyProxy(docker.url);
  stack.defer(() => proxy.stop());
  const helm = helmFor(directory);
  if (helm['LARDER_HELM'] === undefined) console.log('helm is not installed: charts are released without a rendering');
  const fleet = await openFleet(directory, stack, { ...helm, LARDER_EGRESS_ALLOW: '127.0.0.1' });
  const second = { id: await registerSecond(fleet, `${proxy.url}/second`), url: docker.url, proxy };
  const bench: Bench = { fleet, second, products: await findProducts(fleet) };
  const seconds = await measureRequests(bench);
  const moving = await makeFleet(bench);
  const requests = await measurePushes(bench);
  const move = await measureMove(bench, moving);
  const sorted = seconds.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  ratio(
    `median time from request to released chart / the aim of ${RELEASE_AIM_SECONDS} s`,
    median / RELEASE_AIM_SECONDS,
  );
  ratio(`longest of these times / the aim of ${RELEASE_AIM_SECONDS} s`, (sorted.at(-1) ?? 0) / RELEASE_AIM_SECONDS);
  ratio(`requests a chart / the aim of ${REQUESTS_AIM}`, requests.own / REQUESTS_AIM);
  ratio('requests for signatures and reports a chart', requests.attached);
  ratio('releases a second after the move', perSecond(move));
  ratio('seconds to the first of them', move.firstSeconds);
  ratio('releases of an application in a registry after the move (aim 1)', move.perApplication);
}

await prepareBench();
const directory = mkdtempSync(join(tmpdir(), 'larder-bench-charts-'));
// PostgreSQL's own user must be able to enter the folder.
chmodSync(directory, 0o711);
try {
  await main(directory);
} finally {
  await removeData(directory);
}
