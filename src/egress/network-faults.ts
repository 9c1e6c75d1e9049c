// Converts network errors to sentences. No other file maps the codes and messages of Node to texts for people.
import { getSystemErrorName } from 'node:util';

export type NetworkFault =
  | 'NAME_NOT_FOUND'
  | 'NAME_LOOKUP_FAILED'
  | 'REFUSED'
  | 'UNREACHABLE'
  | 'TIMEOUT'
  | 'CLOSED'
  | 'PROXY_FAILED'
  | 'ADDRESS_NOT_ALLOWED'
  | 'CERTIFICATE_EXPIRED'
  | 'CERTIFICATE_NOT_YET_VALID'
  | 'CERTIFICATE_NAME'
  | 'CERTIFICATE_UNTRUSTED'
  | 'NO_TLS'
  | 'NO_HTTP';

/** The sentence of each fault, without a full stop. `server` is a noun phrase such as `registry.example.com:5000`. */
const SENTENCES: Record<NetworkFault, (server: string) => string> = {
  NAME_NOT_FOUND: (server) => `The name of ${server} is not found in the DNS`,
  NAME_LOOKUP_FAILED: (server) => `The name of ${server} cannot be looked up at the moment: the DNS does not answer`,
  REFUSED: (server) => `${server} refuses connections: nothing listens there`,
  UNREACHABLE: (server) => `There is no route to ${server}`,
  TIMEOUT: (server) => `${server} does not answer in time`,
  CLOSED: (server) => `${server} closed the connection without an answer`,
  PROXY_FAILED: (server) => `The proxy does not connect to ${server}`,
  ADDRESS_NOT_ALLOWED: (server) =>
    `${server} is not an address on the public Internet, and the operator has not allowed it (LARDER_EGRESS_ALLOW)`,
  CERTIFICATE_EXPIRED: (server) => `The certificate of ${server} has expired`,
  CERTIFICATE_NOT_YET_VALID: (server) => `The certificate of ${server} is not valid yet`,
  CERTIFICATE_NAME: (server) => `The certificate of ${server} is for another name`,
  CERTIFICATE_UNTRUSTED: (server) =>
    `The certificate of ${server} is not trusted: it is self-signed, or its authority is not known here`,
  NO_TLS: (server) => `${server} does not speak TLS there`,
  NO_HTTP: (server) => `${server} does not speak HTTP there`,
};

/** The faults by code: codes of the system (errno), of Node ("X509 certificate error codes"), and of `src/egress/`. */
const BY_CODE: Readonly<Record<string, NetworkFault>> = {
  ENOTFOUND: 'NAME_NOT_FOUND',
  EAI_AGAIN: 'NAME_LOOKUP_FAILED',
  ECONNREFUSED: 'REFUSED',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  ETIMEDOUT: 'TIMEOUT',
  TIMEOUT: 'TIMEOUT',
  ECONNRESET: 'CLOSED',
  EPIPE: 'CLOSED',
  PROXY: 'PROXY_FAILED',
  EGRESS_REFUSED: 'ADDRESS_NOT_ALLOWED',
  CERT_HAS_EXPIRED: 'CERTIFICATE_EXPIRED',
  CERT_NOT_YET_VALID: 'CERTIFICATE_NOT_YET_VALID',
  ERR_TLS_CERT_ALTNAME_INVALID: 'CERTIFICATE_NAME',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'CERTIFICATE_UNTRUSTED',
  SELF_SIGNED_CERT_IN_CHAIN: 'CERTIFICATE_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'CERTIFICATE_UNTRUSTED',
  CERT_UNTRUSTED: 'CERTIFICATE_UNTRUSTED',
  EPROTO: 'NO_TLS',
};

/** The faults by the beginning of a code, for reasons of OpenSSL and codes of llhttp. */
const BY_PREFIX: readonly [string, NetworkFault][] = [
  ['ERR_SSL_', 'NO_TLS'],
  ['HPE_', 'NO_HTTP'],
];

/** The faults by message. A library that wraps an error may keep only the message of Node's certificate check. */
const BY_MESSAGE: readonly [RegExp, NetworkFault][] = [
  [/certificate has expired/, 'CERTIFICATE_EXPIRED'],
  [/certificate is not yet valid/, 'CERTIFICATE_NOT_YET_VALID'],
  [/does not match certificate's altnames/, 'CERTIFICATE_NAME'],
  [/self[- ]signed certificate|unable to (?:verify|get)/, 'CERTIFICATE_UNTRUSTED'],
];

/** Returns the fault for a code, or undefined if the code is not about the network. */
export function faultOfCode(code: string): NetworkFault | undefined {
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  return BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1];
}

/** Returns the fault of an error that a library may have wrapped. Uses the error's code, errno or message. */
export function faultOfError(error: unknown): NetworkFault | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errno } = error as NodeJS.ErrnoException;
  const byCode = typeof code === 'string' ? faultOfCode(code) : undefined;
  const byErrno = typeof errno === 'number' && errno < 0 ? faultOfCode(getSystemErrorName(errno)) : undefined;
  return byErrno ?? byCode ?? BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1];
}

/** Returns the sentence of a fault, without a full stop, because the caller appends what to do. */
export function describeFault(fault: NetworkFault, server: string): string {
  return SENTENCES[fault](server);
}
