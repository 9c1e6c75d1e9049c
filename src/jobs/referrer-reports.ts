// Attaches the SBOM of an image as a referrer, so that clients find it in the registry without asking Larder.
import type { ContentStore } from '../content/content.ts';
import { findReport } from '../contract/report-kinds.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import { contentTarget } from '../oci/content-target.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { attachReferrers, putReferrer } from '../oci/referrers.ts';
import type { Target } from '../oci/target.ts';

/** `subject`: the manifest or index that the tag names. */
type Attaching = { subject: Descriptor; files: MetadataFile[] };

/** Attaches the reports to the subject. The same artifact has the same referrers, so a second run changes nothing. */
export async function attachReports(
  content: ContentStore,
  target: Target,
  { subject, files }: Attaching,
): Promise<void> {
  const reports = files.flatMap((file) => {
    const report = findReport(file.mime_type);
    return report?.is_attached ? [{ ...file, mediaType: report.media_type }] : [];
  });
  const referrers = await Promise.all(
    reports.map(({ mediaType, digest, size, filename }) =>
      putReferrer(content, {
        artifactType: mediaType,
        subject,
        layers: [{ mediaType, digest, size, annotations: { 'org.opencontainers.image.title': filename } }],
      }),
    ),
  );
  await attachReferrers(contentTarget(content), target, { subject, referrers });
}
