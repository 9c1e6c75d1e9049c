// Reads the counters of sockets from files that the test writes, and from the files of a process that has ended.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { countTcpSockets } from './tcp-sockets.ts';

test('adds the sockets of IPv4 and, if the kernel has it, of IPv6', () => {
  const network = mkdtempSync(join(tmpdir(), 'larder-sockets-'));
  onTestFinished(() => rmSync(network, { recursive: true }));
  writeFileSync(
    join(network, 'sockstat'),
    'sockets: used 93\nTCP: inuse 2 orphan 0 tw 0 alloc 81 mem 3\nUDP: inuse 7\n',
  );
  expect(countTcpSockets(network)).toBe(2);
  writeFileSync(join(network, 'sockstat6'), 'TCP6: inuse 3\nUDP6: inuse 9\n');
  expect(countTcpSockets(network)).toBe(5);
});

test('returns 0 for an ended process', () => {
  expect(countTcpSockets('/proc/4194305/net')).toBe(0);
});
