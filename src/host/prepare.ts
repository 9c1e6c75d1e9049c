// Prepares the machine if the user agrees: installs missing packages and, if run by root, creates Larder's own account and
// makes folders accessible to it.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Account, findAccount, freeSubordinateStart, hasSubordinateIds, SUBORDINATE_IDS } from './accounts.ts';
import { prepareControlGroups } from './control-groups.ts';
import { findProgram, missingRequirements, type Requirement } from './requirements.ts';

/** The account to which Larder switches if root starts it. */
export const ACCOUNT_NAME = 'larder';

/** The time limit for sudo. sudo may wait for a directory server or a name server. */
const SUDO_MS_MAX = 30_000;

export type HostErrorCode = 'CONSENT_NEEDED' | 'CONSENT_REFUSED' | 'COMMAND_FAILED' | 'NO_ROOT';

/** Thrown if the machine cannot be prepared. The message says what a person can do. */
export class HostError extends Error {
  override name = 'HostError';
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A change to the machine that requires root: a description, and the commands to run. */
export type HostChange = { summary: string; commands: string[][] };

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Returns the changes after which this machine meets the requirements and this user can run Larder. The list may be empty.
 */
export function findChanges(requirements: readonly Requirement[], path: string): HostChange[] {
  const changes: HostChange[] = [];
  const missing = missingRequirements(requirements, path);
  if (missing.length > 0) {
    changes.push({
      summary: `install the Debian packages ${missing.map((one) => `${one.package} (${one.reason})`).join(', ')}`,
      commands: [
        ['apt-get', 'update', '-q'],
        // Without this, a package that asks a question would block the start.
        [
          'env',
          'DEBIAN_FRONTEND=noninteractive',
          'apt-get',
          'install',
          '-q',
          '-y',
          '--no-install-recommends',
          ...missing.map((one) => one.package),
        ],
      ],
    });
  }
  return [...changes, ...accountChanges()];
}

function accountChanges(): HostChange[] {
  const account = isRoot() ? findAccount(ACCOUNT_NAME) : findAccount(process.getuid?.() ?? -1);
  const commands: string[][] = [];
  const name = isRoot() ? ACCOUNT_NAME : (account?.name ?? String(process.getuid?.()));
  if (isRoot() && account === undefined) {
    commands.push([
      'useradd',
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/nonexistent',
      '--shell',
      '/usr/sbin/nologin',
      ACCOUNT_NAME,
    ]);
  }
  if (account === undefined || !hasSubordinateIds(account)) {
    const start = freeSubordinateStart();
    const range = `${start}-${start + SUBORDINATE_IDS - 1}`;
    commands.push(['usermod', '--add-subuids', range, '--add-subgids', range, name]);
  }
  if (commands.length === 0) return [];
  const summary = isRoot()
    ? `give Larder a system account «${ACCOUNT_NAME}» with its own range of user ids, so that nothing it builds runs as root`
    : `give the user «${name}» a range of subordinate user ids, so that sandboxes need no root`;
  return [{ summary, commands }];
}

export type PrepareOptions = {
  requirements: readonly Requirement[];
  /** The search path for programs (PATH). */
  path: string;
  /** True if the person has agreed in advance (`--yes`, or CI). */
  consent: boolean;
  /** The command that the person entered, such as `npm start`. Errors show how to repeat it with consent. */
  command: string;
  say: (line: string) => void;
};

/**
 * Asks the person, and then makes the machine meet the requirements. Does nothing if it already meets them. Throws HostError
 * if the person does not agree, if there is no way to become root, or if a command fails.
 */
export async function prepareHost(options: PrepareOptions): Promise<void> {
  const changes = findChanges(options.requirements, options.path);
  if (changes.length === 0) return;
  options.say('This machine needs, once:');
  for (const change of changes) options.say(`  - ${change.summary}`);
  const prefix = isRoot() ? [] : sudoPrefix(options.path, changes);
  if (!options.consent) await askConsent(options.command, { prefix, changes });
  if (prefix.length > 0) checkSudo(prefix, changes);
  for (const command of changes.flatMap((change) => change.commands)) {
    options.say(`$ ${[...prefix, ...command].join(' ')}`);
    await run([...prefix, ...command]);
  }
}

function sudoPrefix(path: string, changes: HostChange[]): string[] {
  const sudo = findProgram('sudo', path);
  if (sudo) return [sudo];
  throw new HostError(
    'NO_ROOT',
    `These changes require root, and sudo is not installed. As root, run:\n${asScript([], changes)}`,
  );
}

/**
 * Checks sudo. sudo itself asks for a password at the terminal. Throws HostError if sudo needs a password and there is no
 * terminal.
 */
function checkSudo(prefix: string[], changes: HostChange[]): void {
  const [sudo = ''] = prefix;
  const free = spawnSync(sudo, ['-n', 'true'], { stdio: 'ignore', timeout: SUDO_MS_MAX }).status === 0;
  if (free || hasTerminal()) return;
  throw new HostError(
    'NO_ROOT',
    `These changes require root; sudo requires a password, and there is no terminal to enter it. As root, run:\n${asScript([], changes)}`,
  );
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'));
    return true;
  } catch {
    return false;
  }
}

function asScript(prefix: string[], changes: HostChange[]): string {
  return changes
    .flatMap((change) => change.commands)
    .map((command) => `  ${[...prefix, ...command].join(' ')}`)
    .join('\n');
}

async function askConsent(
  command: string,
  { prefix, changes }: { prefix: string[]; changes: HostChange[] },
): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new HostError(
      'CONSENT_NEEDED',
      `There is no terminal to ask for consent. Run «${withConsent(command)}», or run:\n${asScript(prefix, changes)}`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await terminal.question('Do this now? [Y/n] ')).trim().toLowerCase();
    if (answer === '' || answer === 'y' || answer === 'yes') return;
  } finally {
    terminal.close();
  }
  throw new HostError('CONSENT_REFUSED', `Nothing was changed. To do it by hand, run:\n${asScript(prefix, changes)}`);
}

/** Adds `--yes` to a command. npm passes on options to the program only after two dashes. */
function withConsent(command: string): string {
  return command.startsWith('npm ') ? `${command} -- --yes` : `${command} --yes`;
}

function run(command: string[]): Promise<void> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['inherit', 2, 2] });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(new HostError('COMMAND_FAILED', `«${command.join(' ')}» ended with ${signal ?? `exit code ${code}`}.`));
    });
  });
}

/**
 * Makes a folder accessible to the account. Each folder above it that the account cannot enter gets the execute bit for
 * others. Other users still cannot list names in these folders, and can only enter paths that they know. Changes nothing if
 * the account can already enter. Returns the changed folders.
 */
export function makeEnterable(folder: string, account: Account): string[] {
  const changed: string[] = [];
  for (let at = realpathSync(folder); ; at = dirname(at)) {
    const { mode, uid, gid } = statSync(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) {
      chmodSync(at, (mode & 0o7777) | bit);
      changed.push(at);
    }
    if (at === dirname(at)) return changed;
  }
}

/**
 * Gives all files below `path` that belong to root to the account. Does not follow links. Returns the number of changed files
 * and folders.
 */
function handOver(path: string, account: Account): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  let given = 0;
  if (found.uid === 0) {
    lchownSync(path, account.uid, account.gid);
    given += 1;
  }
  if (!found.isDirectory()) return given;
  return readdirSync(path).reduce((sum, name) => sum + handOver(join(path, name), account), given);
}

export type BecomeOptions = {
  /** Folders that must belong to the account. Files in them that belong to other users keep their owner. */
  own: string[];
  /** Files and folders of Larder. They belong to root if an earlier start did not switch to the account. */
  handOver: string[];
  /** Folders that the account must be able to enter. */
  enter: string[];
  say: (line: string) => void;
};

/**
 * If run by root, gives its folders to the account and switches to the account for good. If run by another user, creates the
 * folders. In both cases, prepares the folder for control groups. Throws HostError if root cannot switch to another user.
 */
export function becomeAccount(options: BecomeOptions): void {
  for (const folder of options.own) mkdirSync(folder, { recursive: true, mode: 0o750 });
  if (!isRoot()) {
    prepareControlGroups();
    return;
  }
  const account = findAccount(ACCOUNT_NAME);
  if (!account) throw new HostError('NO_ROOT', `There is no account «${ACCOUNT_NAME}» on this machine.`);
  for (const folder of options.own) chownSync(folder, account.uid, account.gid);
  for (const path of options.handOver) {
    if (handOver(path, account) > 0) options.say(`${path} now belongs to «${ACCOUNT_NAME}».`);
  }
  for (const folder of [...options.enter, ...options.own]) {
    for (const changed of makeEnterable(folder, account)) {
      options.say(
        `Other users can now pass through ${changed} (execute permission), so that «${ACCOUNT_NAME}» reaches its files.`,
      );
    }
  }
  prepareControlGroups(account);
  try {
    process.setgroups?.([account.gid]);
    process.setgid?.(account.gid);
    process.setuid?.(account.uid);
  } catch {
    throw new HostError(
      'NO_ROOT',
      `Root cannot switch to the account «${ACCOUNT_NAME}» here: the capabilities CAP_SETUID and CAP_SETGID are missing. Allow them, or start Larder as the user ${account.uid}.`,
    );
  }
}

/** If run by root, prepares the machine and switches to the account. Otherwise does nothing. */
export async function giveUpRoot(prepare: PrepareOptions, become: BecomeOptions): Promise<void> {
  if (!isRoot()) return;
  await prepareHost(prepare);
  becomeAccount(become);
}
