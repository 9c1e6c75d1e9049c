// Claims of compliance, which Larder makes for no image.

/**
 * FIPS 140 requires a cryptographic module that was validated, and the STIGs require a hardened and measured configuration. The
 * packages of the distribution, from which Larder builds, have neither. So these values are the same for all operating systems,
 * applications and platforms, and a filter for compliance finds nothing.
 */
export const NOT_CERTIFIED = { fips_compliant: false, stig_compliant: false } as const;
