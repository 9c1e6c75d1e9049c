// The rows of upload sessions; their bytes are the content store's.
import type { Database } from '../db/database.ts';
import { Refusal } from './refusal.ts';
import { type RepositoryRef, WRITABLE, writeInto } from './repositories.ts';
import { type Ask, askDatabase, statement } from './statements.ts';

/** A session that nothing was sent to for a day is over: clients that resume do so within minutes. */
const UPLOAD_LIFE_SECONDS = 24 * 60 * 60;

const START = statement<{ id: string }>(
  'start_upload',
  `insert into repository_uploads (repository_id) select id from (${WRITABLE}) r returning id`,
);

const FIND = statement<{ id: string }>(
  'find_upload',
  `select u.id from (${WRITABLE}) r join repository_uploads u on u.repository_id = r.id
   where u.id = $3 and u.updated_at > now() - make_interval(secs => $4)`,
);

const TOUCH = statement<{ id: string }>(
  'touch_upload',
  `update repository_uploads u set updated_at = now() from (${WRITABLE}) r
   where u.repository_id = r.id and u.id = $3 and u.updated_at > now() - make_interval(secs => $4) returning u.id`,
);

const END = statement('end_upload', 'delete from repository_uploads where id = $1');

const EXPIRE = statement<{ id: string }>(
  'expire_uploads',
  'delete from repository_uploads where updated_at <= now() - make_interval(secs => $1) returning id',
);

/** Begins a session in a repository, which is made when it is not there. Answers the session's id. */
export async function startUpload(ask: Ask, repository: RepositoryRef): Promise<string> {
  const { id } = await writeInto(ask, repository, () => ask(START, [repository.name, repository.organization_id]));
  return id;
}

/** Throws BLOB_UPLOAD_UNKNOWN unless the session is this repository's and alive. `touch` begins its day anew. */
export async function checkUpload(
  ask: Ask,
  repository: RepositoryRef,
  session: { id: string; touch: boolean },
): Promise<void> {
  const values = [repository.name, repository.organization_id, session.id, UPLOAD_LIFE_SECONDS];
  const [row] = await ask(session.touch ? TOUCH : FIND, values);
  if (row === undefined) {
    throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }
}

/** Forgets a session. */
export async function endUpload(ask: Ask, id: string): Promise<void> {
  await ask(END, [id]);
}

/** Forgets the sessions whose day is over and answers how many; the content store drops their bytes itself (`uploads.expire`). */
export async function expireUploads(db: Database): Promise<number> {
  return (await askDatabase(db)(EXPIRE, [UPLOAD_LIFE_SECONDS])).length;
}
