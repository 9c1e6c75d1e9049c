// The holder: a process that holds the namespaces and mounts of a sandbox. It creates them before any program of the image
// runs, and then waits.
import { type ChildProcess, spawn } from 'node:child_process';
import { lastLines } from './build-log.ts';
import { asOwner, CommandFailed, endWithGroup, inNewNamespace, STANDARD_PATH } from './host-commands.ts';
import { ENTER_GROUP, NO_GROUP, type ResourceGroup } from './resource-control.ts';
import { SANDBOX_FOLDER, type SandboxLimits, USER_PROCESSES_FACTOR } from './sandbox-command.ts';
import type { SandboxHost } from './sandbox-host.ts';

/** The most SysV shared memory in a sandbox (kernel.shmall), in pages of 4 KiB. PostgreSQL uses only 56 bytes of it. */
const SYSV_SHARED_PAGES = 65_536;

/**
 * The script of the holder. It creates all mount points before any program of the image runs, so that no program can put a
 * link in their place. The mask is the topmost of the lower layers. It has a folder at each mount point, which hides a file
 * or link of the image at the same path. All mount points are directly below the root. Programs of the image can neither
 * rename nor replace them, because in the namespace of these programs they are in use as mount points.
 *
 * Layers get short names through links, because mount(2) accepts only one page of options, and programs inside can read the
 * names in /proc/self/mountinfo. `volatile` skips syncs to the disk, because the changes are deleted after a crash. The given
 * folder is mounted as an overlay and not as a bind mount, because mountinfo shows the path of a bind mount on this machine.
 *
 * The mask also has an /etc/hosts with localhost, as in container engines. This file is not a change, so no layer contains
 * it. The mask has an /etc, with the mode and owner of the image's /etc, only if the image's /etc is a folder.
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
# Settings that namespaces inherit from this machine: the NIS domain and the limit of shared memory.
echo '(none)' > /proc/sys/kernel/domainname || true
echo ${SYSV_SHARED_PAGES} > /proc/sys/kernel/shmall || true
if [ "$namespace" = yes ]; then echo 0 > /proc/sys/user/max_user_namespaces || true; fi
echo ready
exec cat > /dev/null
`;

/**
 * The size of the mask in the tmpfs, with a margin, in bytes. It is added to the limit of changes, so that a file of exactly
 * this limit fits.
 */
const MASK_BYTES = 64 * 1024;

export type HolderOptions = {
  limits: SandboxLimits;
  scratch: string;
  /** A folder that programs in the sandbox see read-only. */
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
  // The holder has no network. Each command gets its own network namespace.
  const inside = inNewNamespace(host, [host.tools.sh, '-c', HOLDER, 'larder-sandbox', ...args], { offline: true });
  const [program = '', ...rest] = inGroup(host, group, asOwner(host, countedProcesses(host, limits, inside)));
  const holder = spawn(program, rest, { env: {}, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  endWithGroup(holder);
  return holder;
}

/** Shell code that closes inherited files. It needs bash, because sh cannot close descriptors with more than one digit. */
const CLOSE_ALL = `for number in /proc/self/fd/*; do
  number=\${number##*/}
  if [ "$number" -gt 5 ]; then eval "exec $number>&-" 2> /dev/null; fi
done
`;

/**
 * Enters the group and closes inherited files. If the parent of this process left files open without close-on-exec, every
 * sandbox would otherwise have these files. Descriptors 0 to 5 are the pipes of the command. bash is used only if a
 * descriptor has more than one digit, because sh starts in half the time.
 */
const ENTER = `${ENTER_GROUP}echo 1000 > /proc/self/oom_score_adj
bash=$1; shift
for number in /proc/self/fd/*; do
  case \${number##*/} in
    [0-5]) ;;
    [6-9]) eval "exec \${number##*/}>&-" ;;
    *) exec "$bash" --norc -c '${CLOSE_ALL}exec "$@"' sandbox "$@" ;;
  esac
done
exec "$@"`;

/**
 * Wraps the command so that it runs in the sandbox's control group, if there is one, and without inherited files. When memory is short, the
 * kernel kills the command before other processes.
 */
export function inGroup({ tools }: SandboxHost, group: ResourceGroup | undefined, command: string[]): string[] {
  return [tools.sh, '-c', ENTER, 'sandbox', ...(group?.arguments ?? NO_GROUP), tools.bash, ...command];
}

/**
 * The lowest limit of an account's processes that is set. A lower limit would affect other programs, because the kernel
 * counts all processes of the account, including the processes of other sandboxes.
 */
const ACCOUNT_PROCESSES_MIN = 4096;

/**
 * Limits the processes of all users in the sandbox together. The limit of the process that creates a user namespace applies
 * to the whole namespace, even after a change of the uid (user_namespaces(7), kernel 5.14). The control group or the watchdog
 * enforces the exact limit.
 */
function countedProcesses(host: SandboxHost, limits: SandboxLimits, command: string[]): string[] {
  if (!host.namespace) return command;
  return [
    host.tools.prlimit,
    `--nproc=${Math.max(limits.processes * USER_PROCESSES_FACTOR, ACCOUNT_PROCESSES_MIN)}`,
    ...command,
  ];
}

/** Resolves with the pid of the holder when its mounts are ready. Throws CommandFailed with the holder's output. */
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
