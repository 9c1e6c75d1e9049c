// A fleet that is used only through the API: N applications on base images of Debian 12 and 13, two versions of a global
// customization, and a base image whose tag moves. The rate is compared with the rate of only the verification.
// `npm run bench:fleet` uses 100 applications, `-- 1000` another number, and `-- --quick` 4 applications on two base images
// with one customization.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packed, rootfs } from '../test/fixtures/customization.ts';
import { removeData } from '../test/service.ts';
import { openBases, registerBase } from './fleet-bases.ts';
import { type Campaign, type Fleet, perSecond, runCampaign } from './fleet-campaign.ts';
import { readProcessorTime, subtractTimes } from './fleet-processes.ts';
import { baseNamed, environmentOf, findOfferings, openFleet, releasedOn, request } from './fleet-setup.ts';
import type { VerifyDone, VerifyMessage } from './fleet-verification.ts';
import { prepareBench } from './host.ts';
import { ratio } from './larder.ts';

const QUICK = process.argv.includes('--quick');
const APPLICATIONS = Number(process.argv.slice(2).find((arg) => /^\d+$/.test(arg)) ?? (QUICK ? 4 : 100));
const SYSTEMS = ['Debian 12', 'Debian 13'];
/**
 * The most applications on one base image: one of each offering. In a quick run, so few that each Debian has one base image.
 */
const PER_BASE = QUICK ? Math.ceil(APPLICATIONS / SYSTEMS.length) : Number.POSITIVE_INFINITY;
/** The most images of which only the verification is measured. Its rate does not depend on their number. */
const VERIFIED_MAX = 60;
const FIRST_RELEASE_AIM_SECONDS = 1.5;
const RATE_AIM = 0.9;

const offeringsOn = async (fleet: Fleet, system: string) =>
  (await findOfferings(fleet, system, 'CONTAINER_IMAGE')).map(({ id }) => id);

/** Only verifies the images that the last campaign released. Returns the rate. */
async function measureVerification(fleet: Fleet, verifier: ChildProcess): Promise<number> {
  const { rows } = await fleet.database.query<VerifyMessage['artifacts'][number]>(
    `select plan_digest, artifact from pipelines where status = 'SUCCEEDED' and artifact is not null
     order by started_at desc, id limit $1`,
    [Math.min(VERIFIED_MAX, APPLICATIONS + SYSTEMS.length)],
  );
  const prepared = await askVerifier(verifier, { artifacts: rows });
  const processes = { ...fleet.processes, worker: verifier.pid ?? 0 };
  const before = readProcessorTime(processes);
  const answer = await askVerifier(verifier, 'verify');
  if (answer.failed > 0) throw new Error(`${answer.failed} images failed when verification ran without other load`);
  const used = subtractTimes(readProcessorTime(processes), before);
  const rate = prepared.images / answer.seconds;
  console.log(
    `verification alone: ${rate.toFixed(2)} a second; processor ms an image: engine ${((1000 * used.engine) / prepared.images).toFixed(0)}, machine ${((1000 * used.machine) / prepared.images).toFixed(0)}`,
  );
  return rate;
}

async function askVerifier(verifier: ChildProcess, message: VerifyMessage | 'verify'): Promise<VerifyDone> {
  verifier.send(message);
  const [answer] = (await once(verifier, 'message')) as [VerifyDone | { error: string }];
  if ('error' in answer) throw new Error(answer.error);
  return answer;
}

/** Makes base images, and requests at most PER_BASE offerings on each of them until there are APPLICATIONS applications. */
async function makeFleet(
  fleet: Fleet,
): Promise<{ campaign: Campaign; bases: string[]; push: (name: string, generation: number) => Promise<void> }> {
  const offerings = await Promise.all(SYSTEMS.map((system) => offeringsOn(fleet, system)));
  const own = await Promise.all(SYSTEMS.map((system) => baseNamed(fleet, system)));
  const seeded = await runCampaign(fleet, {
    name: 'one application of each Debian, with an engine that has done nothing yet',
    releases: SYSTEMS.length,
    async begin() {
      for (const [at, base] of own.entries())
        await request(fleet, base.id, { offerings: (offerings[at] ?? []).slice(0, 1) });
    },
  });
  if (seeded.failed > 0) throw new Error('the first images could not be made');
  const pushes = await Promise.all(own.map(async (base) => openBases(fleet.larder, await releasedOn(fleet, base.id))));
  const wanted: { base: string; offerings: string[] }[] = [];
  const system = new Map<string, number>();
  for (let left = APPLICATIONS, number = 0; left > 0; number += 1) {
    const at = number % SYSTEMS.length;
    const base = `fleet-${number}`;
    const some = (offerings[at] ?? []).slice(0, Math.min(left, PER_BASE));
    system.set(base, at);
    await pushes[at]?.(base, 1);
    await registerBase(fleet.client, base, {
      registry_id: fleet.hosted,
      operating_system_id: own[at]?.operating_system?.id ?? '',
    });
    wanted.push({ base, offerings: some });
    left -= some.length;
  }
  const ids = await Promise.all(wanted.map(async ({ base }) => (await baseNamed(fleet, base)).id));
  const campaign = await runCampaign(fleet, {
    name: `${APPLICATIONS} applications on ${wanted.length} base images`,
    releases: APPLICATIONS,
    async begin() {
      for (const [at, one] of wanted.entries()) await request(fleet, ids[at] ?? '', one);
    },
  });
  const push = async (name: string, generation: number) => pushes[system.get(name) ?? 0]?.(name, generation);
  return { campaign, bases: wanted.map(({ base }) => base), push };
}

async function customize({ client, catalog_id }: Fleet, former: string | undefined, text: string): Promise<string> {
  const archive = await packed([rootfs('etc/company/motd', { content: text })]);
  const file = { bytes: new Blob([new Uint8Array(archive)]), filename: 'company.tar.gz' };
  if (former === undefined) {
    await client.call('createCustomization', { catalog_id, file, name: 'company' });
    const { items } = await client.call('listCustomizations', { catalog_id, page_size: 1 });
    return items[0]?.id ?? '';
  }
  await client.call('updateCustomization', { catalog_id, customization_id: former, file });
  return former;
}

/** Prints the results. `rates` are the rates of only the verification, one for each campaign after the first. */
function report(campaigns: Campaign[], rates: number[]): void {
  const [first, ...later] = campaigns;
  for (const [at, ceiling] of rates.entries()) {
    const campaign = later[at];
    if (campaign === undefined) continue;
    ratio(`rate, ${campaign.name} / verification alone (aim ${RATE_AIM})`, perSecond(campaign) / ceiling);
    ratio(
      `first release of ${campaign.name} / the aim of ${FIRST_RELEASE_AIM_SECONDS} s`,
      campaign.firstSeconds / FIRST_RELEASE_AIM_SECONDS,
    );
  }
  for (const kind of ['server', 'worker'] as const) {
    ratio(
      `peak memory of the ${kind}, last campaign / first one`,
      (campaigns.at(-1)?.memory[kind] ?? 0) / (first?.memory[kind] ?? 1),
    );
  }
  ratio(
    'failed pipelines',
    campaigns.reduce((sum, { failed }) => sum + failed, 0),
  );
}

async function run(fleet: Fleet, verifier: ChildProcess): Promise<void> {
  const { campaign, bases, push } = await makeFleet(fleet);
  const total = APPLICATIONS + SYSTEMS.length;
  const campaigns = [campaign];
  const rates: number[] = [];
  let customization: string | undefined;
  for (const version of QUICK ? ['first'] : ['first', 'second']) {
    campaigns.push(
      await runCampaign(fleet, {
        name: `a global customization, ${version} version`,
        releases: total,
        async begin() {
          customization = await customize(fleet, customization, `${version}\n`);
        },
      }),
    );
    rates.push(await measureVerification(fleet, verifier));
  }
  const [moved = ''] = bases;
  const { id: base_image_id } = await baseNamed(fleet, moved);
  const { total_size } = await fleet.client.call('listApplications', {
    catalog_id: fleet.catalog_id,
    base_image_ids: [base_image_id],
    page_size: 1,
  });
  campaigns.push(
    await runCampaign(fleet, {
      name: 'a base that moved',
      releases: total_size,
      async begin() {
        await push(moved, 2);
        await fleet.client.call('checkBaseImage', { base_image_id });
      },
    }),
  );
  report(campaigns, rates);
}

async function main(directory: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const fleet = await openFleet(directory, stack);
  const verifier = fork(join(import.meta.dirname, 'fleet-verification.ts'), {
    env: environmentOf(directory, fleet.larder),
  });
  stack.defer(() => void verifier.kill('SIGKILL'));
  await once(verifier, 'message');
  await run(fleet, verifier);
}

await prepareBench();
const directory = mkdtempSync(join(tmpdir(), 'larder-bench-fleet-'));
// PostgreSQL's own user must be able to enter the folder.
chmodSync(directory, 0o711);
try {
  await main(directory);
} finally {
  await removeData(directory);
}
