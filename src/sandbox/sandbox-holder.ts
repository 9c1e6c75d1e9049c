// The process that holds a sandbox's namespaces and mounts: it makes them before anything of the image runs, and then waits for its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { lastLines } from './build-log.ts';
import { asOwner, CommandFailed, endWithGroup, inNewNamespace, STANDARD_PATH } from './host-commands.ts';
import { ENTER_GROUP, NO_GROUP, type ResourceGroup } from './resource-control.ts';
import { BWRAP_FDS, SANDBOX_FOLDER, type SandboxLimits, USER_PROCESSES_FACTOR } from './sandbox-command.ts';
import type { SandboxHost } from './sandbox-host.ts';

/** The limit of SysV shared memory in a sandbox (kernel.shmall), in pages of 4 KiB; PostgreSQL uses 56 bytes. */
const SYSV_SHARED_PAGES = 65_536;

/**
 * Mount points are resolved here and nowhere else, while the changes are empty and nothing of the image has run. The mask, the topmost of
 * the lower layers, has a real folder at each, which hides whatever the image has there. All are folders of the root: what runs inside
 * can neither rename nor replace them, since in its own namespace they are mounted on.
 *
 * Layers become short links because mount(2) takes one page of options, and because /proc/self/mountinfo shows them inside. `volatile`
 * spares a disk the syncs: what a crash leaves is thrown away anyway. The given folder is an overlay of its own, because a bind mount's
 * place on this machine shows in mountinfo.
 *
 * The mask also has an /etc/hosts that knows localhost, as container engines bring one: it is no change, so no layer holds it. Its /etc shows
 * the mode and owner of the image's, and is only there where that is a folder itself.
 */
const HOLDER = `
set -e
umask 022
PATH=${STANDARD_PATH}
kind=$1; size=$2; inodes=$3; namespace=$4; scratch=$5; given=$6; tools=$7
shift 7
if [ "$kind" = tmpfs ]; then mount -t tmpfs -o size="$size",nr_inodes="$inodes",mode=0755 larder "$scratch"; fi
cd "$scratch"
if [ "$given" = none ]; then empty=given; else empty=; fi
mkdir upper work root layer mask mask/proc mask/dev mask${SANDBOX_FOLDER} $empty
if [ "$given" != none ]; then ln -s "$given" given; fi
ln -s "$tools" tools
count=0; lower=
for folder in "$@"; do
  ln -s "$folder" "layer/$count"
  lower="layer/$count\${lower:+:$lower}"
  count=$((count + 1))
done
at=$count
while [ "$at" -gt 0 ]; do
  at=$((at - 1))
  etc=layer/$at/etc
  if [ -d "$etc" ] && [ ! -L "$etc" ]; then
    mkdir mask/etc
    printf '127.0.0.1 localhost\\n::1 localhost ip6-localhost ip6-loopback\\n' > mask/etc/hosts
    if ! [ -O "$etc" ] || ! [ -G "$etc" ]; then chown --reference="$etc" mask/etc; fi
    chmod --reference="$etc" mask/etc
    touch --reference="$etc" mask/etc
  fi
  if [ -e "$etc" ] || [ -L "$etc" ]; then break; fi
done
options=nodev,userxattr,lowerdir=mask\${lower:+:$lower},upperdir=upper,workdir=work
if [ "$kind" = disk ]; then options=$options,volatile; fi
mount -t overlay -o "$options" overlay root
mount -t overlay -o ro,nodev,nosuid,userxattr,lowerdir=given:tools larder root${SANDBOX_FOLDER}
# What namespaces inherit of this machine: its NIS domain, and how much shared memory there may be.
echo '(none)' > /proc/sys/kernel/domainname || true
echo ${SYSV_SHARED_PAGES} > /proc/sys/kernel/shmall || true
if [ "$namespace" = yes ]; then echo 0 > /proc/sys/user/max_user_namespaces || true; fi
echo ready
exec cat > /dev/null
`;

/** The size of the mask in the tmpfs, with a margin: a file of exactly the limit fits beside it. */
const MASK_BYTES = 64 * 1024;

export type HolderOptions = {
  limits: SandboxLimits;
  scratch: string;
  /** A folder that is mounted read-only. */
  given: string | undefined;
  tools: string;
  layers: string[];
  group: ResourceGroup | undefined;
};

/** Starts the holder. `readyPid` resolves when its mounts are ready. */
export function spawnHolder(host: SandboxHost, options: HolderOptions): ChildProcess {
  const { limits, scratch, given = 'none', tools, layers, group } = options;
  const args = [
    host.upper,
    String(limits.changeBytes + MASK_BYTES),
    String(limits.changeFiles),
    host.namespace ? 'yes' : 'no',
    ...[scratch, given, tools],
    ...layers,
  ];
  // Each command gets its own network; one that ended up in the holder's network has none either.
  const inside = inNewNamespace(host, [host.tools.sh, '-c', HOLDER, 'larder-sandbox', ...args], { offline: true });
  const [program = '', ...rest] = inGroup(host, group, asOwner(host, countedProcesses(host, limits, inside)));
  const holder = spawn(program, rest, { env: {}, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  endWithGroup(holder);
  return holder;
}

/** For bash, because a descriptor can have more than one digit. */
const CLOSE_ALL = `for number in /proc/self/fd/*; do
  number=\${number##*/}
  if [ "$number" -gt 5 ]; then eval "exec $number>&-" 2> /dev/null; fi
done
`;
const OPEN_AND_BECOME = `if [ -n "$1" ]; then exec ${BWRAP_FDS.processes}< "$1" || exit 125; fi
shift
exec "$@"`;

/**
 * Files that the parent of this process left open without close-on-exec would stay open in every sandbox. Those up to 5 are the pipes
 * that a command is given, and 6 is the file that it asks for. There are rarely more: sh, which starts in half of bash's time, closes
 * what it can name.
 */
const ENTER = `${ENTER_GROUP}echo 1000 > /proc/self/oom_score_adj
bash=$1; shift
for number in /proc/self/fd/*; do
  case \${number##*/} in
    [0-5]) ;;
    [6-9]) eval "exec \${number##*/}>&-" ;;
    *) exec "$bash" --norc -c '${CLOSE_ALL}${OPEN_AND_BECOME}' sandbox "$@" ;;
  esac
done
${OPEN_AND_BECOME}`;

/**
 * A command in the sandbox's control group, where there is one, without inherited files, and among the first that the kernel ends when
 * memory is short. `file` is opened for it (BWRAP_FDS.processes).
 */
export function inGroup(
  { tools }: SandboxHost,
  group: ResourceGroup | undefined,
  command: string[],
  file = '',
): string[] {
  return [tools.sh, '-c', ENTER, 'sandbox', ...(group?.arguments ?? NO_GROUP), tools.bash, file, ...command];
}

/** Below it the kernel would count out what else the account runs: it counts all of an account together, other sandboxes too. */
const ACCOUNT_PROCESSES_MIN = 4096;

/**
 * What the process that makes a user namespace may have becomes the namespace's limit for all its users together (user_namespaces(7);
 * kernel 5.14): changing the uid inside opens no new account. The exact limit is the group's or the watchdog's.
 */
function countedProcesses(host: SandboxHost, limits: SandboxLimits, command: string[]): string[] {
  if (!host.namespace) return command;
  return [
    host.tools.prlimit,
    `--nproc=${Math.max(limits.processes * USER_PROCESSES_FACTOR, ACCOUNT_PROCESSES_MIN)}`,
    ...command,
  ];
}

/** Resolves with the process whose namespaces are the sandbox's, once they are ready. Throws CommandFailed with the holder's output. */
export async function readyPid(holder: ChildProcess, ended: Promise<unknown>): Promise<number> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    holder.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('ready')) resolve();
    });
    holder.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-8192);
    });
    holder.stdin?.on('error', () => undefined);
    ended.then(() => reject(new CommandFailed('sandbox', undefined, lastLines(said))), reject);
  });
  return holder.pid ?? 0;
}
