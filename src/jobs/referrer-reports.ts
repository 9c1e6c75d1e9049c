// Makes the manifests that attach reports to an artifact, so that clients find its SBOM in the registry without asking Larder.
import type { ContentStore } from '../content/content.ts';
import { findReport } from '../contract/report-kinds.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { putReferrer } from '../oci/referrers.ts';

/** `subject`: the manifest or index that the tag names. */
type Attaching = { subject: Descriptor; files: MetadataFile[] };

/**
 * Stores, for each report, a manifest that refers to the subject. A repetition for the same artifact gives the same manifests.
 */
export async function putReports(content: ContentStore, { subject, files }: Attaching): Promise<Descriptor[]> {
  const reports = files.flatMap((file) => {
    const report = findReport(file.mime_type);
    return report?.is_attached ? [{ ...file, mediaType: report.media_type }] : [];
  });
  return await Promise.all(
    reports.map(({ mediaType, digest, size, filename }) =>
      putReferrer(content, {
        artifactType: mediaType,
        subject,
        layers: [{ mediaType, digest, size, annotations: { 'org.opencontainers.image.title': filename } }],
      }),
    ),
  );
}
