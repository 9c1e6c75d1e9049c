// Reports that travel with an image: its SBOM as a referrer, so that whoever pulls it finds what is in it without asking Larder.
import type { ContentStore } from '../content/content.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import { contentTarget } from '../oci/content-target.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { attachReferrers, putReferrer } from '../oci/referrers.ts';
import type { Target } from '../oci/target.ts';

/** Which of our files are pushed, and the media type that others know them by (SPDX: IANA's registration). */
const ATTACHED: Partial<Record<string, string>> = { spdx_sbom: 'application/spdx+json' };

/** `subject` is what the tag names. */
type Attaching = { subject: Descriptor; files: MetadataFile[] };

/** Attaches the reports to what the tag names. The same artifact gives the same referrers, so a second run changes nothing. */
export async function attachReports(
  content: ContentStore,
  target: Target,
  { subject, files }: Attaching,
): Promise<void> {
  const reports = files.flatMap((file) => {
    const mediaType = ATTACHED[file.mime_type];
    return mediaType === undefined ? [] : [{ ...file, mediaType }];
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
