// The errors of an apt tool, from what it prints.
import { expect, test } from 'vitest';
import { runApt } from './apt-command.ts';

test.each(['failed', 'timed out', 'refused'])('a connection that %s is temporary', async (how) => {
  const fails = runApt('sh', ['-c', `echo 'E: SOCKS proxy: Connection ${how}' >&2; exit 100`]);
  await expect(fails).rejects.toMatchObject({ code: 'UNREACHABLE', temporary: true });
});
