// The dpkg status file as text: what is installed, and what would be after more packages were.
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import type { PackagePin } from '../build/plan.ts';
import type { ContentStore } from '../oci/content.ts';
import { AptError } from './apt-command.ts';

/** The version of an installed package, undefined when it is not installed. */
export function installedVersion(status: string, name: string): string | undefined {
  const stanza = stanzasOf(status).find((one) => fieldOf(one, 'Package') === name && isInstalled(one));
  return stanza && fieldOf(stanza, 'Version');
}

/** What is installed, by name and version, in the order of the text. */
export function installedPackages(status: string): { name: string; version: string }[] {
  return stanzasOf(status)
    .filter(isInstalled)
    .map((stanza) => ({ name: fieldOf(stanza, 'Package') ?? '', version: fieldOf(stanza, 'Version') ?? '' }));
}

/**
 * The status text as it would be with these packages installed too, so that more can be solved on top of them, also of
 * those that the archive has dropped. Throws AptError FAILED for a content that is no .deb.
 */
export async function statusWith(options: {
  status: string;
  pins: PackagePin[];
  content: ContentStore;
}): Promise<string> {
  const added: string[] = [];
  // A few at a time: each is a process.
  for (let start = 0; start < options.pins.length; start += PROCESS_COUNT_MAX) {
    const wave = options.pins.slice(start, start + PROCESS_COUNT_MAX);
    added.push(...(await Promise.all(wave.map((pin) => installedStanza(pin, options.content)))));
  }
  const replaced = new Set(added.map((stanza) => fieldOf(stanza, 'Package')));
  const kept = stanzasOf(options.status).filter((stanza) => !replaced.has(fieldOf(stanza, 'Package')));
  return [...kept, ...added].map((stanza) => `${stanza}\n\n`).join('');
}

const PROCESS_COUNT_MAX = 8;

async function installedStanza(pin: PackagePin, content: ContentStore): Promise<string> {
  const control = await controlOf(pin, content);
  return `${control.trim().replace(/^(Package: .*)$/m, '$1\nStatus: install ok installed')}`;
}

async function controlOf(pin: PackagePin, content: ContentStore): Promise<string> {
  const child = spawn('dpkg-deb', ['--field', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) => reject(new AptError('NOT_INSTALLED', 'dpkg-deb could not be started', { cause })));
    child.on('close', resolve);
  });
  // The control part comes first: dpkg-deb closes the pipe when it has it, which is no failure.
  const sent = pipeline(await content.open(pin.digest), child.stdin).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE' && cause.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw cause;
  });
  const [status] = await Promise.all([ended, sent]);
  if (status === 0) return Buffer.concat(output).toString('utf8');
  const reason = Buffer.concat(errors).toString('utf8').trim();
  throw new AptError('FAILED', `${pin.name} ${pin.version} is not a readable .deb: ${reason}`, {
    packages: [pin.name],
  });
}

/** The stanzas of a status text, without the empty lines between them. */
function stanzasOf(status: string): string[] {
  return status
    .split(/\n(?:[ \t]*\n)+/)
    .map((stanza) => stanza.replace(/\n+$/, ''))
    .filter((stanza) => stanza !== '');
}

function fieldOf(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(stanza)?.[1];
}

function isInstalled(stanza: string): boolean {
  return /^Status: \S+ \S+ installed$/m.test(stanza);
}
