// Runs one apt tool. Converts its failure to an error that says what to do.
import { runTool, stoppedReason, type ToolLimits } from './tool-process.ts';

export type AptErrorCode =
  | 'NO_SOURCES'
  | 'NOT_INSTALLED'
  | 'UNREACHABLE'
  | 'SUITE_MISSING'
  | 'UNTRUSTED'
  | 'BUSY'
  | 'NAME_MALFORMED'
  | 'PACKAGE_UNKNOWN'
  | 'VERSION_UNKNOWN'
  | 'UNSOLVABLE'
  | 'PACKAGE_GONE'
  | 'CANCELLED'
  | 'FAILED';

/** A failure of the package archive. The message is for people who read the pipeline. */
export class AptError extends Error {
  readonly code: AptErrorCode;
  /** The packages that caused the failure, if apt names them. */
  readonly packages: string[];
  /** Those of `packages` that the archive does not have, not even as a virtual package. */
  readonly missing: string[];
  /** Whether the same call may succeed later. */
  readonly temporary: boolean;

  constructor(
    code: AptErrorCode,
    message: string,
    options: { packages?: string[]; missing?: string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AptError';
    this.code = code;
    this.packages = options.packages ?? [];
    this.missing = options.missing ?? [];
    this.temporary = code === 'UNREACHABLE' || code === 'BUSY';
  }
}

export type AptCommandOptions = { signal?: AbortSignal | undefined; log?: ((line: string) => void) | undefined };

const LIMITS: ToolLimits = {
  /** The most bytes of output. apt prints a package list in a few MB. */
  outputBytesMax: 64 * 1024 * 1024,
  /**
   * The time limit in milliseconds. It is enough for the indexes of a slow mirror, which take a minute or two. After that,
   * the archive counts as unresponsive.
   */
  wallClockMs: 10 * 60_000,
  /** The largest address space in bytes. With all of Debian's indexes, apt uses about 300 MB. */
  memoryBytesMax: 4 * 1024 ** 3,
  /**
   * The most seconds of processor time. Waiting for an archive needs none, reading the indexes takes 5 s, and solving takes 1
   * s.
   */
  cpuSecondsMax: 5 * 60,
};
/** The most lines of apt's output in an error. */
const ERROR_LINES_MAX = 20;

/**
 * Runs an apt tool in the C locale, without a terminal, and returns its standard output. Passes on the environment, because
 * it may set proxies. Only the language is replaced. Throws AptError.
 */
export async function runApt(command: string, args: string[], options: AptCommandOptions = {}): Promise<string> {
  const result = await execute(command, args, options.signal);
  for (const line of result.errors.split('\n'))
    if (line.trim() !== '' && !NOISE.test(line)) options.log?.(redact(line));
  if (result.status === 0) return result.output;
  throw classify(command, result);
}

type Result = { status: number | null; output: string; errors: string };

async function execute(command: string, args: string[], signal: AbortSignal | undefined): Promise<Result> {
  // env(1) replaces the inherited locale, so that the tool prints messages that can be parsed.
  const whole = ['env', 'LC_ALL=C.UTF-8', 'LANGUAGE=', 'DEBIAN_FRONTEND=noninteractive', command, ...args];
  const result = await runTool(whole, { limits: LIMITS, signal }).catch((cause: unknown) => {
    const cancelled = signal?.aborted === true;
    const message = cancelled ? `${command} was cancelled` : `${command} could not be started`;
    throw new AptError(cancelled ? 'CANCELLED' : 'NOT_INSTALLED', message, { cause });
  });
  const stopped = stoppedReason(command, result, LIMITS);
  if (stopped !== undefined) throw new AptError('FAILED', stopped);
  return { ...result, output: result.output.toString('utf8') };
}

const UNKNOWN_PACKAGE = [
  /^E: Unable to locate package (\S+)/gm,
  /^E: Package '([^']+)' has no installation candidate/gm,
  /^E: Can't find a source to download version/gm,
  /^E: No packages found/gm,
];
const UNKNOWN_VERSION = [/^E: Version '[^']*' for '([^']+)' was not found/gm];
const UNSOLVABLE =
  /unmet dependencies|held broken packages|Unable to correct problems|Unable to satisfy dependencies|remove is disabled|Packages were downgraded/;
const UNTRUSTED =
  /NO_PUBKEY|is not signed|signatures? (?:couldn't|were|was)|signatures? (?:is|are) invalid|EXPKEYSIG|Hash Sum mismatch/i;
const UNREACHABLE =
  /Could not resolve|Temporary failure|Could not connect|Cannot initiate the connection|Unable to connect|Connection (?:failed|timed out|refused)|Failed to fetch|Some index files failed/;
const SUITE_MISSING = /does not have a Release file|no longer has a Release file/;
const BUSY = /Could not get lock|Unable to lock/;

function classify(command: string, { output, errors, status }: Result): AptError {
  const how = status === null ? 'was ended by a signal' : `ended with exit code ${status}`;
  const cause = new Error(`${command} ${how}: ${redact(errors).trim().slice(-2000)}`);
  const unknown = namesIn(errors, UNKNOWN_PACKAGE);
  const versions = namesIn(errors, UNKNOWN_VERSION);
  if (unknown.matched) {
    const { message, missing } = explainUnknown(unknown.names, `${output}\n${errors}`);
    return new AptError('PACKAGE_UNKNOWN', message, { packages: unknown.names, missing, cause });
  }
  if (versions.matched) {
    const packages = versions.names;
    return new AptError('VERSION_UNKNOWN', `the archive does not have the wanted version of ${packages.join(', ')}`, {
      packages,
      cause,
    });
  }
  if (UNSOLVABLE.test(errors) || UNSOLVABLE.test(output)) return unsolvable(output, errors, cause);
  // Checked first, because apt reports an invalid signature as a failed fetch too.
  if (UNTRUSTED.test(errors))
    return failed('UNTRUSTED', 'the signature of the package archive could not be verified', errors, cause);
  if (SUITE_MISSING.test(errors))
    return failed('SUITE_MISSING', 'the package archive does not have the wanted suite', errors, cause);
  if (BUSY.test(errors)) return failed('BUSY', 'another apt process uses the same folder', errors, cause);
  if (UNREACHABLE.test(errors)) return failed('UNREACHABLE', 'the package archive could not be reached', errors, cause);
  return failed('FAILED', `${command} failed`, errors, cause);
}

function explainUnknown(names: string[], printed: string): { message: string; missing: string[] } {
  const providers = new Map([...printed.matchAll(VIRTUAL_PACKAGE)].map(([, name, list = '']) => [name, namesOf(list)]));
  const virtual = names.filter((name) => providers.has(name));
  const missing = names.filter((name) => !providers.has(name));
  const parts = [
    ...(names.length === 0 ? ['the archive does not have one of the packages'] : []),
    ...(missing.length > 0 ? [`the archive has no package ${missing.join(', ')}`] : []),
    ...virtual.map(
      (name) => `${name} is a virtual package; name one of the packages that provide it: ${providers.get(name)}`,
    ),
  ];
  return { message: parts.join('; '), missing };
}

/**
 * Matches apt's output for a name that several packages provide. The output has one line for each package, with its version.
 */
const VIRTUAL_PACKAGE = /^Package (\S+) is a virtual package provided by:\n((?: +\S.*\n)+)/gm;
/** The most providers in a message. Some names have a hundred. */
const PROVIDERS_SHOWN_MAX = 10;

function namesOf(list: string): string {
  const names = [...new Set([...list.matchAll(/^ +(\S+)/gm)].map(([, name]) => name))];
  const more = names.length - PROVIDERS_SHOWN_MAX;
  return names.slice(0, PROVIDERS_SHOWN_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function namesIn(text: string, patterns: RegExp[]): { matched: boolean; names: string[] } {
  const matches = patterns.flatMap((pattern) => [...text.matchAll(pattern)]);
  const names = matches.map((match) => match[1]).filter((name) => name !== undefined);
  return { matched: matches.length > 0, names: [...new Set(names)] };
}

function unsolvable(output: string, errors: string, cause: Error): AptError {
  // An example is " redis-server : Depends: libc6 (>= 2.38) but 2.36 is to be installed". More reasons follow in indented
  // lines.
  const removed = /^The following packages will be REMOVED:\n((?: .*\n)+)/m.exec(output)?.[1]?.trim().split(/\s+/);
  if (removed) {
    const message = `installing these packages would remove packages of the image: ${removed.join(', ')}`;
    return new AptError('UNSOLVABLE', message, { packages: removed, cause });
  }
  const reasons = `${output}\n${errors}`
    .split('\n')
    .filter((line) => /^ +\S+ ?: |^ {2,}(?:Depends|Conflicts|Breaks|PreDepends|or)/.test(line));
  const packages = reasons.map((line) => /^ +(\S+) ?: /.exec(line)?.[1]).filter((name) => name !== undefined);
  const told = reasons.length > 0 ? reasons.map((line) => line.trim()).join('; ') : lastErrors(errors);
  return new AptError('UNSOLVABLE', `these packages cannot be installed together on this base: ${told}`, {
    packages: [...new Set(packages)].filter((name) => !/^(?:Depends|Conflicts|Breaks|PreDepends)$/.test(name)),
    cause,
  });
}

function failed(code: AptErrorCode, message: string, errors: string, cause: Error): AptError {
  return new AptError(code, `${message}: ${lastErrors(errors)}`, { cause });
}

function lastErrors(errors: string): string {
  const lines = redact(errors)
    .split('\n')
    .filter((line) => /^[EW]: /.test(line) && !NOISE.test(line));
  return (
    lines
      .slice(0, ERROR_LINES_MAX)
      .map((line) => line.slice(3))
      .join('; ') || redact(errors).trim().slice(-500)
  );
}

/**
 * A message of apt that is omitted. As root, downloads go to a folder that apt's own user cannot enter. This does no harm.
 */
const NOISE = /Download is performed unsandboxed/;

/** Removes user names and passwords from addresses. */
export function redact(text: string): string {
  return text.replaceAll(/:\/\/[^\s/@]+@/g, '://***@');
}
