// Errors of apt tools are recognized by the output of the tool.
import { expect, test } from 'vitest';
import { runApt } from './apt-command.ts';

test.each(['failed', 'timed out', 'refused'])('«Connection %s» is a temporary error', async (how) => {
  const fails = runApt('sh', ['-c', `echo 'E: SOCKS proxy: Connection ${how}' >&2; exit 100`]);
  await expect(fails).rejects.toMatchObject({ code: 'UNREACHABLE', temporary: true });
});
