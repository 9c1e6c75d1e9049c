// Builds the layer of the product on top of the base image: its packages, files, folders, links and user.
import type { BuiltLayer } from '../../oci/layer.ts';
import type { ImagePlan, ImageUser } from '../../plan/image-plan.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import { openSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import type { Workspace } from '../../sandbox/workspace.ts';
import type { TarHeader } from '../../tar/entry.ts';
import { captureLayer } from './capture.ts';
import { type GivenFolder, openGivenFolder } from './given-folder.ts';
import { bytesOf } from './image.ts';
import { type ImageState, KEPT_FILES } from './image-files.ts';
import { buildEnvironment, givePackages, installPackages } from './packages.ts';
import { prepareRoots } from './rootfs.ts';

const STEP = 'application';
const SCRIPT = 'write-files';
const SECONDS_PER_DAY = 86_400;

export type LayerContext = { workspace: Workspace; log: BuildLog; signal?: AbortSignal | undefined };

/** Whether the plan adds anything to its base image. */
export function hasApplicationLayer({ packages, files, folders, links }: ImagePlan): boolean {
  return packages.length + files.length + folders.length + links.length > 0;
}

/** Builds the layer on top of the base image. Returns undefined if nothing changed. Throws BuildError. */
export async function buildApplicationLayer(
  plan: ImagePlan,
  base: ImageState,
  context: LayerContext,
): Promise<BuiltLayer | undefined> {
  const { workspace, log, signal } = context;
  const roots = await prepareRoots(workspace, base.layers, { step: STEP, signal, chain: base.chain });
  await using given = openGivenFolder(workspace);
  await givePackages(given, plan.packages);
  await giveFiles(given, plan);
  await using sandbox = disposable(
    await openSandbox(workspace, { layers: roots, step: STEP, given: given.folder, signal }),
  );
  const { epoch } = plan;
  await installPackages(sandbox, {
    packages: plan.packages,
    epoch,
    log,
    step: STEP,
    cause_kind: 'BUILD_ERROR',
    signal,
  });
  await writeFiles(plan, { sandbox, given }, context);
  const declared = declaredPaths(plan);
  return await captureLayer(workspace.content, sandbox, {
    epoch,
    step: STEP,
    below: base.listing,
    remove: plan.remove,
    privateKeys: true,
    onPrivateKey: (path) =>
      log.say(
        `${STEP}: left out ${path}: a package generated this private key, and everybody who pulls the image would have it`,
      ),
    keep: ({ path }: TarHeader) => declared.has(path),
    watch: { paths: KEPT_FILES, onFile: async (_path, bytes) => void (await workspace.content.put(bytesOf(bytes))) },
  });
}

/** Returns the sandbox in a form that `await using` closes. */
export function disposable(sandbox: Sandbox): Sandbox & AsyncDisposable {
  return { ...sandbox, [Symbol.asyncDispose]: () => sandbox.close() };
}

/**
 * Returns the paths that a recipe declares, and the folders above these paths. They stay in the layer even if they are below
 * /run or /var/log.
 */
function declaredPaths(plan: ImagePlan): Set<string> {
  const paths = [...plan.folders, ...plan.files, ...plan.links].map(({ path }) => path.replace(/^\/+/, ''));
  return new Set(
    paths.flatMap((path) => path.split('/').map((_, index, names) => names.slice(0, index + 1).join('/'))),
  );
}

function fileAt(index: number): string {
  return `files/${index}`;
}

async function giveFiles(given: GivenFolder, plan: ImagePlan): Promise<void> {
  for (const [index, { digest }] of plan.files.entries()) await given.copy(fileAt(index), digest);
  await given.write(SCRIPT, fileScript(plan, given));
}

type Given = { sandbox: Sandbox; given: GivenFolder };

/**
 * Writes the plan's files, folders, links and user. Runs after the packages are installed, so that the plan's files replace
 * files of packages.
 */
async function writeFiles(plan: ImagePlan, { sandbox, given }: Given, { log, signal }: LayerContext): Promise<void> {
  log.say(`${STEP}: files, folders, links and the user ${plan.image.user.name}`);
  log.mark();
  const exit = await sandbox.run(
    { command: ['sh', '-e', given.inside(SCRIPT)], environment: buildEnvironment(plan.epoch) },
    { onOutput: log.write, merged: true, signal },
  );
  if (exit.code === 0) return;
  const why = exit.why === undefined ? '' : `: it ${exit.why}`;
  throw new BuildError(`Writing the product's files failed${why}.\n${log.tail()}`, {
    step: STEP,
    cause_kind: 'BUILD_ERROR',
  });
}

function fileScript(plan: ImagePlan, given: GivenFolder): string {
  return [
    ...userLines(plan.image.user, plan.epoch),
    ...plan.folders.map(({ path, mode, uid, gid }) => {
      const target = quoted(path);
      return `mkdir -p ${target} && chown ${uid}:${gid} ${target} && chmod ${octal(mode)} ${target}`;
    }),
    ...plan.files.flatMap(({ path, mode, uid, gid }, index) => {
      const target = quoted(path);
      return [
        `mkdir -p "$(dirname ${target})" && rm -f ${target}`,
        `cat ${given.inside(fileAt(index))} > ${target} && chown ${uid}:${gid} ${target} && chmod ${octal(mode)} ${target}`,
      ];
    }),
    ...plan.links.map(
      ({ path, target }) =>
        `mkdir -p "$(dirname ${quoted(path)})" && rm -f ${quoted(path)} && ln -s ${quoted(target)} ${quoted(path)}`,
    ),
    '',
  ].join('\n');
}

/** Returns shell commands that add the user to passwd, group and shadow, unless the image already has the user's name or number. */
function userLines({ name, uid, gid, home, groups = [] }: ImageUser, epoch: number): string[] {
  if (uid === 0) return [];
  const day = Math.floor(epoch / SECONDS_PER_DAY);
  const has = (file: string, pattern: string): string => `grep -q ${quoted(pattern)} ${file}`;
  return [
    `${has('/etc/group', `^[^:]*:[^:]*:${gid}:`)} || echo ${quoted(`${name}:x:${gid}:`)} >> /etc/group`,
    `if ! ${has('/etc/passwd', `^\\(${name}:.*\\|[^:]*:[^:]*:${uid}:.*\\)$`)}; then`,
    `  echo ${quoted(`${name}:x:${uid}:${gid}::${home}:/usr/sbin/nologin`)} >> /etc/passwd`,
    `  if [ -e /etc/shadow ]; then echo ${quoted(`${name}:!:${day}::::::`)} >> /etc/shadow; fi`,
    'fi',
    ...groups.flatMap((group) => [
      // Adds the user to the members of the group. If the group has members, a comma comes before the user.
      `sed -i ${quoted(`/^${group}:/{/[:,]${name}\\(,\\|$\\)/!{s/$/,${name}/;s/:,/:/}}`)} /etc/group`,
    ]),
  ];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
