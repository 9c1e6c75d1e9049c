// Key pairs for TLS servers in tests. Each certificate is its own authority.
import { execFileSync } from 'node:child_process';

/**
 * Writes a key and its certificate in PEM. It is valid for one day. `altNames` is a subjectAltName of openssl, for example
 * `DNS:localhost`.
 */
export function makeSelfSigned(files: { key: string; cert: string }, name: string, altNames?: string): void {
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const names = ['-subj', `/CN=${name}`, ...(altNames === undefined ? [] : ['-addext', `subjectAltName=${altNames}`])];
  const written = ['-keyout', files.key, '-out', files.cert];
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, ...written], { stdio: 'ignore' });
}
