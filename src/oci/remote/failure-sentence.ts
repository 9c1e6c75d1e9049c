// Messages for faults of a registry. Each message says what to do.
import { describeFault, faultOfCode, type NetworkFault } from '../../egress/network-faults.ts';
import type { RegistryError } from '../errors.ts';

/** What to do after each network fault. */
const REMEDIES: Record<NetworkFault, string> = {
  NAME_NOT_FOUND: 'Check the registry’s address.',
  NAME_LOOKUP_FAILED: 'Check the network of the service.',
  REFUSED: 'Check the address and its port, and that the registry runs.',
  UNREACHABLE: 'Check the network and its firewalls.',
  TIMEOUT: 'Check the address, and the firewalls on the way.',
  CLOSED: 'Check that the registry runs, and its proxies.',
  PROXY_FAILED: 'Check the proxy settings of the service.',
  ADDRESS_NOT_ALLOWED: 'Use a public address, or ask the operator to allow this one.',
  CERTIFICATE_EXPIRED: 'Renew it.',
  CERTIFICATE_NOT_YET_VALID: 'Check the clocks of both machines.',
  CERTIFICATE_NAME: 'Use that name in the registry’s address, or a certificate with this one.',
  CERTIFICATE_UNTRUSTED:
    'Use a certificate of a known authority, or ask the operator to add the authority (NODE_EXTRA_CA_CERTS).',
  NO_TLS: 'Begin the address with http:// if the registry has no TLS, or check the port.',
  NO_HTTP: 'Check the address and its port.',
};

/**
 * Explains a registry's error to a person. `host` is the host of the registry. Returns the registry's own message if the
 * error is unknown.
 */
export function explainFailure(error: RegistryError, host: string): string {
  const fault = faultOfCode(error.code);
  if (fault !== undefined) return `${describeFault(fault, host)}. ${REMEDIES[fault]}`;
  if (error.code === 'NOT_A_REGISTRY') {
    return `${host} answers, but it is not a container registry (there is no distribution API under /v2/). Check the address and its port.`;
  }
  if (error.status === 429)
    return `${host} got too many requests and rejects more for now (429). Larder checks it again later.`;
  if (error.status !== undefined && error.status >= 500) {
    return `${host} has an internal error (${error.status}). Ask the administrator of the registry.`;
  }
  return error.message;
}

/** Whether the registry rejected the credentials, because they are missing, wrong, or not allowed to do this. */
export function isDenied(error: RegistryError): boolean {
  return error.status === 401 || error.status === 403 || error.code === 'UNAUTHORIZED' || error.code === 'DENIED';
}

/** Returns a sentence which says that `host` rejects all requests with these credentials. */
export function explainRejection(host: string, credentials: 'given' | 'missing'): string {
  if (credentials === 'missing') return `${host} asks for credentials, and none are given. Send credentials.`;
  return `${host} rejects the credentials (401): the user name or the secret is wrong, or they have expired. Send new ones.`;
}
