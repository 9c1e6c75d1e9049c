// The table of all settings, except those for the identity provider. The table in the operator guide is generated from it.
import { availableParallelism } from 'node:os';
import type { SettingTable } from './setting.ts';
import {
  databaseUrl,
  host,
  hosts,
  mailAddress,
  networks,
  oneOf,
  onOrOff,
  origin,
  origins,
  path,
  proxyUrl,
  smtpUrl,
  text,
  wholeNumber,
} from './value-types.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const PORT_MAX = 65_535;
/** The most jobs at a time. With more, the memory and the disk would limit a worker, so more workers are needed instead. */
const WORKER_CONCURRENCY_MAX = 64;
/** A century. This is enough for operators who want to keep all events. */
const AUDIT_DAYS_MAX = 36_500;
/** The highest limit of failures a minute. A higher limit would have no effect. */
const FAILED_LOGINS_MAX = 1_000_000;

/** The settings in the order of the guide. LARDER_DATA comes before the settings whose defaults contain it. */
export const GENERAL_SETTINGS = {
  LARDER_HOST: {
    ...host,
    default: '127.0.0.1',
    doc: 'address to listen on; IPv6 without brackets',
  },
  LARDER_PORT: {
    ...wholeNumber(0, PORT_MAX),
    default: '8080',
    doc: 'port of the API, of files and of the hosted registry; `0`: a free port',
  },
  LARDER_DATA: {
    ...path,
    default: '.larder',
    defaultDoc: '`./.larder`',
    doc: 'folder of the database, the content, the key and work files',
  },
  LARDER_DATABASE_URL: {
    ...databaseUrl,
    defaultDoc: 'embedded',
    doc: 'address of an external PostgreSQL; over the network [with TLS](#tls-to-the-database)',
  },
  LARDER_CONTENT: {
    ...path,
    default: '$LARDER_DATA/content',
    doc: 'folder of the content store; [it is checked](#the-content-folder) at each start',
  },
  LARDER_KEY_FILE: {
    ...path,
    default: '$LARDER_DATA/installation.key',
    doc: "the installation's key, mode 0600",
  },
  LARDER_FIRST_TOKEN_FILE: {
    ...path,
    defaultDoc: 'the token is printed',
    doc: "new file for the API token of the first start, mode 0600, in a folder where Larder's account may write. If the file exists at the first start, Larder does not start. Later starts ignore the setting",
  },
  LARDER_PUBLIC_URL: {
    ...origin,
    defaultDoc: 'the address it listens on',
    doc: 'the address that clients get: scheme, host, port. Without this setting, the first start stores the address it listens on in the database. A later start replaces the stored address with its own only if a server of the same host and data folder stored it, and no server answers there any more',
  },
  LARDER_TLS_CERT: {
    ...path,
    defaultDoc: 'no TLS',
    doc: 'PEM file of the certificate with its chain. Requires `LARDER_TLS_KEY`',
    requires: ['LARDER_TLS_KEY'],
  },
  LARDER_TLS_KEY: {
    ...path,
    defaultDoc: 'no TLS',
    doc: "PEM file of the certificate's key. Requires `LARDER_TLS_CERT`",
    requires: ['LARDER_TLS_CERT'],
  },
  LARDER_TRUSTED_PROXIES: {
    ...networks,
    defaultDoc: 'none',
    doc: 'addresses and networks of proxies in front of Larder. Their `X-Forwarded-For`, `-Proto` and `-Host` are trusted, and the number of their connections is [not limited](#shares-of-one-client)',
  },
  LARDER_CORS_ORIGINS: {
    ...origins,
    defaultDoc: 'none',
    doc: 'origins whose pages may call the API from a browser',
  },
  LARDER_METRICS_PORT: {
    ...wholeNumber(1, PORT_MAX),
    defaultDoc: 'off',
    doc: 'port on which Prometheus reads `/metrics`',
  },
  LARDER_METRICS_HOST: {
    ...host,
    default: '127.0.0.1',
    doc: 'address to listen on for metrics. They need no token, so choose an address that only Prometheus reaches',
  },
  LARDER_EGRESS_ALLOW: {
    ...hosts,
    defaultDoc: 'none',
    doc: 'private networks, addresses and names that Larder may send requests to, such as those of registries',
  },
  LARDER_WORKER_CONCURRENCY: {
    ...wholeNumber(1, WORKER_CONCURRENCY_MAX),
    default: String(Math.max(2, availableParallelism())),
    defaultDoc: 'number of cores, at least 2',
    doc: 'jobs that a worker runs at the same time. Jobs that wait for servers outside (registries, mail, chats) have 8 slots beside these, of which one organization has at most 4',
  },
  LARDER_HELM: {
    ...path,
    defaultDoc: '`helm` on PATH',
    doc: 'the program helm, version 3 or 4, with which a worker [lints and renders charts](#verification-of-charts)',
  },
  LARDER_SMTP_URL: {
    ...smtpUrl,
    defaultDoc: 'no mail',
    doc: 'the mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://host`. Requires `LARDER_SMTP_FROM`',
    requires: ['LARDER_SMTP_FROM'],
  },
  LARDER_SMTP_FROM: {
    ...mailAddress,
    defaultDoc: 'none',
    doc: 'the sender of mail: `Larder <larder@example.org>`',
  },
  LARDER_SLACK_URL: {
    ...origin,
    default: 'https://slack.com',
    doc: "the address of Slack's API",
  },
  LARDER_GOOGLE_CHAT_URL: {
    ...origin,
    default: 'https://chat.googleapis.com',
    doc: "the address of Google Chat's API",
  },
  LARDER_FAILED_LOGINS_PER_ADDRESS: {
    ...wholeNumber(1, FAILED_LOGINS_MAX),
    default: '20',
    doc: 'wrong tokens a minute from one address (IPv6: one /64). Above this limit, the address gets 429, and its tokens are not checked, [except tokens that were accepted before](#failed-log-ins)',
  },
  LARDER_FAILED_LOGINS_PER_ACCOUNT: {
    ...wholeNumber(1, FAILED_LOGINS_MAX),
    default: '100',
    doc: 'wrong tokens a minute with the same first 16 characters, from all addresses together; or wrong passwords for one account. Above this limit, further wrong tokens with these characters get 429. [Passwords](#passwords) are not checked',
  },
  LARDER_PASSWORDS: {
    ...onOrOff,
    default: 'on',
    doc: '`off`: nobody logs in with a password of the installation, and nobody can set one',
  },
  LARDER_AUDIT_DAYS: {
    ...wholeNumber(1, AUDIT_DAYS_MAX),
    // With this default, all events of a year can still be read a month after its end.
    default: '400',
    doc: 'how many days an audit event is kept',
  },
  LARDER_LOG_LEVEL: {
    ...oneOf(LOG_LEVELS),
    default: 'info',
    doc: `${LOG_LEVELS.map((level) => `\`${level}\``).join(', ')}. The log is JSON lines on standard output, without secrets`,
  },
  // If both are set, the lower-case variable is used, as in curl. curl ignores HTTP_PROXY in capitals, because CGI programs
  // must not read it. Larder reads it, because it runs no CGI programs.
  HTTPS_PROXY: {
    ...proxyUrl,
    alias: 'https_proxy',
    defaultDoc: 'none',
    doc: 'proxy for requests to `https://` addresses',
  },
  HTTP_PROXY: {
    ...proxyUrl,
    alias: 'http_proxy',
    defaultDoc: 'none',
    doc: 'proxy for requests to `http://` addresses',
  },
  NO_PROXY: {
    ...text,
    alias: 'no_proxy',
    defaultDoc: 'none',
    doc: 'names, `.suffixes`, addresses and networks that are reached without the proxy, separated by commas',
  },
} as const satisfies SettingTable;

/**
 * Settings of the command line (cli/program.ts). A server accepts and ignores them, because they may be set in the shell that
 * starts the server.
 */
export const COMMAND_LINE_SETTINGS = ['LARDER_URL', 'LARDER_TOKEN', 'LARDER_CATALOG'] as const;
