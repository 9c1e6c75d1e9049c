// The environment as one validated, frozen value; this file alone reads process.env.
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { nearestWord } from '../nearest-word.ts';
import { OIDC_SETTINGS, type OidcConfig, readOidc } from './oidc-config.ts';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

export type Config = {
  /** Address or name to listen on, IPv6 without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Absolute. */
  readonly data: string;
  /** Absent: the embedded PostgreSQL under `data`. */
  readonly databaseUrl?: string;
  readonly keyFile: string;
  /** Where the API token of a first start is written. Absent: it is printed. */
  readonly firstTokenFile?: string;
  /** As the operator gave it, without a trailing slash. */
  readonly publicUrl?: string;
  /** Absolute paths of a certificate with its chain and of its key, PEM. Absent: no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Networks and addresses of proxies whose X-Forwarded-* are believed. */
  readonly trustedProxies: readonly string[];
  /** Origins whose pages may call the API. */
  readonly corsOrigins: readonly string[];
  /** Where Prometheus asks. Absent: nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly contentDirectory: string;
  /** Networks, addresses and names that requests may go to although they are private. */
  readonly egressAllow: readonly string[];
  /** As curl reads them; a missing one is absent. */
  readonly proxy: { readonly http_proxy?: string; readonly https_proxy?: string; readonly no_proxy?: string };
  readonly notifications: {
    /** Absent: no mail is sent. `url` is smtp:// or smtps://, `from` an address or `Name <address>`. */
    readonly smtp?: { readonly url: string; readonly from: string };
    /** Origins of the chats' APIs. */
    readonly slackUrl: string;
    readonly googleChatUrl: string;
  };
  /** Jobs at a time in one worker. */
  readonly workerConcurrency: number;
  /** Failed log-ins a minute, before there is a time to wait. */
  readonly loginLimits: { readonly perAddress: number; readonly perAccount: number };
  /** Whether people may log in by a password of the installation. */
  readonly passwords: boolean;
  /** Absent: nobody logs in by a provider of identities. */
  readonly oidc?: OidcConfig;
  /** How long an event of the audit trail is kept. */
  readonly auditDays: number;
  readonly logLevel: LogLevel;
  /** Where programs are found. */
  readonly path: string;
  /** Nobody is there to answer questions. */
  readonly ci: boolean;
};

export type ConfigViolation = { name: string; message: string };

/** Says everything that is wrong with the environment at once. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly violations: readonly ConfigViolation[];

  constructor(violations: readonly ConfigViolation[]) {
    super(violations.map(({ name, message }) => `${name} ${message}`).join('\n'));
    this.name = 'ConfigError';
    this.violations = violations;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Beyond this a worker is bound by memory and disk, not by its slots; more workers are the way. */
const WORKER_CONCURRENCY_MAX = 64;

/** A year that is looked at a month after its end. */
const AUDIT_DAYS_DEFAULT = 400;
/** A century: for those who keep everything. */
const AUDIT_DAYS_MAX = 36_500;

/** A million a minute is no limit any more. */
const FAILED_LOGINS_MAX = 1_000_000;

/** One label after another of letters, digits, `-` and `_` (RFC 1123, section 2.1, as resolvers take it). */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;

const SETTINGS: Record<string, true> = {
  LARDER_HOST: true,
  LARDER_PORT: true,
  LARDER_DATA: true,
  LARDER_DATABASE_URL: true,
  LARDER_KEY_FILE: true,
  LARDER_FIRST_TOKEN_FILE: true,
  LARDER_PUBLIC_URL: true,
  LARDER_TLS_CERT: true,
  LARDER_TLS_KEY: true,
  LARDER_TRUSTED_PROXIES: true,
  LARDER_CORS_ORIGINS: true,
  LARDER_METRICS_HOST: true,
  LARDER_METRICS_PORT: true,
  LARDER_CONTENT: true,
  LARDER_EGRESS_ALLOW: true,
  LARDER_SMTP_URL: true,
  LARDER_SMTP_FROM: true,
  LARDER_SLACK_URL: true,
  LARDER_GOOGLE_CHAT_URL: true,
  LARDER_WORKER_CONCURRENCY: true,
  LARDER_FAILED_LOGINS_PER_ADDRESS: true,
  LARDER_FAILED_LOGINS_PER_ACCOUNT: true,
  LARDER_PASSWORDS: true,
  ...OIDC_SETTINGS,
  LARDER_AUDIT_DAYS: true,
  LARDER_LOG_LEVEL: true,
  // The command line's; a shell that has them set starts servers too.
  LARDER_URL: true,
  LARDER_TOKEN: true,
  LARDER_CATALOG: true,
};

/** Reads and judges the environment. Throws ConfigError with all violations. */
export function readConfig(environment: Environment = process.env, directory: string = process.cwd()): Config {
  const violations: ConfigViolation[] = unknownNames(environment);
  const given = (name: string): string | undefined => environment[name]?.trim() || undefined;
  /** The parsed value, the default when nothing is given, and a violation when it cannot be parsed. */
  function read<T>(name: string, fallback: T, parse: (text: string) => T): T {
    const text = given(name);
    if (text === undefined) return fallback;
    try {
      return parse(text);
    } catch (error) {
      violations.push({ name, message: error instanceof Error ? error.message : String(error) });
      return fallback;
    }
  }

  const data = read('LARDER_DATA', resolve(directory, '.larder'), (text) => resolve(directory, text));
  const databaseUrl = read<string | undefined>('LARDER_DATABASE_URL', undefined, parseDatabaseUrl);
  const publicUrl = read<string | undefined>('LARDER_PUBLIC_URL', undefined, parsePublicUrl);
  const path = (text: string) => resolve(directory, text);
  const firstTokenFile = read<string | undefined>('LARDER_FIRST_TOKEN_FILE', undefined, path);
  const tls = {
    cert: read<string | undefined>('LARDER_TLS_CERT', undefined, path),
    key: read<string | undefined>('LARDER_TLS_KEY', undefined, path),
  };
  violations.push(...tlsViolations(tls, publicUrl));
  const metricsPort = read<number | undefined>('LARDER_METRICS_PORT', undefined, (text) =>
    parseNumber(text, 1, 65_535),
  );
  const smtp = {
    url: read<string | undefined>('LARDER_SMTP_URL', undefined, parseSmtpUrl),
    from: read<string | undefined>('LARDER_SMTP_FROM', undefined, parseSender),
  };
  if (given('LARDER_SMTP_URL') !== undefined && given('LARDER_SMTP_FROM') === undefined)
    violations.push({ name: 'LARDER_SMTP_FROM', message: 'is needed with LARDER_SMTP_URL' });
  const oidc = readOidc({ given, violations, publicUrl, directory });
  const config: Config = {
    host: read('LARDER_HOST', '127.0.0.1', parseHost),
    port: read('LARDER_PORT', 8080, (text) => parseNumber(text, 0, 65_535)),
    data,
    ...(databaseUrl !== undefined && { databaseUrl }),
    keyFile: read('LARDER_KEY_FILE', join(data, 'installation.key'), (text) => resolve(directory, text)),
    ...(firstTokenFile !== undefined && { firstTokenFile }),
    ...(publicUrl !== undefined && { publicUrl }),
    ...(tls.cert !== undefined && tls.key !== undefined && { tls: Object.freeze({ cert: tls.cert, key: tls.key }) }),
    trustedProxies: Object.freeze(read('LARDER_TRUSTED_PROXIES', [], parseNetworks)),
    corsOrigins: Object.freeze(read('LARDER_CORS_ORIGINS', [], parseOrigins)),
    ...(metricsPort !== undefined && {
      metrics: Object.freeze({ host: read('LARDER_METRICS_HOST', '127.0.0.1', parseHost), port: metricsPort }),
    }),
    contentDirectory: read('LARDER_CONTENT', join(data, 'content'), (text) => resolve(directory, text)),
    egressAllow: Object.freeze(read('LARDER_EGRESS_ALLOW', [], parseList)),
    proxy: Object.freeze(readProxy(given, violations)),
    notifications: Object.freeze({
      ...(smtp.url !== undefined &&
        smtp.from !== undefined && { smtp: Object.freeze({ url: smtp.url, from: smtp.from }) }),
      slackUrl: read('LARDER_SLACK_URL', 'https://slack.com', parsePublicUrl),
      googleChatUrl: read('LARDER_GOOGLE_CHAT_URL', 'https://chat.googleapis.com', parsePublicUrl),
    }),
    workerConcurrency: read('LARDER_WORKER_CONCURRENCY', Math.max(2, availableParallelism()), (text) =>
      parseNumber(text, 1, WORKER_CONCURRENCY_MAX),
    ),
    loginLimits: Object.freeze({
      perAddress: read('LARDER_FAILED_LOGINS_PER_ADDRESS', 20, (text) => parseNumber(text, 1, FAILED_LOGINS_MAX)),
      perAccount: read('LARDER_FAILED_LOGINS_PER_ACCOUNT', 100, (text) => parseNumber(text, 1, FAILED_LOGINS_MAX)),
    }),
    passwords: read('LARDER_PASSWORDS', true, parseSwitch),
    ...(oidc !== undefined && { oidc }),
    auditDays: read('LARDER_AUDIT_DAYS', AUDIT_DAYS_DEFAULT, (text) => parseNumber(text, 1, AUDIT_DAYS_MAX)),
    logLevel: read<LogLevel>('LARDER_LOG_LEVEL', 'info', parseLogLevel),
    path: given('PATH') ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ci: given('CI') !== undefined && given('CI') !== 'false',
  };
  if (violations.length > 0) throw new ConfigError(violations);
  return Object.freeze(config);
}

/** What a process of the tree is started with: this environment, and what the parent found out or made for it. */
export function childEnvironment(config: Config, overrides: { databaseUrl: string }): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LARDER_DATA: config.data,
    LARDER_DATABASE_URL: overrides.databaseUrl,
    LARDER_LOG_LEVEL: config.logLevel,
  };
}

/** Names that hold secrets or change what Node runs; what is left names proxies, the time zone and the search path. */
const WITHHELD = /^(?:LARDER_|PG|AWS_|NODE_)/;

/** What a process that handles images from outside is started with: nothing of Larder's own settings, which hold passwords. */
export function harmlessEnvironment(environment: Environment = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !WITHHELD.test(name)));
}

function unknownNames(environment: Environment): ConfigViolation[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('LARDER_') && SETTINGS[name] === undefined)
    .map((name) => ({ name, message: `is no setting; the nearest is ${nearestWord(name, Object.keys(SETTINGS))}` }));
}

function parseHost(text: string): string {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIP(bare) === 0 && (bare !== text || !HOST_NAME.test(bare))) {
    throw new Error('must be an address (127.0.0.1, ::1) or a host name, without a port');
  }
  return bare;
}

function parseNumber(text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < min || number > max)
    throw new Error(`must be a whole number from ${min} to ${max}`);
  return number;
}

/** The value is not repeated in the message: it may hold a password. */
function parseDatabaseUrl(text: string): string {
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol)) {
    throw new Error('must be a URL like postgresql://user:password@host:5432/larder');
  }
  if (new URL(text).searchParams.has('uselibpqcompat')) return text;
  // pg means the last by each of these, and warns that it will not for ever.
  return text.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=[&#]|$)/, '$1verify-full');
}

/** The value is not repeated in the message: it may hold a password. */
function parseSmtpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url && /^smtps?:$/.test(url.protocol) && url.hostname && /^\/?$/.test(url.pathname);
  if (!plain || url.search || url.hash || !decodes(url.username) || !decodes(url.password)) {
    throw new Error('must be a URL like smtp://user:password@mail.example.org:587 or smtps://mail.example.org');
  }
  return text;
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function parseSender(text: string): string {
  if (!/^([^<>"@,;\r\n]+ <[^\s<>@]+@[A-Za-z0-9.-]+>|[^\s<>@,;]+@[A-Za-z0-9.-]+)$/.test(text)) {
    throw new Error('must be an address like larder@example.org or Larder <larder@example.org>');
  }
  return text;
}

function parsePublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // A registry's host has no path: clients put /v2/ right behind it.
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && url.pathname === '/';
  if (!plain || url.search || url.hash)
    throw new Error('must be a URL like https://larder.example.org:8443, without a path');
  return url.origin;
}

function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Addresses and networks. One that holds every address would believe whoever comes. */
function parseNetworks(text: string): string[] {
  return parseList(text).map((item) => {
    const [address = '', prefix, ...more] = item.split('/');
    const version = isIP(address);
    const bits = prefix === undefined ? 128 : Number(prefix);
    const fits = prefix === undefined || (/^\d{1,3}$/.test(prefix) && bits <= (version === 4 ? 32 : 128));
    if (version === 0 || more.length > 0 || !fits) {
      throw new Error('must be addresses and networks like 10.0.0.0/8, with commas');
    }
    if (bits === 0) throw new Error('must not hold every address: anybody could then say to be anybody');
    return item;
  });
}

function parseOrigins(text: string): string[] {
  return parseList(text).map((item) => {
    if (!URL.canParse(item) || !/^https?:$/.test(new URL(item).protocol) || new URL(item).origin !== item) {
      throw new Error('must be origins like https://catalog.example.org, with commas, without a path');
    }
    return item;
  });
}

/** A certificate without a key, or an address without TLS for a server with it, is a mistake that would show late. */
function tlsViolations(
  { cert, key }: { cert: string | undefined; key: string | undefined },
  publicUrl: string | undefined,
): ConfigViolation[] {
  const violations: ConfigViolation[] = [];
  if (cert !== undefined && key === undefined)
    violations.push({ name: 'LARDER_TLS_KEY', message: 'is needed with LARDER_TLS_CERT' });
  if (key !== undefined && cert === undefined)
    violations.push({ name: 'LARDER_TLS_CERT', message: 'is needed with LARDER_TLS_KEY' });
  if (cert !== undefined && publicUrl?.startsWith('http://')) {
    violations.push({ name: 'LARDER_PUBLIC_URL', message: 'must begin with https:// when LARDER_TLS_CERT is set' });
  }
  return violations;
}

function parseSwitch(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new Error('must be on or off');
  return text === 'on';
}

function parseLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((one) => one === text.toLowerCase());
  if (level === undefined) throw new Error(`must be one of ${LOG_LEVELS.join(', ')}`);
  return level;
}

/** Lower case wins, as in curl; HTTP_PROXY in capitals is read too, since no CGI is served here. */
function readProxy(given: (name: string) => string | undefined, violations: ConfigViolation[]): Config['proxy'] {
  const either = (name: string): { name: string; value: string | undefined } => {
    const upper = name.toUpperCase();
    return given(name) !== undefined ? { name, value: given(name) } : { name: upper, value: given(upper) };
  };
  const proxies = ['http_proxy', 'https_proxy'].map((key) => ({ key, ...either(key) }));
  for (const { name, value } of proxies) {
    if (value === undefined) continue;
    const protocol = URL.canParse(value) ? new URL(value).protocol : '';
    if (protocol === 'http:' || protocol === 'https:') continue;
    violations.push({ name, message: 'must be a URL like http://proxy.example.org:3128' });
  }
  const found = [...proxies, { key: 'no_proxy', ...either('no_proxy') }].filter(({ value }) => value !== undefined);
  return Object.fromEntries(found.map(({ key, value }) => [key, value]));
}
