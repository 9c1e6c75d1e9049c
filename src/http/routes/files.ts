// The handlers of the endpoints for files of a catalog. The answers contain signed URLs.
import { getFile as findFile } from '../../catalog/files.ts';
import { signFilePath } from '../answer/signed-url.ts';
import type { Handler } from '../handler.ts';
import { FILE_URL_LIFETIME_SECONDS } from '../limits.ts';

const getFile: Handler<'getFile'> = async ({ db, caller, identity, origin }, input) => {
  const file = await findFile(db, caller, input);
  // The clock of the server that checks the URL may differ from this clock. A few seconds of 15 minutes do not matter.
  const expiresAt = Math.floor(Date.now() / 1000) + FILE_URL_LIFETIME_SECONDS;
  return { url: origin + signFilePath(identity.fileKey, file, expiresAt) };
};

export const fileHandlers = { getFile };
