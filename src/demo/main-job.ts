// The main job, as a person would do it: request images, add a customization, and see the releases. Requests of an earlier
// run are found and not repeated.
import type { Client } from '../client/client.ts';
import type { CatalogApplication } from '../contract/application.ts';
import type { BaseImageDetailed } from '../contract/base-image.ts';
import type { CustomizationDetailed } from '../contract/customization.ts';
import { packFolder } from './archive.ts';
import { DemoFailed } from './demo-failed.ts';
import { type DemoContext, type Follow, openFollow } from './follow.ts';

/** The products that the demonstration requests, unless they are in the catalog already. */
const PRODUCTS = ['redis', 'nginx', 'postgresql'];
/** The product whose chart is also requested if the machine has helm. */
const CHART_PRODUCT = 'redis';
const BASE_IMAGE = 'Debian 12';
const CUSTOMIZATION = 'company';
/** The size of a page. One page is enough, because the three products have one or two branches each. */
const PAGE = 100;

export type MainJob = {
  client: Client;
  say: (line: string) => void;
  /** The folder of the customization. */
  company: string;
  /** Whether the chart of CHART_PRODUCT is also requested. */
  withChart: boolean;
};

export type Released = {
  packaging_type: CatalogApplication['packaging_type'];
  /** Host, repository and tag. */
  url: string;
  /** The digest of the tag, which never changes. */
  digest: string;
  customized: boolean;
};

type Job = DemoContext & { follow: Follow } & Pick<MainJob, 'company' | 'withChart'>;

/**
 * Runs the job and prints its progress. Throws if something failed, in this run or an earlier one, or if nothing changes for
 * PATIENCE_MS.
 */
export async function runMainJob({
  client,
  say,
  company,
  withChart,
}: MainJob): Promise<{ catalog_id: string; released: Released[] }> {
  const catalogs = await client.call('listCatalogs', { owned: true, order_direction: 'ASC', page_size: 1 });
  const catalog_id = catalogs.items[0]?.id;
  if (catalog_id === undefined) throw new DemoFailed('There is no catalog.');
  const context = { client, catalog_id, say };
  const job: Job = { ...context, follow: await openFollow(context), company, withChart };
  const base = await findBase(job);
  await requestProducts(job, base);
  await awaitApplications(job, base);
  const customization_id = await customize(job);
  // The chart gets another release after its image, because it contains the digest of the image.
  if (withChart) await awaitApplications(job, base);
  return { catalog_id, released: await listReleased(job, base, customization_id) };
}

async function findBase({ client }: DemoContext): Promise<BaseImageDetailed> {
  const images = await client.call('listBaseImages', { page_size: PAGE });
  const base = images.items.find(({ name }) => name === BASE_IMAGE);
  if (!base) throw new DemoFailed(`There is no base image ${BASE_IMAGE}.`);
  return base;
}

type Wanted = Pick<CatalogApplication, 'product' | 'branch' | 'packaging_type'>;

function isWanted({ withChart }: Job, { product, packaging_type }: Wanted): boolean {
  if (packaging_type === 'HELM_CHART') return withChart && product.key === CHART_PRODUCT;
  return packaging_type === 'CONTAINER_IMAGE' && PRODUCTS.includes(product.key);
}

/**
 * Returns the applications of the demonstration. The images come in the order of PRODUCTS, and then the chart. Other users
 * may have requested them.
 */
async function listWanted(job: Job, { id }: { id: string }): Promise<CatalogApplication[]> {
  const { client, catalog_id } = job;
  const { items } = await client.call('listApplications', { catalog_id, base_image_ids: [id], page_size: PAGE });
  const place = ({ product, packaging_type }: CatalogApplication) =>
    packaging_type === 'HELM_CHART' ? PRODUCTS.length : PRODUCTS.indexOf(product.key);
  return items.filter((one) => isWanted(job, one)).sort((a, b) => place(a) - place(b));
}

async function requestProducts(job: Job, base: BaseImageDetailed): Promise<void> {
  const { client, catalog_id, say } = job;
  const offerings = await client.call('listOfferings', {
    operating_system_name: BASE_IMAGE,
    packaging_types: ['CONTAINER_IMAGE', 'HELM_CHART'],
    page_size: PAGE,
  });
  const known = await listWanted(job, base);
  const isKnown = (offering: Wanted) => known.some((one) => inWords([one]) === inWords([offering]));
  const missing = offerings.items.filter((offering) => isWanted(job, offering) && !isKnown(offering));
  if (known.length > 0) say(`In the catalog already: ${inWords(known)}.`);
  if (missing.length === 0) return;
  say(`Requesting ${inWords(missing)} on ${BASE_IMAGE}.`);
  await client.call('createApplicationRequest', {
    catalog_id,
    kind: 'CREATION',
    name: 'Demonstration',
    application_offering_ids: missing.map((offering) => offering.id),
    base_image_id: base.id,
  });
}

function inWords(many: Wanted[]): string {
  const ending = ({ packaging_type }: Wanted) => (packaging_type === 'HELM_CHART' ? ' (chart)' : '');
  return many.map((one) => `${one.product.key} ${one.branch}${ending(one)}`).join(', ');
}

async function awaitApplications(job: Job, base: BaseImageDetailed): Promise<void> {
  const isOpen = ({ processing_status }: CatalogApplication) =>
    processing_status?.status === 'PENDING' || processing_status?.status === 'IN_PROGRESS';
  let open: CatalogApplication[] = [];
  const ended = await job.follow({
    ask: async () => {
      const wanted = await listWanted(job, base);
      open = wanted.filter(isOpen);
      return open.length === 0 ? wanted : undefined;
    },
    waitingFor: async () => describeBase(await findBase(job)) ?? `waiting for ${inWords(open)}`,
  });
  const failed = ended.filter(({ processing_status }) => processing_status?.status === 'FAILED');
  if (failed.length === 0) return;
  for (const application of failed) job.say(`  ${inWords([application])}: ${await whyFailed(job, application)}`);
  throw new DemoFailed(`${failed.length} of ${ended.length} applications failed; the lines above say why.`);
}

/** Describes the base image for which requests wait. Returns undefined if it is healthy. */
function describeBase({ name, healthy, unhealthy_cause }: BaseImageDetailed): string | undefined {
  if (healthy === false)
    return `the build of the base image ${name} is tried again: ${unhealthy_cause ?? 'it could not be built'}`;
  return healthy === undefined ? `building the base image ${name} from the package archive` : undefined;
}

async function whyFailed({ client, catalog_id }: DemoContext, { id }: CatalogApplication): Promise<string> {
  const { items } = await client.call('listPipelines', { catalog_id, application_id: id, page_size: 1 });
  const failure = items[0]?.phases.find((phase) => phase.failure !== undefined)?.failure;
  return failure?.error_message ?? 'no reason was recorded';
}

/** Adds the customization unless it exists. Returns its id when every affected image has it. */
async function customize(job: Job): Promise<string> {
  const { say } = job;
  const before = await findCustomization(job);
  if (before && hasEnded(before)) say(`The customization «${CUSTOMIZATION}» is in the catalog already.`);
  else if (before) say(`The customization «${CUSTOMIZATION}» of an earlier run is still being applied.`);
  else say('Adding examples/company to every image: a certificate authority, a file, an environment variable.');
  const customization_id = before?.id ?? (await uploadCompany(job));
  const { client, catalog_id } = job;
  const ended = await job.follow({
    ask: async () => {
      const found = await client.call('getCustomization', { catalog_id, customization_id });
      return hasEnded(found) ? found : undefined;
    },
    waitingFor: async () => `waiting for images with «${CUSTOMIZATION}»`,
  });
  if (ended.status.endsWith('_SUCCEEDED')) return customization_id;
  for (const { product, branch, failure } of ended.affected_releasables) {
    if (failure) say(`  ${product.key} ${branch}: ${failure.description}`);
  }
  throw new DemoFailed(
    `The customization «${CUSTOMIZATION}» failed; the lines above say why. To try again: start Larder (npm start), delete the customization (npm run larder -- customizations delete ${ended.id}), and run this command again.`,
  );
}

function hasEnded({ status }: CustomizationDetailed): boolean {
  return /_(SUCCEEDED|FAILED)$/.test(status);
}

async function findCustomization({ client, catalog_id }: DemoContext): Promise<CustomizationDetailed | undefined> {
  const known = await client.call('listCustomizations', { catalog_id, active: true, page_size: PAGE });
  return known.items.find(({ name }) => name === CUSTOMIZATION);
}

async function uploadCompany({ client, catalog_id, company }: Job): Promise<string> {
  const file = { filename: `${CUSTOMIZATION}.tar.gz`, bytes: await packFolder(company) };
  return (await client.call('createCustomization', { catalog_id, name: CUSTOMIZATION, file })).id;
}

async function listReleased(job: Job, base: BaseImageDetailed, customizationId: string): Promise<Released[]> {
  const { client, catalog_id } = job;
  const released: Released[] = [];
  for (const { latest_release, packaging_type } of await listWanted(job, base)) {
    if (latest_release === undefined) continue;
    const { artifact, customizations } = await client.call('getRelease', { catalog_id, release_id: latest_release.id });
    const customized = customizations?.some(({ id }) => id === customizationId) ?? false;
    released.push({ packaging_type, url: artifact.url, digest: artifact.repo_digest, customized });
  }
  return released;
}
