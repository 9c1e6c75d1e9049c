// Compliance fields of the API. Larder does not claim compliance for any image.

/**
 * FIPS 140 requires a validated cryptographic module. The STIGs require a hardened and measured configuration. Larder builds
 * from the packages of the distribution, which meet neither requirement. So these values are the same for all operating
 * systems, applications and platforms. A filter for compliance returns an empty list.
 */
export const NOT_CERTIFIED = { fips_compliant: false, stig_compliant: false } as const;
