// Compliance claims, which no image built here can make.

/**
 * FIPS 140 requires a validated cryptographic module, and the STIGs a hardened, measured configuration. Larder builds from the
 * distribution's packages, which have neither, and certifies nothing. So these values are the same for every operating system,
 * application and platform, and filters for compliance find nothing.
 */
export const NOT_CERTIFIED = { fips_compliant: false, stig_compliant: false } as const;
