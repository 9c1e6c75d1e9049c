// Makes the manifests that attach reports to an artifact. With them, clients find the SBOM of the artifact in the registry
// without a request to Larder.
import type { ContentStore } from '../content/content.ts';
import { findReport } from '../contract/report-kinds.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { putReferrer } from '../oci/referrers.ts';

/** `subject` is the manifest or index to which the tag points. */
type Attaching = { subject: Descriptor; files: MetadataFile[] };

/** Stores, for each report, a manifest that refers to the subject. The same artifact always gets the same manifests. */
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
