// Reads the settings from the environment, checks them and freezes them. Only this file reads process.env.
import { type OidcConfig, oidcOf } from './oidc-config.ts';
import { optional, together } from './optional.ts';
import { type ConfigViolation, type Environment, readSettings, textOf, type Values } from './read-settings.ts';
import type { LOG_LEVELS } from './settings.ts';

type LogLevel = (typeof LOG_LEVELS)[number];

export type Config = {
  /** The address or name to listen on. An IPv6 address has no brackets. */
  readonly host: string;
  /** The TCP port to listen on. With 0, the system chooses a free port. */
  readonly port: number;
  /** The data folder, as an absolute path. */
  readonly data: string;
  /** The address of the database. If absent, Larder runs the embedded PostgreSQL in `data`. */
  readonly databaseUrl?: string;
  readonly keyFile: string;
  /** The file to which the API token of a first start is written. If absent, the token is printed. */
  readonly firstTokenFile?: string;
  /** The address at which clients reach Larder, without a trailing slash. */
  readonly publicUrl?: string;
  /**
   * The files of the certificate with its chain, and of its key. Both are absolute paths of PEM files. If absent, TLS is not
   * used.
   */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Networks and addresses of the proxies whose X-Forwarded-* headers are trusted. */
  readonly trustedProxies: readonly string[];
  /** Origins of web pages that may call the API. */
  readonly corsOrigins: readonly string[];
  /** The address to listen on for Prometheus. If absent, no metrics are served. */
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly contentDirectory: string;
  /** Private networks, addresses and names to which Larder may send requests. All others are forbidden. */
  readonly egressAllow: readonly string[];
  /** Proxies for Larder's requests, in the format of curl. Fields whose variables are not set are absent. */
  readonly proxy: { readonly http_proxy?: string; readonly https_proxy?: string; readonly no_proxy?: string };
  readonly notifications: {
    /**
     * The mail server. `url` is smtp:// or smtps://, and `from` is an address or `Name <address>`. If absent, no mail is
     * sent.
     */
    readonly smtp?: { readonly url: string; readonly from: string };
    /** The origins of the APIs of chats. */
    readonly slackUrl: string;
    readonly googleChatUrl: string;
  };
  /** The absolute path of helm. If absent, `helm` is searched in PATH. */
  readonly helm?: string;
  /**
   * How many jobs one worker runs at a time. Jobs that mostly wait for outside servers (src/db/queue-slots.ts) do not count.
   */
  readonly workerConcurrency: number;
  /** How many failed log-ins a minute are allowed. Above these limits, a client must wait. */
  readonly loginLimits: { readonly perAddress: number; readonly perAccount: number };
  /** Whether people can log in with a password that Larder stores. */
  readonly passwords: boolean;
  /** The identity provider. If absent, people cannot log in with an identity provider. */
  readonly oidc?: OidcConfig;
  /** How many days audit events are kept. */
  readonly auditDays: number;
  readonly logLevel: LogLevel;
  /** The search path for programs (PATH). */
  readonly path: string;
  /** True if no person can answer questions (CI). */
  readonly ci: boolean;
};

/** Thrown if the environment has faults, with all of them. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly violations: readonly ConfigViolation[];

  constructor(violations: readonly ConfigViolation[]) {
    super(violations.map(({ name, message }) => `${name} ${message}`).join('\n'));
    this.name = 'ConfigError';
    this.violations = violations;
  }
}

/** Reads and checks the environment. Throws ConfigError with all faults. */
export function readConfig(environment: Environment = process.env, directory: string = process.cwd()): Config {
  const { values, violations } = readSettings(environment, directory);
  if (values.LARDER_TLS_CERT !== undefined && values.LARDER_PUBLIC_URL?.startsWith('http://')) {
    violations.push({ name: 'LARDER_PUBLIC_URL', message: 'must begin with https:// when LARDER_TLS_CERT is set' });
  }
  if (violations.length > 0) throw new ConfigError(violations);
  return Object.freeze({
    ...configOf(values),
    path: textOf(environment, 'PATH') ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ci: (textOf(environment, 'CI') ?? 'false') !== 'false',
  });
}

function configOf(values: Values): Omit<Config, 'path' | 'ci'> {
  const oidc = oidcOf(values);
  return {
    host: values.LARDER_HOST,
    port: values.LARDER_PORT,
    data: values.LARDER_DATA,
    keyFile: values.LARDER_KEY_FILE,
    contentDirectory: values.LARDER_CONTENT,
    ...optional({
      databaseUrl: values.LARDER_DATABASE_URL,
      firstTokenFile: values.LARDER_FIRST_TOKEN_FILE,
      publicUrl: values.LARDER_PUBLIC_URL,
      helm: values.LARDER_HELM,
      tls: together({ cert: values.LARDER_TLS_CERT, key: values.LARDER_TLS_KEY }),
      metrics: together({ host: values.LARDER_METRICS_HOST, port: values.LARDER_METRICS_PORT }),
      oidc,
    }),
    trustedProxies: values.LARDER_TRUSTED_PROXIES ?? Object.freeze([]),
    corsOrigins: values.LARDER_CORS_ORIGINS ?? Object.freeze([]),
    egressAllow: values.LARDER_EGRESS_ALLOW ?? Object.freeze([]),
    proxy: Object.freeze(
      optional({ http_proxy: values.HTTP_PROXY, https_proxy: values.HTTPS_PROXY, no_proxy: values.NO_PROXY }),
    ),
    notifications: Object.freeze({
      ...optional({ smtp: together({ url: values.LARDER_SMTP_URL, from: values.LARDER_SMTP_FROM }) }),
      slackUrl: values.LARDER_SLACK_URL,
      googleChatUrl: values.LARDER_GOOGLE_CHAT_URL,
    }),
    workerConcurrency: values.LARDER_WORKER_CONCURRENCY,
    loginLimits: Object.freeze({
      perAddress: values.LARDER_FAILED_LOGINS_PER_ADDRESS,
      perAccount: values.LARDER_FAILED_LOGINS_PER_ACCOUNT,
    }),
    passwords: values.LARDER_PASSWORDS,
    auditDays: values.LARDER_AUDIT_DAYS,
    logLevel: values.LARDER_LOG_LEVEL,
  };
}

/**
 * Returns the environment of a child process: the environment of this process, with the values that this process has
 * determined.
 */
export function childEnvironment(config: Config, overrides: { databaseUrl: string }): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LARDER_DATA: config.data,
    LARDER_DATABASE_URL: overrides.databaseUrl,
    LARDER_LOG_LEVEL: config.logLevel,
  };
}

/**
 * Variables that contain secrets or change the behavior of Node. `harmlessEnvironment` omits them. It keeps all other
 * variables, such as proxies, the time zone and PATH.
 */
const WITHHELD = /^(?:LARDER_|PG|AWS_|NODE_)/;

/**
 * Returns the environment for a process that handles images of other people. It does not contain Larder's settings, because
 * they contain passwords.
 */
export function harmlessEnvironment(environment: Environment = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !WITHHELD.test(name)));
}
