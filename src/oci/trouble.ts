// What is wrong with a registry, in words that tell a person what to do.
import type { RegistryError } from './errors.ts';

/** The certificate's authority is none that this machine trusts. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
]);

/** Causes by code; `host` is as the registry's address names it. */
const BY_CODE: Record<string, (host: string) => string> = {
  ENOTFOUND: (host) => `The name of ${host} is not found in the DNS. Check the registry’s address.`,
  EAI_AGAIN: (host) =>
    `The name of ${host} cannot be looked up at the moment: the DNS does not answer. Check the network of the service.`,
  ECONNREFUSED: (host) =>
    `${host} refuses connections: nothing listens there. Check the address and its port, and that the registry runs.`,
  EHOSTUNREACH: (host) => `There is no way to ${host} from here. Check the network and its firewalls.`,
  ENETUNREACH: (host) => `There is no way to ${host} from here. Check the network and its firewalls.`,
  ETIMEDOUT: silent,
  TIMEOUT: silent,
  ECONNRESET: (host) =>
    `${host} closed the connection without an answer. Check that the registry runs, and its proxies.`,
  PROXY: (host) => `The proxy of the service does not lead to ${host}. The operator’s settings of the proxy tell why.`,
  CERT_HAS_EXPIRED: (host) => `The certificate of ${host} has expired. Renew it.`,
  CERT_NOT_YET_VALID: (host) => `The certificate of ${host} is not valid yet. Check the clocks of both machines.`,
  ERR_TLS_CERT_ALTNAME_INVALID: (host) =>
    `The certificate of ${host} is made out to another name. Use that name in the registry’s address, or a certificate with this one.`,
  EPROTO: noTls,
  EGRESS_REFUSED: (host) =>
    `${host} is not an address on the public Internet, and the operator has not allowed it (LARDER_EGRESS_ALLOW).`,
  NOT_A_REGISTRY: (host) =>
    `${host} answers, but it is no container registry (there is no distribution API under /v2/). Check the address and its port.`,
};

function silent(host: string): string {
  return `${host} does not answer in time. Check the address, and the firewalls on the way.`;
}

function noTls(host: string): string {
  return `${host} does not speak TLS there. Begin the address with http:// if that is meant, or check the port.`;
}

/** The cause for a person; `host` is the registry's. What is known says what to do, everything else is told in the registry's own words. */
export function explainTrouble(error: RegistryError, host: string): string {
  const known = BY_CODE[error.code];
  if (known !== undefined) return known(host);
  if (UNTRUSTED.has(error.code)) {
    return `The certificate of ${host} is signed by an authority that the service does not know. Use one of a known authority, or let the operator add it (NODE_EXTRA_CA_CERTS).`;
  }
  if (error.code.startsWith('ERR_SSL_')) return noTls(host);
  if (error.code.startsWith('HPE_')) return `${host} does not speak HTTP there. Check the address and its port.`;
  if (error.status === 429) return `${host} asks to come back later: too many requests (429). It is looked at again.`;
  if (error.status !== undefined && error.status >= 500) {
    return `${host} has a fault of its own (${error.status}). Ask whoever runs the registry.`;
  }
  return error.message;
}

/** True for a refusal of who asks: no, wrong, or too weak credentials. */
export function isDenied(error: RegistryError): boolean {
  return error.status === 401 || error.status === 403 || error.code === 'UNAUTHORIZED' || error.code === 'DENIED';
}

/** What a refusal of who asks says to a person, when everything at `host` is refused to these credentials. */
export function explainRefusal(host: string, credentials: 'given' | 'missing'): string {
  if (credentials === 'missing') return `${host} asks for credentials, and none are given. Send some.`;
  return `${host} refuses the credentials (401): the user name or the secret is wrong, or they have ended. Send new ones.`;
}
