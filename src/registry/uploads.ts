// The rows of upload sessions. The bytes of uploads are in the content store.
import type { Database } from '../db/database.ts';
import { Rejection } from './rejection.ts';
import { OWN, type RepositoryRef, writeInto } from './repositories.ts';
import { type Ask, askDatabase, statement } from './statements.ts';

/** A session expires a day after its last request. Clients that resume an upload do this within minutes. */
const UPLOAD_LIFE_SECONDS = 24 * 60 * 60;

const START = statement<{ id: string }>(
  'start_upload',
  `insert into repository_uploads (repository_id) select id from (${OWN}) r returning id`,
);

/** An upload session. `is_closed` means that clients may push only referrers to its repository. */
export type UploadRow = { id: string; is_closed: boolean };

const FIND = statement<UploadRow>(
  'find_upload',
  `select u.id, r.is_closed from (${OWN}) r join repository_uploads u on u.repository_id = r.id
   where u.id = $3 and u.updated_at > now() - make_interval(secs => $4)`,
);

const TOUCH = statement<UploadRow>(
  'touch_upload',
  `update repository_uploads u set updated_at = now() from (${OWN}) r
   where u.repository_id = r.id and u.id = $3 and u.updated_at > now() - make_interval(secs => $4) returning u.id, r.is_closed`,
);

const END = statement('end_upload', 'delete from repository_uploads where id = $1');

const EXPIRE = statement<{ id: string }>(
  'expire_uploads',
  'delete from repository_uploads where updated_at <= now() - make_interval(secs => $1) returning id',
);

/** Starts a session in a repository and returns the id of the session. Creates the repository if it does not exist. */
export async function startUpload(ask: Ask, repository: RepositoryRef): Promise<string> {
  const { id } = await writeInto(ask, repository, () => ask(START, [repository.name, repository.organization_id]));
  return id;
}

/**
 * Returns an active session of this repository. With `touch`, renews the session's expiry time. Throws BLOB_UPLOAD_UNKNOWN.
 */
export async function getUpload(
  ask: Ask,
  repository: RepositoryRef,
  session: { id: string; touch: boolean },
): Promise<UploadRow> {
  const values = [repository.name, repository.organization_id, session.id, UPLOAD_LIFE_SECONDS];
  const [row] = await ask(session.touch ? TOUCH : FIND, values);
  if (row === undefined) {
    throw new Rejection('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }
  return row;
}

/** Deletes an upload session. */
export async function endUpload(ask: Ask, id: string): Promise<void> {
  await ask(END, [id]);
}

/** Deletes expired sessions and returns their number. `uploads.expire` of the content store deletes their bytes. */
export async function expireUploads(db: Database): Promise<number> {
  return (await askDatabase(db)(EXPIRE, [UPLOAD_LIFE_SECONDS])).length;
}
