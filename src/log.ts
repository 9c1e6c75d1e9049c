// Logs as JSON lines; rules remove secrets anywhere in a line.
import { type DestinationStream, type LevelWithSilent, type Logger, pino, stdSerializers } from 'pino';

export type { Logger } from 'pino';

const HIDDEN = '[hidden]';

/** Words that mark a value as secret: as a whole name, or as the end of a longer one (`access_secret`, `apiToken`). */
const SECRET_WORDS =
  'authorization|cookie|set-cookie|password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|private[_-]?jwk|key[_-]material|credentials?|assertion|signature|sig|verifier';

/** Names of fields whose values are secret, at any depth of a line. */
const SECRET_FIELD = new RegExp(`(^|[_-])(${SECRET_WORDS})$`, 'i');
const CAMEL_SECRET_FIELD = /[a-z](Authorization|Cookie|Password|Passphrase|Secret|Token|ApiKey|PrivateKey|Signature)$/;

/**
 * A name that ends in a secret word, as texts show it. `code` and `key` are secret only as parameters of an address.
 */
const NAMED = `(?:[\\w-]{0,64}[_-])?(?:${SECRET_WORDS})`;

/** The start of a word. In a finished line, a word may directly follow an escaped control character such as `\n`. */
const BEGIN = '(?:(?<=\\\\[bfnrt])|\\b)';

/**
 * Patterns of secrets anywhere in a text, with replacements. They are applied to finished lines, in which quotes
 * within texts are escaped.
 */
const SECRET_TEXTS: readonly [RegExp, string][] = [
  // Headers as texts show them, to the end of their line.
  [
    new RegExp(`${BEGIN}((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\\s*:\\s*)[^"\\\\]+`, 'gi'),
    `$1$2${HIDDEN}`,
  ],
  [new RegExp(`${BEGIN}(bearer|basic)\\s+[\\w.~+/=-]{8,}`, 'gi'), `$1 ${HIDDEN}`],
  // Larder's API tokens and registry passwords (src/identity/api-tokens.ts, registry-passwords.ts).
  [new RegExp(`${BEGIN}(larder[a-z]*_)[\\w-]{20,}`, 'g'), `$1${HIDDEN}`],
  // JSON web tokens: three parts, the first of them a JSON object in base64url.
  [new RegExp(`${BEGIN}eyJ[\\w-]{6,}\\.[\\w-]+\\.[\\w-]*`, 'g'), HIDDEN],
  // Tokens of chat services, used by webhooks and bots.
  [new RegExp(`${BEGIN}xox[a-z]-[\\w-]+`, 'g'), HIDDEN],
  // Private keys in PEM. In a finished line, their line ends are escaped.
  [/-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^"]*?(-----END [A-Z ]{0,32}PRIVATE KEY-----|(?="))/g, HIDDEN],
  // Credentials in a URL (RFC 3986, section 3.2.1).
  [/([a-z][a-z0-9+.-]{0,31}:\/\/)[^/\s@"'\\]+@/gi, `$1${HIDDEN}@`],
  // Parameters of an address: tokens, signatures, keys of webhooks, codes of a log-in.
  [new RegExp(`([?&](?:${NAMED}|key|code)=)[^&\\s"'#\\\\]+`, 'gi'), `$1${HIDDEN}`],
  // Secrets after a name and `=` in forms and messages.
  [new RegExp(`(^|\\\\[bfnrt]|[\\s"'(,;{])(${NAMED}=)[^&\\s"'#\\\\,;)}]+`, 'gi'), `$1$2${HIDDEN}`],
  // Secret fields of JSON within a text.
  [new RegExp(`(\\\\"${NAMED}\\\\"\\s*:\\s*\\\\")(?:[^\\\\"]|\\\\\\\\(?:\\\\["\\\\]|[^\\\\"]))*`, 'gi'), `$1${HIDDEN}`],
];

/** Deeper values are cut off, to keep lines readable and to end cycles. */
const DEPTH_MAX = 8;

export type LogOptions = {
  level: LevelWithSilent;
  /** The name in every line: server, worker. */
  name?: string;
  /** Default: standard output. */
  destination?: DestinationStream;
};

/** Opens a log. Every line has time (RFC 3339), level, name and msg. */
export function openLog(options: LogOptions): Logger {
  const settings = {
    level: options.level,
    ...(options.name !== undefined && { name: options.name }),
    base: { pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: hideFields,
      bindings: hideFields,
    },
    // Pino leaves errors unchanged, so that `hideFields` converts all errors and not only those in the field `err`.
    serializers: { err: (value: unknown) => value },
    // The rules for texts are applied once, to the finished line, which contains the message and all fields.
    hooks: { streamWrite: hideInText },
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}

function hideFields(fields: Record<string, unknown>): Record<string, unknown> {
  return hideSecrets(fields, 0) as Record<string, unknown>;
}

/** Returns a plain copy with hidden fields where the name marks a secret; texts are handled later, in the finished line. */
function hideSecrets(value: unknown, depth: number): unknown {
  if (value instanceof URL) return value.href;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => hideSecrets(item, depth + 1));
  const plain = value instanceof Error ? plainError(value) : value;
  return Object.fromEntries(
    Object.entries(plain).map(([name, field]) => [
      name,
      isSecret(name) && field !== undefined && field !== null ? HIDDEN : hideSecrets(field, depth + 1),
    ]),
  );
}

function isSecret(name: string): boolean {
  return SECRET_FIELD.test(name) || CAMEL_SECRET_FIELD.test(name);
}

/** Removes the secrets from a text; JSON stays JSON. */
export function hideInText(text: string): string {
  return SECRET_TEXTS.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), text);
}

/** Pino's own error format, with the causes in message and stack. */
function plainError(error: Error): Record<string, unknown> {
  const { raw: _raw, ...plain } = stdSerializers.err(error) as unknown as Record<string, unknown>;
  return plain;
}
