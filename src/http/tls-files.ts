// The server's TLS certificate and key. They are read and checked at start, and loaded again when the files change, without
// closing connections.
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type Server } from 'node:tls';
import type { FastifyBaseLogger } from 'fastify';

export type TlsFiles = { readonly cert: string; readonly key: string };

/** A certificate with its chain (`cert`) and its key, in PEM. */
export type TlsPair = { cert: string; key: string };

/**
 * How often the files are checked for changes. Certificates are renewed days before they expire, so ten seconds are fast
 * enough. A file watch would miss replaced symbolic links.
 */
const LOOK_EVERY_MS = 10_000;

/** The files cannot be read, or the key does not belong to the certificate. */
export class TlsFilesError extends Error {
  override readonly name = 'TlsFilesError';
  readonly code = 'TLS_FILES';
}

/** Reads both files. Throws TlsFilesError, with a message for the operator, if they cannot be used. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsPair> {
  const pair = { cert: await readPem(files.cert, 'LARDER_TLS_CERT'), key: await readPem(files.key, 'LARDER_TLS_KEY') };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TlsFilesError(
      `The certificate in LARDER_TLS_CERT and the key in LARDER_TLS_KEY are not a valid pair: ${reason}`,
      { cause },
    );
  }
  return pair;
}

async function readPem(path: string, setting: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TlsFilesError(`${setting} names ${path}, which cannot be read (${code})`, { cause });
  }
}

export type FollowedFiles = {
  /** Reads the files now, as if they had changed. Never rejects. */ reload(): Promise<void>;
  stop(): void;
};

/**
 * Serves new connections with the current files. Loads the files again when one changes, and on request. If new files cannot
 * be used, logs the reason and keeps the previous pair.
 */
export function followTlsFiles(
  server: Server,
  files: TlsFiles,
  { log, everyMs = LOOK_EVERY_MS }: { log: FastifyBaseLogger; everyMs?: number },
): FollowedFiles {
  const reload = async () => {
    try {
      server.setSecureContext(await readTlsFiles(files));
      log.info('new TLS files loaded');
    } catch (err) {
      log.error({ err }, 'the new TLS files are unusable; the previous ones stay in use');
    }
  };
  const changed = () => void reload();
  for (const path of [files.cert, files.key]) watchFile(path, { interval: everyMs, persistent: false }, changed);
  return {
    reload,
    stop() {
      for (const path of [files.cert, files.key]) unwatchFile(path, changed);
    },
  };
}
