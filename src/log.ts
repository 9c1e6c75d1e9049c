// Writes the log as JSON lines. Rules remove secrets from every part of a line.
import { type DestinationStream, type LevelWithSilent, type Logger, pino, stdSerializers } from 'pino';

export type { Logger } from 'pino';

const HIDDEN = '[hidden]';

/** Words that mark a value as secret. A name is one of these words or ends with one of them (`access_secret`, `apiToken`). */
const SECRET_WORDS =
  'authorization|cookie|set-cookie|password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|private[_-]?jwk|key[_-]material|credentials?|assertion|signature|sig|verifier';

/** Names of fields with secret values, at any depth of a line. */
const SECRET_FIELD = new RegExp(`(^|[_-])(${SECRET_WORDS})$`, 'i');
const CAMEL_SECRET_FIELD = /[a-z](Authorization|Cookie|Password|Passphrase|Secret|Token|ApiKey|PrivateKey|Signature)$/;

/** A name in a text that ends in a secret word. `code` and `key` are secret only as parameters of an address. */
const NAMED = `(?:[\\w-]{0,64}[_-])?(?:${SECRET_WORDS})`;

/** The beginning of a word. In a finished line, a word may directly follow an escaped control character such as `\n`. */
const BEGIN = '(?:(?<=\\\\[bfnrt])|\\b)';

/**
 * Patterns of secrets in a text, with their replacements. They are applied to finished lines, in which quotes inside texts
 * are escaped.
 */
const SECRET_TEXTS: readonly [RegExp, string][] = [
  // HTTP headers in a text, to the end of their line.
  [
    new RegExp(`${BEGIN}((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\\s*:\\s*)[^"\\\\]+`, 'gi'),
    `$1$2${HIDDEN}`,
  ],
  [new RegExp(`${BEGIN}(bearer|basic)\\s+[\\w.~+/=-]{8,}`, 'gi'), `$1 ${HIDDEN}`],
  // Larder's API tokens and registry passwords (src/identity/api-tokens.ts, registry-passwords.ts).
  [new RegExp(`${BEGIN}(larder[a-z]*_)[\\w-]{20,}`, 'g'), `$1${HIDDEN}`],
  // JSON web tokens, which have three parts. The first part is a JSON object in base64url.
  [new RegExp(`${BEGIN}eyJ[\\w-]{6,}\\.[\\w-]+\\.[\\w-]*`, 'g'), HIDDEN],
  // Tokens of chat services. Webhooks and bots use them.
  [new RegExp(`${BEGIN}xox[a-z]-[\\w-]+`, 'g'), HIDDEN],
  // Private keys in PEM. In a finished line, their line ends are escaped.
  [/-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^"]*?(-----END [A-Z ]{0,32}PRIVATE KEY-----|(?="))/g, HIDDEN],
  // Credentials in a URL (RFC 3986, section 3.2.1).
  [/([a-z][a-z0-9+.-]{0,31}:\/\/)[^/\s@"'\\]+@/gi, `$1${HIDDEN}@`],
  // Parameters of an address, such as tokens, signatures, keys of webhooks, and codes of a log-in.
  [new RegExp(`([?&](?:${NAMED}|key|code)=)[^&\\s"'#\\\\]+`, 'gi'), `$1${HIDDEN}`],
  // Secrets in forms and messages, after a name and `=`.
  [new RegExp(`(^|\\\\[bfnrt]|[\\s"'(,;{])(${NAMED}=)[^&\\s"'#\\\\,;)}]+`, 'gi'), `$1$2${HIDDEN}`],
  // Secret fields of JSON inside a text.
  [new RegExp(`(\\\\"${NAMED}\\\\"\\s*:\\s*\\\\")(?:[^\\\\"]|\\\\\\\\(?:\\\\["\\\\]|[^\\\\"]))*`, 'gi'), `$1${HIDDEN}`],
];

/** How deep values are logged. Deeper values are cut off, so that lines stay readable and cycles end. */
const DEPTH_MAX = 8;

export type LogOptions = {
  level: LevelWithSilent;
  /** The name of the process, which is in every line: server or worker. */
  name?: string;
  /** The default is standard output. */
  destination?: DestinationStream;
};

/** Opens a log. Every line has the fields time (RFC 3339), level, name and msg. */
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
    // Leaves errors unchanged in Pino, so that `hideFields` converts all errors, and not only errors in the field `err`.
    serializers: { err: (value: unknown) => value },
    // The rules for texts are applied once, to the finished line. It contains the message and all fields.
    hooks: { streamWrite: hideInText },
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}

function hideFields(fields: Record<string, unknown>): Record<string, unknown> {
  return hideSecrets(fields, 0) as Record<string, unknown>;
}

/**
 * Returns a plain copy in which fields with a secret name are hidden. Secrets in texts are removed later, from the finished
 * line.
 */
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

/** Removes the secrets from a text. If the text is JSON, the result is JSON too. */
export function hideInText(text: string): string {
  return SECRET_TEXTS.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), text);
}

/** Returns an error in Pino's own format. The message and the stack include the causes. */
function plainError(error: Error): Record<string, unknown> {
  const { raw: _raw, ...plain } = stdSerializers.err(error) as unknown as Record<string, unknown>;
  return plain;
}
