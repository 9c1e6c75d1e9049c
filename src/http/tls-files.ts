// The server's certificate and key as files: read and checked at start, and followed while it runs, without dropping a connection.
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type Server } from 'node:tls';
import type { FastifyBaseLogger } from 'fastify';

export type TlsFiles = { readonly cert: string; readonly key: string };

/** PEM texts; the certificate's file holds the chain behind it. */
export type TlsPair = { cert: string; key: string };

/** Files are asked for their age this often: certificates are renewed days before they end, and a watch would not see links that are turned. */
const LOOK_EVERY_MS = 10_000;

/** The files cannot be read, or do not belong together. */
export class TlsFilesError extends Error {
  override readonly name = 'TlsFilesError';
  readonly code = 'TLS_FILES';
}

/** Reads both. Throws TlsFilesError, written for the operator, when they cannot be used. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsPair> {
  const pair = { cert: await readPem(files.cert, 'LARDER_TLS_CERT'), key: await readPem(files.key, 'LARDER_TLS_KEY') };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TlsFilesError(`LARDER_TLS_CERT and LARDER_TLS_KEY cannot be used together: ${reason}`, { cause });
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
  /** Reads them now, as when they changed. Never rejects. */ reload(): Promise<void>;
  stop(): void;
};

/**
 * Serves new connections with the files as they are: whenever one changes, and when asked. Files that cannot be used are
 * told to the log, and the last good pair stays.
 */
export function followTlsFiles(
  server: Server,
  files: TlsFiles,
  { log, everyMs = LOOK_EVERY_MS }: { log: FastifyBaseLogger; everyMs?: number },
): FollowedFiles {
  const reload = async () => {
    try {
      server.setSecureContext(await readTlsFiles(files));
      log.info('new TLS files are used');
    } catch (err) {
      log.error({ err }, 'the TLS files cannot be used; the last good ones stay');
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
