// The operating systems of base images and offerings. All organizations see the same list.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { OperatingSystemDetailed } from '../contract/operating-system.ts';
import type { OperatingSystemStatus } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { NOT_CERTIFIED } from './compliance.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { allOf, containing, pageWindow, present, toPage, wireTime } from './wire.ts';

type OperatingSystemRow = {
  id: string;
  name: string;
  distro: string;
  version: string;
  status: OperatingSystemStatus;
  replaced_by: string | null;
  created_at: string;
  updated_at: string;
  deprecated_at: string | null;
  replaced_at: string | null;
};

/** Lists all operating systems, by name. Two statements. */
export async function listOperatingSystems(
  db: Database,
  _principal: Principal,
  input: Input<'listOperatingSystems'>,
): Promise<Output<'listOperatingSystems'>> {
  const where = allOf([
    input.statuses && sql`o.status = any(${input.statuses}::text[])`,
    input.name === undefined ? undefined : sql`o.name ilike ${containing(input.name)}`,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from operating_systems o where ${where}`.execute(
    db,
  );
  const rows = await sql<OperatingSystemRow>`
    select ${columns()} from operating_systems o where ${where} order by o.name, o.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toDetailed));
}

/** Returns one operating system. Throws NOT_FOUND. */
export async function getOperatingSystem(
  db: Database,
  _principal: Principal,
  input: Input<'getOperatingSystem'>,
): Promise<Output<'getOperatingSystem'>> {
  requireUuids('operating system', input.operating_system_id);
  const found = await sql<OperatingSystemRow>`
    select ${columns()} from operating_systems o where o.id = ${input.operating_system_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('operating system');
  return toDetailed(row);
}

function columns(): RawBuilder<unknown> {
  return sql`o.id, o.name, o.distro, o.version, o.status, o.replaced_by, ${wireTime('o.created_at')} as created_at,
    ${wireTime('o.updated_at')} as updated_at, ${wireTime('o.deprecated_at')} as deprecated_at,
    ${wireTime('o.replaced_at')} as replaced_at`;
}

function toDetailed(row: OperatingSystemRow): OperatingSystemDetailed {
  return present<OperatingSystemDetailed>({
    ...row,
    // Always false, because each operating system is a whole distribution with a package manager.
    distroless: false,
    ...NOT_CERTIFIED,
  });
}

/** Returns the operating systems for which jobs build. A deprecated operating system is included until it is replaced. */
export async function findOperatingSystems(db: Database): Promise<{ key: string; codename: string }[]> {
  return await db
    .selectFrom('operating_systems')
    .select(['key', 'codename'])
    .where('status', '<>', 'REPLACED')
    .orderBy('key')
    .execute();
}
