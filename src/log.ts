// What happens, as JSON lines; secrets are taken out by rule, wherever in a line they stand.
import { type DestinationStream, type LevelWithSilent, type Logger, pino, stdSerializers } from 'pino';

export type { Logger } from 'pino';

const HIDDEN = '[hidden]';

/** Fields that hold a secret by their name, at any depth that our lines have. */
const SECRET_FIELD =
  /^(authorization|proxy-authorization|cookie|set-cookie|password|passwd|secret|access_secret|api_token|refresh_token|access_token|token|private_key|key_material)$/i;

/** Secrets by their look, wherever in a text they stand. */
const SECRET_TEXTS: readonly [RegExp, string][] = [
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  // API tokens of ours (src/identity/api-tokens.ts).
  [/\blarder_[\w-]{20,}/g, `larder_${HIDDEN}`],
  // JSON web tokens: three parts, the first of them a JSON object in base64url.
  [/\beyJ[\w-]{6,}\.[\w-]+\.[\w-]*/g, HIDDEN],
  // Credentials in a URL (RFC 3986, section 3.2.1).
  [/([a-z][a-z0-9+.-]*:\/\/)[^/\s@"'\\]+@/gi, `$1${HIDDEN}@`],
  // Secrets in a query: tokens and signatures.
  [/([?&](?:refresh_token|api_token|access_token|token|signature|password)=)[^&\s"'#\\]+/gi, `$1${HIDDEN}`],
];

/** Deeper values are cut off: a line is for reading, and a cycle must end. */
const DEPTH_MAX = 8;

export type LogOptions = {
  level: LevelWithSilent;
  /** Named in every line: server, worker. */
  name?: string;
  /** Standard output when not given. */
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
    // Errors are turned into plain values by the rule, so that it sees all of them.
    serializers: { err: (value: unknown) => value },
    // Messages, their parts and everything else that is text: the finished line is looked through once.
    hooks: { streamWrite: hideInText },
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}

function hideFields(fields: Record<string, unknown>): Record<string, unknown> {
  return hideSecrets(fields, 0) as Record<string, unknown>;
}

/** A plain copy in which fields named for a secret are hidden; their texts are left for the line as a whole. */
function hideSecrets(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => hideSecrets(item, depth + 1));
  const plain = value instanceof Error ? plainError(value) : value;
  return Object.fromEntries(
    Object.entries(plain).map(([name, field]) => [
      name,
      SECRET_FIELD.test(name) && field !== undefined && field !== null ? HIDDEN : hideSecrets(field, depth + 1),
    ]),
  );
}

/** Takes the secrets out of a text; JSON stays JSON. */
function hideInText(text: string): string {
  return SECRET_TEXTS.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), text);
}

/** Pino's own error shape, which carries its causes in message and stack. */
function plainError(error: Error): Record<string, unknown> {
  const { raw: _raw, ...plain } = stdSerializers.err(error) as unknown as Record<string, unknown>;
  return plain;
}
