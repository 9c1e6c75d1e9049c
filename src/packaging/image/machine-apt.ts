// The settings with which this machine's apt reaches the package archive: proxies, certificates and credentials. An apt that
// runs in another root gets these settings.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findTool, runCommand } from '../../sandbox/host-commands.ts';

/**
 * The options of apt.conf(5) for reaching an archive and for the archive's maximum age. Other options of the machine, such as
 * hooks and pins, must not apply to another root.
 */
const REACHING =
  /^Acquire::(?:(?:https?|ftp|socks5h?)::|(?:Retries|Check-Valid-Until|Check-Date|Max-ValidTime|Min-ValidTime) )/;

/** Returns lines of apt.conf with which an apt in another root reaches the archive like this machine. */
export async function machineAptOptions(): Promise<string[]> {
  let printed = '';
  await runCommand([findTool('apt-config') ?? 'apt-config', 'dump'], {
    onOutput: (chunk) => (printed += chunk.toString()),
  });
  return aptOptionsIn(printed);
}

/** Selects the options of `REACHING`. Exported for its test, because machines that run tests rarely have proxies. */
export function aptOptionsIn(dump: string): string[] {
  return dump.split('\n').filter((line) => REACHING.test(line) && !line.endsWith(' "";'));
}

/**
 * Returns the machine's credentials for archives (apt_auth.conf(5)) that this user can read, or undefined if there are none.
 */
export async function machineCredentials(folder = '/etc/apt'): Promise<string | undefined> {
  const parts = await readdir(join(folder, 'auth.conf.d')).catch(() => []);
  const files = [
    'auth.conf',
    ...parts
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => join('auth.conf.d', name)),
  ];
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8').catch(() => '')));
  const text = texts.filter((one) => one.trim() !== '').join('\n');
  return text === '' ? undefined : `${text}\n`;
}

const PROXIES = [
  'http_proxy',
  'https_proxy',
  'ftp_proxy',
  'all_proxy',
  'no_proxy',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
];
const ONLY_PROXIES = `exec env -i ${PROXIES.map((name) => `\${${name}+"${name}=$${name}"}`).join(' ')} "$@"`;

/**
 * Returns a command that runs with only these variables and the proxy variables of this process. Callers must run the command
 * with `inherit`.
 */
export function withProxies(variables: Record<string, string>, command: string[]): string[] {
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return [findTool('sh') ?? 'sh', '-c', ONLY_PROXIES, 'proxies', ...assignments, ...command];
}
