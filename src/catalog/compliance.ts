// What no image built here can claim, said in one place.

/**
 * FIPS 140 asks for a validated cryptographic module and the STIGs for a hardened, measured configuration. Larder builds from the
 * distribution's packages, which carry neither, and certifies nothing; so this is the same for every operating system,
 * application and platform, and no filter that asks for one finds any.
 */
export const NOT_CERTIFIED = { fips_compliant: false, stig_compliant: false } as const;
