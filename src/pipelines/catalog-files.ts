// Records the files that a catalog serves.
import type { MetadataFile } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';

/** Records that a catalog serves these files. Files that are already recorded stay unchanged. */
export async function allowFiles(tx: Transaction, catalogId: string, files: readonly MetadataFile[]): Promise<void> {
  if (files.length === 0) return;
  await tx
    .insertInto('catalog_files')
    .values(
      files.map((file) => ({
        catalog_id: catalogId,
        digest: file.digest,
        filename: file.filename,
        mime_type: file.mime_type,
        size_bytes: file.size,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
