// Finds out how this machine can run sandboxes, by running one: in user namespaces, as root, or not at all. Collects the
// reasons for the operator.
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, findAccount, hasSubordinateIds } from '../host/accounts.ts';
import { asOwner, CommandFailed, findTool, inNewNamespace, runCommand, STANDARD_PATH } from './host-commands.ts';
import { probeResourceControl } from './resource-control.ts';
import { type SandboxHost, type SandboxMode, TOOLS } from './sandbox-host.ts';
import { findBroughtFiles } from './sandbox-tools.ts';

export type ProbeOptions = {
  /** Accounts under which root may run sandboxes. The first one that exists is used. */
  accounts?: readonly string[];
};

/** Finds the best mode in which this machine can run sandboxes, by running one. Changes nothing on the machine. */
export async function probeSandbox({ accounts = ['larder'] }: ProbeOptions = {}): Promise<SandboxMode> {
  const missing = Object.entries(TOOLS).filter(([tool]) => findTool(tool) === undefined);
  if (process.platform !== 'linux') return filesOnly(['Sandboxes require Linux.']);
  if (process.arch !== 'x64' && process.arch !== 'arm64') {
    return filesOnly([`Sandboxes require x86_64 or aarch64; this machine is ${process.arch}.`]);
  }
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))];
    return filesOnly([`Missing programs: install the Debian packages ${packages.join(', ')}.`]);
  }
  const reasons: string[] = [];
  for (const candidate of candidates(accounts, reasons)) {
    const failure = await tryHost(candidate);
    if (failure === undefined) return { mode: candidate.namespace ? 'userns' : 'root', reasons, host: candidate };
    reasons.push(failure);
  }
  return filesOnly([...new Set(reasons)]);
}

function filesOnly(reasons: string[]): SandboxMode {
  return {
    mode: 'files-only',
    reasons: [
      ...reasons,
      'Customizations of files, certificates, environment and labels still work; packages and scripts are rejected.',
    ],
  };
}

/** Returns the modes to try, the best mode first. Adds to `reasons` why each other mode is impossible. */
function candidates(accounts: readonly string[], reasons: string[]): SandboxHost[] {
  const tools = Object.fromEntries(
    Object.keys(TOOLS).map((tool) => [tool, findTool(tool) ?? tool]),
  ) as SandboxHost['tools'];
  const common = { tools, brought: findBroughtFiles(), control: probeResourceControl() };
  const found: SandboxHost[] = [];
  const root = process.getuid?.() === 0;
  const account = root ? accounts.map(findAccount).find(Boolean) : findAccount(process.getuid?.() ?? -1);
  const rejection = accountRejection(account, root, accounts);
  if (rejection !== undefined) reasons.push(rejection);
  else {
    const user = root && account !== undefined ? { user: account } : {};
    found.push(
      { ...common, ...user, namespace: true, upper: 'tmpfs' },
      { ...common, ...user, namespace: true, upper: 'disk' },
    );
  }
  if (root) found.push({ ...common, namespace: false, upper: 'tmpfs' }, { ...common, namespace: false, upper: 'disk' });
  return found;
}

function accountRejection(
  account: Account | undefined,
  root: boolean,
  accounts: readonly string[],
): string | undefined {
  if (account === undefined) {
    return root
      ? `The account for sandboxes does not exist («${accounts.join('», «')}»): create it with a range of subordinate ids (useradd --system, usermod --add-subuids --add-subgids).`
      : 'This user has no line in /etc/passwd, so it cannot have subordinate ids.';
  }
  if (!hasSubordinateIds(account)) {
    return `The user «${account.name}» has no range of 65,536 subordinate ids: add one with usermod --add-subuids and --add-subgids.`;
  }
  if (findTool('newuidmap') === undefined || findTool('newgidmap') === undefined) {
    return 'Missing programs: install the Debian package uidmap.';
  }
  if (hasNoNewPrivileges()) {
    return 'This process cannot gain privileges, so the setuid programs newuidmap and newgidmap have no effect: remove NoNewPrivileges= from the systemd unit, or no-new-privileges from the container.';
  }
  return undefined;
}

/**
 * Whether this process cannot gain privileges. Service managers and container runtimes set this, and children inherit it
 * (prctl(2), PR_SET_NO_NEW_PRIVS).
 */
function hasNoNewPrivileges(): boolean {
  return /^NoNewPrivs:\s*1$/m.test(readFileSync('/proc/self/status', 'utf8'));
}

/**
 * Tries everything that a real sandbox needs: a file system for changes, an overlay with an opaque folder, a network
 * namespace, and bwrap with the machine's own root.
 */
const TRIAL = `
set -e
PATH=${STANDARD_PATH}
cd "$1"
if [ "$2" = tmpfs ]; then mount -t tmpfs -o size=1m larder .; cd "$1"; fi
mkdir -p lower/folder upper work root
mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay root
rmdir root/folder
mkdir root/folder
chown 12:34 root/folder
exec "$3" --unshare-pid --unshare-net --unshare-ipc --unshare-uts --die-with-parent --ro-bind / / --proc /proc --dev /dev true
`;

/** Runs the trial. Returns the reason if the trial fails, and undefined if it succeeds. */
async function tryHost(host: SandboxHost): Promise<string | undefined> {
  const scratch = mkdtempSync(join(tmpdir(), 'larder-probe-'));
  try {
    chmodSync(scratch, 0o755);
    if (host.user !== undefined) chownSync(scratch, host.user.uid, host.user.gid);
    const trial = [host.tools.sh, '-c', TRIAL, 'probe', scratch, host.upper, host.tools.bwrap];
    await runCommand(asOwner(host, inNewNamespace(host, trial)));
    return undefined;
  } catch (error) {
    if (isRejectedOwner(error))
      return `Root cannot give files to the account «${host.user?.name}» here: it lacks CAP_CHOWN, or its user namespace lacks the account's ids.`;
    if (!(error instanceof CommandFailed)) throw error;
    return `${host.namespace ? 'User namespaces' : 'Sandboxes as root'} do not work here (${error.output.split('\n').at(-1) ?? error.message}).${host.namespace ? hint() : ''}`;
  } finally {
    await runCommand(
      asOwner(host, inNewNamespace(host, [host.tools.sh, '-c', `PATH=${STANDARD_PATH}; rm -rf "$1"/*`, 'rm', scratch])),
    ).catch(() => undefined);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Whether files could not be given to the account. Root of a container may not have the right, or the container may not have
 * the ids of the account (chown(2)).
 */
function isRejectedOwner(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === 'chown' && (code === 'EINVAL' || code === 'EPERM');
}

/** The kernel settings that forbid user namespaces, with the value that forbids them. */
const FORBIDDING: readonly [setting: string, value: string][] = [
  ['user.max_user_namespaces', '0'],
  ['kernel.unprivileged_userns_clone', '0'],
  ['kernel.apparmor_restrict_unprivileged_userns', '1'],
];

function hint(): string {
  const found = FORBIDDING.filter(([setting, value]) => readSetting(setting) === value);
  return found.map(([setting, value]) => ` The kernel setting ${setting} is ${value}.`).join('');
}

function readSetting(name: string): string | undefined {
  try {
    return readFileSync(join('/proc/sys', ...name.split('.')), 'utf8').trim();
  } catch {
    return undefined;
  }
}
