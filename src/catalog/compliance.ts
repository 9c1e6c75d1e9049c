// Compliance fields of the API. Larder does not claim compliance for any image.

/**
 * FIPS 140 requires a validated cryptographic module. The STIGs require a hardened and measured configuration. Larder builds
 * from the packages of the distribution, which have neither. So these values are the same for all operating systems,
 * applications and platforms, and a filter for compliant ones returns an empty list.
 */
export const NOT_CERTIFIED = { fips_compliant: false, stig_compliant: false } as const;
